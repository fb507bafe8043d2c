from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from distributed_iac.errors import ConfigError, NumericalError
from distributed_iac.importance.measures import perturbation, ranking, softmax_x_beta
from distributed_iac.pruning.signal import among_the_best

scores = hnp.arrays(np.float64, (3, 8), elements=st.floats(0, 1))
masks = hnp.arrays(np.bool_, (3, 8))


@given(scores, masks, st.floats(0, 1))
def test_perturbation_ranks_by_the_drop_of_the_score(values, live, baseline) -> None:
    live[:, 3] = True
    importance = perturbation(values, baseline, live)
    np.testing.assert_allclose(importance.sum(axis=1), 1)
    assert (importance[~live] == 0).all()
    for row in range(3):
        alive = np.flatnonzero(live[row])
        for a in alive:
            for b in alive:
                if values[row, a] < values[row, b] - 1e-9:
                    assert importance[row, a] > importance[row, b]


def test_perturbation_needs_no_score_where_there_is_no_choice() -> None:
    live = np.zeros((2, 8), dtype=bool)
    live[0, 4] = True
    importance = perturbation(np.full((2, 8), np.nan), 0.8, live)
    assert importance[0].tolist() == [0, 0, 0, 0, 1, 0, 0, 0]
    assert (importance[1] == 0).all()


def test_perturbation_refuses_missing_scores() -> None:
    live, values = np.ones((2, 8), dtype=bool), np.full((2, 8), 0.5)
    values[1, 2] = np.nan
    with pytest.raises(NumericalError, match="finite score") as caught:
        perturbation(values, 0.8, live)
    assert "1 missing" in str(caught.value)
    with pytest.raises(NumericalError, match="finite score"):
        perturbation(np.zeros((2, 8)), float("nan"), live)
    with pytest.raises(ConfigError, match="shape"):
        perturbation(values[:1], 0.8, live)


def test_softmax_x_beta_sums_to_one_over_each_node(simulation, start) -> None:
    rng = np.random.default_rng(0)
    history = simulation.show(
        start, 0, rng.standard_normal((1, 14, 8)), rng.standard_normal((1, 14))
    )
    weights = softmax_x_beta(history.operation_closing, history.edge_closing)
    of_node = history.layout.gather(weights.sum(axis=1)).sum(axis=1)
    np.testing.assert_allclose(of_node, 1)


def test_within_an_edge_both_measures_rank_alike(simulation, start) -> None:
    rng = np.random.default_rng(1)
    history = start
    for epoch in range(3):
        history = simulation.show(
            history, epoch, rng.standard_normal((4, 14, 8)), rng.standard_normal((4, 14))
        )
    plain = ranking(history, "softmax", window=2)
    product = ranking(history, "softmax_x_beta", window=2)
    np.testing.assert_allclose(product / product.sum(axis=1, keepdims=True), plain)


def test_perturbation_and_its_scores_go_together(simulation, start) -> None:
    history = simulation.show(start, 0, np.zeros((1, 14, 8)))
    perturbed = perturbation(np.zeros((14, 8)), 0.5, history.live_operations)
    assert ranking(history, "perturbation", 2, perturbed) is perturbed
    with pytest.raises(ConfigError, match="go with importance: perturbation"):
        ranking(history, "perturbation", 2)
    with pytest.raises(ConfigError, match="no other"):
        ranking(history, "softmax", 2, perturbed)


@given(hnp.arrays(np.float64, (4, 6), elements=st.sampled_from([0, 0.1, 0.2, 0.3])), masks)
def test_the_best_are_as_many_as_asked_for_and_their_equals(values, mask) -> None:
    live = np.ones((4, 6), dtype=bool)
    live[:3] &= mask[:, :6]
    count = np.array([1, 2, 3, 6])
    best = among_the_best(values, live, count)
    assert not (best & ~live).any()
    for row in range(4):
        chosen, rest = values[row, best[row]], values[row, live[row] & ~best[row]]
        assert best[row].sum() >= min(count[row], live[row].sum())
        if len(rest):
            assert rest.max() < chosen.min()
            assert (chosen > chosen.min()).sum() < count[row]
