"""A sweep on paper: bounds that hold for every schedule, and schedules worked out tick by tick."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_iac.config.scheduler import BudgetSettings, ConsensusSettings, SchedulerSettings
from distributed_iac.errors import ConfigError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.simulation.occupancy import Schedule
from distributed_iac.simulation.planned import PlannedCourse
from distributed_iac.simulation.simulate import PaperSweep, simulate
from distributed_iac.verdict.report import Report

KINDS: tuple[JobKind, ...] = ("prepare", "pretrain", "search", "retrain", "baseline", "evaluate")
ONE_EACH: dict[JobKind, float] = dict.fromkeys(KINDS, 1.0)
RULES = SchedulerSettings()
EXACT = 1e-9
FEWER = settings(max_examples=50, deadline=None)


@st.composite
def job_graphs(draw: st.DrawFn, most: int = 9) -> JobGraph:
    """Acyclic jobs: each needs only jobs drawn before it."""
    jobs: list[Job] = []
    for index in range(draw(st.integers(1, most))):
        needs = draw(st.lists(st.sampled_from(jobs), unique=True, max_size=3)) if jobs else []
        kind = draw(st.sampled_from(KINDS))
        jobs.append(Job(kind, f"d{index}", "net", "lth", 0, tuple(one.key for one in needs)))
    return JobGraph(jobs)


def report(epoch: int, *, converged: bool = False, genotype: str | None = None) -> Report:
    return Report(epoch, converged=converged, genotype=genotype)


@st.composite
def courses(draw: st.DrawFn, kind: JobKind) -> PlannedCourse:
    """A few epochs; a search may converge after any of them."""
    seconds = tuple(draw(st.lists(st.integers(0, 7), min_size=1, max_size=5)))
    if kind != "search":
        return PlannedCourse(seconds, (None,) * len(seconds), draw(st.integers(0, 3)))
    flags = draw(st.lists(st.booleans(), min_size=len(seconds), max_size=len(seconds)))
    reports = tuple(
        report(number, converged=flag, genotype=draw(st.sampled_from("ab")))
        for number, flag in enumerate(flags, start=1)
    )
    return PlannedCourse(seconds, reports, draw(st.integers(0, 3)))


RULE_SETS = (
    RULES,
    SchedulerSettings(consensus=ConsensusSettings(seeds=2)),
    SchedulerSettings(budget=BudgetSettings(epochs=2)),
    SchedulerSettings(protect=("lth",)),
)


@st.composite
def sweeps(draw: st.DrawFn, shares: dict[JobKind, float] | None = None) -> PaperSweep:
    graph = draw(job_graphs())
    share = st.sampled_from([0.0, 0.25, 0.5, 0.6, 1.0])
    return PaperSweep(
        graph,
        {job.key: draw(courses(job.kind)) for job in graph.jobs()},
        shares if shares is not None else {kind: draw(share) for kind in KINDS},
        draw(st.sampled_from(RULE_SETS)),
        draw(st.integers(0, 2)),
        draw(st.sampled_from(("known", "unknown"))),
    )


unit_sweeps = sweeps(ONE_EACH)
sizes = st.integers(1, 6)


def ends(schedule: Schedule) -> dict[str, float]:
    return {span.job: span.end for span in sorted(schedule.spans, key=lambda span: span.end)}


@FEWER
@given(sweeps(), sizes)
def test_every_job_works_once_and_is_concluded_again_only_where_others_stopped_it(
    sweep: PaperSweep, slots: int
) -> None:
    schedule = simulate(sweep, slots)
    worked = [span.job for span in schedule.spans if span.purpose == "work"]
    assert sorted(worked) == sorted(job.key for job in sweep.graph.jobs())
    concluded = [span.job for span in schedule.spans if span.purpose == "conclusion"]
    cut = [
        span.job
        for span in schedule.spans
        if span.stopped == "consensus" and span.epochs < len(sweep.courses[span.job].seconds)
    ]
    assert sorted(concluded) == sorted(cut)


@FEWER
@given(sweeps(), sizes)
def test_no_job_starts_before_all_that_it_needs_has_ended(sweep: PaperSweep, slots: int) -> None:
    schedule = simulate(sweep, slots)
    ended = ends(schedule)
    for span in schedule.spans:
        assert all(ended[need] <= span.begin for need in sweep.graph[span.job].needs)


@FEWER
@given(sweeps(), sizes)
def test_no_more_is_held_at_a_time_than_there_is(sweep: PaperSweep, slots: int) -> None:
    schedule = simulate(sweep, slots)
    for moment in {span.begin for span in schedule.spans}:
        held = [one.share for one in schedule.spans if one.begin <= moment < one.end]
        assert sum(held) <= slots + EXACT


@FEWER
@given(sweeps(), sizes)
def test_neither_work_nor_the_longest_chain_is_beaten(sweep: PaperSweep, slots: int) -> None:
    schedule = simulate(sweep, slots)
    assert schedule.makespan >= schedule.critical - EXACT
    assert schedule.makespan >= schedule.busy / slots - EXACT
    assert 0.0 <= schedule.utilisation <= 1.0 + EXACT


@FEWER
@given(unit_sweeps)
def test_one_slot_takes_as_long_as_all_work_together(sweep: PaperSweep) -> None:
    schedule = simulate(sweep, 1)
    assert schedule.makespan == pytest.approx(schedule.busy)


@FEWER
@given(unit_sweeps, sizes)
def test_the_bound_of_graham_holds_for_whole_shares(sweep: PaperSweep, slots: int) -> None:
    """R. L. Graham, SIAM J. Appl. Math. 17 (1969): no slot idles while a job could start."""
    schedule = simulate(sweep, slots)
    bound = schedule.busy / slots + schedule.critical * (1 - 1 / slots)
    assert schedule.makespan <= bound + EXACT


@FEWER
@given(unit_sweeps, sizes, sizes)
def test_more_slots_never_lose_more_than_grahams_anomaly(
    sweep: PaperSweep, slots: int, more: int
) -> None:
    """More machines can take longer, by less than 1 + (m - 1) / m', Graham (1969); with rules
    that look at other searches durations change as well, so that they are left out here."""
    alone = PaperSweep(sweep.graph, sweep.courses, sweep.shares, RULES, sweep.startup)
    small, large = simulate(alone, slots), simulate(alone, slots + more)
    factor = 1 + (slots - 1) / (slots + more)
    assert large.makespan <= factor * small.makespan + EXACT


@FEWER
@given(unit_sweeps)
def test_slots_for_all_jobs_leave_only_the_longest_chain(sweep: PaperSweep) -> None:
    schedule = simulate(sweep, len(sweep.graph))
    if all(span.purpose == "work" for span in schedule.spans):
        assert schedule.makespan == pytest.approx(schedule.critical)


@FEWER
@given(sweeps(), sizes)
def test_the_same_sweep_goes_the_same_way(sweep: PaperSweep, slots: int) -> None:
    assert simulate(sweep, slots) == simulate(sweep, slots)


@dataclass
class _Ticker:
    """The same queue for slots that nobody counts: a second after another, no heap, no judge."""

    graph: JobGraph
    seconds: dict[str, int]
    slots: int

    def longest(self, key: str) -> int:
        """Jobs on the longest way from this one to the end."""
        children = [job.key for job in self.graph.jobs() if key in job.needs]
        return 1 + max((self.longest(child) for child in children), default=0)

    def begins(self) -> dict[str, int]:
        order = sorted(
            self.graph.jobs(),
            key=lambda job: (job.kind != "evaluate", -self.longest(job.key), self.place(job)),
        )
        begins: dict[str, int] = {}
        ahead: list[Job] = []
        now = 0
        while len(begins) < len(order):
            done = {key for key, start in begins.items() if start + self.seconds[key] <= now}
            while True:
                asked = [
                    job
                    for job in order
                    if job.key not in begins and job not in ahead and set(job.needs) <= done
                ]
                ahead = ahead or asked[:1]
                if not ahead or len(begins) - len(done) >= self.slots:
                    break
                begins[ahead.pop().key] = now
            now += 1
        return begins

    def place(self, job: Job) -> int:
        return self.graph.jobs().index(job)


def plain_sweep(graph: JobGraph, seconds: dict[str, int]) -> PaperSweep:
    plain = {key: PlannedCourse((float(one),), (None,)) for key, one in seconds.items()}
    return PaperSweep(graph, plain, ONE_EACH, RULES, size="unknown")


@FEWER
@given(job_graphs(), st.data(), st.integers(1, 4))
def test_the_schedule_is_the_one_worked_out_second_by_second(
    graph: JobGraph, data: st.DataObject, slots: int
) -> None:
    seconds = {job.key: data.draw(st.integers(1, 9)) for job in graph.jobs()}
    schedule = simulate(plain_sweep(graph, seconds), slots)
    assert {span.job: span.begin for span in schedule.spans} == _Ticker(
        graph, seconds, slots
    ).begins()


def best_makespan(graph: JobGraph, seconds: dict[str, int], slots: int) -> int:
    """The shortest of the schedules that all orders of the jobs lead to, which hold an optimum."""

    def makespan(order: tuple[Job, ...]) -> int:
        free, ended = [0] * slots, dict[str, int]()
        for job in order:
            if not set(job.needs) <= set(ended):
                return sum(seconds.values())
            slot = min(range(slots), key=free.__getitem__)
            begin = max([free[slot], *(ended[need] for need in job.needs)])
            free[slot] = ended[job.key] = begin + seconds[job.key]
        return max(ended.values())

    return min(makespan(order) for order in permutations(graph.jobs()))


@settings(max_examples=25, deadline=None)
@given(job_graphs(most=5), st.data(), st.integers(1, 3))
def test_the_best_of_all_orders_is_at_most_grahams_factor_better(
    graph: JobGraph, data: st.DataObject, slots: int
) -> None:
    seconds = {job.key: data.draw(st.integers(1, 9)) for job in graph.jobs()}
    best = best_makespan(graph, seconds, slots)
    makespan = simulate(plain_sweep(graph, seconds), slots).makespan
    assert best <= makespan <= (2 - 1 / slots) * best + EXACT


def search(seed: int, arm: str = "lth") -> Job:
    return Job("search", "acdc", "net", arm, seed)


def converging(seconds: float, after: int, of: int, genotype: str = "a") -> PlannedCourse:
    reports = tuple(
        report(epoch, converged=epoch >= after, genotype=genotype) for epoch in range(1, of + 1)
    )
    return PlannedCourse((seconds,) * of, reports, closing=3.0)


def test_a_search_ends_with_the_report_that_settles_it_and_its_closing() -> None:
    job = search(0)
    sweep = PaperSweep(JobGraph([job]), {job.key: converging(2.0, 4, 10)}, ONE_EACH, RULES, 5.0)
    (span,) = simulate(sweep, 1).spans
    assert (span.stopped, span.epochs, span.end) == ("converged", 4, 5.0 + 4 * 2.0 + 3.0)


def test_a_protected_search_runs_all_its_epochs() -> None:
    job = search(0, "full")
    sweep = PaperSweep(JobGraph([job]), {job.key: converging(2.0, 4, 10)}, ONE_EACH, RULES)
    (span,) = simulate(sweep, 1).spans
    assert (span.stopped, span.epochs, span.end) == (None, 10, 10 * 2.0 + 3.0)


def test_where_seeds_agree_the_others_are_stopped_and_concluded_by_a_second_process() -> None:
    jobs = [search(seed) for seed in range(3)]
    lengths = {jobs[0].key: 2, jobs[1].key: 3, jobs[2].key: 9}
    sweep = PaperSweep(
        JobGraph(jobs),
        {key: converging(10.0, after, 9) for key, after in lengths.items()},
        ONE_EACH,
        SchedulerSettings(consensus=ConsensusSettings(seeds=2)),
        startup=5.0,
    )
    schedule = simulate(sweep, 3)
    last = [span for span in schedule.spans if span.job == jobs[2].key]
    assert [(one.purpose, one.stopped, one.epochs) for one in last] == [
        ("work", "consensus", 4),
        ("conclusion", None, 0),
    ]
    assert last[1].begin == last[0].end == 5.0 + 4 * 10.0
    assert last[1].seconds == 5.0 + 3.0


def test_a_job_that_reserves_more_than_there_is_is_refused() -> None:
    job = search(0)
    sweep = PaperSweep(
        JobGraph([job]), {job.key: PlannedCourse()}, dict.fromkeys(KINDS, 2.0), RULES
    )
    with pytest.raises(ConfigError, match="reserve 2 slots"):
        simulate(sweep, 1)
    assert simulate(sweep, 2).makespan == 0.0
