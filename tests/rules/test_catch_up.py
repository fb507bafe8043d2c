from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.pruning.catch_up import catch_up_risk


def weights(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def walks(rng: np.random.Generator, rows: int, epochs: int, steps: int = 10) -> np.ndarray:
    """Epoch means of driftless walks of two competitors, one row a walk."""
    path = np.cumsum(0.02 * rng.standard_normal((epochs * steps, rows, 2)), axis=0)
    return path.reshape(epochs, steps, rows, 2).mean(axis=1)


@pytest.mark.parametrize(("epochs", "horizon"), [(10, 10), (10, 30), (4, 1)])
def test_the_bound_holds_for_driftless_walks(epochs: int, horizon: int) -> None:
    """Among pairs whose risk is put below 10 %, fewer than 10 % are overtaken."""
    rng = np.random.default_rng(5)
    path = walks(rng, 20_000, epochs=60 + horizon)
    known, future = path[60 - epochs : 60], path[60:]
    risk = catch_up_risk(weights(known), np.ones((20_000, 2), bool), horizon)[:, 0, 1]
    trusted = risk <= 0.1
    assert trusted.sum() > 500
    overtaken = (future[:, trusted, 1] > future[:, trusted, 0]).any(axis=0)
    assert 0.001 < overtaken.mean() < 0.1


def test_risk_falls_with_the_lead_and_grows_with_the_horizon() -> None:
    rng = np.random.default_rng(6)
    noise = 0.05 * rng.standard_normal((10, 1, 3))
    live = np.ones((1, 3), bool)

    def risk(lead: float, horizon: int) -> float:
        level = np.array([lead, 0.0, 0.0])
        return float(catch_up_risk(weights(noise + level), live, horizon)[0, 0, 1])

    assert risk(0.5, 20) > risk(1.5, 20) > risk(4.0, 20)
    assert risk(1.5, 10) < risk(1.5, 50)


def test_nobody_is_safe_without_a_lead_without_life_or_without_data() -> None:
    rng = np.random.default_rng(7)
    series = weights(np.array([2.0, 0.0, -2.0]) + 0.01 * rng.standard_normal((10, 1, 3)))
    live = np.array([[True, True, False]])
    risk = catch_up_risk(series, live, 50)[0]
    assert risk[0, 1] < 0.05
    assert risk[1, 0] == risk[0, 2] == risk[2, 0] == risk[0, 0] == 1.0
    assert (catch_up_risk(series[:2], live, 50) == 1.0).all()


@given(st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_relabelling_competitors_relabels_the_risks(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    series = weights(np.cumsum(0.3 * rng.standard_normal((8, 2, 4)), axis=0))
    live = rng.random((2, 4)) < 0.8
    risk = catch_up_risk(series, live, 20)
    again = catch_up_risk(series[..., order], live[:, order], 20)
    np.testing.assert_allclose(again, risk[:, order][:, :, order], rtol=1e-9)
