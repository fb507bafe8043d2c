from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS, CellTopology, Genotype
from distributed_iac.selection.consensus import consensus_genotype


def one_node(first: str, second: str) -> Genotype:
    return Genotype.shared(2, [[(0, first), (1, second)]])


def drawn(rng: np.random.Generator) -> Genotype:
    nodes = [
        [
            (int(source), str(rng.choice(OPERATIONS[1:])))
            for source in rng.choice(2 + node, 2, replace=False)
        ]
        for node in range(4)
    ]
    return Genotype.shared(2, nodes)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_agreeing_searches_get_what_they_agree_on(seed: int, times: int) -> None:
    genotype = drawn(np.random.default_rng(seed))
    found = consensus_genotype([genotype] * times)
    assert found.genotype == genotype
    assert found.ties == ()
    assert found.support == (times,) * 8


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.randoms())
def test_the_order_of_voters_does_not_matter(seed: int, voters: int, random) -> None:
    rng = np.random.default_rng(seed)
    genotypes = [drawn(rng) for _ in range(voters)]
    first = consensus_genotype(genotypes)
    random.shuffle(genotypes)
    assert consensus_genotype(genotypes) == first
    assert first.genotype.cells[0].topology == CellTopology()


def test_the_majority_wins_edge_by_edge() -> None:
    found = consensus_genotype(
        [
            one_node("sep_conv_3x3", "skip_connect"),
            one_node("sep_conv_3x3", "max_pool_3x3"),
            one_node("dil_conv_3x3", "max_pool_3x3"),
        ]
    )
    assert found.genotype == one_node("sep_conv_3x3", "max_pool_3x3")
    assert found.support == (2, 2)
    assert found.ties == ()


def test_an_operation_needs_its_edge_to_win_first() -> None:
    def second_node(*genes: tuple[int, str]) -> Genotype:
        return Genotype.shared(2, [[(0, "skip_connect"), (1, "skip_connect")], genes])

    found = consensus_genotype(
        [
            second_node((0, "sep_conv_3x3"), (1, "skip_connect")),
            second_node((0, "sep_conv_5x5"), (2, "dil_conv_3x3")),
            second_node((1, "skip_connect"), (2, "sep_conv_5x5")),
            second_node((0, "sep_conv_5x5"), (1, "sep_conv_3x3")),
        ]
    )
    assert [tuple(g) for g in found.genotype.cells[0].nodes[1]] == [
        (0, "sep_conv_5x5"),
        (1, "skip_connect"),
    ]


def test_a_draw_is_named_and_settled_by_order() -> None:
    genotypes = [one_node("sep_conv_3x3", "skip_connect"), one_node("dil_conv_5x5", "skip_connect")]
    blind = consensus_genotype(genotypes)
    assert blind.genotype == one_node("sep_conv_3x3", "skip_connect")
    assert blind.ties == (
        "cell 0, node 0, edge from skip: sep_conv_3x3, dil_conv_5x5 drew with 1 votes each; "
        "settled by order alone",
    )


def test_a_draw_for_the_last_edge_is_named() -> None:
    def third(*sources: int) -> Genotype:
        first = [(0, "skip_connect"), (1, "skip_connect")]
        return Genotype.shared(2, [first, [(source, "sep_conv_3x3") for source in sources]])

    found = consensus_genotype([third(0, 1), third(0, 2)])
    assert found.genotype == third(0, 1)
    assert len(found.ties) == 1
    assert "edge from decoder, node 0 drew with 1 votes" in found.ties[0]


def test_what_cannot_vote_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        consensus_genotype([])
    two_nodes = Genotype.shared(2, [[(0, "skip_connect")], [(1, "skip_connect")]])
    with pytest.raises(ConfigError, match="2 graphs"):
        consensus_genotype([two_nodes, one_node("skip_connect", "skip_connect")])
