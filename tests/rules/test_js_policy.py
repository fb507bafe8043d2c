from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_iac.config.pruning import JsSettings, SignalSettings, StabilitySettings
from distributed_iac.genotype import OPERATIONS, CellTopology
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.measures import perturbation
from distributed_iac.importance.removal import EdgeRemoval, OperationRemoval
from distributed_iac.pruning.decision import PruneDecision
from distributed_iac.pruning.discretise import discretise
from distributed_iac.pruning.js import JsPolicy
from distributed_iac.pruning.policy import NoPruning
from distributed_iac.stability import assess

QUICK = JsPolicy(StabilitySettings(window=2, tau=0.02, patience=2, warmup=4, max_wait=4))


def operations_of(decision: PruneDecision) -> list[OperationRemoval]:
    return [one for one in decision.removals if isinstance(one, OperationRemoval)]


def edges_of(decision: PruneDecision) -> list[EdgeRemoval]:
    return [one for one in decision.removals if isinstance(one, EdgeRemoval)]


def ladder(rows: int = 14, none: float = 0.0) -> np.ndarray:
    """Drift per step of every operation: clear and different on every row."""
    rng = np.random.default_rng(3)
    speeds = rng.permuted(np.tile(np.linspace(0, 1, 7), (rows, 1)), axis=1)
    return np.concatenate([np.full((rows, 1), none), speeds], axis=1)


def drift(
    simulation,
    history: ImportanceHistory,
    policy: JsPolicy,
    speed: np.ndarray,
    edge_speed: np.ndarray | None = None,
    epochs: int = 60,
    moving: int = 12,
    noise: float = 0.004,
    seed: int = 0,
):
    """Drift with noise for some epochs, then stand still; yields as the search does."""
    rng = np.random.default_rng(seed)
    rows = history.layout.rows
    edge_speed = np.zeros(rows) if edge_speed is None else edge_speed
    alpha, beta = np.zeros((rows, 8)), np.zeros(rows)
    for epoch in range(history.observed, history.observed + epochs):
        steps = noise * rng.standard_normal((10, rows, 8)), noise * rng.standard_normal((10, rows))
        if epoch < moving:
            steps = steps[0] + speed / 20, steps[1] + edge_speed / 20
        alphas, betas = alpha + np.cumsum(steps[0], axis=0), beta + np.cumsum(steps[1], axis=0)
        alpha, beta = alphas[-1], betas[-1]
        history = simulation.show(history, epoch, alphas, betas)
        decision = policy.decide(history)
        history = history.prune(decision.removals)
        yield history, decision
        if decision.converged:
            return


def planted(history: ImportanceHistory) -> tuple[np.ndarray, np.ndarray]:
    """Edges enter every node with clearly different speeds."""
    rows = history.layout.rows
    return ladder(rows, none=0.3), 4.0 * np.random.default_rng(4).permutation(rows) / rows


def test_a_clear_search_ends_with_two_edges_a_node_and_one_operation_an_edge(
    simulation, start
) -> None:
    speed, edge_speed = planted(start)
    *_, (history, decision) = drift(simulation, start, JsPolicy(), speed, edge_speed, moving=20)
    assert decision.converged
    assert decision.converged.undecided_edges == decision.converged.undecided_nodes == 0
    assert decision.converged.decided_edges == 8
    assert (history.live_operations[history.live_edges, 1:].sum(axis=1) == 1).all()
    result = discretise(history, "shared")
    assert result.distinction.verdict == "distinguished"
    for edge in result.kept:
        assert OPERATIONS[1 + speed[edge.edge, 1:].argmax()] == edge.operation
    for node in range(4):
        rows = history.layout.slots[node, history.live_slots[node]]
        incoming = history.layout.slots[node, history.layout.real[node]]
        assert set(rows) == set(incoming[np.argsort(edge_speed[incoming])[-2:]])


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_a_learning_search_loses_most_operations_and_never_the_best(
    simulation, start, clear_rewards, noise
) -> None:
    """The architecture of a bandit with noisy rewards, trained as PC-DARTS trains alpha."""
    bandit = simulation.Bandit(*clear_rewards, noise=noise, rate=0.03, seed=1)
    *_, (history, decision) = simulation.search(JsPolicy(), bandit, start, epochs=80)
    assert decision.converged
    assert history.live_operations.sum() < 0.25 * 112
    best = clear_rewards[0][:, 1:].argmax(axis=1) + 1
    assert history.live_operations[np.arange(14), best][history.live_edges].all()
    best_edge = [
        slots[np.argmax(clear_rewards[1][slots[slots >= 0]])] for slots in start.layout.slots
    ]
    assert history.live_edges[best_edge].all()


