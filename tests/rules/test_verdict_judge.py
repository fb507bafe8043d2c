from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.config.scheduler import (
    ConsensusSettings,
    ConvergenceSettings,
    DominatedSettings,
    SchedulerSettings,
)
from distributed_iac.verdict.group_record import GroupRecord
from distributed_iac.verdict.judge import Judge
from distributed_iac.verdict.report import Report
from distributed_iac.verdict.role import Role
from distributed_iac.verdict.verdict import Verdict

FAST = ConvergenceSettings(grace=0, patience=2)
SEARCH = Role(group="acdc/unet", arm="lth")


def judge(**settings: object) -> Judge:
    return Judge.from_settings(SchedulerSettings.model_validate({"convergence": FAST, **settings}))


def calm(epoch: int, genotype: str | None = None) -> Report:
    return Report(epoch, js_max=0.001, genotype=genotype)


def converge(of: Judge, trial: str, genotype: str, role: Role = SEARCH) -> None:
    """Bring a trial to its end by convergence."""
    of.add(trial, role)
    of.report(trial, calm(1, genotype))
    verdict = of.report(trial, calm(2, genotype))
    assert verdict is not None
    assert of.end(trial, calm(2, genotype)) == verdict


def test_the_same_report_twice_gets_the_same_answer_and_counts_once() -> None:
    one = judge()
    one.add("a", SEARCH)
    assert [one.report("a", calm(1)) for _ in range(5)] == [None] * 5
    again = {one.report("a", calm(2)) for _ in range(3)}
    assert [verdict.code for verdict in again if verdict] == ["converged"]


def test_a_protected_search_runs_on_whatever_it_reports_except_not_a_number() -> None:
    one = judge(budget={"epochs": 1}, collapse=1, consensus={"seeds": 2})
    for seed in "xy":
        converge(one, seed, "g", Role(group="acdc/unet", arm="mine"))
    one.add("z", Role(group="acdc/unet", arm="full"))
    for t in range(1, 30):
        assert one.report("z", Report(t, js_max=0.0, collapsed=True)) is None
    assert one.report("z", Report(30, not_finite=("loss",))) is None
    verdict = one.report("z", Report(31, not_finite=("loss",)))
    assert verdict == Verdict("diverged", "loss not finite in the last 2 reports")


def test_other_kinds_of_work_pass_through_untouched() -> None:
    one = judge(budget={"epochs": 1})
    one.add("p", Role(kind="pretrain", group="acdc/unet"))
    for t in range(1, 9):
        assert one.report("p", Report(t, converged=True, not_finite=("loss",))) is None
    assert one.end("p", calm(9)) is None
    assert one.statuses() == ()


def test_consensus_stops_the_rest_of_the_same_group_and_arm_only() -> None:
    one = judge(consensus=ConsensusSettings(seeds=2))
    converge(one, "a", "g1")
    converge(one, "b", "g2")
    moving = Report(1, js_max=0.5)
    for trial, role in {"same": SEARCH, "other": Role(group="brats/unet", arm="lth")}.items():
        one.add(trial, role)
        assert one.report(trial, moving) is None
    converge(one, "c", "g1")
    assert one.report("same", Report(2, js_max=0.5)) == Verdict(
        "consensus", "2 of 3 converged searches have the genotype g1"
    )
    assert one.report("other", Report(2, js_max=0.5)) is None


def test_only_searches_that_converged_have_a_vote() -> None:
    one = judge(consensus=ConsensusSettings(seeds=2), budget={"epochs": 3})
    genotype = {"genotype": "g"}
    ends = {
        "by budget": Report(3, **genotype),  # type: ignore[arg-type]
        "by itself": Report(2, converged=False, **genotype),  # type: ignore[arg-type]
        "broken": Report(2, converged=True, not_finite=("loss",), **genotype),  # type: ignore[arg-type]
    }
    for trial, last in ends.items():
        one.add(trial, SEARCH)
        one.report(trial, last)
        one.end(trial, last)
    one.add("failed", SEARCH)
    one.report("failed", calm(1, "g"))
    one.fail("failed")
    converge(one, "voter", "g")
    one.add("late", SEARCH)
    assert one.report("late", Report(1)) is None
    converge(one, "second voter", "g")
    assert one.report("late", Report(2)) is not None


def test_a_search_that_is_opened_again_takes_its_vote_back() -> None:
    one = judge(consensus=ConsensusSettings(seeds=2))
    converge(one, "a", "g")
    converge(one, "b", "g")
    one.add("b", SEARCH)
    one.add("late", SEARCH)
    assert one.report("late", Report(1)) is None


def test_a_search_stopped_by_somebody_else_carries_no_verdict() -> None:
    one = judge()
    one.add("a", SEARCH)
    one.report("a", calm(1))
    assert one.end("a", calm(2)) is None
    assert [status.line() for status in one.statuses()] == ["acdc/unet lth: 1 ended"]


