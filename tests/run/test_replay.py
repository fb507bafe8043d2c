from __future__ import annotations

from typing import Any

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.run.forecast import forecast, mean_seconds
from distributed_iac.run.journal import Event, EventKind
from distributed_iac.run.replay import JobHistory, Replay

PREPARE = Job("prepare", "a")
SEARCH = Job("search", "a", "net", "lth", 0, (PREPARE.key,))
OTHER = Job("search", "a", "net", "lth", 1, (PREPARE.key,))
RETRAIN = Job("retrain", "a", "net", "lth", 0, (SEARCH.key,))
GRAPH = JobGraph([PREPARE, SEARCH, OTHER, RETRAIN])


def event(kind: EventKind, job: Job | None = None, **values: Any) -> Event:
    return Event(0.0, kind, "" if job is None else job.key, values)


def report(job: Job, epoch: int, seconds: float = 1.0, planned: int = 10, **values: Any) -> Event:
    return event(
        "report", job, epoch=epoch, seconds=seconds, epochs_planned=planned, digest="d", **values
    )


def stand(graph: JobGraph, events: list[Event]) -> dict[str, JobHistory]:
    replay = Replay(graph)
    replay.feed(events)
    return replay.jobs


def test_before_anything_has_happened_all_jobs_wait() -> None:
    assert {one.status for one in stand(GRAPH, []).values()} == {"waiting"}


def test_a_job_goes_from_start_over_reports_to_its_end() -> None:
    events = [event("start", SEARCH), report(SEARCH, 1), report(SEARCH, 2)]
    one = stand(GRAPH, events)[SEARCH.key]
    assert (one.status, one.digest, one.seconds) == ("running", "d", 2.0)
    assert stand(GRAPH, [*events, event("end", SEARCH, digest="d")])[SEARCH.key].status == "done"


def test_an_epoch_that_is_trained_again_counts_once() -> None:
    events = [
        report(SEARCH, 1, loss=3.0),
        report(SEARCH, 2, loss=2.0),
        event("again", SEARCH, error="worker died"),
        report(SEARCH, 2, loss=2.5),
    ]
    one = stand(GRAPH, events)[SEARCH.key]
    assert sorted(one.epochs) == [1, 2]
    assert one.last["loss"] == 2.5
    assert (one.losses, one.error) == (1, "worker died")


def test_a_failure_skips_what_needs_it_and_nothing_else() -> None:
    jobs = stand(GRAPH, [event("start", SEARCH), event("failed", SEARCH, error="NaN")])
    assert jobs[SEARCH.key].error == "NaN"
    assert jobs[RETRAIN.key].status == "skipped"
    assert SEARCH.key in str(jobs[RETRAIN.key].error)
    assert jobs[OTHER.key].status == "waiting"


def test_a_new_driver_tries_again_what_failed_and_runs_nothing_yet() -> None:
    events = [event("start", OTHER), event("failed", SEARCH, error="NaN"), event("open")]
    jobs = stand(GRAPH, events)
    assert {one.status for one in jobs.values()} == {"waiting"}
    assert jobs[SEARCH.key].error is None


def test_a_replay_in_pieces_equals_one_at_once() -> None:
    events = [
        event("start", PREPARE),
        event("end", PREPARE),
        event("failed", SEARCH, error="x"),
        event("open"),
        report(SEARCH, 1),
        event("stop", SEARCH, code="budget", reason="3 epochs"),
        event("end", SEARCH),
    ]
    replay = Replay(GRAPH)
    for one in events:
        replay.feed([one])
    assert replay.jobs == stand(GRAPH, events)
    assert replay[SEARCH.key].stamp == stand(GRAPH, events)[SEARCH.key].stamp
    assert replay.jobs[SEARCH.key].stop_code == "budget"


def test_the_forecast_is_silent_while_a_kind_of_job_is_unknown() -> None:
    assert forecast(GRAPH, stand(GRAPH, [report(SEARCH, 1)])) is None


