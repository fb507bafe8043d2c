"""A recorded job, stretched to the epochs that are planned.

::

    course = plan_course(stand_in.trace, planned=100, speed=20.0)
    course.seconds[41]           # of epoch 42: that of the same share of the recorded job

A recorded job of N epochs tells a planned one of M: epoch e costs what epoch ``ceil(e N / M)``
did, and reports what that one reported. So a search that had settled after six tenths of its epochs
settles after six tenths here. With M = N that is a plain replay. Our choice: warm-up and patience
are set as counts of epochs, but whoever plans longer searches does so because more is to be
learned; where both are believed to stay as they are, plan with the recorded number of epochs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

from distributed_iac.simulation.trace import Trace
from distributed_iac.verdict.report import Report


@dataclass(frozen=True)
class PlannedCourse:
    """What a planned job does if nobody stops it.

    Args:
        seconds: Of each epoch.
        reports: After each epoch; None where nothing was recorded, and nothing is decided.
        closing: Seconds for opening data and for keeping the result.
    """

    seconds: tuple[float, ...] = ()
    reports: tuple[Report | None, ...] = ()
    closing: float = 0.0


def plan_course(trace: Trace | None, planned: int, speed: float) -> PlannedCourse:
    """Stretch a trace.

    A search that was stopped early goes on past its trace at the pace of its last recorded epoch,
    without reports, for the rules of the planned sweep are to stop it now. Any other job that
    ended early did so by its own patience, and ends at that share of its epochs here too.

    Args:
        trace: What was recorded; None takes no time.
        planned: Epochs of the planned job at the most, at least 1.
        speed: Recorded seconds that are one second here, above 0.
    """
    if trace is None:
        return PlannedCourse()
    epochs = planned
    if trace.kind != "search":
        epochs = _ceil(len(trace.epoch_seconds) * planned, trace.planned)
    places = [_ceil(epoch * trace.planned, planned) - 1 for epoch in range(1, epochs + 1)]
    last = len(trace.epoch_seconds) - 1
    seconds = tuple(trace.epoch_seconds[min(place, last)] / speed for place in places)
    return PlannedCourse(seconds, _reports(trace, places, seconds), trace.closing / speed)


def _reports(
    trace: Trace, places: list[int], seconds: tuple[float, ...]
) -> tuple[Report | None, ...]:
    """Reports at their new epochs, with totals as they are here."""
    if not trace.reports:
        return (None,) * len(places)
    evaluations = len(places) / trace.planned
    return tuple(
        _moved(trace.reports[place], epoch, total, evaluations)
        if place < len(trace.reports)
        else None
        for epoch, (place, total) in enumerate(
            zip(places, accumulate(seconds), strict=True), start=1
        )
    )


def _moved(report: Report, epoch: int, total: float, evaluations: float) -> Report:
    done = report.op_evaluations
    return replace(
        report,
        epoch=epoch,
        seconds=total,
        op_evaluations=None if done is None else done * evaluations,
    )


def _ceil(dividend: int, divisor: int) -> int:
    """Division rounded up, exact for whole numbers."""
    return -(-dividend // divisor)
