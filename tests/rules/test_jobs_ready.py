"""Which ready job is next: group by group, unless the longest way to the end presses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.progress import EQUAL_SECONDS, Progress
from distributed_iac.jobs.ready import PRESSES, ReadyJobs


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


def test_where_nobody_knows_the_slots_the_longest_way_comes_first() -> None:
    order = order_of(sweep(groups=5, seeds=3), slots=None)
    kinds = [kind for kind, _ in groupby(job.kind for job in order)]
    assert kinds == ["prepare", "pretrain", "search", "retrain"]


def test_slots_for_everything_are_as_good_as_not_knowing() -> None:
    graph = sweep(groups=5, seeds=3)
    assert order_of(graph, slots=1000) == order_of(graph, slots=None)


def test_a_way_presses_when_it_is_a_quarter_of_what_is_left_for_each_slot() -> None:
    graph = sweep(groups=2, seeds=1)
    late, early = graph["d1/prepare"], graph["d0/net/search/lth/seed0"]
    ready = ReadyJobs(graph, EQUAL_SECONDS, slots=2)
    ready.refill([late.key, early.key])
    way = 4.0  # of prepare, pretrain, search and retrain
    assert ready.next(left=2 * way / PRESSES) == late
    assert ready.next(left=2 * way / PRESSES + 1) == early


@given(st.data(), st.sampled_from([None, 1.0, 3.0, 50.0]), st.floats(0, 1000))
def test_what_comes_and_goes_is_what_is_there(
    data: st.DataObject, slots: float | None, left: float
) -> None:
    graph = sweep(groups=3, seeds=2)
    ready, there = ReadyJobs(graph, EQUAL_SECONDS, slots), set[str]()
    for key in data.draw(st.lists(st.sampled_from([job.key for job in graph.jobs()]))):
        (ready.remove if key in there else ready.add)(key)
        there ^= {key}
    anew = ReadyJobs(graph, EQUAL_SECONDS, slots)
    anew.refill(there)
    assert ready.next(left) == anew.next(left)
    assert ready.longest_first() == anew.longest_first()
    found = ready.next(left)
    assert (found is None) == (not there)
    assert found is None or found.key in there