def test_planted_losers_go_and_the_planted_winner_stays(simulation) -> None:
    """Six of seven lose on every edge: at least 95 % of the losers are gone at the end."""
    start = ImportanceHistory.start(CellTopology(), cells=20, momentum=0.0)
    rng = np.random.default_rng(8)
    speed = np.full((280, 8), 0.0)
    winner = rng.integers(1, 8, 280)
    speed[np.arange(280), winner] = 0.4
    *_, (history, _) = drift(simulation, start, JsPolicy(), speed, epochs=60, moving=20)
    alive = history.live_operations
    losers = alive[:, 1:].sum() - alive[np.arange(280), winner].sum()
    assert losers / (280 * 6) <= 0.05
    assert alive[np.arange(280), winner].all()


def test_an_edge_thins_out_in_stages_with_patience_between(simulation, start) -> None:
    counts, epochs = [7], []
    speed, edge_speed = planted(start)
    for history, decision in drift(simulation, start, QUICK, speed, edge_speed):
        if any(one.row == 0 for one in operations_of(decision)):
            counts.append(int(history.live_operations[0, 1:].sum()))
            epochs.append(decision.epoch)
    assert counts[-1] == 1
    for before, after in itertools.pairwise(counts):
        assert after >= np.ceil(before / 2)
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(epochs))
    assert min(epochs) >= 4


def test_keep_top_operations_stay_and_the_edge_counts_as_done(simulation, start) -> None:
    policy = replace(QUICK, js=JsSettings(keep_top=3, keep_fraction=0))
    speed, edge_speed = planted(start)
    *_, (history, decision) = drift(simulation, start, policy, speed, edge_speed)
    assert decision.converged
    assert (history.live_operations[history.live_edges, 1:].sum(axis=1) == 3).all()
    first = next(
        d for _, d in drift(simulation, start, policy, speed, edge_speed) if operations_of(d)
    )
    best = np.argsort(-speed[operations_of(first)[0].row, 1:])[:3] + 1
    assert not {one.column for one in operations_of(first) if one.row == 0} & set(best)


def test_ties_are_never_broken_and_end_undecided(simulation, start) -> None:
    speed = np.zeros((14, 8))
    speed[:, [3, 5]] = 1.0
    epochs = list(drift(simulation, start, QUICK, speed, planted(start)[1]))
    history, decision = epochs[-1]
    said = [one for _, each in epochs for one in each.newly_undecided]
    assert decision.converged
    assert decision.converged.decided_edges == 0
    assert decision.converged.undecided_edges == history.live_edges.sum()
    survivors = [set(np.flatnonzero(row[1:]) + 1) for row in history.live_operations]
    assert all(
        row == {3, 5} for row, edge in zip(survivors, history.live_edges, strict=True) if edge
    )
    edges = [one for one in said if one.kind == "operations"]
    assert {one.index for one in edges} >= set(np.flatnonzero(history.live_edges))
    assert all(one.candidates == ("skip_connect", "sep_conv_5x5") for one in edges)
    assert len({(one.kind, one.index) for one in said}) == len(said)
    result = discretise(history, "shared")
    assert result.distinction.verdict == "not distinguished"


