"""The course of searches: stability, importance, size and score over the epochs.

::

    figure = search_curves({"full": full_rows, "lth": lth_rows})
    figure.savefig("curves.png")

One column of axes shared by all arms, one colour an arm, so that full and LTH are read against
each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from distributed_iac.report.log_ticks import plain_log_ticks

Rows = Sequence[Mapping[str, object]]

COLOURS = ("#1b6ca8", "#d1495b", "#2e933c", "#8e5ea2", "#e08e0b")
"""Distinguishable also without colour vision, and in print by their lightness."""


@dataclass(frozen=True)
class Panel:
    """One plot.

    Args:
        title: What it shows.
        columns: Column to line style; the first one is drawn solid and named in the legend.
        scale: Of the vertical axis.
    """

    title: str
    columns: Mapping[str, str]
    scale: str = "linear"


PANELS = (
    Panel(
        "JS divergence between windows (bits): mean, max dotted",
        {"js_mean": "-", "js_max": ":"},
        "log",
    ),
    Panel("Normalised entropy of operations, mean over edges", {"entropy": "-"}),
    Panel(
        "Leading operation's weight (median edge); margin dotted",
        {"leader_median": "-", "margin": ":"},
    ),
    Panel("Live operations", {"live_operations": "-"}),
    Panel("val Dice of the supernet", {"val_dice": "-"}),
    Panel("Seconds an epoch", {"seconds": "-"}),
)


def search_curves(searches: Mapping[str, Rows]) -> Figure:
    """Draw the curves of one or several searches.

    Args:
        searches: Name to the rows of ``epochs.parquet``.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(3, 2, sharex=True)
    for axis, panel in zip(axes.flat, PANELS, strict=True):
        for colour, (name, rows) in zip(_colours(len(searches)), searches.items(), strict=True):
            _draw(axis, panel, name, rows, colour)
        axis.set_title(panel.title, fontsize=9, loc="left")
        axis.set_yscale(panel.scale)
        if panel.scale == "log":
            plain_log_ticks(axis.yaxis)
        axis.grid(alpha=0.25)
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    axes[0, 0].legend(fontsize=8, frameon=False)
    return figure


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _draw(axis: Axes, panel: Panel, name: str, rows: Rows, colour: str) -> None:
    for number, (key, style) in enumerate(panel.columns.items()):
        axis.plot(
            *curve(rows, key, panel.scale),
            style,
            color=colour,
            linewidth=1.4,
            label=name if not number else None,
        )


def column(rows: Rows, key: str) -> NDArray[np.float64]:
    """One column as numbers, NaN where a row has none."""
    values = [row.get(key) for row in rows]
    return np.array([v if isinstance(v, int | float) else np.nan for v in values], dtype=np.float64)


def curve(rows: Rows, key: str, scale: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Epochs and values of what was measured: what is every few epochs is joined over the gaps.

    Args:
        rows: Of one search.
        key: Column.
        scale: Of the axis; ``log`` has no place for values that are not above 0.
    """
    epochs, values = column(rows, "epoch"), column(rows, key)
    known = np.isfinite(values) & ((values > 0) | (scale != "log"))
    return epochs[known], values[known]