def test_the_forecast_adds_a_jobs_own_pace_to_what_others_of_its_kind_took() -> None:
    done = [report(PREPARE, 1, 2.0, 1), event("end", PREPARE)]
    done += [report(RETRAIN, 1, 7.0, 1), event("end", RETRAIN)]
    done += [report(SEARCH, epoch, 3.0) for epoch in (1, 2)]
    jobs = stand(GRAPH, [*done, *(report(OTHER, epoch, 1.0) for epoch in range(1, 10))])
    assert mean_seconds(jobs) == {"prepare": 2.0, "retrain": 7.0}
    # Two run side by side: 8 epochs of 3 s and 1 of 1 s; the longest chain is the 24 s.
    assert forecast(GRAPH, jobs) == 24.0


def test_nothing_left_takes_no_time() -> None:
    jobs = stand(GRAPH, [event("end", job) for job in GRAPH.jobs()])
    assert forecast(GRAPH, jobs) == 0.0


def told(
    *events: tuple[float, EventKind, Job | None],
) -> list[tuple[str, float, float | None, str]]:
    replay = Replay(GRAPH)
    replay.feed(Event(at, kind, job.key if job else "", {"epoch": 1}) for at, kind, job in events)
    return [
        (key, one.began, one.ended, one.status)
        for key, job in replay.jobs.items()
        for one in job.attempts
    ]


def test_start_and_end_make_an_attempt() -> None:
    assert told((1, "start", PREPARE), (4, "end", PREPARE), (4, "start", SEARCH)) == [
        (PREPARE.key, 1, 4, "done"),
        (SEARCH.key, 4, None, "running"),
    ]


def test_a_result_that_was_found_was_not_attempted() -> None:
    assert told((1, "end", PREPARE), (2, "failed", SEARCH)) == []


def test_every_attempt_counts() -> None:
    assert told(
        (1, "start", SEARCH), (3, "again", SEARCH), (5, "start", SEARCH), (9, "failed", SEARCH)
    ) == [(SEARCH.key, 1, 3, "lost"), (SEARCH.key, 5, 9, "failed")]


def test_a_killed_driver_ends_its_jobs_when_it_was_last_heard() -> None:
    assert told(
        (1, "start", SEARCH),
        (2, "report", SEARCH),
        (50, "open", None),
        (51, "start", SEARCH),
        (60, "end", SEARCH),
    ) == [(SEARCH.key, 1, 2, "lost"), (SEARCH.key, 51, 60, "done")]


def test_a_second_start_without_an_end_closes_the_first() -> None:
    assert told((1, "start", SEARCH), (5, "start", SEARCH), (6, "end", SEARCH)) == [
        (SEARCH.key, 1, 5, "lost"),
        (SEARCH.key, 5, 6, "done"),
    ]


def test_clocks_that_disagree_and_strangers_do_no_harm() -> None:
    stranger = Job("prepare", "kits")
    assert told((5, "start", PREPARE), (4, "end", PREPARE), (6, "start", stranger)) == [
        (PREPARE.key, 5, 5, "done")
    ]


def closing(*events: tuple[float, EventKind, float]) -> float | None:
    replay = Replay(GRAPH)
    replay.feed(
        Event(at, kind, "" if kind == "open" else SEARCH.key, {"epoch": 1, "seconds": seconds})
        for at, kind, seconds in events
    )
    return replay[SEARCH.key].closing_seconds


def test_all_between_start_and_end_that_was_no_epoch_counts() -> None:
    assert closing((10, "start", 0), (13, "report", 2), (19, "report", 3), (20, "end", 0)) == 5.0


def test_a_lost_worker_closes_nothing() -> None:
    lost = (0, "start", 0), (9, "report", 1), (90, "again", 0)
    assert closing(*lost, (100, "start", 0), (103, "report", 2), (104, "end", 0)) == 2.0


def test_a_result_that_is_found_again_says_nothing_new() -> None:
    done = (0, "start", 0), (5, "report", 4), (6, "end", 0)
    assert closing(*done, (500, "open", 0), (900, "end", 0)) == 2.0
    assert closing((900, "end", 0)) is None
    replay = Replay(GRAPH)
    assert list(replay.feed([event("end", SEARCH, digest="d")])) == [SEARCH.key]
    assert list(replay.feed([event("open"), event("end", SEARCH, digest="d")])) == []


def test_values_that_nobody_needs_are_not_kept() -> None:
    replay = Replay(GRAPH)
    replay.feed([report(SEARCH, 1, importance="long", loss=1.0)])
    assert "importance" not in replay[SEARCH.key].last
    assert replay[SEARCH.key].last["loss"] == 1.0
