from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.weight_agreement import rank_agreement, top_agreement
from distributed_iac.errors import ConfigError


def weights(rng: np.random.Generator, rows: int = 14) -> np.ndarray:
    return rng.dirichlet(np.ones(8), rows)


def test_a_search_agrees_with_itself() -> None:
    rng = np.random.default_rng(0)
    first = weights(rng)
    match = top_agreement(first, first)
    assert (match.same, match.total) == (14, 14)
    assert match.p_value < 1e-6
    assert rank_agreement(first, first, rng).mean == pytest.approx(1)


@pytest.mark.parametrize("what", ["operation", "family"])
def test_chance_is_what_ignorant_searches_share_on_average(what) -> None:
    rng = np.random.default_rng(1)
    first, second = weights(rng, 20_000), weights(rng, 20_000)
    match = top_agreement(first, second, what)
    assert match.same == pytest.approx(match.chance, rel=0.05)
    assert match.chance / match.total == pytest.approx({"operation": 7, "family": 21}[what] / 49)
    assert match.p_value > 0.001


def test_none_is_no_agreement() -> None:
    first, second = np.full((14, 8), 0.01), np.full((14, 8), 0.01)
    first[:, 0] = second[:, 0] = 0.9
    first[:, 2], second[:, 5] = 0.05, 0.05
    assert top_agreement(first, second).same == 0


def test_rank_correlation_is_scipys_edge_by_edge() -> None:
    rng = np.random.default_rng(3)
    first, second = weights(rng), np.round(weights(rng), 1)
    pairs = zip(first[:, 1:], second[:, 1:], strict=True)
    expected = np.mean([stats.spearmanr(a, b).statistic for a, b in pairs])
    assert rank_agreement(first, second, rng, draws=10).mean == pytest.approx(expected)


def test_rank_p_values_tell_a_relation_from_none() -> None:
    rng = np.random.default_rng(4)
    first = weights(rng)
    related = 0.5 * first + 0.5 * weights(rng)
    assert rank_agreement(first, related, rng).p_value < 0.01
    null = [rank_agreement(weights(rng), weights(rng), rng, draws=99).p_value for _ in range(200)]
    assert 0.4 < np.mean(null) < 0.6


@given(st.integers(0, 10_000))
def test_agreement_is_symmetric(seed) -> None:
    rng = np.random.default_rng(seed)
    first, second = weights(rng), weights(rng)
    assert top_agreement(first, second) == top_agreement(second, first)


def test_only_the_same_rows_are_compared() -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(ConfigError, match="row by row"):
        top_agreement(weights(rng), weights(rng, 13))
