from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_iac.config.pruning import ScheduleSettings, SignalSettings
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS, CellTopology, Genotype
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.measures import perturbation
from distributed_iac.pruning.discretise import Distinction, discretise
from distributed_iac.pruning.schedule import SchedulePolicy


def settled(simulation, start, alpha, beta, epochs: int = 30, seed: int = 0):
    """A search that drifts to the given logits with little noise."""
    rng = np.random.default_rng(seed)
    history = start
    for epoch in range(epochs):
        share = np.linspace(epoch, epoch + 1, 11)[1:, None] / epochs
        noise = 1e-4 * rng.standard_normal((10, *alpha.shape))
        history = simulation.show(
            history, epoch, share[..., None] * alpha + noise, share * beta + noise[..., 0]
        )
    return history


def by_hand(alpha, beta, topology: CellTopology) -> dict[tuple[int, int], str]:
    """PC-DARTS's choice, written as loops."""
    p = np.exp(alpha) / np.exp(alpha).sum(axis=1, keepdims=True)
    chosen = {}
    for target in topology.targets:
        rows = topology.incoming(target)
        q = np.exp(beta[list(rows)]) / np.exp(beta[list(rows)]).sum()
        best = {row: q[i] * p[row, 1:].max() for i, row in enumerate(rows)}
        for row in sorted(rows, key=lambda row: -best[row])[:2]:
            chosen[topology.edges[row]] = OPERATIONS[1 + p[row, 1:].argmax()]
    return chosen


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(1, 3), (2, 2), (2, 4)]))
def test_the_choice_is_pc_darts(simulation, seed, shape) -> None:
    rng = np.random.default_rng(seed)
    topology = CellTopology(*shape)
    alpha = 2 * rng.standard_normal((len(topology.edges), 8))
    beta = 2 * rng.standard_normal(len(topology.edges))
    history = simulation.show(ImportanceHistory.start(topology), 0, alpha[None], beta[None])
    result = discretise(history, "shared")
    assert dict(result.genotype.cells[0].genes) == by_hand(alpha, beta, topology)
    for edge in result.kept:
        p = history.operation_closing[edge.edge, OPERATIONS.index(edge.operation)]
        assert edge.weight == pytest.approx(p * history.edge_closing[edge.edge])
        assert topology.edges[edge.edge] == (edge.source, edge.target)


def test_none_is_never_chosen_but_weakens_its_edge(simulation, start) -> None:
    alpha = np.zeros((14, 8))
    alpha[:, 4] = 1.0
    alpha[2, 0] = 5.0
    history = settled(simulation, start, alpha, np.zeros(14))
    kept = discretise(history, "shared").kept
    assert all(edge.operation == "sep_conv_3x3" for edge in kept)
    assert 2 not in {edge.edge for edge in kept}


def test_clear_choices_are_confident_and_ties_are_the_toss_of_a_coin(simulation, start) -> None:
    rng = np.random.default_rng(1)
    alpha = np.zeros((14, 8))
    alpha[:, 1:] = rng.permuted(np.tile(np.arange(1.0, 8.0), (14, 1)), axis=1)
    beta = 6.0 * rng.permutation(14) / 14
    alpha[0] = 0
    alpha[0, [3, 6]] = 3.0
    result = discretise(settled(simulation, start, alpha, beta), "shared")
    tied = next(edge for edge in result.kept if edge.edge == 0)
    assert tied.undecided
    assert {tied.operation, tied.closest_rival} == {"skip_connect", "dil_conv_3x3"}
    assert tied.confidence < 0.9
    for edge in result.kept:
        if edge.edge != 0:
            assert edge.confidence >= 0.995
            assert not edge.undecided
    assert all(edge.edge_confidence == 1 for edge in result.kept if edge.target == 2)
    assert all(edge.edge_confidence >= 0.995 for edge in result.kept)
    assert result.undecided == (tied,)
    assert result.distinction.verdict == "partly"
    assert "7 of 8 kept edges; 1 stay undecided" in result.distinction.sentence


def test_significant_but_small_is_confident_and_still_undecided(simulation, start) -> None:
    alpha = np.zeros((14, 8))
    alpha[:, 5] = 0.2
    history = settled(simulation, start, alpha, np.zeros(14))
    result = discretise(history, "shared")
    assert all(edge.confidence > 0.995 and edge.undecided for edge in result.kept)
    generous = discretise(history, "shared", signal=SignalSettings(min_ratio=1.1))
    assert generous.undecided == ()
    assert generous.distinction.verdict == "distinguished"


