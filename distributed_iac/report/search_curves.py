"""The course of a search: stability, importance, size and score over the epochs.

::

    figure = search_curves("lth", rows)
    figure.savefig("curves.png")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

Rows = Sequence[Mapping[str, object]]

COLOURS = ("#1b6ca8", "#d1495b", "#2e933c", "#8e5ea2", "#e08e0b")
"""Distinguishable also without colour vision, and in print by their lightness."""


@dataclass(frozen=True)
class Panel:
    """One plot.

    Args:
        title: What it shows.
        columns: Column to line style.
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
    Panel(
        "val Dice of the supernet; of the cell as it would be cut now dotted",
        {"val_dice": "-", "cut_val_dice": ":"},
    ),
    Panel("Seconds an epoch", {"seconds": "-"}),
)


def search_curves(name: str, rows: Rows) -> Figure:
    """Draw the curves of one search.

    Args:
        name: For the legend.
        rows: Of ``epochs.parquet``.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(3, 2, sharex=True)
    for axis, panel in zip(axes.flat, PANELS, strict=True):
        for key, style in panel.columns.items():
            x, y = curve(rows, key, panel.scale)
            axis.plot(x, y, style, color=COLOURS[0], linewidth=1.4)
        axis.set_title(panel.title, fontsize=9, loc="left")
        axis.set_yscale(panel.scale)
        if panel.scale == "log":
            plain_log_ticks(axis.yaxis)
        axis.grid(alpha=0.25)
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    axes[0, 0].legend(axes[0, 0].lines[:1], [name], fontsize=8, frameon=False)
    return figure


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


def plain_log_ticks(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 of every decade; of many decades only as many as have room."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())