def test_exact_ties_at_the_border_of_the_protected_protect_both(simulation, start) -> None:
    """Four of seven may stay at first; with three equal at the border five do."""
    speed = np.zeros((14, 8))
    speed[:, 1:] = np.array([0, 0.1, 0.5, 0.5, 0.5, 0.9, 1.0])
    alpha, history = np.zeros((14, 8)), start
    decision = None
    for epoch in range(40):
        alphas = alpha + np.cumsum(np.tile(speed / 20, (10, 1, 1)), axis=0)
        alpha = alphas[-1] if epoch < 14 else alpha
        history = simulation.show(history, epoch, alphas if epoch < 14 else alpha[None])
        decision = QUICK.decide(history)
        if decision.removals:
            break
    gone = {one.operation for one in operations_of(decision) if one.row == 0}
    assert gone == {"none", "max_pool_3x3", "avg_pool_3x3"}


def test_nothing_at_all_to_learn_converges_undecided(simulation, start) -> None:
    *_, (history, decision) = drift(simulation, start, QUICK, np.zeros((14, 8)))
    assert decision.converged
    assert decision.converged.undecided_edges == 14
    assert decision.converged.undecided_nodes == 3
    assert history.live_operations.all()
    nodes = [one for one in decision.newly_undecided if one.kind == "edges"]
    assert [one.index for one in nodes] == [1, 2, 3]
    assert "undecided" in decision.explain()


def test_what_is_significant_but_too_small_to_matter_stays(simulation, start) -> None:
    speed = np.zeros((14, 8))
    speed[:, 4] = 0.06
    policy = replace(QUICK, signal=SignalSettings(min_ratio=1.5))
    *_, (history, _) = drift(simulation, start, policy, speed, epochs=30, noise=0.002)
    assert (history.operation_drift.peak[:, 4, 1:].max(axis=1) > np.log(2800)).mean() > 0.5
    assert history.live_operations.all()


def test_late_evidence_ends_being_undecided(simulation, start) -> None:
    history, rng, alpha = start, np.random.default_rng(9), np.zeros((14, 8))
    history = start
    for epoch in range(14):
        history = simulation.show(history, epoch, 0.001 * rng.standard_normal((10, 14, 8)))
    assert assess(history, QUICK.stability).undecided.all()
    speed = np.zeros((14, 8))
    speed[0] = ladder()[0]
    lost = 0
    for epoch in range(14, 50):
        steps = np.tile(speed / 10 if epoch < 26 else 0 * speed, (10, 1, 1))
        alphas = alpha + np.cumsum(steps + 0.001 * rng.standard_normal(steps.shape), axis=0)
        alpha = alphas[-1]
        history = simulation.show(history, epoch, alphas)
        decision = QUICK.decide(history)
        lost += len(operations_of(decision))
        history = history.prune(decision.removals)
    assert lost == 8 - history.live_operations[0].sum() > 0
    assert history.live_operations[1:].all()


def test_none_can_lose_but_nothing_loses_against_it(simulation, start) -> None:
    speed = np.zeros((14, 8))
    speed[:, 0] = 1.0
    *_, (history, decision) = drift(simulation, start, QUICK, speed)
    assert history.live_operations.all()
    assert decision.converged
    speed = np.zeros((14, 8))
    speed[:, 0] = -1.0
    *_, (history, decision) = drift(simulation, start, QUICK, speed)
    assert not history.live_operations[:, 0].any()
    assert history.live_operations[:, 1:].all()


def test_an_edge_with_one_operation_beside_a_strong_none_is_decided(simulation, start) -> None:
    speed = ladder()
    speed[:, 0] = 2.0
    history, rng = start, np.random.default_rng(0)
    policy = replace(QUICK, js=JsSettings(keep_fraction=0))
    alpha, beta = np.zeros((14, 8)), np.zeros(14)
    for epoch in range(60):
        push = speed / 20 if epoch < 20 else 0 * speed
        alphas = alpha + np.cumsum(push + 0.01 * rng.standard_normal((10, 14, 8)), axis=0)
        betas = beta + np.cumsum(0.01 * rng.standard_normal((10, 14)), axis=0)
        alpha, beta = alphas[-1], betas[-1]
        history = simulation.show(history, epoch, alphas, betas)
        decision = policy.decide(history)
        history = history.prune(decision.removals)
        if decision.converged:
            break
    assert history.live_operations[:, 0].all()
    assert decision.converged
    decided = history.live_operations[:, 1:].sum(axis=1) == 1
    assert decided.sum() >= 10
    assert decision.converged.decided_edges == decided.sum()
    assert all(edge.operation != "none" for edge in discretise(history, "shared").kept)


