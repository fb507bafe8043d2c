from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from distributed_iac.genotype import OPERATIONS, CellTopology, Edge, Genotype
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.removal import EdgeRemoval, OperationRemoval
from distributed_iac.pruning.discretise import Discretisation, KeptEdge
from distributed_iac.report.cell_drawing import (
    COLOURS,
    LABELS,
    draw_discretisation,
    draw_genotype,
    draw_supernet,
)
from distributed_iac.report.cell_layout import GAP, RADIUS, CellLayout

CELL = Genotype.shared(
    2,
    [
        [(0, "sep_conv_3x3"), (1, "skip_connect")],
        [(0, "max_pool_3x3"), (2, "dil_conv_5x5")],
        [(1, "avg_pool_3x3"), (2, "sep_conv_5x5")],
        [(3, "dil_conv_3x3"), (4, "skip_connect")],
    ],
)


def kept(edge: int, confidence: float, undecided: bool) -> KeptEdge:
    (source, target), operation = CELL.cells[0].genes[edge]
    number = CellTopology().edges.index(Edge(source, target))
    return KeptEdge(
        0, number, source, target, operation, 0.1, confidence, 1.0, "skip_connect", undecided
    )


def supernet(history: ImportanceHistory, paper: float = 1.0) -> Figure:
    weights = np.where(history.live_operations, history.operation_closing, 0.0)
    return draw_supernet(history.layout, weights, "after epoch 3", paper=paper)


def saved(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    return file.getvalue()


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_a_genotype_shows_every_edge_with_its_operation() -> None:
    figure = draw_genotype(CELL)
    (axis,) = figure.axes
    drawn = sorted(line.get_color() for line in axis.lines)
    assert drawn == sorted(COLOURS[operation] for _, operation in CELL.cells[0].genes)
    labels = texts(figure)
    for _, operation in CELL.cells[0].genes:
        assert LABELS[operation] in labels
    assert {"skip", "decoder", "output", "0", "3"} <= set(labels)
    assert legend(figure) == [LABELS[name] for name in OPERATIONS if name != "none"]
    assert CELL.id in figure.get_suptitle()
    assert len(saved(figure)) > 2000


def test_confidence_is_the_width_and_undecided_edges_are_dashed() -> None:
    confidences = np.linspace(0.5, 1.0, 8)
    result = Discretisation(
        CELL, tuple(kept(i, float(c), c < 0.99) for i, c in enumerate(confidences))
    )
    figure = draw_discretisation(result)
    lines = figure.axes[0].lines
    widths = sorted(line.get_linewidth() for line in lines)
    assert widths == pytest.approx(np.linspace(1.2, 4.4, 8))
    dashed = [line for line in lines if line.get_linestyle() == "--"]
    assert len(dashed) == 7
    assert max(line.get_linewidth() for line in lines if line not in dashed) == widths[-1]
    assert legend(figure)[-3:] == ["confidence 1", "confidence 0.5", "undecided"]
    assert "did not distinguish" in figure.get_suptitle()
    assert saved(figure)


def test_a_supernet_shows_a_strand_for_every_live_operation() -> None:
    history = ImportanceHistory.start(CellTopology())
    assert len(supernet(history).axes[0].lines) == 112
    pruned = history.prune(
        [
            OperationRemoval(0, 4, 0, 4, "none", 0.1, "skip_connect", 2.0, None, None, "test"),
            EdgeRemoval(0, 13, 0, 13, 0.1, (9, 10), 2.0, None, None, "test"),
        ]
    )
    figure = supernet(pruned)
    assert len(figure.axes[0].lines) == 112 - 1 - 8
    assert "103 of 112 operations on 13 of 14 edges" in figure.get_suptitle()
    assert LABELS["sep_conv_3x3"] not in texts(figure)
    assert saved(figure)


def test_every_tap_has_its_panel() -> None:
    genotype = Genotype("per_skip", CELL.cells * 3)
    figure = draw_genotype(genotype)
    shown = [axis for axis in figure.axes if axis.lines]
    assert [axis.get_title(loc="left") for axis in shown] == ["tap 0", "tap 1", "tap 2"]
    both = supernet(ImportanceHistory.start(CellTopology(1, 2), cells=2))
    assert [len(axis.lines) for axis in both.axes] == [24, 24]


def test_a_cell_without_the_decoder_has_one_input() -> None:
    figure = draw_genotype(Genotype.shared(1, [[(0, "skip_connect")]]))
    assert "decoder" not in texts(figure)
    assert saved(figure)


@given(st.integers(1, 2), st.integers(1, 6))
def test_nodes_run_from_left_to_right(inputs, nodes) -> None:
    layout = CellLayout(CellTopology(inputs, nodes))
    line = layout.nodes[inputs:]
    assert (np.diff(layout.nodes[:, 0]) >= 0).all()
    assert (np.diff(line[:, 0]) > 2 * RADIUS).all()
    assert (line[:, 1] == 0).all()
    assert layout.output[0] > line[-1, 0] + RADIUS


@given(st.integers(1, 2), st.integers(1, 5))
def test_strands_of_an_edge_meet_at_the_borders_of_its_nodes_and_nowhere_else(
    inputs, nodes
) -> None:
    layout = CellLayout(CellTopology(inputs, nodes))
    for edge in layout.topology.edges:
        left, middle, right = (layout.curve(edge, offset) for offset in (-0.2, 0.0, 0.2))
        for strand in (left, right):
            np.testing.assert_allclose(strand[[0, -1]], middle[[0, -1]], atol=1e-6)
        start, stop = layout.nodes[edge.source], layout.nodes[edge.target]
        assert np.linalg.norm(middle[0] - start) == pytest.approx(RADIUS, abs=0.05)
        assert np.linalg.norm(middle[-1] - stop) == pytest.approx(RADIUS + GAP, abs=0.05)
        between = np.linalg.norm(left - right, axis=1)
        assert between.max() == pytest.approx(0.4, abs=0.01)


@given(st.integers(1, 2), st.integers(2, 4))
def test_no_edge_runs_through_a_node_that_it_does_not_touch(inputs, nodes) -> None:
    layout = CellLayout(CellTopology(inputs, nodes))
    for edge in layout.topology.edges:
        points = layout.curve(edge)
        for node, centre in enumerate(layout.nodes):
            if node not in edge:
                assert np.linalg.norm(points - centre, axis=1).min() > RADIUS
