"""A scored slice with its label and its prediction outlined side by side.

::

    figure = overlay_figure(read_overlays(folder / "overlays.npz"))
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distributed_iac.data.check.overlay import class_colours, draw_contours
from distributed_iac.data.contract import LabelScheme
from distributed_iac.evaluation.overlay_file import Overlay

SIDE = 2.6
"""Inches of a panel's longer side."""


def overlay_figure(overlays: Sequence[Overlay]) -> Figure:
    """Draw overlays of one data set, a row each: what was annotated, what was predicted.

    Args:
        overlays: At least one.
    """
    height, width = overlays[0].image.shape
    dy, dx = overlays[0].spacing
    tall, wide = height * dy, width * dx
    unit = SIDE / max(tall, wide)
    figure = Figure(
        figsize=(2 * wide * unit + 0.5, (tall * unit + 0.45) * len(overlays) + 0.5),
        layout="constrained",
    )
    axes = figure.subplots(len(overlays), 2, squeeze=False)
    colours = class_colours(LabelScheme("overlay", dict(overlays[0].classes)), None)
    for row, overlay in zip(axes, overlays, strict=True):
        for axis, mask, title in (
            (row[0], overlay.label, f"{overlay.role}: {overlay.case_id}"),
            (row[1], overlay.predicted, f"predicted, Dice {overlay.dice:.3f}"),
        ):
            axis.set(xticks=[], yticks=[])
            axis.imshow(overlay.image, "gray", vmin=0, vmax=255, aspect=dy / dx)
            draw_contours(axis, mask, colours)
            axis.set_title(title, fontsize=8, loc="left")
        row[0].set_ylabel(f"slice {overlay.slice_number} of {overlay.slices}", fontsize=8)
    figure.legend(
        handles=[
            Line2D([], [], color=colour, linewidth=2, label=overlays[0].classes[value])
            for value, colour in colours.items()
            if _occurs(value, overlays)
        ],
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
    )
    return figure


def _occurs(value: int, overlays: Sequence[Overlay]) -> bool:
    return any((one.label == value).any() or (one.predicted == value).any() for one in overlays)
