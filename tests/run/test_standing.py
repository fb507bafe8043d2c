from __future__ import annotations

from typing import Any

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.run.forecast import forecast, mean_seconds
from distributed_iac.run.journal import Event, EventKind
from distributed_iac.run.standing import Replay, stand

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
    assert sorted(one.rows) == [1, 2]
    assert one.last["loss"] == 2.5
    assert (one.losses, one.error) == (1, "worker died")


def test_a_failure_skips_what_needs_it_and_nothing_else() -> None:
    standings = stand(GRAPH, [event("start", SEARCH), event("failed", SEARCH, error="NaN")])
    assert standings[SEARCH.key].error == "NaN"
    assert standings[RETRAIN.key].status == "skipped"
    assert SEARCH.key in str(standings[RETRAIN.key].error)
    assert standings[OTHER.key].status == "waiting"


def test_a_new_driver_tries_again_what_failed_and_runs_nothing_yet() -> None:
    events = [event("start", OTHER), event("failed", SEARCH, error="NaN"), event("open")]
    standings = stand(GRAPH, events)
    assert {one.status for one in standings.values()} == {"waiting"}
    assert standings[SEARCH.key].error is None


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
    assert replay.standings == stand(GRAPH, events)
    assert replay.standings[SEARCH.key].stop_code == "budget"


def test_the_forecast_is_silent_while_a_kind_of_job_is_unknown() -> None:
    assert forecast(GRAPH, stand(GRAPH, [report(SEARCH, 1)])) is None


def test_the_forecast_adds_a_jobs_own_pace_to_what_others_of_its_kind_took() -> None:
    done = [report(PREPARE, 1, 2.0, 1), event("end", PREPARE)]
    done += [report(RETRAIN, 1, 7.0, 1), event("end", RETRAIN)]
    done += [report(SEARCH, epoch, 3.0) for epoch in (1, 2)]
    standings = stand(GRAPH, [*done, *(report(OTHER, epoch, 1.0) for epoch in range(1, 10))])
    assert mean_seconds(standings) == {"prepare": 2.0, "retrain": 7.0}
    # Two run side by side: 8 epochs of 3 s and 1 of 1 s; the longest chain is the 24 s.
    assert forecast(GRAPH, standings) == 24.0


def test_nothing_left_takes_no_time() -> None:
    standings = stand(GRAPH, [event("end", job) for job in GRAPH.jobs()])
    assert forecast(GRAPH, standings) == 0.0
