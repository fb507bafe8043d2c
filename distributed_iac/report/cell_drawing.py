"""Cells as pictures: the discrete cell with its confidence, and the supernet growing thinner.

::

    draw_genotype(genotype).savefig("cell.png")
    draw_discretisation(result).savefig("cell.svg")          # width: confidence; dashed: undecided
    draw_supernet(layout, weights, "in epoch 40")            # a strand for every live operation

Colours tell operations apart, warm ones are convolutions, blue ones poolings, green is the skip,
grey is ``none`` (after Okabe and Ito, distinguishable without colour vision); every kept edge is
labelled besides. ``per_skip`` genotypes get a panel a tap.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon

from distributed_iac.genotype import OPERATIONS, CellTopology, Edge, Genotype
from distributed_iac.importance.arrays import FloatArray
from distributed_iac.importance.layout import Layout
from distributed_iac.pruning.discretise import Discretisation
from distributed_iac.report.cell_layout import RADIUS, STEP, CellLayout

COLOURS: dict[str, str] = {
    "none": "#b5b5b5",
    "max_pool_3x3": "#0072b2",
    "avg_pool_3x3": "#56b4e9",
    "skip_connect": "#009e73",
    "sep_conv_3x3": "#e69f00",
    "sep_conv_5x5": "#c8500a",
    "dil_conv_3x3": "#cc79a7",
    "dil_conv_5x5": "#7b2350",
}
LABELS: dict[str, str] = {
    "none": "none",
    "max_pool_3x3": "max 3×3",
    "avg_pool_3x3": "avg 3×3",
    "skip_connect": "skip",
    "sep_conv_3x3": "sep 3×3",
    "sep_conv_5x5": "sep 5×5",
    "dil_conv_3x3": "dil 3×3",
    "dil_conv_5x5": "dil 5×5",
}
INK, PALE, BAND = "#22303c", "#8a97a3", "#f1f4f7"
CENTRED: dict[str, Any] = {"color": INK, "ha": "center", "va": "center"}
FRAME: dict[str, Any] = {"facecolor": "white", "edgecolor": INK, "linewidth": 1.2}
LEAST_WIDTH, MOST_WIDTH = 1.2, 4.4
"""Points, at confidence 0.5 and 1."""
SPACING = 0.055
"""Between neighbouring strands of a bundle, in data units."""
HEAD = 0.17
"""Length of an arrowhead, in data units."""
HEADLINE_LETTERS, LEGEND_ENTRIES = 11.0, 0.75
"""In an inch of a line: letters of the headline, entries of the legend."""


@dataclass(frozen=True)
class Strand:
    """One operation on one edge.

    Args:
        edge: Where it runs.
        operation: What it does.
        width: In points.
        line: Dashed for undecided.
    """

    edge: Edge
    operation: str
    width: float
    line: Literal["solid", "dashed"] = "solid"


@dataclass(frozen=True)
class CellPicture:
    """What one panel shows.

    Args:
        topology: Graph of the cell.
        strands: What is drawn on its edges, in any order.
        title: Above the panel.
        labels: Whether the edges carry the names of their operations.
    """

    topology: CellTopology
    strands: tuple[Strand, ...]
    title: str
    labels: Literal["operations", "none"]


def draw_genotype(genotype: Genotype) -> Figure:
    """Draw discrete cells, all edges alike.

    Args:
        genotype: One shared cell, or one a tap.
    """
    pictures = [
        CellPicture(
            cell.topology,
            tuple(Strand(edge, operation, 2.6) for edge, operation in cell.genes),
            _title(genotype.scope, number),
            "operations",
        )
        for number, cell in enumerate(genotype.cells)
    ]
    return draw(pictures, f"cell {genotype.id}", ())


def draw_discretisation(result: Discretisation, paper: float = 1.0) -> Figure:
    """Draw discrete cells with the confidence in every operation.

    Args:
        result: From :func:`~distributed_iac.pruning.discretise.discretise`.
        paper: As for :func:`draw`.
    """
    pictures = []
    for number, cell in enumerate(result.genotype.cells):
        strands = tuple(
            Strand(
                Edge(kept.source, kept.target),
                kept.operation,
                LEAST_WIDTH + (MOST_WIDTH - LEAST_WIDTH) * (2 * kept.confidence - 1),
                "dashed" if kept.undecided else "solid",
            )
            for kept in result.kept
            if kept.cell == number
        )
        title = _title(result.genotype.scope, number)
        pictures.append(CellPicture(cell.topology, strands, title, "operations"))
    notes = (
        Line2D([], [], color=INK, linewidth=MOST_WIDTH, label="confidence 1"),
        Line2D([], [], color=INK, linewidth=LEAST_WIDTH, label="confidence 0.5"),
        Line2D([], [], color=INK, linewidth=2.4, linestyle=(0, (2, 1)), label="undecided"),
    )
    headline = f"cell {result.genotype.id}\n{result.distinction.sentence}"
    return draw(pictures, headline, notes, paper)


def draw_supernet(layout: Layout, weights: FloatArray, when: str, paper: float = 1.0) -> Figure:
    """Draw everything that is still alive: a strand for each operation, as thick as it weighs.

    Args:
        layout: Of the search; R rows are the edges of all its cells.
        weights: ``(R, O)`` of the operations; 0 where they are pruned.
        when: For the headline.
        paper: As for :func:`draw`.
    """
    pictures = []
    scope = "shared" if layout.cells == 1 else "per_skip"
    for number in range(layout.cells):
        own = weights[number * layout.edges : (number + 1) * layout.edges]
        strands = tuple(
            Strand(layout.topology.edges[edge], OPERATIONS[o], 0.7 + 3.7 * float(own[edge, o]))
            for edge, o in np.argwhere(own > 0)
        )
        title = _title(scope, number)
        pictures.append(CellPicture(layout.topology, strands, title, "none"))
    alive = weights > 0
    headline = (
        f"supernet {when}: {int(alive.sum())} of {alive.size} operations on "
        f"{int(alive.any(axis=1).sum())} of {layout.rows} edges"
    )
    return draw(pictures, headline, (), paper)


def draw(
    pictures: Sequence[CellPicture], headline: str, notes: Sequence[Line2D], paper: float = 1.0
) -> Figure:
    """Draw panels under one headline and over one legend.

    Args:
        pictures: One a cell, at least one.
        headline: Above everything; long lines are broken.
        notes: Further entries of the legend.
        paper: Size of the paper, in usual ones. Letters and lines are as large on smaller paper,
            so that a picture that is shown small can still be read.
    """
    columns = 1 if len(pictures) == 1 else 2
    rows = -(-len(pictures) // columns)
    low, high = _reach(pictures)
    scale = paper * (1.15 if columns == 1 else 0.92)
    width = scale * (CellLayout(pictures[0].topology).output[0] + 2.0) * columns
    height = scale * (high - low + 0.3) * rows
    lines = [part for line in headline.splitlines() for part in _wrapped(line, width)]
    handles = [*_operations_of(pictures), *notes]
    entries = min(len(handles), max(2, int(LEGEND_ENTRIES * width)))
    text = 0.2 * (len(lines) + -(-len(handles) // entries)) + 0.3
    figure = Figure(figsize=(width, height + text), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis, picture in zip(axes, pictures, strict=False):
        axis.set_ylim(low, high)
        _draw_cell(axis, picture)
    for axis in axes[len(pictures) :]:
        axis.set_axis_off()
    figure.suptitle("\n".join(lines), fontsize=11, color=INK)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=entries,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=2.6,
    )
    return figure


def _wrapped(line: str, width: float) -> list[str]:
    """A line of the headline, broken to a width in inches."""
    return textwrap.wrap(line, max(20, int(HEADLINE_LETTERS * width)))


def _title(scope: str, number: int) -> str:
    return "" if scope == "shared" else f"tap {number}"


def _reach(pictures: Sequence[CellPicture]) -> tuple[float, float]:
    """Lowest and highest point of all panels, with a margin."""
    heights = [
        point
        for picture in pictures
        for layout in [CellLayout(picture.topology)]
        for curve in [layout.nodes, *(layout.curve(strand.edge) for strand in picture.strands)]
        for point in curve[:, 1]
    ]
    return min(heights) - 0.42, max(heights) + 0.42


def _operations_of(pictures: Sequence[CellPicture]) -> Iterator[Line2D]:
    """Legend entries of the operations that occur, in canonical order."""
    present = {strand.operation for picture in pictures for strand in picture.strands}
    for name in OPERATIONS:
        if name in present:
            yield Line2D([], [], color=COLOURS[name], linewidth=3, label=LABELS[name])


def _draw_cell(axis: Axes, picture: CellPicture) -> None:
    layout = CellLayout(picture.topology)
    axis.set_aspect("equal")
    axis.set_axis_off()
    axis.set_xlim(-0.95, layout.output[0] + 0.6)
    axis.set_title(picture.title, fontsize=10, color=INK, loc="left")
    _draw_output(axis, layout)
    for edge in picture.topology.edges:
        strands = [strand for strand in picture.strands if strand.edge == edge]
        strands.sort(key=lambda strand: OPERATIONS.index(strand.operation))
        _draw_bundle(axis, layout, strands)
        if strands and picture.labels == "operations":
            _draw_label(axis, layout, strands[0])
    _draw_nodes(axis, layout)


def _draw_bundle(axis: Axes, layout: CellLayout, strands: Sequence[Strand]) -> None:
    """The strands of one edge side by side, and one arrowhead where they arrive."""
    middle = (len(strands) - 1) / 2
    for number, strand in enumerate(strands):
        points = layout.curve(strand.edge, SPACING * (number - middle))
        axis.plot(
            *_without_tip(points).T,
            color=COLOURS[strand.operation],
            linewidth=strand.width,
            linestyle="-" if strand.line == "solid" else (0, (2.2, 1.1)),
            dash_capstyle="butt",
            solid_capstyle="round",
            zorder=2,
        )
    if strands:
        colour = COLOURS[strands[0].operation] if len(strands) == 1 else INK
        width = strands[0].width if len(strands) == 1 else 0.0
        _draw_head(axis, layout.curve(strands[0].edge), colour, width)


def _without_tip(points: FloatArray) -> FloatArray:
    """The part of a curve that does not run under the arrowhead."""
    kept: FloatArray = points[np.linalg.norm(points - points[-1], axis=1) >= 0.8 * HEAD]
    return kept


def _draw_head(axis: Axes, points: FloatArray, colour: str, width: float) -> None:
    """A triangle whose tip is the end of the curve."""
    tip = points[-1]
    base = points[np.linalg.norm(points - tip, axis=1) >= HEAD][-1]
    across = np.array([-(tip - base)[1], (tip - base)[0]]) * (0.32 + 0.05 * width)
    corners = [tip, base + across, base - across]
    axis.add_patch(Polygon(corners, facecolor=colour, linewidth=0, zorder=3))


def _draw_label(axis: Axes, layout: CellLayout, strand: Strand) -> None:
    points = layout.curve(strand.edge)
    x, y = points[int(0.46 * len(points))]
    box = {"boxstyle": "round,pad=0.22", "facecolor": "white", "edgecolor": "none"}
    axis.text(x, y, LABELS[strand.operation], fontsize=8.5, zorder=5, bbox=box, **CENTRED)


def _draw_output(axis: Axes, layout: CellLayout) -> None:
    """The band of intermediate nodes that are concatenated, and the output it leads to."""
    x, y = layout.output
    last = layout.nodes[-1, 0]
    corner, width = (STEP - 0.42, -0.42), last - STEP + 0.84
    colours: dict[str, Any] = {"facecolor": BAND, "edgecolor": "#dde3e8"}
    round_ends = "round,pad=0,rounding_size=0.42"
    axis.add_patch(FancyBboxPatch(corner, width, 0.84, round_ends, zorder=0, **colours))
    ends = (last + 0.42, y), (x - 0.42, y)
    axis.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=13, color=PALE))
    axis.text((last + x) / 2, 0.12, "concat", fontsize=7.5, color=PALE, ha="center", va="bottom")
    corner, round_corners = (x - 0.40, y - 0.24), "round,pad=0,rounding_size=0.12"
    axis.add_patch(FancyBboxPatch(corner, 0.80, 0.48, round_corners, **FRAME))
    axis.text(x, y, "output", fontsize=9, **CENTRED)


def _draw_nodes(axis: Axes, layout: CellLayout) -> None:
    inputs = layout.topology.inputs
    for number, (x, y) in enumerate(layout.nodes):
        outer = number < inputs
        frame = FRAME | {"facecolor": INK} if outer else FRAME
        axis.add_patch(Circle((x, y), RADIUS, zorder=4, **frame))
        if outer:
            name = ("skip", "decoder")[number] if number < 2 else f"input {number}"
            axis.text(x - RADIUS - 0.08, y, name, fontsize=9, color=INK, ha="right", va="center")
        else:
            axis.text(x, y, str(number - inputs), fontsize=10, zorder=5, **CENTRED)
