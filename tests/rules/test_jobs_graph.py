"""The order of jobs: needs first, failures skip exactly what needs them, state survives a crash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import ConfigError, RunError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.jobs.progress import Progress

KINDS: tuple[JobKind, ...] = ("pretrain", "search", "retrain", "baseline", "evaluate")
SECONDS: dict[JobKind, float] = {"pretrain": 3.0, "search": 5.0, "retrain": 2.0, "baseline": 7.0}


@st.composite
def job_lists(draw: st.DrawFn) -> list[Job]:
    """Acyclic jobs in any order: each needs only jobs drawn before it."""
    jobs: list[Job] = []
    for index in range(draw(st.integers(1, 9))):
        needs = draw(st.lists(st.sampled_from(jobs), unique=True, max_size=3)) if jobs else []
        kind = draw(st.sampled_from(KINDS))
        jobs.append(Job(kind, f"d{index}", "net", "x", 0, tuple(job.key for job in needs)))
    return draw(st.permutations(jobs))


graphs = job_lists().map(JobGraph)


def ready_in(progress: Progress) -> list[Job]:
    def may_start(job: Job) -> bool:
        free = all(progress.status(need) == "done" for need in job.needs)
        return free and progress.status(job.key) == "waiting"

    return [job for job in progress.graph.jobs() if may_start(job)]


def run(progress: Progress, data: st.DataObject, steps: int) -> None:
    """Start, finish and fail jobs at random."""
    for _ in range(steps):
        keys = [job.key for job in progress.graph.jobs()]
        running = [key for key in keys if progress.status(key) == "running"]
        moves = [("start", job.key) for job in ready_in(progress)]
        moves += [(move, key) for key in running for move in ("finish", "fail")]
        if not moves:
            return
        move, key = data.draw(st.sampled_from(moves))
        match move:
            case "start":
                progress.start(key)
            case "finish":
                progress.finish(key)
            case _:
                progress.fail(key)


@given(job_lists())
def test_every_job_comes_after_what_it_needs(jobs: list[Job]) -> None:
    order = [job.key for job in JobGraph(jobs).jobs()]
    assert sorted(order) == sorted(job.key for job in jobs)
    for job in jobs:
        assert all(order.index(need) < order.index(job.key) for need in job.needs)


@given(graphs)
def test_an_order_that_is_topological_already_is_kept(graph: JobGraph) -> None:
    assert JobGraph(graph.jobs()).jobs() == graph.jobs()


@given(graphs)
def test_descendants_are_the_inverse_of_ancestors(graph: JobGraph) -> None:
    keys = [job.key for job in graph.jobs()]
    for one in keys:
        for other in keys:
            assert (other in graph.descendants(one)) == (one in graph.ancestors(other))


@given(graphs)
def test_a_way_is_the_longest_to_the_end(graph: JobGraph) -> None:
    seconds = {job.key: SECONDS.get(job.kind, 0.0) for job in graph.jobs()}

    def longest(key: str) -> float:
        children = [job.key for job in graph.jobs() if key in job.needs]
        return seconds[key] + max(map(longest, children), default=0.0)

    assert dict(graph.longest_ways(seconds)) == {key: longest(key) for key in seconds}


@given(graphs, st.data())
def test_a_restricted_graph_holds_a_job_and_all_that_it_needs(
    graph: JobGraph, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from([job.key for job in graph.jobs()]))
    assert {job.key for job in graph.restricted([key]).jobs()} == {key, *graph.ancestors(key)}


@given(graphs, st.data())
def test_a_failure_skips_exactly_its_descendants(graph: JobGraph, data: st.DataObject) -> None:
    progress = Progress(graph)
    run(progress, data, data.draw(st.integers(0, 12)))
    for job in graph.jobs():
        failed = [a for a in graph.ancestors(job.key) if progress.status(a) == "failed"]
        assert (progress.status(job.key) == "skipped") == bool(failed)


@given(graphs, st.data())
def test_a_sweep_always_comes_to_its_end(graph: JobGraph, data: st.DataObject) -> None:
    progress = Progress(graph)
    run(progress, data, 2 * len(graph))
    assert progress.finished
    assert progress.next_ready() is None


@given(graphs, st.data())
def test_what_is_counted_on_the_way_is_what_the_statuses_say(
    graph: JobGraph, data: st.DataObject
) -> None:
    progress = Progress(graph)
    for _ in range(4):
        run(progress, data, steps=4)
        statuses = {job.key: progress.status(job.key) for job in graph.jobs()}
        assert progress.finished is {"waiting", "running"}.isdisjoint(statuses.values())
        assert progress.next_ready() in (ready_in(progress) or [None])


def test_keys_are_the_addresses_of_jobs() -> None:
    group = ("acdc", "basic_unet-tiny")
    search = Job("search", *group, "lth", 0)
    assert Job("prepare", "acdc").key == "acdc/prepare"
    assert Job("pretrain", *group).key == "acdc/basic_unet-tiny/pretrain"
    assert search.key == "acdc/basic_unet-tiny/search/lth/seed0"
    assert Job("retrain", *group, "lth", 0).key == "acdc/basic_unet-tiny/retrain/lth/seed0"
    baseline = Job("baseline", "acdc", "attention_unet-tiny", "attention_unet-tiny", 0)
    assert baseline.key == "acdc/attention_unet-tiny/baseline/seed0"
    assert Job("evaluate", *group, "plain").key == "acdc/basic_unet-tiny/evaluate/plain"
    assert search.group == "acdc/basic_unet-tiny"


def test_a_retrain_job_knows_its_arm_and_slot_by_the_searches_it_needs() -> None:
    # Names that look like parts of a key.
    search = Job("search", "acdc", "search", "lth.v2", 3)
    one = Job("retrain", "acdc", "search", "lth.v2", 3, (search.key,))
    second = Job("retrain", "acdc", "search", "lth.v2.2", 3, (search.key,))
    control = Job("retrain", "acdc", "search", "random", 3, ("acdc/search/pretrain",))
    assert [(job.arm, job.slot) for job in (search, one, second, control)] == [
        ("lth.v2", None),
        ("lth.v2", None),
        ("lth.v2", 2),
        (None, None),
    ]


def test_circles_unknown_needs_and_doubles_are_refused() -> None:
    first, second = Job("search", "a", "n", "x", 0), Job("search", "b", "n", "x", 0)
    with pytest.raises(ConfigError, match="own key"):
        JobGraph([first, first])
    with pytest.raises(ConfigError, match="a/n/search/x/seed0 needs"):
        JobGraph([Job("search", "a", "n", "x", 0, ("elsewhere",))])
    with pytest.raises(ConfigError, match="circle"):
        JobGraph(
            [
                Job("search", "a", "n", "x", 0, (second.key,)),
                Job("search", "b", "n", "x", 0, (first.key,)),
            ]
        )
    with pytest.raises(ConfigError, match="no such one"):
        JobGraph([first])["b"]


def test_steps_out_of_order_are_refused() -> None:
    first = Job("search", "a", "n", "x", 0)
    second = Job("retrain", "a", "n", "x", 0, (first.key,))
    progress = Progress(JobGraph([first, second]))
    with pytest.raises(RunError, match="after all that it needs"):
        progress.start(second.key)
    with pytest.raises(RunError, match="only a running job"):
        progress.finish(first.key)
    progress.start(first.key)
    with pytest.raises(RunError, match="only a waiting job"):
        progress.start(first.key)
