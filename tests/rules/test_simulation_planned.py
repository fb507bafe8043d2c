"""Stretching a recorded job: equal epochs are a replay, other numbers keep shares and totals."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.simulation.planned import PlannedCourse, plan_course
from distributed_iac.simulation.trace import Trace
from distributed_iac.verdict.report import Report

seconds = st.lists(st.floats(0, 100), min_size=1, max_size=12).map(tuple)
epochs = st.integers(1, 60)


def search(taken: tuple[float, ...], planned: int) -> Trace:
    """One that settles in its last recorded epoch."""
    count = len(taken)
    reports = tuple(
        Report(number, converged=number == count, op_evaluations=10.0 * number)
        for number in range(1, count + 1)
    )
    return Trace("search", "acdc", "net", "lth", 0, taken, planned, reports, closing=4.0)


def settles(course: PlannedCourse) -> int | None:
    """Epoch of the first report that says so."""
    return next((one.epoch for one in course.reports if one is not None and one.converged), None)


@given(seconds, st.integers(0, 9))
def test_as_many_epochs_are_a_replay(taken: tuple[float, ...], more: int) -> None:
    trace = search(taken, len(taken) + more)
    course = plan_course(trace, trace.planned, 1.0)
    assert course.seconds[: len(taken)] == taken
    assert course.seconds[len(taken) :] == (taken[-1],) * more
    assert settles(course) == len(taken)
    assert course.reports[len(taken) :] == (None,) * more
    assert course.closing == trace.closing


@given(seconds, st.integers(0, 9), epochs)
def test_a_search_settles_at_the_same_share_of_its_epochs(
    taken: tuple[float, ...], more: int, planned: int
) -> None:
    trace = search(taken, len(taken) + more)
    course = plan_course(trace, planned, 1.0)
    assert len(course.seconds) == len(course.reports) == planned
    epoch = settles(course)
    if planned >= trace.planned:  # else its epoch may be one that is passed over
        assert epoch is not None
        share = (len(taken) - 1) / trace.planned
        assert share * planned < epoch <= share * planned + 1


@given(seconds, st.integers(0, 9), epochs)
def test_reports_count_the_epochs_and_seconds_of_the_plan(
    taken: tuple[float, ...], more: int, planned: int
) -> None:
    course = plan_course(search(taken, len(taken) + more), planned, 2.0)
    for epoch, report in enumerate(course.reports, start=1):
        if report is not None:
            assert report.epoch == epoch
            assert report.seconds == pytest.approx(sum(course.seconds[:epoch]))


@given(seconds, epochs)
def test_a_stretched_search_evaluates_in_proportion(taken: tuple[float, ...], times: int) -> None:
    trace = search(taken, len(taken))
    last = plan_course(trace, len(taken) * times, 1.0).reports[-1]
    assert last is not None
    assert last.op_evaluations == pytest.approx(10.0 * len(taken) * times)


@given(seconds, epochs, st.floats(0.1, 100))
def test_speed_divides_all_work(taken: tuple[float, ...], planned: int, speed: float) -> None:
    trace = search(taken, len(taken))
    slow, fast = plan_course(trace, planned, 1.0), plan_course(trace, planned, speed)
    assert sum(fast.seconds) * speed == pytest.approx(sum(slow.seconds))
    assert fast.closing * speed == pytest.approx(slow.closing)


@given(seconds, st.integers(0, 9), epochs)
def test_a_training_that_its_patience_ended_ends_at_that_share(
    taken: tuple[float, ...], more: int, planned: int
) -> None:
    whole = len(taken) + more
    trace = Trace("retrain", "acdc", "net", "lth", 0, taken, whole)
    course = plan_course(trace, planned, 1.0)
    share = len(taken) / whole
    assert share * planned <= len(course.seconds) + 1e-9
    assert len(course.seconds) < share * planned + 1
    assert set(course.reports) == {None}


@given(seconds, st.integers(1, 5))
def test_every_recorded_epoch_is_as_frequent_as_the_others(
    taken: tuple[float, ...], times: int
) -> None:
    trace = Trace("pretrain", "acdc", "net", "", None, taken, len(taken))
    course = plan_course(trace, len(taken) * times, 1.0)
    assert sum(course.seconds) == pytest.approx(times * sum(taken))
    places = [taken.index(one) for one in course.seconds] if len(set(taken)) == len(taken) else []
    assert all(before <= after for before, after in pairwise(places))


def test_nothing_known_takes_no_time() -> None:
    assert plan_course(None, 100, 1.0) == PlannedCourse((), (), 0.0)
