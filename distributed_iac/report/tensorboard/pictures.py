"""Pictures of a search's importance: the heat-map over time, and the cell as it grows thinner.

::

    rasterise(heat_map(layout, epochs)).png
    rasterise(supernet(layout, epochs[-1]))

Shapes: R rows (edges of all cells), O operations; see :mod:`distributed_iac.importance.arrays`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from distributed_iac.genotype import OPERATIONS, node_name
from distributed_iac.importance.arrays import FloatArray
from distributed_iac.importance.history import EpochImportance
from distributed_iac.importance.layout import Layout
from distributed_iac.report.cell_drawing import LABELS, CellPicture, Strand, draw
from distributed_iac.report.tensorboard.record import Picture

DPI = 80
COLOURS = 128
"""Of a picture's palette."""
COLUMNS = 4
"""Cells side by side in a heat-map."""


def rasterise(figure: Figure) -> Picture:
    """Draw a figure into a PNG."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    # A palette takes a quarter of the bytes, of which a sweep of hundreds of searches has many.
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(COLOURS).save(buffer, format="png", optimize=True)
        return Picture(buffer.getvalue(), *picture.size)


def picture_of(png: bytes) -> Picture:
    """A PNG file as it is."""
    with Image.open(io.BytesIO(png)) as picture:
        return Picture(png, *picture.size)


def heat_map(layout: Layout, epochs: Sequence[EpochImportance]) -> Figure:
    """Draw the weight of every operation of every edge over the epochs.

    Args:
        layout: Of the search.
        epochs: At least one.

    Returns:
        A panel a cell: a band an edge, in it a line an operation; white where it is pruned.
    """
    columns = min(COLUMNS, layout.cells)
    rows = -(-layout.cells // columns)
    height = 0.062 * layout.edges * (len(OPERATIONS) + 1)
    size = (3.4 + 4.2 * columns, (height + 0.7) * rows + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    weights = np.array([one.operations for one in epochs])
    drawn = None
    for cell, axis in enumerate(panels.flat):
        if cell >= layout.cells:
            axis.set_axis_off()
            continue
        own = weights[:, cell * layout.edges : (cell + 1) * layout.edges]
        drawn = _panel(axis, own, (epochs[0].epoch, epochs[-1].epoch))
        _name_edges(axis, layout, "named" if cell % columns == 0 else "bare")
        axis.set_title(f"cell {cell}" if layout.cells > 1 else "", fontsize=9, loc="left")
    if drawn is not None:
        figure.colorbar(drawn, ax=panels, label="weight, mean over the epoch", shrink=0.5)
    order = ", ".join(LABELS[name] for name in OPERATIONS)
    figure.suptitle(f"Weights of the operations; in each band from above:\n{order}", fontsize=8)
    return figure


def _panel(axis: Axes, weights: FloatArray, ends: tuple[int, int]) -> AxesImage:
    """One cell's ``(T, E, O)`` weights; a blank line after every edge."""
    epochs, edges, operations = weights.shape
    lines = np.full((epochs, edges, operations + 1), np.nan)
    lines[:, :, :operations] = np.where(weights > 0, weights, np.nan)
    height = edges * (operations + 1)
    image = axis.imshow(
        np.ma.masked_invalid(lines.reshape(epochs, height).T),
        aspect="auto",
        interpolation="nearest",
        vmin=0.0,
        vmax=1.0,
        cmap="viridis",
        extent=(ends[0] - 0.5, ends[1] + 0.5, height, 0),
    )
    axis.set_xlabel("epoch", fontsize=8)
    axis.tick_params(labelsize=7)
    return image


def _name_edges(axis: Axes, layout: Layout, labels: str) -> None:
    band = len(OPERATIONS) + 1
    middles = [number * band + band / 2 - 0.5 for number in range(layout.edges)]
    names = [edge_name(layout, edge) for edge in range(layout.edges)]
    axis.set_yticks(middles, labels=names if labels == "named" else [""] * len(names))


def edge_name(layout: Layout, edge: int) -> str:
    """An edge of a cell for people: ``skip to node 0``."""
    source, target = layout.topology.edges[edge]
    inputs = layout.topology.inputs
    return f"{node_name(source, inputs)} to {node_name(target, inputs)}"


def supernet(layout: Layout, importance: EpochImportance) -> Figure:
    """Draw what was alive in an epoch: a strand for each operation, as thick as it weighed."""
    weights = importance.operations
    pictures = []
    for cell in range(layout.cells):
        own = weights[cell * layout.edges : (cell + 1) * layout.edges]
        strands = tuple(
            Strand(layout.topology.edges[edge], OPERATIONS[o], 0.7 + 3.7 * float(own[edge, o]))
            for edge, o in np.argwhere(own > 0)
        )
        title = f"cell {cell}" if layout.cells > 1 else ""
        pictures.append(CellPicture(layout.topology, strands, title, "none"))
    alive = weights > 0
    headline = (
        f"supernet in epoch {importance.epoch}: {int(alive.sum())} of {alive.size} operations on "
        f"{int(alive.any(axis=1).sum())} of {layout.rows} edges"
    )
    return draw(pictures, headline, ())