DOMINATED = DominatedSettings(rivals=2, margin=0.05, grace=2)


def test_dominated_is_behind_enough_rivals_by_the_margin_at_the_same_epoch() -> None:
    one = judge(dominated=DOMINATED, convergence={})
    for trial, score in {"a": 0.80, "b": 0.79, "near": 0.75, "far": 0.70}.items():
        one.add(trial, SEARCH)
        for t in range(1, 4):
            one.report(trial, Report(t, score=score))
    assert one.verdict("near") is None
    assert one.verdict("far") == Verdict(
        "dominated",
        "at epoch 3 the best score is 0.7, and 2 searches of the arm were more than 0.05 ahead",
    )


def test_a_late_starter_is_compared_at_its_own_epoch() -> None:
    one = judge(dominated=DOMINATED, convergence={})
    for trial in "ab":
        one.add(trial, SEARCH)
        for t in range(1, 20):
            one.report(trial, Report(t, score=0.04 * t))
    one.add("late", SEARCH)
    for t in range(1, 20):
        assert one.report("late", Report(t, score=0.04 * t)) is None


def test_a_removed_trial_leaves_nothing_behind() -> None:
    one = judge(dominated=DOMINATED, consensus=ConsensusSettings(seeds=2), convergence={})
    for trial in "ab":
        one.add(trial, SEARCH)
        for t in range(1, 4):
            one.report(trial, Report(t, score=0.9))
        one.remove(trial)
    one.remove("never there")
    one.add("far", SEARCH)
    for t in range(1, 4):
        assert one.report("far", Report(t, score=0.1)) is None


def test_epochs_without_validation_keep_the_best_score() -> None:
    group = GroupRecord("g", "lth")
    group.score("a", 1, None)
    assert group.best("a") is None
    for epoch, score in ((2, 0.5), (3, None), (4, 0.4)):
        group.score("a", epoch, score)
    assert [group.ahead(epoch, 0.45) for epoch in range(1, 6)] == [0, 1, 1, 1, 0]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 6), st.sampled_from([None, 0.1, 0.5, 0.9]))
    ),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9]),
)
def test_a_rewound_search_counts_as_if_it_had_only_run_once(
    events: list[tuple[str, int, float | None]], score: float
) -> None:
    group, kept = GroupRecord("g", "lth"), {}
    for trial, epoch, value in events:
        group.score(trial, epoch, value)
        before = [one for one in kept.get(trial, []) if one[0] < epoch]
        kept[trial] = [*before, (epoch, value)]
    fresh = GroupRecord("g", "lth")
    for trial, steps in kept.items():
        for epoch, value in steps:
            fresh.score(trial, epoch, value)
    assert [group.ahead(t, score) for t in range(1, 7)] == [
        fresh.ahead(t, score) for t in range(1, 7)
    ]
    assert all(group.best(trial) == fresh.best(trial) for trial in "abc")


def test_ties_between_genotypes_do_not_depend_on_the_order_of_events() -> None:
    first, second = GroupRecord("g", "lth"), GroupRecord("g", "lth")
    for trial, genotype in (("a", "x"), ("b", "w")):
        first.settle(trial, genotype)
    for trial, genotype in (("b", "w"), ("a", "x")):
        second.settle(trial, genotype)
    assert first.agreement() == second.agreement() == ("w", 1)


def test_a_judge_rebuilt_from_last_results_agrees_with_the_one_that_was_there() -> None:
    settings = {"consensus": ConsensusSettings(seeds=2)}
    before, after = judge(**settings), judge(**settings)
    for trial in "ab":
        converge(before, trial, "g")
        after.add(trial, SEARCH)
        after.recall(trial, calm(2, "g"), "ended", before.verdict(trial))
    for one in (before, after):
        one.add("late", SEARCH)
    assert before.report("late", Report(1)) == after.report("late", Report(1)) is not None
    assert [status.line() for status in before.statuses()] == [
        status.line() for status in after.statuses()
    ]


def test_a_recalled_open_search_is_judged_by_its_next_report_only() -> None:
    one = judge()
    one.add("a", SEARCH)
    one.recall("a", calm(7), "open", Verdict("converged", "in an earlier life"))
    assert one.verdict("a") is None
    assert one.report("a", Report(8, js_max=0.5)) is None
    assert one.report("a", calm(9)) is None
    assert one.report("a", calm(10)) is not None


def test_the_status_of_a_group_says_how_far_pruning_is() -> None:
    one = judge()
    for trial, stable, operations in (("a", 9, 63), ("b", 14, 40)):
        one.add(trial, SEARCH)
        one.report(trial, Report(1, stable_edges=stable, live_operations=operations))
    converge(one, "c", "g")
    one.add("d", SEARCH)
    one.fail("d")
    one.add("alone", Role())
    assert [status.line() for status in one.statuses()] == [
        "searches: 1 open",
        "acdc/unet lth: 2 open (9-14 stable edges, 40-63 operations), 1 converged, 1 failed",
    ]
