"""Val Dice of random cells, a dot a training: do cells differ, or seeds?

::

    figure = headroom_figure(trials)

One panel a group, a column a cell, a colour a seed; cells from worst to best by their mean, which
is the short line. Dots far apart within the columns are luck; lines far apart are cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distributed_iac.headroom.measured import Trial
from distributed_iac.report.search_curves import COLOURS

COLUMNS = 3


def headroom_figure(trials: Sequence[Trial]) -> Figure:
    """Draw all groups."""
    columns = min(COLUMNS, max(1, len(trials)))
    rows = max(1, math.ceil(len(trials) / columns))
    figure = Figure(figsize=(3.8 * columns, 3.0 * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, trial in zip(axes.flat, trials, strict=False):
        _draw(axis, trial)
    for axis in list(axes.flat)[len(trials) :]:
        axis.set_axis_off()
    return figure


def _draw(axis: Axes, trial: Trial) -> None:
    values = trial.val_dice
    trained = np.flatnonzero(np.isfinite(values).any(axis=1))
    means = np.array([np.nanmean(values[row]) for row in trained])
    for place, at in enumerate(np.argsort(means, kind="stable")):
        axis.hlines(means[at], place - 0.3, place + 0.3, color="0.2", linewidth=1.5)
        for column, value in enumerate(values[trained[at]]):
            colour = COLOURS[column % len(COLOURS)]
            axis.scatter(place, value, s=24, color=colour, zorder=3)
    for column, seed in enumerate(trial.seeds):
        colour = COLOURS[column % len(COLOURS)]
        axis.scatter([], [], s=24, color=colour, label=f"seed {seed}")
    axis.set_title(trial.group, fontsize=9, loc="left")
    axis.set_xlabel("random cells, worst to best; line: mean", fontsize=8)
    axis.set_ylabel("val Dice", fontsize=8)
    axis.set_xticks([])
    axis.tick_params(labelsize=8)
    axis.grid(axis="y", alpha=0.25)
    axis.legend(fontsize=7, frameon=False, loc="best")
