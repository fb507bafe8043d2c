from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import jensenshannon

from distributed_iac.config.pruning import StabilitySettings
from distributed_iac.genotype import OPERATIONS
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.removal import OperationRemoval
from distributed_iac.stability import (
    assess,
    edge_stability,
    jensen_shannon,
    rolling_mean,
)

SETTINGS = StabilitySettings(window=2, tau=0.001, patience=2, warmup=4, max_wait=3)
weights = hnp.arrays(np.float64, (6, 8), elements=st.floats(0, 1)).filter(
    lambda raw: (raw.sum(axis=1) > 1e-3).all()
)


def distributions(raw: np.ndarray) -> np.ndarray:
    return raw / raw.sum(axis=-1, keepdims=True)


def removal(row: int, operation: str) -> OperationRemoval:
    return OperationRemoval(0, row, 0, row, operation, 0.1, "skip_connect", 2.0, None, None, "test")


def still(simulation, history: ImportanceHistory, epochs: int, alpha=None) -> ImportanceHistory:
    alpha = np.zeros((1, 14, 8)) if alpha is None else alpha
    for _ in range(epochs):
        history = simulation.show(history, history.epoch + 1, alpha)
    return history


@given(weights, weights)
def test_divergence_is_symmetric_and_lies_between_zero_and_one(a, b) -> None:
    P, Q = distributions(a), distributions(b)
    divergence = jensen_shannon(P, Q)
    assert ((divergence >= 0) & (divergence <= 1)).all()
    np.testing.assert_array_equal(divergence, jensen_shannon(Q, P))


@given(weights)
def test_divergence_of_equals_is_zero(a) -> None:
    assert jensen_shannon(distributions(a), distributions(a)) == pytest.approx(0, abs=1e-12)


@given(weights, weights)
def test_divergence_agrees_with_scipy(a, b) -> None:
    P, Q = distributions(a), distributions(b)
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(jensenshannon(P, Q, base=2, axis=1) ** 2)
    np.testing.assert_allclose(jensen_shannon(P, Q), expected, atol=1e-9)


def test_divergence_without_common_support_is_one_bit() -> None:
    P, Q = np.array([0.5, 0.5, 0, 0]), np.array([0, 0, 0.25, 0.75])
    assert jensen_shannon(P, Q) == pytest.approx(1.0, abs=1e-12)


