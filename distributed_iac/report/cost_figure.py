"""What a search cost against what its cell is worth on patients.

::

    figure = cost_figure(job_rows, patient_rows, "seconds")
    figure.savefig("cost.png")

One panel a group: a point a search, at its cost and at the mean test Dice of its retrained cell;
lines where controls and baselines are, which cost no search. Up and to the left is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from distributed_iac.comparison.pairing import MEAN, pair
from distributed_iac.comparison.rows import JobRow, PatientRow
from distributed_iac.comparison.speed import Measure
from distributed_iac.report.search_curves import COLOURS

COLUMNS = 3
LINES = ("--", ":", "-.", (0, (5, 1)), (0, (1, 3)))


def cost_figure(
    jobs: Sequence[JobRow], patients: Sequence[PatientRow], measure: Measure = "seconds"
) -> Figure:
    """Draw all groups that have a finished search.

    Args:
        jobs: The jobs table.
        patients: The patients table.
        measure: Cost, on a logarithmic axis.

    Returns:
        The figure; one that says so where there is nothing to draw.
    """
    searches = [job for job in jobs if job.kind == "search" and job.status == "done"]
    groups = sorted({job.group for job in searches})
    arms = sorted({job.arm for job in searches})
    columns = min(COLUMNS, max(1, len(groups)))
    rows = max(1, math.ceil(len(groups) / columns))
    figure = Figure(figsize=(4 * columns, 3.2 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, group in zip(axes.flat, groups, strict=False):
        _draw_searches(
            axis, [job for job in searches if job.group == group], patients, measure, arms
        )
        _draw_controls(axis, group, patients, arms)
        axis.set_title(group, fontsize=9, loc="left")
        axis.set_xlabel(f"search cost: {measure.replace('_', ' ')}")
        axis.set_ylabel("test Dice, mean over patients")
        axis.grid(alpha=0.25)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=7, frameon=False)
    for axis in list(axes.flat)[len(groups) :]:
        axis.set_axis_off()
    if not groups:
        figure.suptitle("No search has finished yet")
    return figure


def mean_dice(rows: Sequence[PatientRow]) -> float:
    """Mean over patients of the mean over their cases and targets; NaN without any."""
    return pair(rows, rows, "dice").block(MEAN, "candidate").mean if rows else math.nan


def _draw_searches(
    axis: Axes,
    searches: Sequence[JobRow],
    patients: Sequence[PatientRow],
    measure: Measure,
    arms: Sequence[str],
) -> None:
    for number, arm in enumerate(arms):
        points = []
        for job in searches:
            cost = getattr(job, measure)
            own = [
                row
                for row in patients
                if (row.group, row.arm, row.seed) == (job.group, arm, job.seed)
            ]
            if job.arm == arm and cost and own:
                points.append((cost, mean_dice(own)))
        if points:
            x, y = np.array(points).T
            axis.scatter(x, y, s=28, color=COLOURS[number % len(COLOURS)], label=arm)
            _log_axis(axis)


def _log_axis(axis: Axes) -> None:
    """Plain numbers at 1, 2 and 5, which do not run into each other within one decade."""
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _draw_controls(
    axis: Axes, group: str, patients: Sequence[PatientRow], arms: Sequence[str]
) -> None:
    dataset = group.split("/")[0]
    own = [
        row
        for row in patients
        if row.label not in arms
        and (row.dataset == dataset if row.is_baseline else row.group == group)
    ]
    for number, label in enumerate(sorted({row.label for row in own})):
        level = mean_dice([row for row in own if row.label == label])
        if math.isfinite(level):
            style = LINES[number % len(LINES)]
            axis.axhline(level, color="0.4", linewidth=1, linestyle=style, label=label)
