from __future__ import annotations

import json

import numpy as np
import pytest

from distributed_iac.config.pruning import (
    JsSettings,
    PruningSettings,
    RankSettings,
    ScheduleSettings,
    StabilitySettings,
)
from distributed_iac.genotype import OPERATIONS, CellTopology
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.measures import perturbation
from distributed_iac.importance.removal import EdgeRemoval, OperationRemoval
from distributed_iac.pruning.decision import PruneDecision
from distributed_iac.pruning.policy import NoPruning, policy_from
from distributed_iac.pruning.rank import LEARNABLE, RankPolicy
from distributed_iac.pruning.schedule import SchedulePolicy

EVERY = {
    "none": PruningSettings(policy="none"),
    "js": PruningSettings(policy="js"),
    "eager js": PruningSettings(
        policy="js",
        stability=StabilitySettings(window=2, tau=0.9, patience=1, warmup=0, max_wait=2),
        js=JsSettings(keep_fraction=0),
    ),
    "schedule": PruningSettings(
        policy="schedule", schedule=ScheduleSettings(at=(4, 8, 12), keep=(5, 3, 1))
    ),
    "rank": PruningSettings(policy="rank", rank=RankSettings(epochs=3)),
}


def operations_of(decision: PruneDecision) -> list[OperationRemoval]:
    return [one for one in decision.removals if isinstance(one, OperationRemoval)]


def edges_of(decision: PruneDecision) -> list[EdgeRemoval]:
    return [one for one in decision.removals if isinstance(one, EdgeRemoval)]


def observed(simulation, start: ImportanceHistory, alphas, betas=None) -> ImportanceHistory:
    history = start
    for epoch, alpha in enumerate(alphas):
        beta = None if betas is None else betas[epoch][None]
        history = simulation.show(history, epoch, alpha[None], beta)
    return history


@pytest.fixture(params=EVERY)
def policy(request):
    return policy_from(EVERY[request.param])


def test_the_settings_name_the_policy(policy) -> None:
    assert policy_from(PruningSettings(policy=policy.name)).name == policy.name


@pytest.mark.parametrize("cells", [1, 3])
def test_every_decision_can_be_applied_and_leaves_a_cell(simulation, policy, cells) -> None:
    rng = np.random.default_rng(cells)
    start = ImportanceHistory.start(CellTopology(2, 3), cells)
    rows = start.layout.rows
    bandit = simulation.Bandit(
        3 * rng.standard_normal((rows, 8)), 3 * rng.standard_normal(rows), noise=0.5, rate=0.1
    )
    for history, decision in simulation.search(policy, bandit, start, epochs=40):
        assert decision.policy == policy.name
        assert decision.epoch == history.epoch
        assert json.loads(json.dumps(decision.to_dict(), allow_nan=False)) == decision.to_dict()
        assert decision.explain()
        assert history.live_operations[history.live_edges, 1:].any(axis=1).all()
        assert (history.live_slots.sum(axis=1) >= 2).all()


def test_a_decision_depends_on_the_history_alone(simulation, policy, start) -> None:
    rng = np.random.default_rng(0)
    bandit = simulation.Bandit(3 * rng.standard_normal((14, 8)), rng.standard_normal(14), rate=0.1)
    for _ in range(14):
        start = bandit.epoch(start, 5)
        first, again = policy.decide(start), policy.decide(start)
        copy = ImportanceHistory.from_state(json.loads(json.dumps(start.to_state())))
        assert first == again == policy.decide(copy)
        start = start.prune(first.removals)


def test_every_policy_takes_another_ranking(simulation, policy, start) -> None:
    history = observed(simulation, start, np.zeros((12, 14, 8)))
    scores = np.tile(np.linspace(0.8, 0.7, 8), (14, 1))
    decision = policy.decide(history, perturbation(scores, 0.8, history.live_operations))
    for one in operations_of(decision):
        assert one.operation != "dil_conv_5x5"


def test_before_the_first_epoch_nothing_is_decided(policy, start) -> None:
    decision = policy.decide(start)
    assert not decision.removals
    assert decision.converged is None


def test_the_full_search_never_prunes_and_never_converges(simulation, start) -> None:
    alphas = np.tile(np.linspace(-9, 9, 8), (200, 14, 1))
    decision = NoPruning().decide(observed(simulation, start, alphas))
    assert decision.removals == ()
    assert decision.converged is None


