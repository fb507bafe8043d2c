"""Pictures of a case with its label drawn on it, to be judged by eye.

::

    figure = draw_case(case, source.labels, layout)  # layout with its slice axis resolved
    figure.savefig("patient001_frame01.png")

Three slices side by side, one channel below the other; axial slices are the right way up: anterior
on top, the patient's right on the left (the radiological view), pixels as long and wide as the
header says. Letters at the edges name the directions. In brackets they follow from the format's
convention alone: where a layout is ``as_stored``, the header is known not to tell.

Shapes: C channels, Z slices of H x W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme, Modality, SliceLayout
from distributed_iac.data.volumes.geometry import slice_geometry
from distributed_iac.data.volumes.volume import load_case

CT_WINDOW = (-160.0, 240.0)
"""HU; the usual soft-tissue window of the abdomen, width 400 and level 40."""

MR_PERCENTILES = (0.5, 99.5)
"""Of the voxels that are not exactly 0, since the background of skull-stripped data is."""

FRACTIONS = (0.25, 0.5, 0.75)
"""Where in the labelled range of slices the three pictures are taken."""

_PANEL = 3.0
"""Inches of a panel's longer side."""

_TAB20 = tuple(i for i in (*range(0, 20, 2), *range(1, 20, 2)) if i not in (14, 15))
"""Of matplotlib's tab20 the strong colours, then the pale ones, without its greys: those are lost
on an image."""

Colour = tuple[float, float, float, float]


@dataclass(frozen=True)
class Edges:
    """Patient directions at the edges of a picture: A, P, L, R, S (head), I (feet)."""

    top: str
    bottom: str
    left: str
    right: str


_EDGES: Mapping[int, Edges] = {
    2: Edges("A", "P", "R", "L"),
    1: Edges("S", "I", "R", "L"),
    0: Edges("S", "I", "A", "P"),
}
"""By the slice axis of an LPS volume; the directions are those of ``data.geometry``."""

_STORED_EDGES: Mapping[int, Edges] = {2: _EDGES[2], 0: _EDGES[2]}
"""By the slice axis of a volume as stored: the two orders that ``data.geometry`` calls axial."""


def draw_case(case: Case, labels: LabelScheme, layout: SliceLayout) -> Figure:
    """Draw a case.

    Args:
        case: With or without a label.
        labels: Names of the classes.
        layout: The case's, with its slice axis resolved.

    Raises:
        DataError: The case cannot be loaded or cut.
    """
    volume = load_case(case)
    geometry = slice_geometry(volume.affine, volume.shape, volume.zooms, layout)
    image = geometry.to_slices(volume.image)
    label = None if volume.label is None else geometry.to_slices(volume.label)
    _, dy, dx = geometry.spacing
    chosen = choose_slices(label, image.shape[1], labels.ignore)
    colours = class_colours(labels, label)

    figure, panels = _panels(image.shape, len(chosen), dy / dx)
    for row, (channel, slices) in enumerate(zip(case.channels, image, strict=True)):
        limits = window(slices, case.modality)
        for column, index in enumerate(chosen):
            axes = panels[row, column]
            axes.imshow(slices[index], "gray", vmin=limits[0], vmax=limits[1], aspect=dy / dx)
            if label is not None:
                draw_contours(axes, label[index], colours)
            _mark_edges(axes, layout)
            if row == 0:
                axes.set_title(f"slice {index + 1} of {image.shape[1]}", fontsize=9)
        panels[row, 0].set_ylabel(channel.name, fontsize=9)
    figure.suptitle(_title(case, layout), fontsize=10)
    _legend(figure, labels, colours, label)
    return figure


def choose_slices(
    label: NDArray[np.integer[Any]] | None, depth: int, ignore: int | None
) -> tuple[int, ...]:
    """Return the slices at :data:`FRACTIONS` of the labelled range, each once.

    Args:
        label: (Z, H, W); without one, or without foreground, the whole stack is the range.
        depth: Z.
        ignore: Label value that does not count as labelled.
    """
    first, last = 0, depth - 1
    if label is not None:
        labelled = np.flatnonzero(((label != 0) & (label != ignore)).any(axis=(1, 2)))
        if labelled.size:
            first, last = int(labelled[0]), int(labelled[-1])
    return tuple(dict.fromkeys(round(first + part * (last - first)) for part in FRACTIONS))


