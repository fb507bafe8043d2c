"""Spans are what the journal says: no clock, every try, nothing that did not run."""

from __future__ import annotations

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.report.spans import spans_of
from distributed_iac.run.journal import Event

GRAPH = JobGraph(
    [
        Job("prepare", "acdc"),
        Job("pretrain", "acdc", "unet", needs=("acdc/prepare",)),
        Job("search", "acdc", "unet", "lth", 0, needs=("acdc/unet/pretrain",)),
    ]
)
PREPARE, PRETRAIN, SEARCH = (job.key for job in GRAPH.jobs())


def told(*events: tuple[float, str, str]) -> list[tuple[str, float, float, str]]:
    spans = spans_of(GRAPH, [Event(at, kind, job, {}) for at, kind, job in events])  # type: ignore[arg-type]
    return [(span.key, span.start, span.end, span.status) for span in spans]


def test_start_and_end_make_a_span() -> None:
    assert told((1, "start", PREPARE), (4, "end", PREPARE), (4, "start", PRETRAIN)) == [
        (PREPARE, 1, 4, "done"),
        (PRETRAIN, 4, 4, "running"),
    ]


def test_a_result_that_was_found_did_not_run() -> None:
    assert told((1, "end", PREPARE), (2, "failed", SEARCH)) == []


def test_every_try_is_a_span() -> None:
    assert told(
        (1, "start", SEARCH),
        (3, "again", SEARCH),
        (5, "start", SEARCH),
        (9, "failed", SEARCH),
    ) == [(SEARCH, 1, 3, "lost"), (SEARCH, 5, 9, "failed")]


def test_a_killed_driver_ends_its_jobs_when_it_was_last_heard() -> None:
    assert told(
        (1, "start", SEARCH),
        (2, "report", SEARCH),
        (50, "open", ""),
        (51, "start", SEARCH),
        (60, "end", SEARCH),
    ) == [(SEARCH, 1, 2, "lost"), (SEARCH, 51, 60, "done")]


def test_a_second_start_without_an_end_closes_the_first() -> None:
    assert told((1, "start", SEARCH), (5, "start", SEARCH), (6, "end", SEARCH)) == [
        (SEARCH, 1, 5, "lost"),
        (SEARCH, 5, 6, "done"),
    ]


def test_clocks_that_disagree_and_strangers_do_no_harm() -> None:
    assert told((5, "start", PREPARE), (4, "end", PREPARE), (6, "start", "kits/prepare")) == [
        (PREPARE, 5, 5, "done")
    ]
