"""The gpu_pool launcher: devices, decisions and the queue, with tiny children in place of training runs."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from facedeblur.cli import main
from facedeblur.composition import as_plain, compose_config, with_saved
from facedeblur.errors import UsageError
from facedeblur.files import write_json
from facedeblur.status import next_step, read_status
from facedeblur.training.checks import refuse_ddp
from facedeblur.training.settings import run_settings
from facedeblur.training.shared_keys import hourglass_key, plans_mark, stages_data
from hydra_plugins.facedeblur_launcher import _jobs as jobs_module
from hydra_plugins.facedeblur_launcher._devices import (
    Gpu,
    Slot,
    child_environment,
    choose_devices,
    is_listed,
    make_slots,
    parse_listing,
)
from hydra_plugins.facedeblur_launcher._ending import progress
from hydra_plugins.facedeblur_launcher._errors import SweepError
from hydra_plugins.facedeblur_launcher._jobs import Job, child_command, prepare_job, quoted
from hydra_plugins.facedeblur_launcher._pool import Pool
from hydra_plugins.facedeblur_launcher._shared import shared_command
from hydra_plugins.facedeblur_launcher._table import JobTable, overview

LISTING = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa1111-0000)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111-2222)
  MIG 3g.20gb     Device  1: (UUID: MIG-3333-4444)
GPU 1: NVIDIA GeForce RTX 4090 (UUID: GPU-bbbb2222-0000)
"""

# writes when it ran and under which mask, then ends as it is told
CHILD = """
import json, os, sys, time
folder, seconds, status = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
started = time.time()
time.sleep(seconds)
found = {"mask": os.environ["CUDA_VISIBLE_DEVICES"], "started": started, "ended": time.time()}
json.dump(found, open(os.path.join(folder, "child.json"), "w"))
print("the last words", flush=True)
os.kill(os.getpid(), 9) if status == -9 else sys.exit(status)
"""


def devices(gpus, environment=None, listing=LISTING):
    chosen = choose_devices(gpus, environment or {}, lambda: parse_listing(listing))
    return [device.mask for device in chosen]


def fake_jobs(tmp_path, count):
    return [Job(number, [f"seed={number}"], tmp_path / f"s{number}", f"seed={number}") for number in range(count)]


def fake_command(statuses=(), seconds=0.1):
    def command(job):
        status = dict(statuses).get(job.number, 0)
        return [sys.executable, "-c", CHILD, str(job.folder), str(seconds), str(status)]

    return command


# devices


def test_listing_knows_slices():
    first, second = parse_listing(LISTING)
    assert first == Gpu("0", "GPU-aaaa1111-0000", ("MIG-1111-2222", "MIG-3333-4444"))
    assert second.masks == ("GPU-bbbb2222-0000",)


def test_auto_takes_every_gpu_slice_by_slice_and_the_cpu_without_any():
    assert devices("auto") == ["MIG-1111-2222", "MIG-3333-4444", "GPU-bbbb2222-0000"]
    assert devices("auto", listing="") == [""]


@pytest.mark.parametrize(
    ("visible", "masks"),
    (("3,1", ["3", "1"]), ("MIG-a/1/0,GPU-b", ["MIG-a/1/0", "GPU-b"]), ("2,-1,3", ["2"]), ("", [""]), ("-1", [""])),
)
def test_auto_keeps_to_the_mask_it_was_given(visible, masks):
    assert devices("auto", {"CUDA_VISIBLE_DEVICES": visible}) == masks


def test_ids_are_masks():
    assert devices([1, 0]) == ["1", "0"]
    assert devices(["MIG-1111", "GPU-bbbb2222-0000"]) == ["MIG-1111", "GPU-bbbb2222-0000"]
    assert devices([]) == [""]
    assert devices([0, 1], listing="") == ["0", "1"]  # a rehearsal on the CPU


@pytest.mark.parametrize("gpus", (2, "0,1", [0, 0], [-1], [True], [7], ["GPU-cccc"], None, ["first"]))
def test_wrong_gpus_are_refused_by_name(gpus):
    with pytest.raises(SweepError, match="hydra.launcher.gpus"):
        devices(gpus)


