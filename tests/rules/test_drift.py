from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from distributed_iac.importance.drift import (
    PRIOR_VARIANCE,
    DriftEvidence,
    block_ends,
    coasting,
    log_evidence,
    pairs_of,
)


def walk(evidence: DriftEvidence, positions: np.ndarray, live: np.ndarray) -> DriftEvidence:
    for position in positions:
        evidence = evidence.observe(position[None], live)
    return evidence


@pytest.mark.parametrize(("count", "t"), [(2, 1.0), (5, 0.0), (12, 3.5), (40, -6.0)])
def test_evidence_is_the_bayes_factor_of_a_t_test(count: int, t: float) -> None:
    def under_drift(delta: float) -> float:
        likelihood = stats.nct.pdf(t, count - 1, delta * np.sqrt(count))
        return float(likelihood * stats.norm.pdf(delta, scale=np.sqrt(PRIOR_VARIANCE)))

    marginal, _ = integrate.quad(under_drift, -8, 8, points=[t / np.sqrt(count)], limit=200)
    expected = np.log(marginal / stats.t.pdf(t, count - 1))
    mean, spread = t / np.sqrt(count), 1.0
    squares = (count - 1) * spread**2 + count * mean**2
    got = log_evidence(count, np.array([count * mean]), np.array([squares]))
    assert got[0] == pytest.approx(expected, rel=1e-6)


def test_one_increment_and_no_movement_are_no_evidence() -> None:
    assert log_evidence(1, np.array([5.0]), np.array([25.0]))[0] == 0
    assert log_evidence(30, np.array([0.0]), np.array([0.0]))[0] < 0


def test_nine_blocks_of_constant_drift_are_the_least_that_suffice() -> None:
    needed = np.log(28 / 0.01)
    for count, enough in ((8, False), (9, True)):
        found = log_evidence(count, np.array([1.0 * count]), np.array([1.0 * count]))[0]
        assert (found >= needed) == enough


@given(st.integers(1, 300))
def test_blocks_cover_the_epoch_evenly(steps: int) -> None:
    ends = block_ends(steps)
    assert ends[-1] == steps - 1
    assert 1 <= len(ends) <= 4
    lengths = np.diff([-1, *ends])
    assert lengths.max() - lengths.min() <= 1
    assert len(ends) == 1 or lengths.min() >= 5


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_increments_of_coasting_positions_are_the_gradients_whatever_the_momentum(
    momentum: float,
) -> None:
    rng = np.random.default_rng(0)
    gradients = 0.05 * rng.standard_normal((60, 3, 8))
    velocity, alpha, track = np.zeros((3, 8)), np.zeros((3, 8)), []
    for gradient in gradients:
        velocity = momentum * velocity + (1 - momentum) * gradient
        alpha = alpha + velocity
        track.append(alpha)
    weights = np.exp(track)
    weights /= weights.sum(axis=-1, keepdims=True)
    positions, before = [], None
    for epoch in weights.reshape(6, 10, 3, 8):
        positions.append(coasting(epoch, before, momentum))
        before = epoch[-1]
    steps = np.diff(np.concatenate(positions), axis=0)
    blocks = gradients.reshape(12, 5, 3, 8).sum(axis=1)[1:]
    np.testing.assert_allclose(
        steps - steps.mean(axis=-1, keepdims=True),
        blocks - blocks.mean(axis=-1, keepdims=True),
        atol=1e-12,
    )


@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e3))
def test_evidence_depends_on_neither_scale_nor_order(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    positions = np.cumsum(rng.standard_normal((12, 2, 4)) + 0.3 * np.arange(4), axis=0)
    order = rng.permutation(4)
    live = np.ones((2, 4), dtype=bool)
    plain = walk(DriftEvidence.start(2, 4), positions, live).peak
    other = walk(DriftEvidence.start(2, 4), scale * positions[:, :, order], live).peak
    np.testing.assert_allclose(other, plain[:, order][:, :, order], rtol=1e-6, atol=1e-9)


def test_evidence_is_remembered_after_the_drift_has_settled() -> None:
    live = np.ones((1, 2), dtype=bool)
    rng = np.random.default_rng(1)
    drift = np.stack([np.arange(20) * 0.1, np.zeros(20)], axis=-1)[:, None]
    rest = np.tile(drift[-1], (80, 1, 1))
    noise = 0.02 * rng.standard_normal((100, 1, 2))
    path = np.concatenate([drift, rest]) + noise
    moved = walk(DriftEvidence.start(1, 2), path[:20], live)
    settled = walk(moved, path[20:], live)
    assert moved.peak[0, 0, 1] > np.log(1 / 0.001)
    assert settled.peak[0, 0, 1] >= moved.peak[0, 0, 1]
    assert settled.peak[0, 1, 0] == 0


def test_evidence_stands_still_once_one_of_the_two_is_gone() -> None:
    rng = np.random.default_rng(2)
    path = np.cumsum(rng.standard_normal((30, 1, 3)) + np.array([3.0, 0, 0]), axis=0)
    before = walk(DriftEvidence.start(1, 3), path[:10], np.ones((1, 3), dtype=bool))
    after = walk(before, path[10:], np.array([[True, True, False]]))
    assert np.array_equal(after.peak[0, :, 2], before.peak[0, :, 2])
    assert after.peak[0, 0, 1] > before.peak[0, 0, 1]


def test_pruning_of_a_third_leaves_the_evidence_of_two_unchanged() -> None:
    rng = np.random.default_rng(3)
    alpha = np.cumsum(rng.standard_normal((20, 1, 3)) + np.array([0.5, 0, 0]), axis=0)
    everyone, two = np.ones((1, 3), dtype=bool), np.array([[True, True, False]])
    shifted = alpha + np.where(np.arange(20) < 10, 0.0, 0.7)[:, None, None]
    plain = walk(DriftEvidence.start(1, 3), alpha, everyone)
    pruned = walk(walk(DriftEvidence.start(1, 3), shifted[:10], everyone), shifted[10:], two)
    assert pruned.peak[0, 0, 1] == pytest.approx(plain.peak[0, 0, 1], rel=1e-9)


def test_p_values_are_corrected_for_all_pairs() -> None:
    evidence = DriftEvidence.start(2, 8)
    peak = np.zeros((2, 8, 8))
    peak[:, 0, 1] = np.log(2800)
    pairs = pairs_of(np.array([[True] * 8, [True] * 3 + [False] * 5]))
    assert pairs.tolist() == [28, 3]
    raised = DriftEvidence(5, evidence.position, evidence.total, evidence.moment, peak)
    p_values = raised.p_values(pairs)
    assert p_values[:, 0, 1] == pytest.approx([0.01, 3 / 2800])
    assert p_values[0, 1, 0] == 1


def test_state_survives_json_bit_for_bit() -> None:
    rng = np.random.default_rng(4)
    live = np.ones((2, 3), dtype=bool)
    evidence = walk(DriftEvidence.start(2, 3), rng.standard_normal((7, 2, 3)), live)
    loaded = DriftEvidence.from_state(json.loads(json.dumps(evidence.to_state())))
    assert loaded.to_state() == evidence.to_state()
    fresh = DriftEvidence.from_state(DriftEvidence.start(2, 3).to_state())
    assert fresh.position is None
