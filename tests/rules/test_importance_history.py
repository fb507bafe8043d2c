from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import CheckpointError, ConfigError, NumericalError
from distributed_iac.genotype import OPERATIONS, CellTopology
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.layout import Layout
from distributed_iac.importance.removal import EdgeRemoval, OperationRemoval


def without(row: int, operation: str, cell: int = 0) -> OperationRemoval:
    return OperationRemoval(
        0, row, cell, row % 14, operation, 0.1, "skip_connect", 2.0, None, None, "test"
    )


def without_edge(row: int) -> EdgeRemoval:
    return EdgeRemoval(0, row, row // 14, row % 14, 0.1, (0, 1), 2.0, None, None, "test")


def uniform(history: ImportanceHistory, steps: int = 2) -> tuple[np.ndarray, np.ndarray]:
    live = history.live_operations
    operations = live / np.maximum(live.sum(axis=1, keepdims=True), 1)
    slots = history.live_slots
    edges = history.layout.scatter(slots / slots.sum(axis=1, keepdims=True))
    return np.tile(operations, (steps, 1, 1)), np.tile(edges, (steps, 1))


def wandering(simulation, start: ImportanceHistory, epochs: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    history, rows = start, start.layout.rows
    alpha, beta = np.zeros((rows, 8)), np.zeros(rows)
    for _ in range(epochs):
        alphas = alpha + np.cumsum(0.1 * rng.standard_normal((6, rows, 8)), axis=0)
        betas = beta + np.cumsum(0.1 * rng.standard_normal((6, rows)), axis=0)
        history = simulation.show(history, history.epoch + 1, alphas, betas)
        alpha, beta = alphas[-1], betas[-1]
    return history


def test_an_epoch_is_the_mean_of_its_steps_and_closes_with_the_last(simulation, start) -> None:
    history = wandering(simulation, start, 1)
    alphas = np.cumsum(0.1 * np.random.default_rng(0).standard_normal((6, 14, 8)), axis=0)
    samples = np.exp(alphas) / np.exp(alphas).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(history.epochs[0].operations, samples.mean(axis=0))
    np.testing.assert_allclose(history.operation_closing, samples[-1])
    assert history.epochs[0].edges.sum() == pytest.approx(4)


def test_a_history_cannot_be_changed_in_place(simulation, start) -> None:
    history = wandering(simulation, start, 2)
    for array in (history.live_operations, history.operation_closing, history.epochs[0].edges):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    observed = history.observed
    simulation.show(history, 9, np.zeros((1, 14, 8)))
    assert history.observed == observed


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["operations", "edges"])
def test_what_is_not_finite_is_refused_by_place(start, poison, where) -> None:
    operations, edges = uniform(start)
    if where == "operations":
        operations[1, 5, 3] = poison
    else:
        edges[1, 5] = poison
    with pytest.raises(NumericalError, match="must be finite") as caught:
        start.observe(0, operations, edges)
    expected = "cell 0, edge 5 (skip to node 2)" if where == "operations" else "cell 0, node 2"
    assert f"step 1, {expected}" in str(caught.value)
    assert "remedy" in str(caught.value)


def test_weights_must_be_distributions_over_what_is_alive(start) -> None:
    operations, edges = uniform(start)
    with pytest.raises(NumericalError, match="sum to 1"):
        start.observe(0, operations * 1.01, edges)
    with pytest.raises(NumericalError, match="sum to 1"):
        start.observe(0, operations, edges * 0.9)
    negative = operations.copy()
    negative[0, 0, :2] = [-0.1, 0.35]
    with pytest.raises(NumericalError, match="negative"):
        start.observe(0, negative, edges)
    pruned = start.prune([without(4, "none")])
    with pytest.raises(NumericalError, match="exactly 0 for what has been pruned"):
        pruned.observe(0, operations, edges)


def test_float32_rounding_is_not_an_error(start) -> None:
    operations, edges = uniform(start)
    start.observe(0, operations.astype(np.float32), edges.astype(np.float32))


def test_shapes_and_order_are_checked(start) -> None:
    operations, edges = uniform(start)
    with pytest.raises(ConfigError, match=r"\(steps, 14, 8\)"):
        start.observe(0, operations[:, :13], edges)
    with pytest.raises(ConfigError, match="at least one architecture step"):
        start.observe(0, operations[:0], edges[:0])
    with pytest.raises(ConfigError, match="as many steps"):
        start.observe(0, operations, edges[:1])
    history = start.observe(3, operations, edges)
    with pytest.raises(ConfigError, match="once and in order"):
        history.observe(3, operations, edges)
    with pytest.raises(ConfigError, match=r"\[0, 1\)"):
        ImportanceHistory.start(CellTopology(), momentum=1.0)


def test_the_past_is_restricted_to_what_is_alive(simulation, start) -> None:
    history = wandering(simulation, start, 4)
    before = history.operation_series(3)
    pruned = history.prune([without(2, "none"), without(2, "sep_conv_5x5"), without_edge(9)])
    after = pruned.operation_series(3)
    kept = np.array([1, 2, 3, 4, 6, 7])
    np.testing.assert_allclose(
        after[:, 2, kept], before[:, 2, kept] / before[:, 2, kept].sum(-1, keepdims=True)
    )
    assert (after[:, 2, [0, 5]] == 0).all()
    assert (after[:, 9] == 0).all()
    np.testing.assert_array_equal(after[:, 3], before[:, 3])
    node = history.layout.node_of[9]
    edges = pruned.edge_series(3)[:, node]
    assert (edges[:, 0] == 0).all()
    np.testing.assert_allclose(edges.sum(axis=-1), 1)
    assert pruned.edge_closing[9] == 0


def test_pruning_is_remembered_where_it_happened(simulation, start) -> None:
    history = wandering(simulation, start, 4)
    pruned = history.prune([without(2, "none"), without_edge(9)])
    assert pruned.operation_changed.tolist() == [0, 0, 4, *[0] * 11]
    assert pruned.node_changed.tolist() == [0, 4, 0, 4]
    assert not pruned.live_edges[9]
    assert not pruned.live_operations[9].any()


def test_an_impossible_pruning_is_refused(start) -> None:
    gone = start.prune([without(0, "none")])
    with pytest.raises(ConfigError, match="only what is alive"):
        gone.prune([without(0, "none")])
    with pytest.raises(ConfigError, match="only what is alive"):
        start.prune([without_edge(3), without_edge(3)])
    bare = [without(0, name) for name in OPERATIONS if name != "none"]
    with pytest.raises(ConfigError, match="other than none"):
        start.prune(bare)
    with pytest.raises(ConfigError, match="at least one incoming edge") as caught:
        start.prune([without_edge(0), without_edge(1)])
    assert "cell 0, node 0" in str(caught.value)


def through_json(state):
    return json.loads(json.dumps(state, allow_nan=False))


def through_torch(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("through", [through_json, through_torch])
def test_state_survives_storage_bit_for_bit(simulation, through) -> None:
    start = ImportanceHistory.start(CellTopology(2, 3), cells=2, momentum=0.25)
    history = wandering(simulation, start, 5).prune([without(1, "none"), without_edge(8)])
    history = wandering(simulation, history, 2, seed=1)
    loaded = ImportanceHistory.from_state(through(history.to_state()))
    assert loaded.to_state() == history.to_state()
    ahead = wandering(simulation, history, 2, seed=2)
    assert wandering(simulation, loaded, 2, seed=2).to_state() == ahead.to_state()


def test_a_state_of_another_release_or_a_damaged_one_is_refused(start) -> None:
    state = start.to_state()
    with pytest.raises(CheckpointError, match="version 1"):
        ImportanceHistory.from_state({**state, "version": 2})
    with pytest.raises(CheckpointError, match="operations"):
        ImportanceHistory.from_state({**state, "operations": ["none"]})
    del state["edge_drift"]
    with pytest.raises(CheckpointError, match="incomplete"):
        ImportanceHistory.from_state(state)


@given(st.integers(1, 2), st.integers(1, 5), st.integers(1, 3), st.integers(0, 1000))
def test_rows_and_nodes_are_two_views_of_the_same_edges(inputs, nodes, cells, seed) -> None:
    layout = Layout(CellTopology(inputs, nodes), cells)
    values = np.random.default_rng(seed).random((2, layout.rows))
    np.testing.assert_array_equal(layout.scatter(layout.gather(values)), values)
    for row in range(layout.rows):
        cell, edge = layout.place(row)
        target = layout.topology.edges[edge].target
        assert layout.node_of[row] == cell * nodes + target - inputs
        assert row in layout.slots[layout.node_of[row]]
    assert (layout.kept_per_node == np.minimum(layout.real.sum(axis=1), 2)).all()


def test_a_search_has_a_cell() -> None:
    with pytest.raises(ConfigError, match="at least one cell"):
        Layout(CellTopology(), 0)