def window(slices: NDArray[np.float32], modality: Modality) -> tuple[float, float]:
    """Return the intensities to be shown as black and white."""
    if modality == "CT":
        return CT_WINDOW
    tissue = slices[np.isfinite(slices) & (slices != 0)]
    if not tissue.size:
        return 0.0, 1.0
    low, high = np.percentile(tissue, MR_PERCENTILES)
    return float(low), float(high)


def class_colours(labels: LabelScheme, label: NDArray[np.integer[Any]] | None) -> dict[int, Colour]:
    """Return a colour for each class, the same in every case, and for stray values after them."""
    stray = set() if label is None else set(np.unique(label).tolist()) - labels.values
    values = [value for value in sorted(labels.values) if value != 0] + sorted(stray)
    palette = colormaps["tab20"].colors  # type: ignore[attr-defined]  # a ListedColormap
    return {value: (*palette[_TAB20[i % len(_TAB20)]], 1.0) for i, value in enumerate(values)}


def draw_contours(
    axes: Axes, label: NDArray[np.integer[Any]], colours: Mapping[int, Colour]
) -> None:
    """Outline every class of one label slice (H, W), also where it touches the border."""
    height, width = label.shape
    columns, rows = np.arange(-1, width + 1), np.arange(-1, height + 1)
    for value, colour in colours.items():
        mask = np.pad(label == value, 1)
        if mask.any():
            axes.contour(columns, rows, mask, levels=[0.5], colors=[colour], linewidths=1.1)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _panels(
    shape: tuple[int, ...], columns: int, pixel_aspect: float
) -> tuple[Figure, NDArray[Any]]:
    channels, _, height, width = shape
    tall = height * pixel_aspect
    unit = _PANEL / max(tall, width)
    panel_width, panel_height = max(width * unit, 1.0), max(tall * unit, 1.0)
    figure = Figure(
        figsize=(max(panel_width * columns, 3.5) + 0.6, panel_height * channels + 1.3),
        layout="constrained",
    )
    panels = figure.subplots(channels, columns, squeeze=False)
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[], facecolor="black")
    return figure, panels


def edge_marks(layout: SliceLayout) -> Edges | None:
    """Return the letters at a picture's edges; None where nothing is known about them."""
    if layout.slice_axis is None:
        return None
    if layout.reorient == "LPS":
        return _EDGES[layout.slice_axis]
    edges = _STORED_EDGES.get(layout.slice_axis)
    if edges is None:
        return None
    return Edges(*(f"({mark})" for mark in (edges.top, edges.bottom, edges.left, edges.right)))


def _mark_edges(axes: Axes, layout: SliceLayout) -> None:
    edges = edge_marks(layout)
    if edges is None:
        return
    outline = [withStroke(linewidth=2, foreground="black")]
    places = (
        (edges.top, 0.5, 0.98, "center", "top"),
        (edges.bottom, 0.5, 0.02, "center", "bottom"),
        (edges.left, 0.02, 0.5, "left", "center"),
        (edges.right, 0.98, 0.5, "right", "center"),
    )
    for mark, x, y, horizontal, vertical in places:
        axes.text(
            x,
            y,
            mark,
            horizontalalignment=horizontal,
            verticalalignment=vertical,
            transform=axes.transAxes,
            color="white",
            fontsize=9,
            path_effects=outline,
        )


def _title(case: Case, layout: SliceLayout) -> str:
    owner = None if case.patient_id == case.case_id else f"patient id {case.patient_id}"
    facts: Sequence[str | None] = (case.case_id, owner, case.modality, case.phase, case.part)
    title = ", ".join(filter(None, facts))
    if layout.reorient == "LPS":
        return title
    return f"{title}\n(directions) by the format's convention, not its headers"


def _legend(
    figure: Figure,
    labels: LabelScheme,
    colours: Mapping[int, Colour],
    label: NDArray[np.integer[Any]] | None,
) -> None:
    """Name the classes that occur in the case, whether in a drawn slice or not."""
    present = set() if label is None else set(np.unique(label).tolist())
    names = {**labels.classes, **({} if labels.ignore is None else {labels.ignore: "ignore"})}
    handles = [
        Line2D([], [], color=colour, linewidth=2, label=f"{value} {names.get(value, '?')}")
        for value, colour in colours.items()
        if value in present
    ]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8)