def test_slots_fill_devices_evenly_and_share_the_cores():
    pair = choose_devices([0, 1], {}, list)
    slots = make_slots(pair, 2, jobs=3, cores=range(8))
    assert [(slot.name, slot.mask) for slot in slots] == [("gpu 0 #1", "0"), ("gpu 1 #1", "1"), ("gpu 0 #2", "0")]
    assert [core for slot in slots for core in slot.cores] == list(range(8))
    assert all(len(slot.cores) == 1 for slot in make_slots(pair, 2, jobs=9, cores=[4, 5]))
    assert [slot.cores for slot in make_slots(pair, 1, jobs=9)] == [(), ()]
    with pytest.raises(SweepError, match="jobs_per_gpu"):
        make_slots(pair, 0, jobs=1)


def test_numbers_mean_what_nvidia_smi_shows():
    assert child_environment(Slot("gpu 1", "1"), {})["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    inherited = child_environment(Slot("gpu 1", "1"), {"CUDA_VISIBLE_DEVICES": "0,1"})
    assert inherited == {"CUDA_VISIBLE_DEVICES": "1"}


def test_masks_are_found_in_the_listing():
    gpus = parse_listing(LISTING)
    assert all(is_listed(mask, gpus) for mask in ("0", "1", "GPU-aaaa", "MIG-3333-4444"))
    assert not any(is_listed(mask, gpus) for mask in ("2", "", "GPU-cccc"))


# what is done with a job


NOW = {"heartbeat": time.time(), "host": socket.gethostname()}


@pytest.mark.parametrize(
    ("status", "skip_done", "decision"),
    (
        (None, True, "start"),
        ({"state": "done"}, True, "skip"),
        ({"state": "done"}, False, "resume"),
        ({"state": "failed"}, True, "resume"),
        ({"state": "interrupted"}, True, "resume"),
        ({"state": "running", "pid": 2**22 + 1, **NOW}, True, "resume"),  # no such process here
        ({"state": "running", "pid": 1, "host": "elsewhere", "heartbeat": time.time() - 121}, True, "resume"),
        ({"state": "running", "pid": 1, "host": "elsewhere", "heartbeat": time.time() + 600}, True, "busy"),
        ({"state": "running", "pid": os.getpid(), **NOW, "heartbeat": time.time() + 600}, True, "busy"),
    ),
)
def test_unfinished_jobs_are_resumed_and_done_ones_skipped(tmp_path, status, skip_done, decision):
    if status is not None:
        write_json(tmp_path / "status.json", status)
    assert next_step(tmp_path, skip_done) == decision
    job = Job(0, [], tmp_path)
    prepare_job(job, skip_done)
    assert job.resume == (decision == "resume")
    assert job.state == {"skip": "skipped", "busy": "busy"}.get(decision, "waiting")


def test_a_folder_of_other_overrides_is_refused_with_the_difference(tmp_path):
    Job(0, ["seed=0", "trainer.epochs=2", "jobs=2"], tmp_path).record()
    prepare_job(Job(0, ["trainer.epochs=2", "seed=0", "jobs=1", "output=there"], tmp_path), True)
    with pytest.raises(SweepError, match=r"\(-trainer.epochs=2 \+trainer.epochs=3\)"):
        prepare_job(Job(0, ["seed=0", "trainer.epochs=3"], tmp_path), True)


def test_two_jobs_in_one_folder_are_refused(tmp_path):
    with pytest.raises(SweepError, match="jobs 0 .* and 1 .* share"):
        jobs_module.refuse_shared_folders([Job(0, [], tmp_path), Job(1, [], tmp_path)])


def test_jobs_are_called_by_what_differs(tmp_path):
    jobs = [Job(n, ["experiment=final", f"seed={n}"], tmp_path) for n in range(2)]
    jobs_module.set_titles(jobs)
    assert [job.title for job in jobs] == ["seed=0", "seed=1"]


def test_resume_is_the_sweeps_own_decision():
    assert jobs_module.without_resume(["seed=0", "resume=auto"]) == ["seed=0"]
    with pytest.raises(SweepError, match="leave resume out"):
        jobs_module.without_resume(['resume="outputs/x"'])


@pytest.mark.parametrize("name", ("plain", "with blank, comma=and more", "it's", "back\\slash", "end\\"))
def test_the_command_names_the_folder_whatever_it_is_called(tmp_path, name):
    job = Job(0, ["seed=1"], tmp_path / name, resume=True)
    command = child_command(job, "train", ["hydra.verbose=true"])
    assert command[1:6] == ["-m", "facedeblur", "train", "seed=1", "hydra.verbose=true"]
    assert command[-1] == "resume=auto"
    (override,) = OverridesParser.create().parse_overrides([command[-2]])
    assert override.key_or_group == "hydra.run.dir" and override.value() == str(job.folder)
    assert quoted(Path("/a")) == "'/a'"


def test_resume_looks_into_the_folder_of_the_job(tmp_path):
    folder = tmp_path / "sweep" / "no_identity"
    identity = {"experiment": "no_identity"}
    write_json(folder / "overrides.json", {"overrides": ["experiment=no_identity"], "identity": identity})
    merged = with_saved(["trainer.epochs=7", "resume=auto", f"hydra.run.dir={quoted(folder)}"])
    assert {"experiment=no_identity", "trainer.epochs=7"} <= set(merged)
    assert Path(compose_config(merged).hydra.run.dir) == folder


# the queue


def test_every_device_has_one_job_at_a_time_and_failures_stay_alone(tmp_path):
    jobs = fake_jobs(tmp_path, 6)
    write_json(jobs[2].folder / "status.json", {"state": "failed", "reason": "an earlier error"})
    jobs[5].state = "skipped"
    seen = []
    command = fake_command({1: 3, 3: -9}, seconds=0.3)
    Pool(jobs, [Slot("gpu 0", "0"), Slot("gpu 1", "GPU-b")], command, lambda jobs: seen.append(overview(jobs, 2))).run()
    assert [job.state for job in jobs] == ["done", "failed", "done", "failed", "done", "skipped"]
    assert jobs[1].reason == "the last words" and jobs[1].exit == 3
    assert jobs[3].reason == "killed by SIGKILL" and jobs[3].exit == -signal.SIGKILL
    spans = [json.loads((job.folder / "child.json").read_text()) for job in jobs[:5]]
    assert {span["mask"] for span in spans} == {"0", "GPU-b"}
    for mask in ("0", "GPU-b"):
        own = sorted((span["started"], span["ended"]) for span in spans if span["mask"] == mask)
        assert all(before[1] <= after[0] for before, after in zip(own, own[1:], strict=False))
    assert "the last words" in jobs[0].log.read_text()
    record = json.loads((jobs[3].folder / "job.json").read_text())
    assert record["state"] == "failed" and record["overrides"] == ["seed=3"]
    assert not (jobs[5].folder / "job.log").exists()
    assert seen[-1] == "3 done, 1 skipped, 2 failed" and any("2 running" in line for line in seen)


def test_a_killed_run_is_marked_in_its_status(tmp_path):
    (job,) = fake_jobs(tmp_path, 1)
    script = (
        "import json, os, sys; from pathlib import Path; folder = Path(sys.argv[1]);"
        "(folder / 'status.json').write_text(json.dumps({'state': 'running', 'pid': os.getpid(), 'step': 5}));"
        "os.kill(os.getpid(), 9)"
    )
    Pool([job], [Slot("cpu", "")], lambda job: [sys.executable, "-c", script, str(job.folder)]).run()
    status = read_status(job.folder)
    assert status["state"] == "failed" and status["reason"] == "killed by SIGKILL" and status["step"] == 5
    assert next_step(job.folder, True) == "resume"


def test_a_job_that_cannot_be_started_is_marked_and_the_rest_goes_on(tmp_path):
    jobs = fake_jobs(tmp_path, 2)
    jobs[0].folder.write_text("a file where the folder should be")
    Pool(jobs, [Slot("cpu", "")], fake_command(seconds=0)).run()
    assert [job.state for job in jobs] == ["failed", "done"]
    assert "could not be started" in jobs[0].reason


def test_a_lost_device_gets_no_more_jobs(tmp_path, capsys):
    jobs = fake_jobs(tmp_path, 4)
    slots = [Slot("gpu 0", "0"), Slot("gpu 1", "1")]
    Pool(jobs, slots, fake_command({0: 1}), usable=lambda slot: slot.mask != "0").run()
    assert [job.state for job in jobs] == ["failed", "done", "done", "done"]
    assert {job.mask for job in jobs[1:]} == {"1"}
    jobs = fake_jobs(tmp_path / "all", 2)
    Pool(jobs, slots[:1], fake_command({0: 1}), usable=lambda slot: False).run()
    assert jobs[1].state == "failed" and jobs[1].reason == "no device is left"
    assert "gpu 0: does not answer" in capsys.readouterr().err


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_the_children_and_starts_no_more(tmp_path, number):
    polite = (
        "import signal, sys, time; signal.signal(15, lambda *_: (print('ended'), sys.exit(130)));"
        "print('ready', flush=True); time.sleep(60)"
    )
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    jobs = fake_jobs(tmp_path, 3)
    handler = signal.getsignal(number)
    sent = threading.Event()

    def when_ready(jobs):
        logs = [job.log.read_text() if job.log.exists() else "" for job in jobs[:2]]
        if all("\nready" in log for log in logs) and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), number)

    def command(job):
        return [sys.executable, "-c", deaf if job.number else polite]

    with pytest.raises(KeyboardInterrupt):
        Pool(jobs, [Slot("a", ""), Slot("b", "")], command, when_ready, grace=0.5).run()
    assert [job.state for job in jobs] == ["interrupted", "interrupted", "waiting"]
    assert [job.exit for job in jobs] == [130, -signal.SIGKILL, None]
    assert "ended" in jobs[0].log.read_text() and not jobs[2].folder.exists()
    assert signal.getsignal(number) is handler


