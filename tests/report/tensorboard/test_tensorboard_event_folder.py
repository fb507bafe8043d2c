from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from distributed_iac.report.tensorboard import event_folder
from distributed_iac.report.tensorboard.event_folder import POSITION, EventFolder
from distributed_iac.report.tensorboard.record import Record, scalar


def series(*values: float) -> list[Record]:
    return [scalar("loss", step, 100.0 + step, value) for step, value in enumerate(values, 1)]


def read(folder: Path, run: str = "a/b") -> list[tuple[int, float, float]]:
    accumulator = EventAccumulator(str(folder / run), {"scalars": 0}).Reload()
    return [(one.step, one.value, one.wall_time) for one in accumulator.Scalars("loss")]


def written(folder: Path) -> list[Path]:
    return [path for path in sorted((folder / "a/b").glob("events*")) if path.stat().st_size]


def expected(*values: float) -> list[tuple[int, float, float]]:
    return [(step, value, 100.0 + step) for step, value in enumerate(values, 1)]


def test_a_run_that_goes_on_is_appended_to(tmp_path):
    folder = EventFolder(tmp_path)
    folder.sync("a/b", series(1, 2), "")
    (file,) = (tmp_path / "a/b").glob("events*")
    begun = file.read_bytes()
    folder.sync("a/b", series(1, 2, 4), "")
    assert file.read_bytes().startswith(begun)
    assert read(tmp_path) == expected(1, 2, 4)


def test_a_run_that_says_otherwise_gets_a_new_file(tmp_path):
    folder = EventFolder(tmp_path)
    folder.sync("a/b", series(1, 2, 4), "")
    (old,) = written(tmp_path)
    folder.sync("a/b", series(1, 8), "")
    (new,) = written(tmp_path)
    assert new.name > old.name  # TensorBoard never goes back to an earlier name
    assert read(tmp_path) == expected(1, 8)


def test_one_that_watches_forgets_what_was_taken_back(tmp_path):
    folder = EventFolder(tmp_path)
    folder.sync("a/b", series(1, 2, 4), "")
    watching = EventAccumulator(str(tmp_path / "a/b"), {"scalars": 0}).Reload()
    folder.sync("a/b", series(1, 8), "")
    shown = [(one.step, one.value) for one in watching.Reload().Scalars("loss")]
    assert shown == [(1, 1.0), (2, 8.0)]


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=5), min_size=1, max_size=6
    )
)
@settings(max_examples=15, deadline=None)
def test_the_files_say_what_was_said_last_whatever_was_said_before(tmp_path_factory, told):
    path = tmp_path_factory.mktemp("events")
    for values in told:
        EventFolder(path).sync("a/b", series(*values), "")
        assert read(path) == expected(*values)
        assert len(written(path)) == 1


@pytest.mark.parametrize("damage", ["torn append", "no position", "bad position", "second file"])
def test_what_a_kill_leaves_is_made_good(tmp_path, damage):
    folder = EventFolder(tmp_path)
    folder.sync("a/b", series(1, 2), "")
    (file,) = (tmp_path / "a/b").glob("events*")
    position = tmp_path / "a/b" / POSITION
    if damage == "torn append":
        file.write_bytes(file.read_bytes() + b"\x10\0\0")
    elif damage == "no position":
        position.unlink()
    elif damage == "bad position":
        position.write_text("{}")
    else:
        file.with_name(file.name.replace("0000000000", "0000000001")).write_bytes(file.read_bytes())
    folder.sync("a/b", series(1, 2, 4), "")
    assert read(tmp_path) == expected(1, 2, 4)
    assert len(written(tmp_path)) == 1


def test_what_is_written_already_is_not_built_again(tmp_path):
    def refuse():
        raise AssertionError("built again")

    first, second = series(1, 2)
    folder = EventFolder(tmp_path)
    folder.sync("a/b", [first], "")
    unbuildable = Record(first.tag, first.step, first.at, first.content, refuse)
    folder.sync("a/b", [unbuildable, second], "")
    assert read(tmp_path) == expected(1, 2)


def test_a_stamp_holds_until_the_files_are_touched(tmp_path):
    folder = EventFolder(tmp_path)
    folder.sync("a/b", series(1), "now")
    assert folder.is_current("a/b", "now")
    assert not folder.is_current("a/b", "later")
    next((tmp_path / "a/b").glob("events*")).unlink()
    assert not folder.is_current("a/b", "now")


def test_another_form_is_written_anew(tmp_path, monkeypatch):
    EventFolder(tmp_path).sync("a/b", series(1), "now")
    monkeypatch.setattr(event_folder, "FORM", "next")
    assert not EventFolder(tmp_path).is_current("a/b", "now")


def test_files_that_were_replaced_do_not_pile_up(tmp_path):
    for value in range(20):
        EventFolder(tmp_path).sync("a/b", series(value), "")
    assert len(list((tmp_path / "a/b").glob("events*"))) == 1 + event_folder.EMPTIED
    assert read(tmp_path) == expected(19)


def test_two_writers_wait_for_each_other(tmp_path):
    with EventFolder(tmp_path).claimed():
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        other = context.Process(target=_claim, args=(tmp_path, queue))
        other.start()
        assert queue.get(timeout=60) == "waiting"
        time.sleep(0.2)
        assert queue.empty()
    assert queue.get(timeout=60) == "claimed"
    other.join()


def _claim(path, queue):
    queue.put("waiting")
    with EventFolder(path).claimed():
        queue.put("claimed")