def test_a_search_that_learned_nothing_is_called_so(simulation, start) -> None:
    rng = np.random.default_rng(3)
    history = start
    for epoch in range(20):
        history = simulation.show(history, epoch, 0.05 * rng.standard_normal((5, 14, 8)))
    result = discretise(history, "shared")
    assert result.distinction.verdict == "not distinguished"
    assert "did not distinguish these operations: 8 of 8" in result.distinction.sentence
    assert all(0.5 <= edge.confidence <= 0.95 for edge in result.kept)
    edges = [edge.edge_confidence for edge in result.kept if edge.target > 2]
    assert max(edges) < 0.95


def test_pruning_without_evidence_ends_without_confidence(simulation, start) -> None:
    rng = np.random.default_rng(4)
    policy, history = SchedulePolicy(ScheduleSettings(at=(3, 6, 9))), start
    for epoch in range(9):
        history = simulation.show(history, epoch, 0.05 * rng.standard_normal((5, 14, 8)))
        history = history.prune(policy.decide(history).removals)
    assert history.live_operations.sum() == 8
    result = discretise(history, "shared")
    assert result.distinction.verdict == "not distinguished"
    assert all(edge.edge_confidence < 0.95 for edge in result.kept if edge.target > 2)


def test_each_tap_gets_its_own_cell(simulation) -> None:
    start = ImportanceHistory.start(CellTopology(), cells=3)
    rng = np.random.default_rng(5)
    history = simulation.show(start, 0, rng.standard_normal((1, 42, 8)))
    result = discretise(history, "per_skip")
    assert result.genotype.scope == "per_skip"
    assert len(result.genotype.cells) == 3
    assert len(set(result.genotype.cells)) == 3
    with pytest.raises(ConfigError, match="exactly one cell"):
        discretise(history, "shared")


def test_perturbation_can_choose_in_place_of_the_mixture(simulation, start) -> None:
    history = simulation.show(start, 0, np.zeros((1, 14, 8)))
    scores = np.full((14, 8), 0.8)
    scores[:, 6] = 0.75
    importance = perturbation(scores, 0.8, history.live_operations)
    result = discretise(history, "shared", importance=importance)
    assert {edge.operation for edge in result.kept} == {"dil_conv_3x3"}


def test_the_report_is_json_able_and_holds_the_genotype(simulation, start) -> None:
    result = discretise(simulation.show(start, 0, np.zeros((1, 14, 8))), "shared")
    value = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert Genotype.from_dict(value["genotype"]) == result.genotype
    assert len(value["edges"]) == 8
    assert value["sentence"] == result.distinction.sentence


@given(st.integers(1, 20).flatmap(lambda kept: st.tuples(st.just(kept), st.integers(0, kept))))
def test_the_verdict_follows_the_share_of_undecided_edges(counts) -> None:
    kept, undecided = counts
    verdict = Distinction(kept, undecided).verdict
    assert (verdict == "distinguished") == (undecided == 0)
    assert (verdict == "not distinguished") == (undecided / kept > 0.5)


def test_swapping_two_operations_swaps_the_genotype_and_keeps_the_confidence(
    simulation, start
) -> None:
    rng = np.random.default_rng(7)
    alpha, beta = rng.standard_normal((14, 8)), rng.standard_normal(14)
    order = np.array([0, 1, 2, 5, 4, 3, 6, 7])
    rename = dict(itertools.zip_longest(OPERATIONS, [OPERATIONS[i] for i in order]))
    history = start
    other = start
    for epoch in range(12):
        noise = 0.05 * rng.standard_normal((10, 14, 8))
        logits = alpha * epoch / 12 + noise
        history = simulation.show(history, epoch, logits, np.tile(beta, (10, 1)))
        other = simulation.show(other, epoch, logits[..., order], np.tile(beta, (10, 1)))
    plain, swapped = discretise(history, "shared").kept, discretise(other, "shared").kept
    for one, two in zip(plain, swapped, strict=True):
        assert rename[one.operation] == two.operation
        assert one.confidence == pytest.approx(two.confidence)
        assert one.undecided == two.undecided