def test_no_child_outlives_an_error_of_the_pool(tmp_path):
    jobs = fake_jobs(tmp_path, 1)

    def watch(jobs):
        if jobs[0].state == "running":
            raise RuntimeError("the display broke")

    with pytest.raises(RuntimeError, match="display"):
        Pool(jobs, [Slot("cpu", "")], fake_command(seconds=60), watch).run()
    assert jobs[0].state == "interrupted" and jobs[0].exit == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be shared on this system")
def test_children_keep_to_their_cores(tmp_path):
    (job,) = fake_jobs(tmp_path, 1)
    core = max(os.sched_getaffinity(0))
    script = "import os, time; time.sleep(0.3); print('cores', sorted(os.sched_getaffinity(0)))"
    Pool([job], [Slot("cpu", "", (core,))], lambda job: [sys.executable, "-c", script]).run()
    assert f"cores [{core}]" in job.log.read_text()


# what is shown


def test_a_line_for_every_change(tmp_path, capsys):
    jobs = fake_jobs(tmp_path, 2)
    with JobTable(1, terminal=False) as table:
        Pool(jobs, [Slot("cpu", "")], fake_command({1: 1}, seconds=0), table).run()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "seed=0: running on cpu" in lines[0] and "seed=0: done after" in lines[1] and "left" in lines[1]
    assert "failed" in lines[3] and "the last words" in lines[3] and str(jobs[1].log) in lines[3]


