"""A few batches of a kind of job, timed; the inside of a probe.

::

    measure(config, "search")           # Probe(epoch_seconds=3.1, peak_bytes=2.1e9, ...)

Measured with the first data set and backbone, random weights, and the full cell: pruning only
makes a search cheaper. Three tiny epochs tell training from validating: the first fills caches, the
second trains, the third trains and validates. One of another batch size comes before, for a model
of memory. The test patients are not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from distributed_iac.config.run import RunConfig
from distributed_iac.config.training import TRAINING_PARTS, SearchSettings, SupervisedSettings
from distributed_iac.data.batches.loader import Batches
from distributed_iac.errors import RunError
from distributed_iac.run.probe import Probe, ProbedKind
from distributed_iac.training.group import Group
from distributed_iac.training.memory import (
    forget_peak,
    lack_of_memory_named,
    peak_main_memory,
    peak_memory,
)
from distributed_iac.training.memory_model import MemoryModel
from distributed_iac.training.stage import Stage

EPOCHS, STEPS = 3, 2
"""Our choice: what it takes to tell the two apart, and one step more, because steps vary."""


@lack_of_memory_named()
def measure(config: RunConfig, kind: ProbedKind) -> Probe:
    """Measure a kind of job in this process, whose memory counts from its start.

    Args:
        config: The run; its first data set must have a prepared store.
        kind: Which kind.

    Raises:
        StoreError: The store is not whole.
        RunError: A few batches need more memory than there is, or diverge.
    """
    short = _shortened(config)
    batch = config.batches.batch_size
    # Half of it, which fits where it does; but not a single slice, which some networks refuse.
    other = batch // 2 if batch >= 4 else 2 * batch
    _seconds(_stage(_with_batch(short, other), kind), kind, epochs=1)
    of_other = peak_memory()
    forget_peak()
    _, training, both = _seconds(_stage(short, kind), kind, EPOCHS)
    settings = _settings(config, kind)
    epochs = settings.epochs + (config.retrain.epochs if kind == "baseline" else 0)
    if kind == "retrain":
        epochs = config.retrain.all_epochs
    validation = max(0.0, both - training) / settings.validate_every
    epoch = training / STEPS * _steps(config, kind) + validation
    smaller, larger = sorted(((other, of_other), (batch, peak_memory())))
    gpu = peak_memory() if torch.cuda.is_initialized() else 0
    return Probe(epoch, epochs, peak_main_memory(), gpu, MemoryModel.fit(smaller, larger))


def _seconds(stage: Stage, kind: ProbedKind, epochs: int) -> list[float]:
    """Seconds of each epoch."""
    seconds = []
    for epoch in range(1, epochs + 1):
        begun = time.perf_counter()
        report = stage.step()
        seconds.append(time.perf_counter() - begun)
        if stage.done and epoch < epochs:
            raise RunError(
                f"a {kind} job gets through {EPOCHS * STEPS} batches on this machine",
                came=report["reason"],
                remedy="out of memory: use a smaller batches.batch_size, patch or backbone; "
                "diverged: lower the learning rates",
            )
    return seconds


def _shortened(config: RunConfig) -> RunConfig:
    """The run with tiny epochs, the last of which is validated, and a search without warm-up."""
    batches = config.batches.model_copy(update={"steps_per_epoch": STEPS})
    short = {"validate_every": EPOCHS, "epochs": EPOCHS}
    return config.model_copy(
        update={
            "batches": batches,
            "pretrain": config.pretrain.model_copy(update=short),
            "search": config.search.model_copy(update={**short, "warmup_epochs": 0}),
            "retrain": config.retrain.model_copy(update=short),
        }
    )


def _with_batch(config: RunConfig, slices: int) -> RunConfig:
    batches = config.batches.model_copy(update={"batch_size": slices})
    return config.model_copy(update={"batches": batches})


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
    parts = {"search": ("weights",), "pretrain": config.pretrain.parts}.get(kind, TRAINING_PARTS)
    return Batches(group.store, parts, config.batches, seed=0, device=group.device).steps_per_epoch


def _stage(config: RunConfig, kind: ProbedKind) -> Stage:
    networks = config.baselines if kind == "baseline" else config.backbones
    return _STAGES[kind](Group.open(config, config.data[0], networks[0]))


def _search(group: Group) -> Stage:
    return group.search_stage(group.backbone(), _widest(group.config), group.config.seeds[0])


def _widest(config: RunConfig) -> str:
    """The arm that prunes least: one without pruning if there is one."""
    return next(
        (arm for arm, one in config.arms.items() if one.policy == "none"), next(iter(config.arms))
    )


def _retrain(group: Group) -> Stage:
    backbone, seed = group.backbone(), group.config.seeds[0]
    return group.retrain_stage(backbone, group.random_genotype(backbone, seed), seed, rate=1.0)


_STAGES: Mapping[ProbedKind, Callable[[Group], Stage]] = {
    "pretrain": lambda group: group.pretrain_stage(),
    "search": _search,
    "retrain": _retrain,
    "baseline": lambda group: group.baseline_stage(group.config.seeds[0]),
}
