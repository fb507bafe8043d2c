"""What a search cost against what its cell is worth on patients.

::

    figure = cost_figure(job_rows, patient_rows)
    figure.savefig("cost.png")

One panel a group: a point a search, at its cost and at the mean test Dice of its retrained cell;
lines where controls and baselines are, which cost no search. Up and to the left is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distributed_iac.comparison.pairing import mean_score
from distributed_iac.comparison.rows import JobRow, ScoreRow, variants_among
from distributed_iac.jobs.job import group_name
from distributed_iac.report.search_curves import COLOURS, plain_log_ticks

COLUMNS = 3
LineStyle = Literal["--", ":", "-."] | tuple[int, tuple[int, int]]
LINES: tuple[LineStyle, ...] = ("--", ":", "-.", (0, (5, 1)), (0, (1, 3)))
GREY = "0.4"
LEAST_DICE, LEAST_RATIO = 0.05, 4.0
"""Heights and ratios of costs that an axis spans at least: five times the usual margin of Dice,
and a speed-up that would be worth having."""


def cost_figure(jobs: Sequence[JobRow], patients: Sequence[ScoreRow]) -> Figure:
    """Draw all groups that have a finished search.

    Args:
        jobs: The jobs table.
        patients: The patients table.

    Returns:
        The figure; one that says so where there is nothing to draw.
    """
    searches = [job for job in jobs if job.kind == "search" and job.status == "done"]
    groups = dict(sorted(_panels(searches, patients).items()))
    arms = sorted({job.arm for job in searches})
    others = sorted({row.label for row in patients} - set(arms))
    columns = 2 if len(groups) == 4 else min(COLUMNS, max(1, len(groups)))
    rows = max(1, math.ceil(len(groups) / columns))
    figure = Figure(figsize=(3.6 * columns, 3.0 * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, (group, (own, scored)) in zip(axes.flat, groups.items(), strict=False):
        _draw_searches(axis, own, scored, arms)
        _draw_controls(axis, scored, others)
        _widen(axis)
        axis.set_title(group, fontsize=9, loc="left")
        axis.set_xlabel("search cost: seconds", fontsize=8)
        axis.set_ylabel("test Dice, mean over patients", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.25)
    for axis in list(axes.flat)[len(groups) :]:
        axis.set_axis_off()
    if groups:
        figure.legend(
            handles=_handles(arms, others),
            loc="outside lower center",
            ncols=4,
            fontsize=8,
            frameon=False,
        )
    else:
        figure.suptitle("No search has finished yet")
    return figure


Panel = tuple[list[JobRow], list[ScoreRow]]
"""The searches of a group in one variant, and all models that they are set beside."""


def _panels(searches: Sequence[JobRow], patients: Sequence[ScoreRow]) -> dict[str, Panel]:
    panels: dict[str, Panel] = {}
    for place in {(job.dataset, job.backbone) for job in searches}:
        own = [job for job in searches if (job.dataset, job.backbone) == place]
        rivals = [row for row in patients if row.is_rival_in(*place)]
        for variant in variants_among((*own, *rivals)):
            found = [job for job in own if not job.variants or variant in job.variants]
            if found:
                scored = [row for row in rivals if row.is_in(variant)]
                panels[group_name(*place, variant)] = (found, scored)
    return panels


def _handles(arms: Sequence[str], others: Sequence[str]) -> list[Line2D]:
    dots = [
        Line2D([], [], color=_colour(number), marker="o", linestyle="", label=arm)
        for number, arm in enumerate(arms)
    ]
    lines = [
        Line2D([], [], color=GREY, linewidth=1, linestyle=_style(number), label=label)
        for number, label in enumerate(others)
    ]
    return [*dots, *lines]


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _style(number: int) -> LineStyle:
    return LINES[number % len(LINES)]


def _widen(axis: Axes) -> None:
    """Keep what is next to nothing from filling the panel."""
    low, high = axis.get_ylim()
    if high - low < LEAST_DICE:
        middle = (low + high) / 2
        axis.set_ylim(middle - LEAST_DICE / 2, middle + LEAST_DICE / 2)
    if axis.get_xscale() == "log":
        low, high = axis.dataLim.intervalx
        middle, half = math.sqrt(low * high), math.sqrt(max(LEAST_RATIO, 1.4 * high / low))
        axis.set_xlim(middle / half, middle * half)


def _draw_searches(
    axis: Axes,
    searches: Sequence[JobRow],
    patients: Sequence[ScoreRow],
    arms: Sequence[str],
) -> None:
    for number, arm in enumerate(arms):
        points = []
        for job in searches:
            own = [row for row in patients if (row.arm, row.seed) == (arm, job.seed)]
            if job.arm == arm and job.seconds and own:
                points.append((job.seconds, mean_score(own, "dice")))
        if points:
            x, y = np.array(points).T
            axis.scatter(x, y, s=28, color=_colour(number), label=arm)
            axis.set_xscale("log")
            plain_log_ticks(axis.xaxis)


def _draw_controls(axis: Axes, patients: Sequence[ScoreRow], labels: Sequence[str]) -> None:
    for number, label in enumerate(labels):
        own = [row for row in patients if row.label == label]
        level = mean_score(own, "dice")
        if math.isfinite(level):
            axis.axhline(level, color=GREY, linewidth=1, linestyle=_style(number), label=label)