def test_the_table_shows_every_job(tmp_path, capsys):
    from rich.console import Console

    jobs = fake_jobs(tmp_path, 3)
    jobs[0].state, jobs[0].started, jobs[0].ended = "done", 0.0, 75.0
    jobs[1].state, jobs[1].started, jobs[1].slot = "running", time.time() - 5, "gpu 0"
    jobs[1].folder.mkdir()
    jobs[1].log.write_text("final: step 20/400  epoch 1  adv 0.7  12.5 img/s  0:30 < 9:30\n")
    assert progress(jobs[1]) == ("final: step 20/400", "9:30")
    Console(width=160).print(JobTable(1).table(jobs))
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("seed=2", "gpu 0", "step 20/400", "0:01:15", "about 0:02:25 left"))


# through Hydra


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """`sweep("key=value", ..., statuses={1: 3})` runs a multirun of fake children; returns its exit status.

    What they share is faked too: a stage whose folder is in `broken` fails, the others leave `made`.
    """
    assert any(plugin.__name__ == "GpuPoolLauncher" for plugin in Plugins.instance().discover(Launcher))
    module = sys.modules["hydra_plugins.facedeblur_launcher.gpu_pool"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))  # Hydra installs its own

    def run(*overrides, statuses=(), broken=()):
        def shared(job):
            write_json(job.folder / "made", len(job.plain))
            return [sys.executable, "-c", CHILD, str(job.folder), "0", str(int(job.folder in broken))]

        def command(job, name, handed_on):
            write_json(job.folder / "command.json", child_command(job, name, handed_on))
            script = f"{CHILD.rsplit('os.kill', 1)[0]}\nif status == 0: open(folder + '/status.json', 'w').write("
            script += '\'{"state": "done"}\')\nsys.exit(status)'
            return [sys.executable, "-c", script, str(job.folder), "0", str(dict(statuses).get(job.number, 0))]

        monkeypatch.setattr(module, "child_command", command)
        monkeypatch.setattr(module, "shared_command", shared)
        try:
            return main(["train", "-m", "hydra/launcher=gpu_pool", "hydra.launcher.gpus=[]", *overrides])
        except SystemExit as error:
            return error.code

    return run


