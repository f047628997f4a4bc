"""Preparation on a cluster: the videos in shards, one task each, all writing to one cache on a shared disk.

Afterwards the calling process finds everything in the cache and only joins it. Tasks do not wait for one another, so a
shard that is lost or runs out of time costs nothing but itself: the same command again goes on where it ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from facedeblur.data.prepare.job import Preparation, PrepareError, Progress, make_windows
from facedeblur.data.prepare.settings import ClusterSettings
from facedeblur.extras import remedy

POLL = 0.5  # seconds


def run_shards(job: Preparation, jobs: int, progress: Progress) -> None:
    """Prepare the files of `job` in tasks of the cluster that its settings name.

    Args:
        jobs: processes that decode at the same time in every task.
        progress: called as `progress("shards", done, total, name)`.

    Raises:
        PrepareError: a task failed, or the cluster's library is not installed.
    """
    cluster = job.settings.cluster
    shards = split(job, cluster.shards)
    run = _on_ray if cluster.where == "ray" else _by_submitit
    for done, name in enumerate(run(cluster, shards, jobs), start=1):
        progress("shards", done, len(shards), name)


def split(job: Preparation, count: int) -> list[Preparation]:
    """The job's clips dealt out in turn to at most `count` jobs that are done where they run; each file is in one."""
    paths = list(dict.fromkeys(clip.path for clip in job.clips))
    settings = replace(job.settings, cluster=replace(job.settings.cluster, where="here"))
    here = replace(job, cache=job.cache.resolve(), settings=settings)
    shards = []
    for number in range(min(count, len(paths))):
        own = set(paths[number::count])
        shards.append(replace(here, clips=tuple(clip for clip in job.clips if clip.path in own)))
    return shards


def prepare_shard(job: Preparation, jobs: int) -> int:
    """One task of the cluster: fills the cache, and returns how many files give windows."""
    return len(make_windows(job, jobs, lambda stage, done, total, name: None).windows)


def _by_submitit(cluster: ClusterSettings, shards: list[Preparation], jobs: int) -> Iterator[str]:
    """Names of the tasks of a Slurm array, or of local processes in its place, as they end."""
    try:
        import submitit
    except ImportError as error:
        raise PrepareError(f"submitit cannot be imported ({error}): {remedy('slurm')}") from error
    logs = shards[0].cache / "cluster"
    executor = submitit.AutoExecutor(logs, cluster=cluster.where)
    executor.update_parameters(name="facedeblur-prepare", cpus_per_task=jobs, timeout_min=24 * 60)
    executor.update_parameters(**cluster.slurm)
    waiting = executor.map_array(prepare_shard, shards, [jobs] * len(shards))
    try:
        while waiting:
            for task in [task for task in waiting if task.done()]:
                waiting.remove(task)
                if error := task.exception():
                    raise _failed(f"task {task.job_id}", error, f"; its output is in {logs}")
                yield f"task {task.job_id}"
            time.sleep(POLL if waiting else 0)
    finally:
        for task in waiting:
            task.cancel(check=False)


def _failed(name: str, error: Exception, logs: str = "") -> PrepareError:
    """One line out of a trace that came from elsewhere: the exception itself is the last line before any rule."""
    trace = str(error).split("-----\nYou can check")[0].rstrip("- \n")
    cause = (trace.splitlines() or [type(error).__name__])[-1]
    return PrepareError(f"{name} failed: {cause}{logs}; start the same command again to go on")


def _on_ray(cluster: ClusterSettings, shards: list[Preparation], jobs: int) -> Iterator[str]:
    """Names of Ray tasks as they end."""
    try:
        import ray
    except ImportError as error:
        raise PrepareError(f"ray cannot be imported ({error}): docs/prepare.md says how to install it") from error
    started = not ray.is_initialized()
    if started:
        ray.init(address=cluster.address, log_to_driver=False, include_dashboard=False)
    try:
        task = ray.remote(num_cpus=jobs, max_retries=1)(prepare_shard)
        waiting = {task.remote(shard, jobs): f"shard {number}" for number, shard in enumerate(shards)}
        while waiting:
            (ended,), _ = ray.wait(list(waiting), num_returns=1)
            name = waiting.pop(ended)
            try:
                ray.get(ended)
            except ray.exceptions.RayError as error:
                raise _failed(name, error) from error
            yield name
    finally:
        if started:
            ray.shutdown()
