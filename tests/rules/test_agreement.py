from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from distributed_iac.agreement import (
    containment,
    gene_agreement,
    rank_agreement,
    shuffled,
    top_agreement,
)
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS, Genotype
from distributed_iac.pruning.discretise import discretise


def weights(rng: np.random.Generator, rows: int = 14) -> np.ndarray:
    return rng.dirichlet(np.ones(8), rows)


def random_genotype(rng: np.random.Generator) -> Genotype:
    nodes = [
        [
            (int(source), str(rng.choice(OPERATIONS[1:])))
            for source in rng.choice(2 + node, 2, replace=False)
        ]
        for node in range(4)
    ]
    return Genotype.shared(2, nodes)


def test_a_search_agrees_with_itself() -> None:
    rng = np.random.default_rng(0)
    first = weights(rng)
    match = top_agreement(first, first)
    assert (match.same, match.total) == (14, 14)
    assert match.p_value < 1e-6
    assert rank_agreement(first, first, rng).mean == pytest.approx(1)
    assert rank_agreement(first, first, rng, "kendall").mean == pytest.approx(1)
    genotype = random_genotype(rng)
    assert gene_agreement(genotype, genotype).same == 8


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


@pytest.mark.parametrize("what", ["edge", "gene"])
def test_chance_of_genotypes_is_what_random_ones_share(what) -> None:
    rng = np.random.default_rng(2)
    fixed = random_genotype(rng)
    matches = [gene_agreement(fixed, random_genotype(rng), what) for _ in range(1500)]
    assert np.mean([m.same for m in matches]) == pytest.approx(matches[0].chance, rel=0.06)
    expected = sum(4 / incoming for incoming in (2, 3, 4, 5))
    assert matches[0].chance == pytest.approx(expected if what == "edge" else expected / 7)
    below = np.mean([m.p_value <= 0.05 for m in matches])
    assert below <= 0.07


def test_p_values_of_genotypes_are_exact_tails() -> None:
    first = Genotype.shared(2, [[(0, "skip_connect"), (1, "skip_connect")]])
    other = Genotype.shared(2, [[(0, "skip_connect"), (1, "sep_conv_3x3")]])
    match = gene_agreement(first, other)
    assert match.same == 1
    assert match.p_value == pytest.approx(1 - (6 / 7) ** 2)
    assert gene_agreement(first, other, "edge").p_value == 1


@given(st.integers(0, 10_000))
def test_agreement_is_symmetric(seed) -> None:
    rng = np.random.default_rng(seed)
    first, second = weights(rng), weights(rng)
    assert top_agreement(first, second) == top_agreement(second, first)
    one, two = random_genotype(rng), random_genotype(rng)
    assert gene_agreement(one, two) == gene_agreement(two, one)


@pytest.mark.parametrize("measure", ["spearman", "kendall"])
def test_rank_correlation_is_scipys_edge_by_edge(measure) -> None:
    rng = np.random.default_rng(3)
    first, second = weights(rng), np.round(weights(rng), 1)
    function = {"spearman": stats.spearmanr, "kendall": stats.kendalltau}[measure]
    pairs = zip(first[:, 1:], second[:, 1:], strict=True)
    expected = np.mean([function(a, b).statistic for a, b in pairs])
    assert rank_agreement(first, second, rng, measure, 10).mean == pytest.approx(expected)


def test_rank_p_values_tell_a_relation_from_none() -> None:
    rng = np.random.default_rng(4)
    first = weights(rng)
    related = 0.5 * first + 0.5 * weights(rng)
    assert rank_agreement(first, related, rng).p_value < 0.01
    null = [rank_agreement(weights(rng), weights(rng), rng, draws=99).p_value for _ in range(200)]
    assert 0.4 < np.mean(null) < 0.6


def test_a_common_preference_is_not_an_agreement_on_edges() -> None:
    rng = np.random.default_rng(5)
    first, second = np.full((14, 8), 0.1), np.full((14, 8), 0.1)
    first[:, 3] = second[:, 3] = 0.3
    match = shuffled(first, second, rng)
    assert match.same == 14
    assert match.chance == 14
    assert match.p_value == 1
    assert top_agreement(first, second).p_value < 1e-6
    edge_by_edge = weights(rng, 60)
    assert shuffled(edge_by_edge, edge_by_edge, rng).p_value < 0.001


def test_only_the_same_rows_and_graphs_are_compared() -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(ConfigError, match="row by row"):
        top_agreement(weights(rng), weights(rng, 13))
    small = Genotype.shared(1, [[(0, "skip_connect")]])
    with pytest.raises(ConfigError, match="same cells"):
        gene_agreement(random_genotype(rng), small)


def test_containment_follows_the_final_operations_back(simulation, start) -> None:
    history = start
    final = np.zeros((14, 8))
    final[:, 4] = 3.0
    early = np.zeros((14, 8))
    early[:, [1, 2, 3]] = [3.0, 2.0, 1.0]
    for epoch, share in enumerate(np.linspace(0, 1, 7)):
        alpha = (1 - share) * early + share * final
        history = simulation.show(history, 10 + epoch, alpha[None])
    genotype = discretise(history, "shared").genotype
    found = containment(history, genotype, top=(1, 3, 7))
    assert found.epochs.tolist() == list(range(10, 17))
    assert found.share[0].tolist() == [0, 0, 1]
    assert found.share[-1].tolist() == [1, 1, 1]
    assert (np.diff(found.share, axis=0) >= 0).all()
    assert (np.diff(found.share, axis=1) >= 0).all()
    assert found.chance.tolist() == [1 / 7, 3 / 7, 1]
    first_in_three = int(np.argmax(found.share[:, 1]))
    assert 0 < first_in_three < int(np.argmax(found.share[:, 0]))


def test_containment_at_a_tie_is_not_claimed(simulation, start) -> None:
    history = simulation.show(start, 0, np.zeros((1, 14, 8)))
    genotype = discretise(history, "shared").genotype
    assert containment(history, genotype, top=(1, 6, 7)).share.tolist() == [[0, 0, 1]]


def test_containment_needs_the_history_of_the_genotype(simulation, start) -> None:
    history = simulation.show(start, 0, np.zeros((1, 14, 8)))
    with pytest.raises(ConfigError, match="search graph"):
        containment(history, Genotype.shared(1, [[(0, "skip_connect")]]))


def test_a_match_reads_as_a_sentence() -> None:
    rng = np.random.default_rng(8)
    text = top_agreement(weights(rng), weights(rng)).sentence("top operation")
    assert text.startswith("top operation the same in ")
    assert "of 14 places (chance 2.0, p = " in text
