"""The rules on reports of simulated searches, under the names that searches report by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distributed_iac.config.pruning import StabilitySettings
from distributed_iac.config.scheduler import ConvergenceSettings, SchedulerSettings
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.stability import assess
from distributed_iac.verdict.judge import Judge
from distributed_iac.verdict.report import Report
from distributed_iac.verdict.role import Role

STABILITY = StabilitySettings()
EPOCHS = 40


def stopped_at(simulation: Any, history: ImportanceHistory, alphas: list[np.ndarray]) -> int | None:
    """Epoch after which the default rules stop a search with these logits, told no more than
    its stability."""
    judge = Judge.from_settings(SchedulerSettings())
    judge.add("a", Role())
    for epoch, alpha in enumerate(alphas, start=1):
        history = simulation.show(history, epoch, alpha)
        values = {"epoch": epoch, **assess(history, STABILITY).scalars()}
        if judge.report("a", Report.read(values)) is not None:
            return epoch
    return None


def test_searches_report_by_the_names_that_are_read(
    simulation: Any, start: ImportanceHistory
) -> None:
    history = start
    for epoch in range(1, 12):
        history = simulation.show(history, epoch, np.zeros((1, 14, 8)))
    report = Report.read(assess(history, STABILITY).scalars())
    names = (
        "js_max",
        "entropy",
        "stable_edges",
        "undecided_edges",
        "live_edges",
        "live_operations",
    )
    assert [name for name in names if getattr(report, name) is None] == []


def test_importance_that_never_left_uniform_has_not_converged(
    simulation: Any, start: ImportanceHistory
) -> None:
    assert stopped_at(simulation, start, [np.zeros((1, 14, 8))] * EPOCHS) is None


def moving(epochs: int) -> list[np.ndarray]:
    """Logits whose leader changes every five epochs."""
    leaders = np.eye(8)[1:]
    return [np.tile(2 * leaders[epoch // 5 % 7], (1, 14, 1)) for epoch in range(epochs)]


def test_importance_that_keeps_changing_has_not_converged(
    simulation: Any, start: ImportanceHistory
) -> None:
    assert stopped_at(simulation, start, moving(EPOCHS)) is None


@pytest.mark.parametrize("settles", [0, 15])
def test_importance_that_has_settled_converges_once_both_windows_lie_behind_the_change(
    simulation: Any, start: ImportanceHistory, settles: int
) -> None:
    last = np.zeros((1, 14, 8))
    last[..., 4] = 2.0
    found = stopped_at(simulation, start, moving(settles) + [last] * (EPOCHS - settles))
    # The search's own patience makes an edge stable; the rule then asks for as many reports.
    calm = max(settles + 2 * STABILITY.window, STABILITY.warmup + 1)
    assert found == calm + (STABILITY.patience - 1) + (ConvergenceSettings().patience - 1)