def test_the_schedule_keeps_5_3_1_after_its_epochs(simulation, start) -> None:
    policy = SchedulePolicy(ScheduleSettings(at=(3, 6, 9), keep=(5, 3, 1)))
    rng = np.random.default_rng(1)
    alpha, beta = rng.standard_normal((14, 8)), rng.standard_normal(14)
    counts, history = [], start
    for epoch in range(9):
        history = simulation.show(history, epoch, alpha[None], beta[None])
        decision = policy.decide(history)
        assert (decision.converged is not None) == (epoch == 8)
        history = history.prune(decision.removals)
        counts.append(int(history.live_operations[0].sum()) or None)
        if epoch == 2:
            best = np.sort(np.argsort(-alpha[5])[:5])
            assert np.flatnonzero(history.live_operations[5]).tolist() == best.tolist()
    assert [count for count in counts if count is not None][:8] == [8, 8, 5, 5, 5, 3, 3, 3]
    assert history.live_operations.sum() == 8
    assert not history.live_operations[:, 0].any()
    best = alpha[:, 1:].argmax(axis=1) + 1
    kept = np.flatnonzero(history.live_edges)
    assert (history.live_operations[kept, best[kept]]).all()
    assert (history.live_slots.sum(axis=1) == 2).all()
    assert "last of 3 stages" in decision.converged.reason


def test_the_schedule_ranks_edges_by_beta_times_the_best_operation(simulation, start) -> None:
    policy = SchedulePolicy(ScheduleSettings(at=(1,), keep=(1,)))
    alpha, beta = np.zeros((14, 8)), np.zeros(14)
    alpha[:, 0] = 2.0
    alpha[2] = 0
    alpha[2, 4] = 4.0
    beta[2:5] = [-1.0, 0.2, 0.1]
    history = observed(simulation, start, [alpha], [beta])
    decision = policy.decide(history)
    assert {one.row for one in edges_of(decision) if one.row < 5} == {4}


def test_the_schedule_says_where_the_order_broke_a_tie(simulation, start) -> None:
    policy = SchedulePolicy(ScheduleSettings(at=(1, 2), keep=(5, 1)))
    decision = policy.decide(observed(simulation, start, np.zeros((1, 14, 8))))
    of_first = [one for one in operations_of(decision) if one.row == 0]
    assert [one.operation for one in of_first] == list(OPERATIONS[5:])
    assert all("tied with" in one.explain() for one in of_first)


def test_the_schedule_takes_none_out_first_at_the_end(simulation, start) -> None:
    policy = SchedulePolicy(ScheduleSettings(at=(1,), keep=(1,)))
    alpha = np.zeros((14, 8))
    alpha[:, 0], alpha[:, 6] = 5.0, 1.0
    history = observed(simulation, start, [alpha])
    history = history.prune(policy.decide(history).removals)
    assert history.live_operations[history.live_edges].argmax(axis=1).tolist() == [6] * 8


def orders(epochs: int, change: int | None, column: int) -> np.ndarray:
    """Logits whose order changes at an epoch by one operation overtaking another."""
    alphas = np.tile(np.linspace(0, 1, 8), (epochs, 14, 1))
    alphas += 0.3 * np.arange(epochs)[:, None, None]
    if change is not None:
        alphas[change:, 7, column] += 5
    return alphas


@pytest.mark.parametrize("epochs", [2, 5])
def test_rank_stops_after_so_many_epochs_without_a_change(simulation, start, epochs) -> None:
    policy = RankPolicy(RankSettings(epochs=epochs))
    for seen in range(1, 9):
        history = observed(simulation, start, orders(seen, None, 4))
        assert (policy.decide(history).converged is not None) == (seen >= epochs)
        assert policy.decide(history).removals == ()
    for seen in range(4, 12):
        history = observed(simulation, start, orders(seen, 3, 4))
        assert (policy.decide(history).converged is not None) == (seen >= 3 + epochs)


def test_rank_looks_at_learnable_operations_alone_unless_told(simulation, start) -> None:
    assert [OPERATIONS[i] for i in LEARNABLE] == list(OPERATIONS[4:])
    history = observed(simulation, start, orders(6, 4, 1))
    assert RankPolicy(RankSettings(epochs=5)).decide(history).converged
    told = RankPolicy(RankSettings(epochs=5, operations="all")).decide(history)
    assert told.converged is None