def test_edges_wait_for_the_operations_of_their_node(simulation, start) -> None:
    speed, edge_speed = planted(start)
    edges_gone = False
    for history, decision in drift(simulation, start, QUICK, speed, edge_speed):
        for one in edges_of(decision):
            edges_gone = True
            node = history.layout.node_of[one.row]
            rows = history.layout.slots[node, history.live_slots[node]]
            assert (history.live_operations[rows, 1:].sum(axis=1) == 1).all()
            assert len(one.winners) == 2
            assert not {r.row for r in operations_of(decision)} & set(rows)
    assert edges_gone


def test_an_edge_that_pc_darts_would_keep_is_not_pruned(simulation, start) -> None:
    """Beta puts edge 2 last of node 1; its operation is so much stronger that it ranks first."""
    speed = np.zeros((14, 8))
    speed[:, 0] = 3.0
    speed[2] = 0
    speed[:, 4] = 2.0
    edge_speed = np.zeros(14)
    edge_speed[[2, 3, 4]] = [0, 0.5, 0.6]
    *_, (history, decision) = drift(simulation, start, QUICK, speed, edge_speed, moving=20)
    assert history.live_edges[2]
    assert decision.converged
    beta = history.edge_closing[[2, 3, 4]]
    assert beta[0] < beta[1:].min() / 1.5


def test_operations_can_be_ranked_by_perturbation(simulation, start) -> None:
    """An operation without which the score drops most is not pruned, whatever its weight."""
    speed, _ = planted(start)
    scores = np.full((14, 8), 0.80)
    weakest = 1 + speed[:, 1:].argmin(axis=1)
    scores[np.arange(14), weakest] = 0.70
    history = start
    seen = 0
    for history, _ in drift(simulation, start, NoPruning(), speed, epochs=30):
        plain = QUICK.decide(history)
        ranked = QUICK.decide(history, perturbation(scores, 0.8, history.live_operations))
        protected = set(zip(range(14), weakest, strict=True))
        assert not {(r.row, r.column) for r in operations_of(ranked)} & protected
        seen += bool({(r.row, r.column) for r in operations_of(plain)} & protected)
    assert seen


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(7)), st.integers(0, 50))
def test_relabelling_operations_changes_nothing_but_the_names(simulation, order, seed) -> None:
    new = np.array([0, *(1 + np.array(order))])
    speed, edge_speed = planted(ImportanceHistory.start(CellTopology(2, 2)))
    plain = _decisions(simulation, speed, edge_speed, seed, np.arange(8))
    renamed = _decisions(simulation, speed, edge_speed, seed, new)
    for one, other in zip(plain, renamed, strict=True):
        mapped = {(r, int(np.flatnonzero(new == c)[0])) for r, c in one}
        assert mapped == other


def _decisions(simulation, speed, edge_speed, seed, order) -> list[set[tuple[int, int]]]:
    rng = np.random.default_rng(seed)
    history = ImportanceHistory.start(CellTopology(2, 2), momentum=0.0)
    rows = history.layout.rows
    alpha, beta, removed = np.zeros((rows, 8)), np.zeros(rows), []
    for epoch in range(26):
        push = 1.0 if epoch < 12 else 0.0
        noise = 0.02 * rng.standard_normal((10, rows, 9))
        alphas = alpha + np.cumsum(push * speed / 20 + noise[..., :8], axis=0)
        betas = beta + np.cumsum(push * edge_speed / 20 + noise[..., 8], axis=0)
        alpha, beta = alphas[-1], betas[-1]
        history = simulation.show(history, epoch, alphas[..., order], betas)
        decision = QUICK.decide(history)
        removed.append({(one.row, one.column) for one in operations_of(decision)})
        history = history.prune(decision.removals)
    return removed


