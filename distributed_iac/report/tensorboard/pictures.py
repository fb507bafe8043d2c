"""Pictures of a search's importance: the heat-map over time, and the cell as it grows thinner.

::

    rasterise(heat_map(layout, epochs))
    rasterise(draw_supernet(layout, weights, "in epoch 40", paper=PAPER))

Shapes: R rows (edges of all cells), O operations; see :mod:`distributed_iac.importance.arrays`.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from distributed_iac.genotype import OPERATIONS, node_name
from distributed_iac.importance.arrays import FloatArray
from distributed_iac.importance.history import EpochImportance
from distributed_iac.importance.layout import Layout
from distributed_iac.report.cell_drawing import LABELS

DPI = 80
COLOURS = 256
"""Of a picture's palette."""
PAPER = 0.55
"""Size of a cell's picture. Dashboards show pictures about 400 pixels wide, and make larger ones
smaller by leaving out pixels: letters and thin lines are the first to go."""
COLUMNS = 4
"""Cells side by side in a heat-map."""
ORDER_LETTERS = 42
"""In a line above the heat-map of one cell."""


def rasterise(figure: Figure) -> bytes:
    """Draw a figure into a PNG file."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    # A palette takes a quarter of the bytes, of which a sweep of hundreds of searches has many.
    # A median cut spends its colours where most pixels are, of which a colour bar has few.
    with Image.open(drawn) as picture:
        palette = picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
        palette.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


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
    height = 0.052 * layout.edges * (len(OPERATIONS) + 1)
    size = (2.2 + 3.6 * columns, (height + 0.6) * rows + 0.8)
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
        axis.set_title(f"cell {cell}" if layout.cells > 1 else "", fontsize=10, loc="left")
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=panels, shrink=0.6, ticks=(0, 0.125, 0.25, 0.5, 1))
        bar.ax.set_yticklabels(("0", "1/8", "1/4", "1/2", "1"))
    order = ", ".join(LABELS[name].replace(" ", "\N{NO-BREAK SPACE}") for name in OPERATIONS)
    figure.suptitle(
        "Weights of the operations in each epoch; white: pruned.\nIn each band from above:\n"
        + "\n".join(textwrap.wrap(order, ORDER_LETTERS * columns)),
        fontsize=10,
    )
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
        # All start at 1/8 or 1/7: on a linear scale most of a search would be one dark colour.
        norm=PowerNorm(0.5, vmin=0.0, vmax=1.0),
        cmap="viridis",
        extent=(ends[0] - 0.5, ends[1] + 0.5, height, 0),
    )
    axis.set_xlabel("epoch", fontsize=10)
    axis.tick_params(labelsize=9)
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
