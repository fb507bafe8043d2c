"""Optimisers and learning rates from settings.

::

    optimiser = build_optimiser(settings.weights, network.cell_parameters(), batch=16)
    set_rate_factor(optimiser, schedule_factor(settings.schedule, epoch, epochs))
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from distributed_iac.config.optimiser import (
    AdamSettings,
    ConstantSchedule,
    CosineSchedule,
    OptimiserSettings,
    ScheduleSettings,
    SgdSettings,
)


def scaled_rate(settings: OptimiserSettings, batch: int) -> float:
    """Learning rate for a batch size: linear in it where a reference batch is given.

    Linear scaling (arXiv 1706.02677): PC-DARTS's rates were set at 256 images, and its authors'
    users report collapse to ``skip_connect`` when small batches keep them.
    """
    if settings.reference_batch is None:
        return settings.learning_rate
    return settings.learning_rate * batch / settings.reference_batch


def build_optimiser(
    settings: OptimiserSettings,
    groups: Iterable[tuple[Iterable[nn.Parameter], float]],
    batch: int,
) -> torch.optim.Optimizer:
    """Build an optimiser.

    Args:
        settings: Kind and its numbers.
        groups: Parameters with the factor on the learning rate that they get.
        batch: Batch size in use.
    """
    rate = scaled_rate(settings, batch)
    options = [
        {"params": list(parameters), "lr": rate * factor, "base_lr": rate * factor}
        for parameters, factor in groups
    ]
    options = [group for group in options if group["params"]]
    if isinstance(settings, SgdSettings):
        return torch.optim.SGD(
            options,
            momentum=settings.momentum,
            nesterov=settings.nesterov == "on",
            weight_decay=settings.weight_decay,
        )
    return _adam(settings, options)


def _adam(settings: AdamSettings, options: list[dict[str, object]]) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if settings.kind == "adamw" else torch.optim.Adam
    return kind(options, betas=settings.betas, weight_decay=settings.weight_decay)


def schedule_factor(settings: ScheduleSettings, epoch: int, epochs: int) -> float:
    """Share of the base learning rate used in epoch number ``epoch`` (from 0)."""
    progress = epoch / epochs
    if isinstance(settings, ConstantSchedule):
        return 1.0
    if isinstance(settings, CosineSchedule):
        return settings.floor + (1 - settings.floor) * (1 + math.cos(math.pi * progress)) / 2
    return float((1 - progress) ** settings.power)


def set_rate_factor(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to ``factor`` times its base."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_lr"] * factor


def forget(optimiser: torch.optim.Optimizer, keep: Iterable[nn.Parameter]) -> None:
    """Drop parameters that a network no longer has, and their state, from an optimiser."""
    kept = {id(parameter) for parameter in keep}
    for group in optimiser.param_groups:
        group["params"] = [p for p in group["params"] if id(p) in kept]
    for parameter in [p for p in optimiser.state if id(p) not in kept]:
        del optimiser.state[parameter]


def clip_gradients(parameters: Iterable[nn.Parameter], largest: float) -> Tensor:
    """Scale gradients down to a largest total norm; returns the norm before (no host sync)."""
    return nn.utils.clip_grad_norm_(parameters, largest, error_if_nonfinite=False)