def test_cells_do_not_influence_each_other(simulation) -> None:
    speed = np.concatenate([ladder(), ladder()[::-1]])
    both = ImportanceHistory.start(CellTopology(), cells=2, momentum=0.0)
    alone = ImportanceHistory.start(CellTopology(), cells=1, momentum=0.0)
    rng = np.random.default_rng(6)
    alpha = np.zeros((28, 8))
    for epoch in range(30):
        push = speed / 20 if epoch < 12 else 0 * speed
        alphas = alpha + np.cumsum(push + 0.02 * rng.standard_normal((10, 28, 8)), axis=0)
        alpha = alphas[-1]
        both = simulation.show(both, epoch, alphas)
        alone = simulation.show(alone, epoch, alphas[:, 14:])
        of_second = [
            (one.edge, one.operation, one.p_value)
            for one in operations_of(QUICK.decide(both))
            if one.cell == 1
        ]
        by_itself = QUICK.decide(alone)
        assert of_second == [
            (one.edge, one.operation, one.p_value) for one in operations_of(by_itself)
        ]
        both, alone = both.prune(QUICK.decide(both).removals), alone.prune(by_itself.removals)


def test_an_interrupted_search_decides_as_an_uninterrupted_one(
    simulation, start, clear_rewards
) -> None:
    def run(stop: int | None) -> tuple[list[dict], dict]:
        bandit = simulation.Bandit(*clear_rewards, noise=1.0, seed=2)
        history, decisions = start, []
        for epoch in range(60):
            if epoch == stop:
                history = ImportanceHistory.from_state(json.loads(json.dumps(history.to_state())))
            history = bandit.epoch(history, 5)
            decision = JsPolicy().decide(history)
            history = history.prune(decision.removals)
            decisions.append(decision.to_dict())
        return decisions, history.to_state()

    straight = run(None)
    assert any(one["removals"] for one in straight[0][30:])
    assert run(30) == straight


def test_decisions_explain_themselves_and_are_json_able(simulation, start) -> None:
    speed, edge_speed = planted(start)
    kinds = set()
    for _, decision in drift(simulation, start, QUICK, speed, edge_speed):
        value = decision.to_dict()
        assert json.loads(json.dumps(value, allow_nan=False)) == value
        kinds |= {one["kind"] for one in value["removals"]}
        text = decision.explain()
        for one in operations_of(decision):
            assert f"edge {one.edge} of cell 0 lost {one.operation}: {one.winner} weighs" in text
            assert one.ratio >= 1.5
            assert one.p_value <= 0.01
            assert one.js <= QUICK.stability.tau
            assert "JS = " in text
        if not decision.removals and not decision.newly_undecided and not decision.converged:
            assert text == f"epoch {decision.epoch}: nothing to prune"
    assert kinds == {"operation", "edge"}
    assert "converged: " in decision.explain()


def test_a_decision_takes_well_under_five_milliseconds(simulation, start) -> None:
    history = start
    for epoch in range(200):
        history = simulation.show(history, epoch, np.zeros((1, 14, 8)))
    policy, times = JsPolicy(), []
    for _ in range(20):
        begin = time.perf_counter()
        policy.decide(history)
        times.append(time.perf_counter() - begin)
    assert min(times) < 5e-3


@pytest.mark.parametrize("inputs", [1, 2])
def test_small_cells_converge_too(simulation, inputs) -> None:
    start = ImportanceHistory.start(CellTopology(inputs, 1), momentum=0.0)
    *_, (history, decision) = drift(simulation, start, QUICK, ladder(start.layout.rows))
    assert decision.converged
    assert history.live_edges.all()
    assert decision.converged.decided_edges == inputs
