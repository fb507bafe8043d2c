from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.agreement import containment, gene_agreement
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS, Genotype
from distributed_iac.pruning.discretise import discretise


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
    genotype = random_genotype(np.random.default_rng(0))
    match = gene_agreement(genotype, genotype)
    assert (match.same, match.total) == (8, 8)
    assert match.p_value < 1e-6


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
    one, two = random_genotype(rng), random_genotype(rng)
    assert gene_agreement(one, two) == gene_agreement(two, one)


def test_only_the_same_graphs_are_compared() -> None:
    rng = np.random.default_rng(6)
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
    text = gene_agreement(random_genotype(rng), random_genotype(rng)).sentence("gene")
    assert text.startswith("gene the same in ")
    assert "of 8 places (chance 0.7, p = " in text