def test_a_sweep_completes_what_failed_on_the_same_command(sweep, tmp_path, capsys):
    command = ("seed=0,1", "trainer=smoke", "+hydra.job.env_set.MARK=here")
    assert sweep(*command, statuses={1: 3}) == 1
    assert "1 done, 1 failed" in capsys.readouterr().err
    folders = [tmp_path / "outputs" / "sweep" / "final" / f"demo-s{seed}" for seed in (0, 1)]
    started = [json.loads((folder / "command.json").read_text()) for folder in folders]
    assert {"seed=1", "trainer=smoke", "+hydra.job.env_set.MARK=here", f"hydra.run.dir='{folders[1]}'"} <= set(
        started[1]
    )
    assert not any(part.startswith("hydra.launcher") or part == "resume=auto" for part in started[1])
    write_json(folders[1] / "status.json", {"state": "failed"})
    (folders[0] / "command.json").unlink()
    assert sweep(*command) == 0
    assert "1 done, 1 skipped" in capsys.readouterr().err
    assert not (folders[0] / "command.json").exists()
    assert json.loads((folders[1] / "command.json").read_text())[-1] == "resume=auto"


def test_what_jobs_share_is_made_once_and_before_them(sweep, tmp_path, capsys):
    variants = "experiment=final,no_identity,identity_nohg"
    assert sweep(variants, "seed=0,1", "hydra.launcher.jobs_per_gpu=2") == 0
    folder = tmp_path / "outputs" / "sweep"
    configurations = json.loads((folder / "shared" / "shared.json").read_text())
    assert {plain["experiment"] for plain in configurations} == {"final", "no_identity", "identity_nohg"}
    stages = [path.parent for path in (tmp_path / "outputs" / "hourglass").glob("*/child.json")]
    assert len(stages) == 2  # one for each seed, shared by the two variants that are conditioned on it
    shared = [json.loads((place / "child.json").read_text())["ended"] for place in (folder / "shared", *stages)]
    runs = [json.loads(path.read_text())["started"] for path in folder.glob("*/demo-s*/child.json")]
    assert len(runs) == 6 and max(shared) <= min(runs)
    assert (
        sorted(job["folder"] for job in json.loads((folder / "sweep.json").read_text())["jobs"])[0] == "final/demo-s0"
    )
    for place in stages:
        (place / "made").unlink()
        write_json(place / "status.json", {"state": "done"})
        (place / "hourglass_key").write_text(place.name)
    write_json(folder / "final" / "demo-s0" / "status.json", {"state": "failed"})
    assert sweep(variants, "seed=0,1") == 0 and not any((place / "made").exists() for place in stages)


