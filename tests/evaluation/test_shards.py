"""What is on disk of a shard, whole or damaged."""

from __future__ import annotations

from facedeblur.evaluation.rows import FOLDER, ScoreRow, read_rows, write_rows
from facedeblur.evaluation.shards import Loss, flag_counts, is_complete, losses, read_records, write_shard


def row(method: str, frame: int, flags: str = "") -> ScoreRow:
    return ScoreRow(method=method, corpus="A", blur="vla", video="a.mp4", frame=frame, psnr=30.0, flags=flags)


def test_records_come_back_as_they_were_written(tmp_path):
    folder = tmp_path / FOLDER
    lost = [Loss("b.mp4", "ends before frame 9", 2)]
    written = {
        folder / f"vla-0-{method}.parquet": write_shard(
            folder / f"vla-0-{method}.parquet",
            "vla-0",
            method,
            [row(method, 1, "no_face"), row(method, 2, "no_face,nan")],
            lost,
        )
        for method in ("ours", "theirs")
    }
    assert read_records(tmp_path) == written
    assert flag_counts(written.values()) == {method: {"no_face": 2, "nan": 1} for method in ("ours", "theirs")}
    assert losses(written.values()) == {("b.mp4", "ends before frame 9"): 2}  # once, though two methods lack them
    assert len(read_rows(tmp_path)) == 4


def test_a_file_is_complete_with_a_row_for_every_window(tmp_path):
    file = tmp_path / FOLDER / "vla-0-ours.parquet"
    assert not is_complete(file, 2)
    write_shard(file, "vla-0", "ours", [row("ours", 1), row("ours", 2)], [])
    assert is_complete(file, 2) and not is_complete(file, 3)
    file.write_bytes(file.read_bytes()[:-20])
    assert not is_complete(file, 2) and read_records(tmp_path) == {}


def test_rows_of_other_programs_have_a_record(tmp_path):
    file = tmp_path / FOLDER / "given.parquet"
    write_rows(file, [row("theirs", 1, "error")])
    (record,) = read_records(tmp_path).values()
    assert (record.shard, record.method, record.flags, record.lost) == ("given", "theirs", {"error": 1}, ())
