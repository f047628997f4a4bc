"""`hydra/launcher=gpu_pool`: one job per device, each in a process of its own; `hydra/sweeper=checked` before it.

Hydra executes every module here at the start of every command, outside the import system, but for those whose names
begin with an underscore: only the modules of the two plugins do without one.
"""
