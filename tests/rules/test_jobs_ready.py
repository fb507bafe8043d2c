"""Which ready job is next: group by group, unless the longest way to the end presses."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapreplace
from itertools import groupby
from math import inf
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.config.run import RunConfig
from distributed_iac.config.scheduler import SchedulerSettings
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.jobs.progress import Progress
from distributed_iac.jobs.ready import PRESSES, ReadyJobs
from distributed_iac.simulation.occupancy import Schedule
from distributed_iac.simulation.planned import PlannedCourse
from distributed_iac.simulation.simulate import PaperSweep, simulate


def sweep(groups: int, seeds: int) -> JobGraph:
    """Data sets with one backbone each: prepare, pretrain, searches, retrainings."""
    return JobGraph(job for number in range(groups) for job in _group(f"d{number}", seeds))


def _group(dataset: str, seeds: int) -> Iterator[Job]:
    prepare = Job("prepare", dataset)
    pretrain = Job("pretrain", dataset, "net", needs=(prepare.key,))
    yield from (prepare, pretrain)
    for seed in range(seeds):
        search = Job("search", dataset, "net", "lth", seed, (pretrain.key,))
        yield from (search, Job("retrain", dataset, "net", "lth", seed, (search.key,)))


def order_of(graph: JobGraph, slots: float | None) -> list[Job]:
    """Jobs as one worker gets them that believes in so many slots."""
    progress, order = Progress(graph, slots=slots), list[Job]()
    while (job := progress.next_ready()) is not None:
        progress.start(job.key)
        progress.finish(job.key)
        order.append(job)
    return order


def test_on_one_slot_each_data_set_is_done_before_the_next_begins_but_for_the_last() -> None:
    graph = sweep(groups=9, seeds=3)
    order = order_of(graph, slots=1)
    calm = [job.dataset for job in order[: len(graph) - round(4 / PRESSES)]]
    assert [name for name, _ in groupby(calm)] == [f"d{number}" for number in range(7)]


def test_where_nobody_knows_the_slots_first_seeds_come_first_and_then_the_longest_way() -> None:
    order = order_of(sweep(groups=5, seeds=3), slots=None)
    first, later = (
        [job.kind for job in order if (job.seed in (None, 0)) is leads] for leads in (True, False)
    )
    assert [kind for kind, _ in groupby(first)] == ["prepare", "pretrain", "search", "retrain"]
    assert [kind for kind, _ in groupby(later)] == ["search", "retrain"]
    assert [job.kind for job in order] == first + later


def test_slots_for_everything_are_as_good_as_not_knowing() -> None:
    graph = sweep(groups=5, seeds=3)
    assert order_of(graph, slots=1000) == order_of(graph, slots=None)


def test_a_way_presses_when_it_is_a_quarter_of_what_is_left_for_each_slot() -> None:
    graph = sweep(groups=2, seeds=1)
    late, early = graph["d1/prepare"], graph["d0/net/search/lth/seed0"]
    ready = ReadyJobs(graph, slots=2)
    for job in (late, early):
        ready.add(job.key)
    way = 4  # of prepare, pretrain, search and retrain
    assert ready.next(left=2 * way / PRESSES) == late
    assert ready.next(left=2 * way / PRESSES + 1) == early


@given(st.data(), st.sampled_from([None, 1.0, 3.0, 50.0]), st.integers(0, 1000))
def test_what_comes_and_goes_is_what_is_there(
    data: st.DataObject, slots: float | None, left: int
) -> None:
    graph = sweep(groups=3, seeds=2)
    ready, there = ReadyJobs(graph, slots), set[str]()
    for key in data.draw(st.lists(st.sampled_from([job.key for job in graph.jobs()]))):
        (ready.remove if key in there else ready.add)(key)
        there ^= {key}
    anew = ReadyJobs(graph, slots)
    for key in there:
        anew.add(key)
    assert ready.next(left) == anew.next(left)
    found = ready.next(left)
    assert (found is None) == (not there)
    assert found is None or found.key in there


SECONDS: dict[JobKind, float] = {
    **{"prepare": 100.0, "pretrain": 1000.0, "search": 1200.0, "retrain": 400.0},
    **{"baseline": 1400.0, "evaluate": 5.0},
}
"""About what they are to one another; the rules know nothing of it, as in a sweep."""


def run_of(groups: int, seeds: int, arms: int, rule: str = "each") -> JobGraph:
    """The jobs of a real configuration, controls and all."""
    policies = {"full": "none", "lth": "js"}
    return plan_jobs(
        RunConfig.model_validate(
            {
                "name": "run",
                "data": [{"name": f"d{number}", "source": "raw"} for number in range(groups)],
                "backbones": [{"name": "basic_unet", "features": "tiny"}],
                "seeds": list(range(seeds)),
                "arms": {arm: {"policy": policies[arm]} for arm in list(policies)[-arms:]},
                "selection": {"rule": rule},
            }
        )
    )


def on_paper(graph: JobGraph, slots: int, size: Literal["known", "unknown"]) -> Schedule:
    courses = {job.key: PlannedCourse((SECONDS[job.kind],), (None,)) for job in graph.jobs()}
    shares = dict.fromkeys(SECONDS, 1.0)
    return simulate(PaperSweep(graph, courses, shares, SchedulerSettings(), size=size), slots)


def longest_way_first(graph: JobGraph, slots: int) -> float:
    """Seconds of the order that knows nothing else and asks nobody ahead."""
    way, free = graph.longest_ways({job.key: 1.0 for job in graph.jobs()}), [0.0] * slots
    ended: dict[str, float] = {}
    left = list(graph.jobs())
    while left:
        now = max(free[0], min(_ready_at(job, ended) for job in left))
        ready = [job for job in left if _ready_at(job, ended) <= now]
        job = max(ready, key=lambda one: way[one.key])  # the first of equal ones
        left.remove(job)
        ended[job.key] = now + SECONDS[job.kind]
        heapreplace(free, ended[job.key])
    return max(ended.values())


def _ready_at(job: Job, ended: dict[str, float]) -> float:
    return max((ended.get(need, inf) for need in job.needs), default=0.0)


SIZES: tuple[Literal["known", "unknown"], ...] = ("known", "unknown")


@pytest.mark.parametrize("slots", [1, 2, 4, 16])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("size", SIZES)
def test_the_plain_backbone_is_scored_as_soon_as_it_is_trained(
    slots: int, groups: int, size: Literal["known", "unknown"]
) -> None:
    graph = run_of(groups, 3, 2)
    begins = {span.job: span.begin for span in on_paper(graph, slots, size).spans}
    ends = {span.job: span.end for span in on_paper(graph, slots, size).spans}
    for job in graph.jobs():
        if job.kind == "evaluate":
            (need,) = job.needs
            longest = max(SECONDS.values()) if size == "unknown" or slots > 1 else 0.0
            assert begins[job.key] <= ends[need] + longest


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("arms", "slots"), [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)])
@pytest.mark.parametrize("groups", [1, 4])
def test_the_first_seeds_results_come_before_the_last_seeds_search_begins(
    seeds: int, arms: int, slots: int, groups: int
) -> None:
    graph = run_of(groups, seeds, arms)
    schedule = on_paper(graph, slots, "known")
    for name in {job.dataset for job in graph.jobs()}:
        of_group = [span for span in schedule.spans if graph[span.job].dataset == name]
        first = [one.end for one in of_group if graph[one.job].seed == 0]
        last = [
            one.begin
            for one in of_group
            if (graph[one.job].kind, graph[one.job].seed) == ("search", seeds - 1)
        ]
        assert max(first) <= min(last)


@pytest.mark.parametrize("rule", ["each", "best"])
@pytest.mark.parametrize("slots", [1, 2, 4, 8, 32])
@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("size", SIZES)
def test_early_answers_cost_hardly_any_time(
    rule: str, slots: int, groups: int, size: Literal["known", "unknown"]
) -> None:
    graph = run_of(groups, 3, 2, rule)
    whole = on_paper(graph, slots, size).makespan
    assert whole <= 1.01 * longest_way_first(graph, slots)
