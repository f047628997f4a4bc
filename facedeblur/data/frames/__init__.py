"""Stored frames: a corpus's face regions, decoded once, from which windows of any start and length are averaged.

`tiles` says what is kept of a frame, `runs` which frames, `store` keeps them in memory or on the disk, `pairs` makes a
pair of them on the CPU and `device` a batch of pairs on whatever device the frames lie.
"""
