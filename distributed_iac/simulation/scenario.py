"""From a configuration and traces to a sweep that can be simulated.

::

    scenario = plan_scenario(config, traces, speed=20.0, startup=20.0)
    scale(scenario.sweep, tuple(config.arms))
    scenario.unit, told(scenario.stand_ins.values())
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from distributed_iac.config.run import RunConfig
from distributed_iac.jobs.job import JobKind
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.jobs.settings import epochs_by_job
from distributed_iac.simulation.planned import plan_course
from distributed_iac.simulation.simulate import PaperSweep
from distributed_iac.simulation.stand_in import StandIn, stand_in_for
from distributed_iac.simulation.trace import Trace

Unit = Literal["GPU", "core"]


@dataclass(frozen=True)
class Scenario:
    """A planned sweep with everything that is assumed about it.

    Args:
        sweep: To be simulated.
        stand_ins: Which trace each job replays, by key.
        unit: What a slot is.
    """

    sweep: PaperSweep
    stand_ins: Mapping[str, StandIn]
    unit: Unit


def plan_scenario(
    config: RunConfig, traces: Sequence[Trace], *, speed: float, startup: float
) -> Scenario:
    """Give every planned job a trace and a share of a slot.

    Args:
        config: The planned sweep.
        traces: Recorded jobs, of this or any other run.
        speed: Recorded seconds that are one second on the planned hardware, above 0.
        startup: Seconds that every process takes before it works; not divided by ``speed``.

    Raises:
        ConfigError: A kind of job, or the search of an arm, has no trace.
    """
    graph = plan_jobs(config)
    epochs = epochs_by_job(config, graph)
    stand_ins = {job.key: stand_in_for(job, traces) for job in graph.jobs()}
    courses = {
        key: plan_course(stand_in.trace, epochs[key], speed) for key, stand_in in stand_ins.items()
    }
    unit = slot_unit(config)
    shares = slot_shares(config, unit)
    return Scenario(PaperSweep(graph, courses, shares, config.scheduler, startup), stand_ins, unit)


def slot_unit(config: RunConfig) -> Unit:
    """What the sweep's jobs compete for: GPUs, or cores where none reserves a GPU."""
    shares = slot_shares(config, "GPU").values()
    return "GPU" if any(shares) else "core"


def slot_shares(config: RunConfig, unit: Unit) -> dict[JobKind, float]:
    """Slots that a job of each kind holds; ``auto`` is a GPU unless the device is ``cpu``."""
    kinds: tuple[JobKind, ...] = get_args(JobKind)
    shares: dict[JobKind, float] = {}
    for kind in kinds:
        settings = getattr(config.sweep.resources, kind)
        gpus = settings.gpus
        if gpus == "auto":
            gpus = 0.0 if config.device == "cpu" else 1.0
        shares[kind] = gpus if unit == "GPU" else settings.cpus
    return shares
