"""What a journal tells about the time that was no epoch's."""

from __future__ import annotations

from distributed_iac.run.journal import Event
from distributed_iac.run.traces import closing_seconds


def event(at: float, kind: str, job: str = "a", seconds: float | None = None) -> Event:
    return Event(at, kind, job, {} if seconds is None else {"seconds": seconds})  # type: ignore[arg-type]


def test_all_between_start_and_end_that_was_no_epoch_counts() -> None:
    events = [event(10, "start"), event(13, "report", seconds=2), event(19, "report", seconds=3)]
    assert closing_seconds([*events, event(20, "end")]) == {"a": 5.0}


def test_a_lost_process_counts_for_nothing() -> None:
    lost = [event(0, "start"), event(9, "report", seconds=1), event(90, "again")]
    events = [*lost, event(100, "start"), event(103, "report", seconds=2), event(104, "end")]
    assert closing_seconds(events) == {"a": 2.0}


def test_results_that_are_found_again_tell_nothing() -> None:
    events = [event(0, "start"), event(5, "report", seconds=4), event(6, "end")]
    assert closing_seconds([*events, event(500, "open", ""), event(900, "end")]) == {"a": 2.0}
    assert closing_seconds([event(900, "end")]) == {}


def test_jobs_at_the_same_time_are_told_apart() -> None:
    events = [event(0, "start"), event(1, "start", "b"), event(4, "report", seconds=4)]
    events += [event(5, "report", "b", 1), event(6, "end"), event(7, "end", "b")]
    assert closing_seconds(events) == {"a": 2.0, "b": 5.0}
