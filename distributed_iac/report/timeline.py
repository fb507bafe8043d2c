"""When which job ran: what a machine or cluster did, group by group, and how full it was.

::

    figure = timeline([Span("acdc/basic_unet/pretrain", "pretrain", start=0.0, end=61.5), ...])
    figure.savefig("timeline.png")

A band for every group (data set and backbone), in the order in which they began. Inside a band,
jobs that overlap are stacked: a job takes the lowest lane that is free. Where one group's
searches stand above another's pre-training, nobody waited for a common phase to end. The strip
on top is the number of jobs at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from distributed_iac.errors import ConfigError
from distributed_iac.jobs.job import JobKind
from distributed_iac.run.replay import AttemptStatus, Replay

KIND_COLOURS: dict[JobKind, str] = {
    "prepare": "#8d99ae",
    "pretrain": "#1b6ca8",
    "search": "#d1495b",
    "retrain": "#2e933c",
    "baseline": "#8e5ea2",
    "evaluate": "#e08e0b",
}
HATCHES: dict[AttemptStatus, str] = {
    "done": "",
    "failed": "xxxx",
    "lost": "////",
    "running": "\\\\\\\\",
}
UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
"""The largest unit of which a run took at least three is shown."""


@dataclass(frozen=True)
class Span:
    """One stretch of a job's work.

    Args:
        key: The job's key.
        kind: What it does.
        start: In seconds on any clock that all spans share.
        end: On the same clock, not before the start.
        status: How it ended; all but ``done`` are hatched.

    Raises:
        ConfigError: An end before the start.
    """

    key: str
    kind: JobKind
    start: float
    end: float
    status: AttemptStatus = "done"

    def __post_init__(self) -> None:
        if not self.start <= self.end:
            raise ConfigError(
                "a span ends after its start", came=f"{self.start} to {self.end}", where=self.key
            )

    @property
    def group(self) -> str:
        """Data set and backbone; only the data set for ``prepare``."""
        return "/".join(self.key.split("/")[: 1 if self.kind == "prepare" else 2])


def spans_of(replay: Replay) -> tuple[Span, ...]:
    """A span for every attempt at a job, by start, then key.

    One that still runs reaches to the last event of the journal; no clock is asked, so that the
    same journal gives the same picture. Jobs whose results were found did not run.
    """
    spans = [
        Span(
            history.job.key,
            history.job.kind,
            attempt.began,
            max(attempt.began, replay.now) if attempt.ended is None else attempt.ended,
            attempt.status,
        )
        for history in replay.jobs.values()
        for attempt in history.attempts
    ]
    return tuple(sorted(spans, key=lambda span: (span.start, span.key)))


def lanes(spans: Sequence[Span]) -> tuple[int, ...]:
    """Lane of every span, from 0: the lowest that is free at its start.

    As many lanes are used as spans overlap at most.
    """
    free_from: list[float] = []
    found = [0] * len(spans)
    for index in sorted(range(len(spans)), key=lambda i: (spans[i].start, spans[i].key)):
        span = spans[index]
        open_lanes = (lane for lane, free in enumerate(free_from) if free <= span.start)
        lane = next(open_lanes, len(free_from))
        if lane == len(free_from):
            free_from.append(span.end)
        else:
            free_from[lane] = span.end
        found[index] = lane
    return tuple(found)


def bands(spans: Sequence[Span]) -> dict[str, tuple[Span, ...]]:
    """Group to its spans, the group that began first coming first."""
    found: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: (span.start, span.key)):
        found.setdefault(span.group, []).append(span)
    return {group: tuple(own) for group, own in found.items()}


def timeline(spans: Sequence[Span]) -> Figure:
    """Draw all spans from the first start on; an empty run gives a figure that says so."""
    placed = {group: lanes(own) for group, own in bands(spans).items()}
    height = sum(max(own) + 1 for own in placed.values())
    figure = Figure(figsize=(8, min(14.0, 1.9 + 0.2 * height)), layout="constrained")
    if not spans:
        figure.suptitle("No job has run yet")
        return figure
    origin = min(span.start for span in spans)
    length = max(1.0, *(span.end - origin for span in spans))
    unit, name = _unit(length)
    strip, chart = figure.subplots(2, 1, sharex=True, height_ratios=(0.75, max(1.2, 0.2 * height)))
    _draw_occupancy(strip, spans, origin, unit)
    _draw_bands(chart, bands(spans), placed, origin, unit)
    chart.set_xlim(0, 1.01 * length / unit)
    chart.set_xlabel(f"{name} since the first start")
    handles = _handles(spans)
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=len(handles),
        fontsize=8,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.2,
    )
    return figure


def occupancy(spans: Sequence[Span]) -> tuple[list[float], list[int]]:
    """When the number of running jobs changes, and what it is from there on."""
    changes: dict[float, int] = {}
    for span in spans:
        changes[span.start] = changes.get(span.start, 0) + 1
        changes[span.end] = changes.get(span.end, 0) - 1
    times = sorted(changes)
    return times, np.cumsum([changes[time] for time in times]).tolist()


def _unit(length: float) -> tuple[float, str]:
    return next(((unit, name) for unit, name in UNITS if length >= 3 * unit), UNITS[-1])


def _draw_occupancy(axis: Axes, spans: Sequence[Span], origin: float, unit: float) -> None:
    times, counts = occupancy(spans)
    axis.fill_between(
        [(time - origin) / unit for time in times], counts, step="post", color="0.75", linewidth=0
    )
    axis.set_ylabel("at once", fontsize=8)
    axis.set_ylim(0, max(1, *counts) * 1.15)
    axis.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axis.spines[["top", "right"]].set_visible(False)


def _draw_bands(
    axis: Axes,
    groups: Mapping[str, Sequence[Span]],
    placed: Mapping[str, Sequence[int]],
    origin: float,
    unit: float,
) -> None:
    top, middles = 0, []
    for group, own in groups.items():
        for span, lane in zip(own, placed[group], strict=True):
            axis.barh(
                top + lane,
                (span.end - span.start) / unit,
                left=(span.start - origin) / unit,
                height=0.82,
                color=KIND_COLOURS[span.kind],
                edgecolor="white",
                linewidth=0.4,
                hatch=HATCHES[span.status],
            )
        used = max(placed[group]) + 1
        middles.append(top + (used - 1) / 2)
        top += used
        axis.axhline(top - 0.5, color="0.85", linewidth=0.6)
    axis.set_ylim(top - 0.5, -0.5)
    axis.set_yticks(middles, labels=list(groups), fontsize=8)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _handles(spans: Sequence[Span]) -> list[Patch]:
    kinds, endings = {span.kind for span in spans}, {span.status for span in spans} - {"done"}
    return [
        *(
            Patch(color=colour, label=kind)
            for kind, colour in KIND_COLOURS.items()
            if kind in kinds
        ),
        *(
            Patch(facecolor="0.8", edgecolor="white", hatch=HATCHES[ending], label=ending)
            for ending in HATCHES
            if ending in endings
        ),
    ]
