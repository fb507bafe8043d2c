from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.config.scheduler import (
    BudgetSettings,
    ConvergenceSettings,
    DivergenceSettings,
    SchedulerSettings,
)
from distributed_iac.verdict.group_record import GroupRecord
from distributed_iac.verdict.judge import rules_from
from distributed_iac.verdict.report import Report
from distributed_iac.verdict.role import Role
from distributed_iac.verdict.rules import Budget, Collapsed, Converged, Diverged, Rule
from distributed_iac.verdict.trial_record import KEPT_REPORTS, TrialRecord
from distributed_iac.verdict.verdict import Verdict, stored_verdict

INFERRED = Converged(ConvergenceSettings(grace=4, patience=2, tau=0.01, max_entropy=0.99))


def verdicts(rule: Rule, reports: list[Report]) -> list[Verdict | None]:
    """What a rule says after each report of one search."""
    record, group, said = TrialRecord("a", Role()), GroupRecord("", ""), []
    for report in reports:
        record.observe(report)
        said.append(rule.judge(report, record, group))
    return said


def reports(count: int, **values: object) -> list[Report]:
    return [Report(epoch=t, **values) for t in range(1, count + 1)]  # type: ignore[arg-type]


def first(rule: Rule, given: list[Report]) -> int | None:
    """Epoch of the first verdict."""
    said = verdicts(rule, given)
    return next((given[k].epoch for k, verdict in enumerate(said) if verdict), None)


def test_a_search_that_says_it_has_converged_is_believed_at_once_with_its_reason() -> None:
    report = Report(epoch=1, converged=True, reason="all decided")
    assert verdicts(INFERRED, [report]) == [Verdict("converged", "all decided")]


def test_a_search_that_says_it_has_not_converged_is_believed_too() -> None:
    assert first(INFERRED, reports(30, converged=False, js_max=0.0, stable_edges=14)) is None


def test_convergence_is_inferred_after_grace_and_patience() -> None:
    assert first(INFERRED, reports(9, js_max=0.005)) == 5
    moving = reports(6, js_max=0.5)
    calm = [Report(t, js_max=0.01) for t in range(7, 10)]
    assert first(INFERRED, moving + calm) == 8


def test_one_restless_report_begins_the_count_anew() -> None:
    restless = [Report(t, js_max=0.02 if t % 2 else 0.0) for t in range(1, 30)]
    assert first(INFERRED, restless) is None


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"js_max": 0.0, "stable_edges": 13, "live_edges": 14},
        {"js_max": 0.0, "stable_edges": 0},
        {"js_max": 0.0, "entropy": 0.999},
        {"stable_edges": 14, "live_edges": 14},
    ],
    ids=["silent", "an edge open", "no edge stable", "never left uniform", "no divergence"],
)
def test_what_has_not_settled_never_converges(values: dict[str, float]) -> None:
    assert first(INFERRED, reports(40, **values)) is None


def test_the_sentence_names_the_numbers() -> None:
    settled = reports(5, js_max=0.004, stable_edges=14, live_edges=14, undecided_edges=3)
    last = verdicts(INFERRED, settled)[-1]
    assert last is not None
    assert last.sentence == (
        "js_max 0.004 at or below 0.01 bits for 2 reports, 14 edges stable, 3 of them undecided"
    )


def test_a_single_overflow_is_forgiven_and_two_in_a_row_are_not() -> None:
    rule = Diverged(DivergenceSettings(reports=2))
    nan = ("loss",)
    once = [Report(t, not_finite=nan if t % 2 else ()) for t in range(1, 9)]
    assert first(rule, once) is None
    assert first(rule, [Report(t, not_finite=nan if t > 4 else ()) for t in range(1, 9)]) == 6


def test_divergence_spares_the_protected_only_if_told_to() -> None:
    assert Diverged(DivergenceSettings()).reach == "all"
    assert Diverged(DivergenceSettings(protected="run")).reach == "unprotected"


def test_collapse_counts_reports_behind_the_grace_period() -> None:
    rule = Collapsed(reports=3, grace=5)
    assert first(rule, reports(9, collapsed=True)) == 6
    assert first(rule, reports(9)) is None
    assert first(rule, [Report(t, collapsed=t % 3 != 0) for t in range(1, 20)]) is None


@pytest.mark.parametrize(
    ("budget", "stops"),
    [
        (BudgetSettings(), None),
        (BudgetSettings(epochs=4), 4),
        (BudgetSettings(seconds=25.0), 3),
        (BudgetSettings(op_evaluations=150), 2),
        (BudgetSettings(epochs=4, seconds=25.0), 3),
    ],
)
def test_a_budget_ends_with_the_report_that_reaches_it(
    budget: BudgetSettings, stops: int | None
) -> None:
    spending = [Report(t, seconds=10.0 * t, op_evaluations=100.0 * t) for t in range(1, 7)]
    assert first(Budget(budget), spending) == stops


def test_a_clock_that_jumps_stops_at_the_jump_and_one_that_is_not_reported_never_does() -> None:
    rule = Budget(BudgetSettings(seconds=100.0))
    jumps = [Report(1, seconds=1.0), Report(2, seconds=5000.0)]
    assert first(rule, jumps) == 2
    assert first(rule, reports(50)) is None
    last = verdicts(rule, jumps)[-1]
    assert last is not None
    assert last.sentence == "5000 of 100 seconds spent"


def test_the_default_rules_are_few_and_all_are_asked_in_order() -> None:
    assert [type(rule).__name__ for rule in rules_from(SchedulerSettings())] == [
        "Diverged",
        "Converged",
        "Budget",
    ]
    every = SchedulerSettings.model_validate(
        {"collapse": 3, "consensus": {"seeds": 2}, "dominated": {}}
    )
    assert [type(rule).__name__ for rule in rules_from(every)] == [
        "Diverged",
        "Converged",
        "Collapsed",
        "Budget",
        "Agreed",
        "Dominated",
    ]


@given(st.lists(st.integers(1, 12), max_size=40))
def test_a_record_is_that_of_the_reports_that_were_not_replaced(epochs: list[int]) -> None:
    record = TrialRecord("a", Role())
    kept: list[Report] = []
    for number, epoch in enumerate(epochs):
        report = Report(epoch, score=float(number))
        kept = [*(one for one in kept if one.epoch < epoch), report]
        record.observe(report)
    assert list(record.reports) == kept


def test_a_record_does_not_grow_with_the_length_of_a_search_and_ends_with_one_report() -> None:
    record = TrialRecord("a", Role())
    for report in reports(3 * KEPT_REPORTS):
        record.observe(report)
    assert len(record.reports) == KEPT_REPORTS
    record.close("ended")
    assert [one.epoch for one in record.reports] == [3 * KEPT_REPORTS]


def test_only_known_stop_codes_are_read_back() -> None:
    assert stored_verdict({"stop_code": "converged", "stop_reason": "calm"}) is not None
    assert stored_verdict({"stop_code": None, "stop_reason": "all 60 epochs"}) is None
    assert stored_verdict({"stop_reason": "all 60 epochs"}) is None
