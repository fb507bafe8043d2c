"""Which recorded job stands in for a planned one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import ConfigError
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.simulation.stand_in import stand_in_for, told
from distributed_iac.simulation.trace import Trace

kinds = st.sampled_from(["pretrain", "search", "retrain", "baseline"])
few = st.sampled_from("ab")


def trace(
    kind: JobKind, name: str = "lth", seed: int | None = 0, data: str = "acdc", net: str = "net"
) -> Trace:
    return Trace(kind, data, net, name, seed, (1.0,), 1)


def job(
    kind: JobKind, name: str = "lth", seed: int | None = 0, data: str = "acdc", net: str = "net"
) -> Job:
    return Job(kind, data, net, name, seed)


traces = st.lists(st.builds(trace, kinds, few, st.integers(0, 3), few, few), min_size=1)


@given(traces, st.builds(job, kinds, few, st.integers(0, 9), few, few))
def test_what_is_lent_is_of_the_kind_and_no_other_is_nearer(
    known: list[Trace], planned: Job
) -> None:
    fitting = [
        one
        for one in known
        if one.kind == planned.kind and (one.kind != "search" or one.name == planned.name)
    ]
    if not fitting:
        with pytest.raises(ConfigError, match=f"at least one finished {planned.kind} job"):
            stand_in_for(planned, known)
        return
    stand_in = stand_in_for(planned, known)
    assert stand_in.trace in fitting
    grave = ["seed", "data set", "backbone", "model"]
    weight = sum(2 ** grave.index(one) for one in stand_in.differs)
    for one in fitting:
        assert weight <= (
            8 * (one.name != planned.name)
            + 4 * (one.backbone != planned.backbone)
            + 2 * (one.dataset != planned.dataset)
            + (one.seed != planned.seed)
        )


def test_a_job_that_was_recorded_replays_itself() -> None:
    known = [trace("search", seed=seed) for seed in range(3)]
    stand_in = stand_in_for(job("search", seed=1), known)
    assert (stand_in.trace, stand_in.differs) == (known[1], ())


def test_equally_near_traces_take_turns() -> None:
    known = [trace("search", seed=seed) for seed in (10, 11, 12)]
    lent = [stand_in_for(job("search", seed=seed), known).trace for seed in range(3)]
    assert lent == known


def test_a_search_never_replays_another_arm() -> None:
    with pytest.raises(ConfigError, match="with the arm lth"):
        stand_in_for(job("search", "lth"), [trace("search", "full")])


def test_a_retraining_may_replay_another_model() -> None:
    assert stand_in_for(job("retrain", "lth"), [trace("retrain", "full")]).differs == ("model",)


def test_a_cell_is_rather_replayed_by_a_cell_of_other_data_than_by_none() -> None:
    known = [trace("retrain", "plain_extra"), trace("retrain", "random", 1, "brats")]
    assert stand_in_for(job("retrain", "lth"), known).differs == ("model", "data set", "seed")
    assert stand_in_for(job("retrain", "lth"), known[:1]).differs == ("model",)
    assert stand_in_for(job("retrain", "plain_extra", 1), known).trace == known[0]


def test_only_short_kinds_may_be_unknown_and_are_named() -> None:
    stand_ins = [
        stand_in_for(job(kind), [trace("search")]) for kind in ("prepare", "evaluate", "search")
    ]
    assert [stand_in.trace is None for stand_in in stand_ins] == [True, True, False]
    assert told(stand_ins) == "2 not timed (taken as none), 1 as recorded"
