"""The same sweep on 1 to 1,024 slots, for each way to search and for all together.

::

    study = scale(sweep, arms=("full", "lth"))
    study["lth"][0].makespan             # on one slot
    enough(study["lth"])                 # from where on more slots gain less than 5 %

A way to search takes everything with it that every sweep has: stores, pre-training, controls,
baselines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.simulation.occupancy import Schedule
from distributed_iac.simulation.simulate import PaperSweep, simulate

SIZES = tuple(2**power for power in range(11))
"""1 to 1,024."""

ALL = "all arms"
"""Name of the whole sweep; no arm can have it, because of the blank."""

NEAR = 1.05
"""A makespan at most this many times the shortest is as good as that. Our choice."""


def scale(
    sweep: PaperSweep, arms: Sequence[str], sizes: Sequence[int] = SIZES
) -> dict[str, tuple[Schedule, ...]]:
    """Simulate every size for every arm alone, and, unless there is one, for all together.

    The latter under :data:`ALL`.

    Sizes on which a job does not fit are left out.
    """
    most = max((sweep.shares[job.kind] for job in sweep.graph.jobs()), default=0.0)
    fitting = [size for size in sizes if size >= most]
    parts = {arm: replace(sweep, graph=only(sweep.graph, arm)) for arm in arms}
    if len(arms) != 1:
        parts[ALL] = sweep
    return {name: tuple(simulate(part, size) for size in fitting) for name, part in parts.items()}


def only(graph: JobGraph, arm: str) -> JobGraph:
    """The jobs of one arm, and those that belong to none."""
    return JobGraph(job for job in graph.jobs() if job.arm in (None, arm))


def enough(outcomes: Sequence[Schedule]) -> Schedule:
    """The smallest size that is as good as the best one; see :data:`NEAR`."""
    shortest = min(one.makespan for one in outcomes)
    return next(one for one in outcomes if one.makespan <= NEAR * shortest)