def test_divergence_has_its_known_value() -> None:
    got = jensen_shannon(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    assert got == pytest.approx(0.8112781244591328 - 0.5)


@given(hnp.arrays(np.float64, (9, 2), elements=st.floats(-5, 5)), st.integers(1, 12))
def test_rolling_mean_is_the_mean_of_every_window(series, window) -> None:
    expected = [series[k : k + window].mean(axis=0) for k in range(9 - window + 1)]
    got = rolling_mean(series, window)
    assert len(got) == len(expected)
    if expected:
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_divergence_compares_two_windows_that_touch() -> None:
    series = distributions(np.random.default_rng(0).random((11, 3, 8)))
    got = edge_stability(series, window=4)
    assert got.shape == (4, 3)
    for k in range(4):
        Q, P = series[k : k + 4].mean(axis=0), series[k + 4 : k + 8].mean(axis=0)
        np.testing.assert_allclose(got[k], jensen_shannon(P, Q), atol=1e-12)


def test_divergence_needs_two_full_windows() -> None:
    series = distributions(np.random.default_rng(0).random((7, 3, 8)))
    assert edge_stability(series, window=4).shape == (0, 3)


def test_an_edge_is_stable_after_warmup_and_patience(simulation, start) -> None:
    for epochs in range(1, 12):
        stability = assess(still(simulation, start, epochs), SETTINGS)
        assert stability.stable.all() == (epochs >= 4 + 2)
        assert stability.undecided.all() == (epochs >= 4 + 2 + 3)
        assert stability.stable_for.max() == min(max(epochs - 4, 0), 2 + 3 + 1)


def test_a_jump_starts_the_counting_anew_on_its_edge_alone(simulation, start) -> None:
    history = still(simulation, start, 8)
    alpha = np.zeros((1, 14, 8))
    alpha[0, 3, 5] = 2.0
    stability = assess(still(simulation, history, 1, alpha), SETTINGS)
    assert not stability.stable[3]
    assert stability.stable.sum() == 13
    assert stability.js[3] > SETTINGS.tau > stability.js[4]
    calm = assess(still(simulation, history, 5, alpha), SETTINGS)
    assert calm.stable_for[3] == 2


def test_pruning_renormalises_the_past_and_starts_the_counting_anew(simulation, start) -> None:
    history = still(simulation, start, 8).prune([removal(3, "none"), removal(3, "sep_conv_3x3")])
    after = assess(still(simulation, history, 1), SETTINGS)
    assert after.js[3] == pytest.approx(0, abs=1e-12)
    assert after.stable_for[3] == 1
    assert after.stable_for[2] == 5
    assert after.node_stable_for[history.layout.node_of[3]] == 1
    assert after.weights[3].sum() == pytest.approx(1)
    assert after.entropy[3] == pytest.approx(1)


def test_entropy_is_measured_in_units_of_what_is_alive(simulation, start) -> None:
    alpha = np.zeros((1, 14, 8))
    alpha[0, 1, 4] = 50.0
    history = still(simulation, start, 1, alpha)
    names = [name for name in OPERATIONS if name != "skip_connect"]
    history = history.prune([removal(2, name) for name in names])
    stability = assess(history, SETTINGS)
    assert stability.entropy[0] == pytest.approx(1)
    assert stability.entropy[1] == pytest.approx(0, abs=1e-9)
    assert stability.entropy[2] == 0


def test_none_is_neither_leader_nor_runner_up(simulation, start) -> None:
    alpha = np.zeros((1, 14, 8))
    alpha[0, 0, :3] = np.log([8.0, 4.0, 2.0])
    stability = assess(still(simulation, start, 1, alpha), SETTINGS)
    assert OPERATIONS[stability.leader[0]] == "max_pool_3x3"
    assert stability.margin[0] == pytest.approx((4 - 2) / (8 + 4 + 2 + 5))


def test_the_median_leader_is_the_weight_of_the_typical_edges_best(simulation, start) -> None:
    alpha = np.zeros((1, 14, 8))
    alpha[0, :9, 5] = np.log(7.0)
    alpha[0, 9:, 0] = 9.0
    scalars = assess(still(simulation, start, 1, alpha), SETTINGS).scalars()
    assert scalars["leader_median"] == pytest.approx(0.5)


def test_collapse_shows_in_the_leaders(simulation, start) -> None:
    alpha = np.zeros((1, 14, 8))
    alpha[0, :5, OPERATIONS.index("skip_connect")] = 1
    alpha[0, 5:8, OPERATIONS.index("avg_pool_3x3")] = 1
    alpha[0, 8:, OPERATIONS.index("dil_conv_5x5")] = 1
    scalars = assess(still(simulation, start, 1, alpha), SETTINGS).scalars()
    assert (scalars["skip_leaders"], scalars["pool_leaders"]) == (5, 3)


def test_scalars_are_json_able_at_every_epoch(simulation, start) -> None:
    for epochs in (0, 1, 3, 4, 9):
        scalars = assess(still(simulation, start, epochs), SETTINGS).scalars()
        assert json.loads(json.dumps(scalars, allow_nan=False)) == scalars
        assert (scalars["js_mean"] is None) == (epochs < 4)
        assert scalars["live_operations"] == 112
        assert scalars["live_edges"] == 14
    assert set(scalars) == {
        "js_mean",
        "js_max",
        "stable_edges",
        "undecided_edges",
        "live_operations",
        "live_edges",
        "entropy",
        "margin",
        "leader_median",
        "skip_leaders",
        "pool_leaders",
        "none_leaders",
    }
