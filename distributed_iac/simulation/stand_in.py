"""Which recorded job stands in for a planned one: its own, or the nearest.

::

    stand_in = stand_in_for(job, traces)
    stand_in.differs                 # ("seed",): recorded with another seed; () is the job itself
    told(stand_ins.values())         # "164 jobs: 6 recorded themselves, 12 of another seed, ..."

A search is never lent another arm's trace: that the arms differ is what is simulated. Other models
may stand in for each other, since a retraining costs much the same with any cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from distributed_iac.config.comparison import Control
from distributed_iac.errors import ConfigError
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.simulation.trace import Trace

Difference = Literal["model", "backbone", "data set", "variant", "seed"]

SHORT_KINDS: tuple[JobKind, ...] = ("prepare", "evaluate")
"""Kinds that may be missing from the traces. They have one epoch without training, and a run that
found a finished store has not timed its making: they then take no time, as :func:`told` says."""

WITHOUT_CELL: Control = "plain_extra"
"""The retraining that trains no cell, and so costs less than all others."""


@dataclass(frozen=True)
class StandIn:
    """A trace for a planned job.

    Args:
        trace: What is replayed; None: nothing is known, and it takes no time.
        differs: In what its job differs from the planned one, the gravest first.
    """

    trace: Trace | None
    differs: tuple[Difference, ...] = ()


def stand_in_for(job: Job, traces: Sequence[Trace]) -> StandIn:
    """Choose the nearest trace.

    The model counts more than the backbone, that more than the data set, that more than the
    variant, that more than the seed.
    Where several are equally near, seeds take turns, so that their spread is kept.

    Args:
        job: A planned job.
        traces: All there are.

    Raises:
        ConfigError: No trace is of this kind, or of this search's arm.
    """
    fitting = [one for one in traces if one.kind == job.kind and _may_stand_in(one, job)]
    if not fitting:
        if job.kind in SHORT_KINDS:
            return StandIn(None)
        arm = f" with the arm {job.name}" if job.kind == "search" else ""
        raise ConfigError(
            f"traces hold at least one finished {job.kind} job{arm}",
            came="none",
            remedy="add a run that has finished one (--traces RUN), or wait until this one has",
        )
    nearest = min(_distance(one, job) for one in fitting)
    equals = [one for one in fitting if _distance(one, job) == nearest]
    trace = equals[(job.seed or 0) % len(equals)]
    return StandIn(trace, _differences(trace, job))


def told(stand_ins: Iterable[StandIn]) -> str:
    """How many jobs replay what, in one line."""
    counts = Counter(_source(stand_in) for stand_in in stand_ins)
    return ", ".join(f"{count} {source}" for source, count in counts.most_common())


def _may_stand_in(trace: Trace, job: Job) -> bool:
    return job.kind != "search" or trace.name == job.name


def _distance(trace: Trace, job: Job) -> tuple[bool, ...]:
    """The model counts twice where one has a cell and the other has none."""
    return (
        (trace.name == WITHOUT_CELL) != (job.name == WITHOUT_CELL),
        trace.name != job.name,
        trace.backbone != job.backbone,
        trace.dataset != job.dataset,
        trace.variant != job.variant,
        trace.seed != job.seed,
    )


def _differences(trace: Trace, job: Job) -> tuple[Difference, ...]:
    names: tuple[Difference, ...] = ("model", "backbone", "data set", "variant", "seed")
    return tuple(
        name for name, other in zip(names, _distance(trace, job)[1:], strict=True) if other
    )


def _source(stand_in: StandIn) -> str:
    if stand_in.trace is None:
        return "not timed (taken as none)"
    if not stand_in.differs:
        return "as recorded"
    return f"of another {', '.join(stand_in.differs)}"
