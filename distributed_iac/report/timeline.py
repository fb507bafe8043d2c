"""When which job ran: how full a machine or cluster was, and what everything waited for.

::

    figure = timeline([Span("acdc/basic_unet/pretrain", "pretrain", start=0.0, end=61.5), ...])
    figure.savefig("timeline.png")

Jobs that overlap are stacked; a job takes the lowest lane that is free, so the height is how many
ran at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from distributed_iac.errors import ConfigError
from distributed_iac.jobs.job import JobKind

KIND_COLOURS: dict[JobKind, str] = {
    "prepare": "#8d99ae",
    "pretrain": "#1b6ca8",
    "search": "#d1495b",
    "retrain": "#2e933c",
    "baseline": "#8e5ea2",
    "evaluate": "#e08e0b",
}
LABELLED = 40
"""Most jobs whose names are written into their bars."""


@dataclass(frozen=True)
class Span:
    """One stretch of a job's work.

    Args:
        key: The job's key.
        kind: What it does.
        start: In seconds on any clock that all spans share.
        end: On the same clock, not before the start.
        status: How it ended; failed ones are hatched.

    Raises:
        ConfigError: An end before the start.
    """

    key: str
    kind: JobKind
    start: float
    end: float
    status: Literal["done", "failed", "running"] = "done"

    def __post_init__(self) -> None:
        if not self.start <= self.end:
            raise ConfigError(
                "a span ends after its start", came=f"{self.start} to {self.end}", where=self.key
            )


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


def timeline(spans: Sequence[Span]) -> Figure:
    """Draw all spans from the first start on; an empty run gives a figure that says so."""
    placed = lanes(spans)
    height = max(placed, default=0) + 1
    figure = Figure(figsize=(11, min(12.0, 1.2 + 0.35 * height)), layout="constrained")
    axis = figure.subplots()
    origin = min((span.start for span in spans), default=0.0)
    for span, lane in zip(spans, placed, strict=True):
        left, width = span.start - origin, span.end - span.start
        (bar,) = axis.barh(
            lane,
            width,
            left=left,
            height=0.85,
            color=KIND_COLOURS[span.kind],
            edgecolor="white",
            linewidth=0.5,
            hatch="///" if span.status == "failed" else None,
        )
        if len(spans) <= LABELLED:
            name = axis.text(left, lane, f" {span.key}", fontsize=6, va="center", color="white")
            name.set_clip_path(bar)
    axis.set_ylim(height - 0.5, -0.5)
    axis.set_xlabel("seconds since the first start")
    axis.set_ylabel("jobs at once")
    axis.set_yticks(range(height), labels=[str(lane + 1) for lane in range(height)])
    kinds = {span.kind for span in spans}
    handles = [Patch(color=c, label=kind) for kind, c in KIND_COLOURS.items() if kind in kinds]
    if handles:
        figure.legend(handles=handles, loc="outside upper right", ncols=6, fontsize=8)
    axis.set_title("" if spans else "No job has run yet", fontsize=9)
    return figure
