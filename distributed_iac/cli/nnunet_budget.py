"""A run that fits into a time: how many epochs of searching and retraining, from a measured one.

::

    seconds = seconds_of("8h")
    epochs = epochs_within(config, epoch_seconds, seconds)   # Epochs(search=23, retrain=12)

What an epoch takes is measured on this machine, as by ``plan``; jobs are taken to run all their
epochs, as many at a time as fit here.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributed_iac.cli.plan_simulation import STARTUP
from distributed_iac.errors import ConfigError

if TYPE_CHECKING:
    from distributed_iac.config.run import RunConfig
    from distributed_iac.jobs.job import JobKind

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

SPARE = 0.2
"""Share of the time that is left for what is not measured: reading, evaluating, the report. Our
choice."""

LEAST = 25
"""Smallest share of the usual epochs, in percent: with less neither arm nor control would be worth
comparing. Our choice."""


@dataclass(frozen=True)
class Epochs:
    """Epochs of one search, and of one retraining with each of its learning rates."""

    search: int
    retrain: int


def seconds_of(text: str) -> float:
    """Read a time such as ``30min``, ``8h`` or ``1.5d``.

    Raises:
        ConfigError: It is none, or no time at all.
    """
    found = re.fullmatch(rf"(\d+\.?\d*)\s*({'|'.join(UNITS)})", text.strip())
    if found is None or not float(found[1]):
        raise ConfigError(
            f"--budget is a number above 0 and a unit, which is {', '.join(UNITS)}",
            came=text,
            remedy="write it like 30min or 8h",
        )
    return float(found[1]) * UNITS[found[2]]


def epochs_within(
    config: RunConfig, epoch_seconds: Mapping[JobKind, float], seconds: float
) -> Epochs:
    """Most epochs that fit, searches and retrainings shortened alike.

    Args:
        config: The run with its usual epochs, which are never exceeded.
        epoch_seconds: By kind of job; kinds left out take none.
        seconds: For the whole run.

    Raises:
        ConfigError: A quarter of the epochs takes longer.
    """
    places = _places(config)
    for percent in range(100, LEAST - 1, -5):
        epochs = _shortened(config, percent / 100)
        needed = _needed(config, epochs, epoch_seconds, places) / (1 - SPARE)
        if needed <= seconds:
            return epochs
    from distributed_iac.cli.live_progress import duration

    raise ConfigError(
        f"the shortest comparison here takes about {duration(needed)}: {epochs.search} epochs a "
        f"search, {epochs.retrain} a retraining, {places:g} jobs at a time",
        came=f"--budget of {duration(seconds)}",
        remedy="give it more time, a machine with a GPU, or less to do, as by "
        "--set batches.steps_per_epoch=10",
    )


def with_epochs(text: str, epochs: Epochs) -> str:
    """A configuration that says ``epochs:`` under ``search:`` and ``retrain:``, with these."""
    for kind, count in (("search", epochs.search), ("retrain", epochs.retrain)):
        text = re.sub(rf"(?ms)(^{kind}:.*?\bepochs: )\d+", rf"\g<1>{count}", text)
    return text


def _shortened(config: RunConfig, share: float) -> Epochs:
    """At least one epoch more than a search warms up for, else it would search nothing."""
    search = max(config.search.warmup_epochs + 1, round(share * config.search.epochs))
    return Epochs(search, max(1, round(share * config.retrain.epochs)))


def _needed(
    config: RunConfig, epochs: Epochs, epoch_seconds: Mapping[JobKind, float], places: float
) -> float:
    """Seconds of all jobs, each as long as it may take, in so many places."""
    from distributed_iac.jobs.plan import plan_jobs
    from distributed_iac.jobs.settings import epochs_by_job

    short = config.model_copy(
        update={
            "search": config.search.model_copy(update={"epochs": epochs.search}),
            "retrain": config.retrain.model_copy(update={"epochs": epochs.retrain}),
        }
    )
    graph = plan_jobs(short)
    count = epochs_by_job(short, graph)
    each = {
        job.key: STARTUP + count[job.key] * epoch_seconds.get(job.kind, 0.0) for job in graph.jobs()
    }
    return max(sum(each.values()) / places, *graph.longest_ways(each).values())


def _places(config: RunConfig) -> float:
    """How many searches this machine has room for at a time."""
    import torch

    from distributed_iac.tune.resources import Capacity, reserve, search_slots

    cpus, gpus = float(config.sweep.cpus or os.cpu_count() or 1), float(torch.cuda.device_count())
    here = Capacity(cpus, gpus, math.inf)
    return search_slots(reserve(config.sweep.resources, here, config.device), here)
