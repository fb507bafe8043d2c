from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.blind_pruning import BlindPolicy
from distributed_iac.config.pruning import PruningSettings, ScheduleSettings
from distributed_iac.genotype import CellTopology
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.pruning.policy import policy_from

SIGHTED = PruningSettings(policy="schedule", schedule=ScheduleSettings(at=(2, 4, 6)))


def run(simulation: Any, policy: Any) -> list[tuple[ImportanceHistory, Any]]:
    """One search; what it sees does not depend on the policy."""
    rng = np.random.default_rng(5)
    start = ImportanceHistory.start(CellTopology(2, 3))
    rows = start.layout.rows
    bandit = simulation.Bandit(
        3 * rng.standard_normal((rows, 8)), 3 * rng.standard_normal(rows), noise=0.5, rate=0.1
    )
    return list(simulation.search(policy, bandit, start, epochs=8))


def test_as_much_is_pruned_at_the_same_epochs_and_something_else(simulation: Any) -> None:
    sighted = run(simulation, policy_from(SIGHTED))
    start = sighted[0][0]
    policy = BlindPolicy.like(
        [decision for _, decision in sighted], start.layout, np.random.default_rng(0)
    )
    blind = run(simulation, policy)
    assert len(blind) == len(sighted)
    for (ours, _), (theirs, _) in zip(blind, sighted, strict=True):
        assert ours.live_operations.sum() == theirs.live_operations.sum()
        assert (ours.live_slots.sum(axis=1) == theirs.live_slots.sum(axis=1)).all()
    last, other = blind[-1][0], sighted[-1][0]
    assert (last.live_operations != other.live_operations).any()
    assert blind[-1][1].converged == sighted[-1][1].converged
