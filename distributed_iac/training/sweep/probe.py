"""What one job of a kind costs, measured on a few batches in a process of its own.

::

    probe(config, "search")             # Probe(epoch_seconds=3.1, peak_bytes=2.1e9, ...)

Measured with the first data set and backbone, random weights, and the full cell: pruning only
makes a search cheaper. An epoch's time is put together from that of a training step and of a
validation, told apart by epochs of one and of three steps.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Literal

import torch

from distributed_iac.config.run import RunConfig
from distributed_iac.config.training import SearchSettings, SupervisedSettings
from distributed_iac.data.batches import Batches
from distributed_iac.errors import RunError
from distributed_iac.training.group import Group
from distributed_iac.training.stage import Stage
from distributed_iac.training.supervised import TRAINING_PARTS

ProbedKind = Literal["pretrain", "search", "retrain", "baseline"]
STEPS = (1, 3)


@dataclass(frozen=True)
class Probe:
    """What one job of a kind takes.

    Args:
        epoch_seconds: An epoch with its validation.
        epochs: At the most.
        peak_bytes: Main memory of its process at the most, libraries included.
        gpu_bytes: GPU memory at the most; 0 on a CPU.
    """

    epoch_seconds: float
    epochs: int
    peak_bytes: int
    gpu_bytes: int

    @property
    def seconds(self) -> float:
        """The whole job; the final evaluation on test patients is not counted."""
        return self.epoch_seconds * self.epochs


def probe(config: RunConfig, kind: ProbedKind) -> Probe:
    """Measure a kind of job in a fresh process, so that memory is its own.

    Args:
        config: The run; its first data set must have a prepared store.
        kind: Which kind.

    Raises:
        DataError: The store is not there.
        RunError: The process was killed, as happens where memory runs out.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        try:
            return pool.submit(_measure, config, kind).result()
        except BrokenProcessPool as error:
            raise RunError(
                f"a {kind} job runs in the memory of this machine",
                came="its process was killed",
                remedy="use a smaller batches.batch_size, patch or backbone",
            ) from error


def _measure(config: RunConfig, kind: ProbedKind) -> Probe:
    short, long = (_epoch_seconds(_with_steps(config, steps), kind) for steps in STEPS)
    step = max(0.0, (long - short) / (STEPS[1] - STEPS[0]))
    validation = max(0.0, short - step)
    settings = _settings(config, kind)
    epochs = settings.epochs + (config.retrain.epochs if kind == "baseline" else 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    per_epoch = step * _steps(config, kind) + validation / settings.validate_every
    return Probe(per_epoch, epochs, peak, gpu)


def _epoch_seconds(config: RunConfig, kind: ProbedKind) -> float:
    """The second epoch of a stage; the first one fills caches."""
    networks = config.baselines if kind == "baseline" else config.backbones
    stage = _STAGES[kind](Group.open(config, config.data[0], networks[0]))
    stage.step()
    begun = time.perf_counter()
    stage.step()
    return time.perf_counter() - begun


def _with_steps(config: RunConfig, steps: int) -> RunConfig:
    """The run with tiny epochs that are all validated, and a search without warm-up."""
    batches = config.batches.model_copy(update={"steps_per_epoch": steps})
    often = {"validate_every": 1, "epochs": 3}
    return config.model_copy(
        update={
            "batches": batches,
            "pretrain": config.pretrain.model_copy(update=often),
            "search": config.search.model_copy(update={**often, "warmup_epochs": 0}),
            "retrain": config.retrain.model_copy(update=often),
        }
    )


def _settings(config: RunConfig, kind: ProbedKind) -> SupervisedSettings | SearchSettings:
    match kind:
        case "pretrain" | "baseline":
            return config.pretrain
        case "search":
            return config.search
        case "retrain":
            return config.retrain


def _steps(config: RunConfig, kind: ProbedKind) -> int:
    """Batches in an epoch, also where an epoch is a pass over all slices."""
    group = Group.open(config, config.data[0], config.backbones[0])
    parts = ["weights"] if kind == "search" else TRAINING_PARTS
    return Batches(group.store, parts, config.batches, seed=0, device=group.device).steps_per_epoch


def _search(group: Group) -> Stage:
    return group.search_stage(group.backbone(), _widest(group.config), group.config.seeds[0])


def _widest(config: RunConfig) -> str:
    """The arm that prunes least: one without pruning if there is one."""
    return next(
        (arm for arm, one in config.arms.items() if one.policy == "none"), next(iter(config.arms))
    )


def _retrain(group: Group) -> Stage:
    backbone, seed = group.backbone(), group.config.seeds[0]
    return group.retrain_stage(backbone, group.random_genotype(backbone, seed), seed)


_STAGES: Mapping[ProbedKind, Callable[[Group], Stage]] = {
    "pretrain": lambda group: group.pretrain_stage(),
    "search": _search,
    "retrain": _retrain,
    "baseline": lambda group: group.baseline_stage(group.config.seeds[0]),
}