def test_the_commands_of_shared_work(tmp_path):
    plans = shared_command(Job(0, [], tmp_path / "shared", shared=True))
    assert plans[1:] == ["-m", "facedeblur.training.share", str(tmp_path / "shared" / "shared.json")]
    stage = Job(1, [], tmp_path / "hourglass" / "key", plain={"seed": 3}, shared=True)
    assert shared_command(stage)[-2:] == ["--hourglass", str(stage.folder / "shared.json")]
    assert json.loads((stage.folder / "shared.json").read_text()) == [{"seed": 3}]


def test_planned_corpora_are_not_planned_again(sweep, tmp_path):
    settings = run_settings(as_plain(compose_config(["experiment=identity_nohg", f"output={tmp_path / 'outputs'}"])))
    for _, data, blur in stages_data(settings):
        mark = plans_mark(data, blur, settings.prepare)
        mark.parent.mkdir(parents=True)
        mark.touch()
    output = f"output={tmp_path / 'outputs'}"
    assert sweep("experiment=identity_nohg", "seed=0", output) == 0
    assert not (tmp_path / "outputs" / "sweep" / "shared").exists()
    assert sweep("experiment=identity_nohg", "seed=1", "blur=vla", "name=other", output) == 0
    assert (tmp_path / "outputs" / "sweep" / "shared" / "made").exists()


def test_a_failed_stage_stops_only_the_jobs_that_need_it(sweep, tmp_path, capsys):
    key = hourglass_key(run_settings(as_plain(compose_config(["seed=1"]))))
    broken = [tmp_path / "outputs" / "hourglass" / key]
    assert sweep("experiment=final,identity_nohg", "seed=0,1", broken=broken) == 1
    assert "3 done, 1 failed" in capsys.readouterr().err
    record = json.loads((tmp_path / "outputs" / "sweep" / "final" / "demo-s1" / "job.json").read_text())
    assert record["state"] == "failed" and key in record["reason"] and "the last words" in record["reason"]


@pytest.mark.parametrize(
    ("overrides", "names"),
    (
        (["seed=0,1", "trainer.devices=2"], "trainer.devices"),
        (["seed=0,x"], "seed"),
        (["loss.projection=0,8"], "share the run folder"),
        (["seed=0,1", "hydra.launcher.jobs_per_gpu=0"], "jobs_per_gpu"),
        (["seed=0,1", "hydra.sweeper.max_batch_size=1"], "max_batch_size"),
    ),
)
def test_a_wrong_sweep_stops_before_its_first_job(sweep, tmp_path, capsys, overrides, names):
    assert sweep(*overrides) == 2
    message = capsys.readouterr().err.strip()
    assert names in message and len(message.splitlines()) == 1
    assert not list(tmp_path.rglob("job.log"))


def test_a_variant_that_does_not_compose_stops_the_sweep(sweep, tmp_path):
    assert sweep("experiment=final,fnal") == 1
    assert not list(tmp_path.rglob("job.log"))


def test_a_second_sweep_in_the_folder_is_refused(sweep, tmp_path, capsys):
    folder = tmp_path / "outputs" / "sweep"
    folder.mkdir(parents=True)
    with FileLock(folder / ".gpu_pool.lock"):
        assert sweep("seed=0") == 2
    assert "another sweep" in capsys.readouterr().err


def test_ddp_inside_any_multirun_is_refused(compose):
    plain = compose()
    refuse_ddp(plain, visible=1)
    with pytest.raises(UsageError, match="trainer.devices"):
        refuse_ddp(plain, visible=4)
    with pytest.raises(UsageError, match=r"^hourglass.trainer.devices"):
        refuse_ddp(compose("hourglass.trainer.devices=2"), visible=1)
