from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import RunError
from distributed_iac.run.journal import Journal

ticks = iter(range(10**9))


def journal(folder: Path) -> Journal:
    return Journal(folder / "journal.jsonl", clock=lambda: float(next(ticks)))


def test_events_come_back_in_order(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.write("open", values={"experiment": "sweep-001"})
    one.write("report", "a/pretrain", {"epoch": 1, "loss": 0.5, "note": None})
    events = list(one.read())
    assert [(event.kind, event.job) for event in events] == [("open", ""), ("report", "a/pretrain")]
    assert events[1].values == {"epoch": 1, "loss": 0.5, "note": None}


def test_no_journal_means_nothing_has_happened(tmp_path: Path) -> None:
    assert list(journal(tmp_path).read()) == []


@given(cut=st.integers(min_value=1))
def test_a_kill_at_any_byte_costs_at_most_the_last_event(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    one = journal(tmp_path_factory.mktemp("journal"))
    for epoch in range(3):
        one.write("report", "a", {"epoch": epoch})
    whole = one.path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    one.path.write_bytes(whole[: -(1 + cut % last)])
    one.write("report", "a", {"epoch": 3})
    epochs = [event.values["epoch"] for event in one.read()]
    assert epochs in ([0, 1, 3], [0, 1, 2, 3])


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.write("open")
    events, offset = one.read_from(0)
    assert len(events) == 1
    assert one.read_from(offset) == ([], offset)
    one.write("close")
    events, _ = one.read_from(offset)
    assert [event.kind for event in events] == ["close"]


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.write("open")
    whole = one.path.read_bytes()
    one.write("close")
    half = one.path.read_bytes()[: len(whole) + 5]
    one.path.write_bytes(half)
    events, offset = one.read_from(0)
    assert [event.kind for event in events] == ["open"]
    assert offset == len(whole)


def test_numbers_that_are_not_finite_are_kept_as_text(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.write("report", "a", {"epoch": 1, "loss": math.nan, "best": -math.inf})
    (event,) = one.read()
    assert event.values == {"epoch": 1, "loss": "nan", "best": "-inf"}


def test_a_line_of_something_else_is_refused(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.write("open")
    with one.path.open("a") as file:
        file.write("hello\n")
    with pytest.raises(RunError, match="one event a line"):
        list(one.read())


@pytest.mark.parametrize(
    "line",
    [
        '{"at": 1.0, "event": "report", "job": "a", "values": {"loss": 1}}',
        '{"at": 1.0, "event": "report", "job": "a", "values": {"epoch": "first"}}',
        '{"at": 1.0, "event": "report", "job": "a", "values": {"epoch": 1, "seconds": "long"}}',
        '{"at": 1.0, "event": "report", "job": "a", "values": {"epoch": 1, "note": 5}}',
        '{"at": 1.0, "event": "end", "job": "a", "values": {"digest": 5}}',
        '{"at": 1.0, "event": "failed", "job": "a", "values": {"error": ["no"]}}',
        '{"at": NaN, "event": "open", "job": ""}',
        '{"at": 1e300, "event": "open", "job": ""}',
    ],
)
def test_values_that_no_event_has_are_refused_where_they_are_read(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(RunError, match="delete that line"):
        list(Journal(path).read())
