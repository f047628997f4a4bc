"""Runs methods over test sets: one score row per image, resumable, with judges in processes of their own.

settings.py   what is asked for, as checked plain values
testset.py    corpora and blurs become windows, windows become pairs with true landmarks
restoring.py  methods over pairs: batches, time, and what a method may do wrong
judging.py    landmarks and identity of a restored face, in worker processes
rows.py       the contract of the score rows, Parquet files of one shard each
runner.py     all of it, shard by shard; protocol.py says what a caption must say
score.py      the same metrics for two folders of images
"""
