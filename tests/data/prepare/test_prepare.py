import os
import threading
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import Clip
from facedeblur.data.plans.plan import Plan
from facedeblur.data.prepare import job, prepare, video_windows
from facedeblur.data.prepare.job import PrepareError
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.processes import Failure
from facedeblur.video.write import write_video

SCHEDULES = [named_schedule("pravg7"), named_schedule("trajectory")]


def write_clip(path: Path, frames: int = 24, seed: int = 0) -> None:
    """A drifting picture as H.264, with 68 drifting landmarks beside it."""
    picture = astronaut()[20 + 40 * seed :, 150 + 10 * seed :]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, [np.ascontiguousarray(picture[i : i + 96, i : i + 112]) for i in range(frames)])
    points = np.random.default_rng(seed).uniform(20, 70, (68, 2))
    np.savez(path.with_suffix(".npz"), landmarks=np.stack([points - i for i in range(frames)]).astype(np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    write_clip(root / "anna" / "one.mp4", 24, seed=1)
    write_clip(root / "bert" / "two.mp4", 31, seed=2)
    (root / "anna" / "noise.mp4").write_bytes(bytes(range(256)) * 20)
    (root / "bert" / "empty.mp4").write_bytes(b"")
    write_clip(root / "bert" / "short.mp4", 4, seed=3)
    return root


def clip(folder, name, split="train"):
    return Clip(str(folder / name), "clips", Path(name).parent.name, split)


@pytest.fixture
def clips(folder):
    return [clip(folder, "bert/two.mp4", "val"), clip(folder, "anna/one.mp4")]


@pytest.fixture(scope="module")
def cache(folder, tmp_path_factory):
    """A cache that holds the plan of the two good clips."""
    cache = tmp_path_factory.mktemp("cache")
    prepare_plan([clip(folder, "bert/two.mp4", "val"), clip(folder, "anna/one.mp4")], SCHEDULES, cache, jobs=2)
    return cache


@pytest.fixture
def no_decoding(monkeypatch):
    """Fails the test when a video would be indexed, tracked or planned."""

    def refuse(*args, **kwargs):
        raise AssertionError("decoded again")

    for module, name in ((job, "index_videos"), (job, "track_videos"), (video_windows, "run_limited")):
        monkeypatch.setattr(module, name, refuse)


def test_plan_and_report(clips, cache):
    plan, report = prepare_plan(clips, SCHEDULES, cache)
    found = list(zip(*(plan.column(c).tolist() for c in ("identity", "split", "schedule", "start")), strict=True))
    expected = [("bert", "val", "pravg7", s) for s in range(0, 25, 7)]
    expected += [("bert", "val", "trajectory", s) for s in range(0, 31, 7)]
    expected += [("anna", "train", "pravg7", s) for s in range(0, 18, 7)]
    expected += [("anna", "train", "trajectory", s) for s in range(0, 24, 7)]
    assert found == expected
    assert set(plan.column("video")) == {c.path for c in clips} and set(plan.column("corpus")) == {"clips"}
    assert set(plan.column("backend")) <= {"decord", "pyav"}
    assert report.videos == 2 and report.skipped == ()
    assert sum(group.windows for group in report.groups) == len(plan)
    averaged = plan.column("schedule") == "pravg7"
    assert (plan.column("psnr")[averaged] < 45).all() and (plan.column("kernel_seed")[~averaged] >= 0).all()


def test_a_second_call_reads_the_plan_only(clips, cache, no_decoding):
    plan, report = prepare_plan(clips, SCHEDULES, cache)
    assert len(plan) == sum(group.windows for group in report.groups)


def test_other_settings_make_another_plan(clips, cache):
    before = set((cache / "plans").glob("*.parquet"))
    plan, _ = prepare_plan(clips, [named_schedule("pravg7", stride=3)], cache)
    assert np.diff(plan.column("start")[:3]).tolist() == [3, 3]
    assert len(set((cache / "plans").glob("*.parquet")) - before) == 1


def test_a_renamed_file_is_not_planned_again(folder, cache, tmp_path, monkeypatch):
    for suffix in (".mp4", ".npz"):
        (tmp_path / f"moved{suffix}").write_bytes((folder / "anna" / f"one{suffix}").read_bytes())
    planned = []
    monkeypatch.setattr(video_windows, "run_limited", lambda work, tasks, *rest: planned.extend(tasks) or ())
    moved = Clip(str(tmp_path / "moved.mp4"), "other", "somebody", "train")
    plan, _ = prepare_plan([moved], SCHEDULES, cache)
    assert planned == []
    assert set(plan.column("identity")) == {"somebody"} and set(plan.column("video")) == {moved.path}


def test_a_changed_file_is_planned_again(folder, tmp_path):
    path = tmp_path / "p" / "clip.mp4"
    write_clip(path, 24, seed=1)
    clips = [Clip(str(path), "clips", "p", "train")]
    before, _ = prepare_plan(clips, SCHEDULES[:1], tmp_path / "cache")
    write_clip(path, 16, seed=5)
    after, _ = prepare_plan(clips, SCHEDULES[:1], tmp_path / "cache")
    assert (len(before), len(after)) == (3, 2)


def test_bad_files_are_skipped_with_one_line_each(folder, clips, cache):
    bad = [clip(folder, name) for name in ("anna/noise.mp4", "bert/empty.mp4", "bert/short.mp4")]
    plan, report = prepare_plan([*clips, *bad], SCHEDULES[:1], cache)
    assert set(plan.column("video")) == {c.path for c in clips}
    assert [path for path, _ in report.skipped] == [c.path for c in bad]
    assert dict(report.skipped)[bad[2].path] == "no window: short: end 1"
    for c, line in zip(bad, report.lines()[1:4], strict=True):
        assert c.path in line and "\n" not in line


def test_no_usable_video_is_an_error_naming_folder_and_reasons(folder, cache):
    with pytest.raises(PrepareError, match=r"corpus.*no usable video among 2 \(.*1.*1.*data.root") as error:
        prepare_plan([clip(folder, "anna/noise.mp4"), clip(folder, "bert/short.mp4")], SCHEDULES[:1], cache)
    assert "\n" not in str(error.value)


def test_no_clips_and_no_schedules_are_errors(clips, tmp_path):
    with pytest.raises(PrepareError, match="data.root"):
        prepare_plan([], SCHEDULES, tmp_path)
    with pytest.raises(ValueError, match="distinct names"):
        prepare_plan(clips, [], tmp_path)
    with pytest.raises(ValueError, match="distinct names"):
        prepare_plan(clips, [SCHEDULES[0], named_schedule("pravg7", stride=2)], tmp_path)


def test_progress_names_every_stage(clips, tmp_path):
    calls = []
    prepare_plan(clips, SCHEDULES[:1], tmp_path, jobs=2, progress=lambda *call: calls.append(call))
    assert list(dict.fromkeys(stage for stage, *_ in calls)) == ["index", "track", "plan"]
    for stage in ("index", "track", "plan"):
        assert [call[1:3] for call in calls if call[0] == stage][-1] == (2, 2)
    assert {call[3] for call in calls} == {c.path for c in clips}


def test_a_crashing_planner_costs_one_video(clips, cache, monkeypatch):
    def crash_first(work, tasks, jobs, limit):
        for number, _ in enumerate(tasks):
            yield number, Failure("crashed (exit code -11)") if number == 0 else work(tasks[number])

    monkeypatch.setattr(video_windows, "run_limited", crash_first)
    plan, report = prepare_plan(clips, [named_schedule("pravg9")], cache)
    assert report.skipped == ((clips[0].path, "cannot be planned: crashed (exit code -11)"),)
    assert set(plan.column("video")) == {clips[1].path}


def failing(reason):
    """`run_limited` whose first task fails."""

    def run(work, tasks, jobs, limit):
        for number, task in enumerate(tasks):
            yield number, work(task) if number else Failure(reason)

    return run


@pytest.mark.parametrize(("reason", "stride"), [("hung for 120 s", 5), ("crashed (killed by SIGKILL)", 4)])
def test_what_hung_or_crashed_on_a_busy_machine_is_tried_again_on_request(clips, cache, monkeypatch, reason, stride):
    schedules = [named_schedule("pravg7", stride=stride)]
    monkeypatch.setattr(video_windows, "run_limited", failing(reason))
    busy, report = prepare_plan(clips, schedules, cache)
    assert report.skipped == ((clips[0].path, f"cannot be planned: {reason}"),)
    monkeypatch.undo()
    assert len(prepare_plan(clips, schedules, cache)[0]) == len(busy), "a plan stays as it is unless asked for"
    quiet, report = prepare_plan(clips, schedules, cache, settings=PrepareSettings(retry=True))
    assert not report.skipped and len(quiet) > len(busy)


FULL = "OSError: [Errno 28] No space left on device"


def test_what_the_system_refused_is_tried_again_by_the_next_call(clips, cache, monkeypatch):
    schedules = [named_schedule("pravg7", stride=6)]
    monkeypatch.setattr(video_windows, "run_limited", failing(FULL))
    first, told = prepare_plan(clips, schedules, cache)
    assert told.skipped == ((clips[0].path, f"cannot be planned: {FULL}"),)
    assert prepare_plan(clips, schedules, cache)[1].manifest == told.manifest, "nothing new, no new plan"
    monkeypatch.undo()
    kept = prepare_plan(clips, schedules, cache, keep=told.manifest)
    assert len(kept[0]) == len(first) and kept[1].skipped == told.skipped
    whole, report = prepare_plan(clips, schedules, cache)
    assert not report.skipped and set(whole.column("video")) == {c.path for c in clips}
    assert (first.landmarks[0] == whole.landmarks[len(whole) - len(first)]).all(), "a plan in use keeps its file"
    assert prepare_plan(clips, schedules, cache, keep=told.manifest)[1].skipped == told.skipped
    assert prepare_plan(clips, schedules, cache, keep="of other clips")[1].manifest == report.manifest


def test_what_hung_is_left_alone_when_others_are_tried_again(folder, clips, cache, monkeypatch):
    schedules, three = [named_schedule("pravg7", stride=8)], [*clips, clip(folder, "bert/short.mp4")]
    reasons = iter(["hung for 120 s", FULL])

    def fail_twice(work, tasks, jobs, limit):
        for number, task in enumerate(tasks):
            reason = next(reasons, None)
            yield number, Failure(reason) if reason else work(task)

    monkeypatch.setattr(video_windows, "run_limited", fail_twice)
    three = [three[0], three[2], three[1]]
    prepare_plan(three, schedules, cache)
    tried = []
    monkeypatch.setattr(
        video_windows,
        "run_limited",
        lambda work, tasks, *rest: ((n, tried.append(task.info.path) or work(task)) for n, task in enumerate(tasks)),
    )
    _, report = prepare_plan(three, schedules, cache)
    assert tried == [three[1].path]
    assert dict(report.skipped)[three[0].path] == "cannot be planned: hung for 120 s"


def test_a_second_process_waits_for_the_first(clips, cache, monkeypatch):
    made = []
    original = prepare.make_windows
    monkeypatch.setattr(prepare, "make_windows", lambda *args: made.append(1) or original(*args))
    schedules = [named_schedule("pravg11")]
    threads = [threading.Thread(target=prepare_plan, args=(clips, schedules, cache)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_an_interrupted_run_leaves_no_half_plan(clips, cache, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    before = sorted(os.listdir(cache / "plans"))
    monkeypatch.setattr(Plan, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_plan(clips, [named_schedule("pravg15")], cache)
    monkeypatch.undo()
    assert [name for name in os.listdir(cache / "plans") if name not in before and name.endswith(".parquet")] == []
    assert len(prepare_plan(clips, [named_schedule("pravg15")], cache)[0]) == 3
