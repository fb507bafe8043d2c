from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pyarrow import fs

from distributed_iac import versions
from distributed_iac.errors import RunError
from distributed_iac.run.checkpoints import SLOTS, JobCheckpoints
from distributed_iac.training.checkpoint import checkpoint_bytes


def states(count: int) -> list[dict[str, object]]:
    return [{"epoch": n, "weights": torch.full((3,), float(n))} for n in range(1, count + 1)]


@pytest.fixture(params=["folder", "uri"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same checkpoints as a plain folder and through pyarrow's file systems, as on S3."""
    folder = tmp_path / "checkpoints"
    if request.param == "uri":
        fs.LocalFileSystem().create_dir(str(folder))
        return folder.as_uri()
    return str(folder)


def damage(place: str, name: str) -> None:
    path = Path(place.removeprefix("file://")) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def test_nothing_is_found_where_nothing_was_stored(place: str) -> None:
    kept = JobCheckpoints(place).newest()
    assert kept.state is None
    assert kept.notes == ()


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_the_newest_state_is_found_by_another_process(place: str, count: int) -> None:
    checkpoints = JobCheckpoints(place)
    for state in states(count):
        checkpoints.store(state)
    kept = JobCheckpoints(place).newest()
    assert kept.state is not None
    assert kept.state["epoch"] == count
    assert torch.equal(kept.state["weights"], torch.full((3,), float(count)))


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(place: str, count: int) -> None:
    checkpoints = JobCheckpoints(place)
    for state in states(count):
        checkpoints.store(state)
    damage(place, SLOTS[count % 2])
    kept = JobCheckpoints(place).newest()
    assert kept.state is not None
    assert kept.state["epoch"] == count - 1
    assert "damaged checkpoint" in kept.notes[0]


def test_after_a_fall_back_the_damaged_slot_is_written_first(place: str) -> None:
    checkpoints = JobCheckpoints(place)
    for state in states(3):
        checkpoints.store(state)
    damage(place, SLOTS[3 % 2])
    again = JobCheckpoints(place)
    again.newest()
    again.store({"epoch": 30})
    kept = JobCheckpoints(place).newest()
    assert kept.state is not None
    assert kept.state["epoch"] == 30
    assert kept.notes == ()


def test_two_damaged_checkpoints_are_as_good_as_none(place: str) -> None:
    checkpoints = JobCheckpoints(place)
    for state in states(2):
        checkpoints.store(state)
    for name in SLOTS:
        damage(place, name)
    kept = JobCheckpoints(place).newest()
    assert kept.state is None
    assert len(kept.notes) == 2


def test_what_was_cleared_is_gone(place: str) -> None:
    checkpoints = JobCheckpoints(place)
    checkpoints.store({"epoch": 1})
    checkpoints.clear()
    checkpoints.clear()
    assert JobCheckpoints(place).newest().state is None


def test_a_checkpoint_of_a_newer_release_is_not_passed_over(place: str) -> None:
    """Else its job would begin again, and what was reached be overwritten."""
    state = {"epoch": 1, versions.CHECKPOINT.key: versions.CHECKPOINT.version + 1}
    JobCheckpoints(place).store(state)
    with pytest.raises(RunError, match="reads a checkpoint") as caught:
        JobCheckpoints(place).newest()
    assert "upgrade" in str(caught.value.remedy)


def older(folder: Path, **epochs: int) -> JobCheckpoints:
    """A job's checkpoints, where `search` of 0.1.0 has left some in the job's own folder."""
    (folder / "job").mkdir(exist_ok=True)
    for name, epoch in epochs.items():
        state = {"identity": "acdc/net/pretrain 5f0c", "stage": {"epoch": epoch}, "rows": []}
        (folder / "job" / f"{name}.pt").write_bytes(checkpoint_bytes(state))
    return JobCheckpoints(str(folder / "checkpoints"), folder / "job")


def test_a_checkpoint_of_0_1_0_is_continued_from_and_goes_with_the_job(tmp_path: Path) -> None:
    checkpoints = older(tmp_path, last=6, before=5)
    found = checkpoints.newest()
    assert found.state is not None
    assert (found.state["identity"], found.state["stage"]) == ("5f0c", {"epoch": 6})
    checkpoints.clear()
    assert not list((tmp_path / "job").iterdir())


def test_a_damaged_one_of_0_1_0_is_passed_over_and_told(tmp_path: Path) -> None:
    checkpoints = older(tmp_path, last=6, before=5)
    damage(str(tmp_path / "job"), "last.pt")
    found = checkpoints.newest()
    assert found.state is not None
    assert found.state["stage"] == {"epoch": 5}
    assert "last.pt" in found.notes[0]


def test_what_was_stored_since_counts_before_what_0_1_0_left(tmp_path: Path) -> None:
    checkpoints = older(tmp_path, last=6)
    checkpoints.store({"identity": "5f0c", "stage": {"epoch": 9}})
    found = older(tmp_path).newest()
    assert found.state is not None
    assert found.state["stage"] == {"epoch": 9}
