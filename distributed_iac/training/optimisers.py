"""Optimisers and learning rates from settings.

::

    optimiser = build_optimiser(settings.weights, [(network.cell_parameters(), 1.0)], batch=16)
    set_rate_factor(optimiser, schedule_factor(settings.schedule, epoch, epochs))

A checkpoint does not tell how an optimiser is executed: state goes through
:func:`optimiser_state` and :func:`load_optimiser`, so that a search may go on where steps are
recorded (or no longer are).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from distributed_iac.cell.growth import Growth, keep
from distributed_iac.config.training import (
    ConstantSchedule,
    CosineSchedule,
    OptimiserSettings,
    RateSchedule,
    SgdSettings,
)

Stepping = Literal["eager", "recorded"]
"""How an optimiser steps. ``recorded``: in fused kernels, with all that changes (learning rate,
step counter) on the device, so that a CUDA graph may hold the step."""

EXECUTION = ("foreach", "fused", "capturable")
"""Entries of a parameter group that say how a step is executed, not what it does."""


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
    stepping: Stepping = "eager",
) -> torch.optim.Optimizer:
    """Build an optimiser.

    Args:
        settings: Kind and its numbers.
        groups: Parameters with the factor on the learning rate that they get.
        batch: Batch size in use.
        stepping: How its steps are executed.
    """
    rate = scaled_rate(settings, batch)
    options: list[dict[str, Any]] = [
        {"params": list(parameters), "lr": rate * factor, "base_lr": rate * factor}
        for parameters, factor in groups
    ]
    options = [group for group in options if group["params"]]
    if stepping == "recorded":
        for group in options:
            group["lr"] = torch.tensor(group["lr"], device=group["params"][0].device)
    fused = True if stepping == "recorded" else None
    if isinstance(settings, SgdSettings):
        return torch.optim.SGD(
            options,
            momentum=settings.momentum,
            nesterov=settings.nesterov == "on",
            weight_decay=settings.weight_decay,
            fused=fused,
        )
    kind = torch.optim.AdamW if settings.kind == "adamw" else torch.optim.Adam
    return kind(
        options,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=fused,
        capturable=stepping == "recorded",
    )


def schedule_factor(settings: RateSchedule, epoch: int, epochs: int) -> float:
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
        rate = group["base_lr"] * factor
        group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], Tensor) else rate


def forget(optimiser: torch.optim.Optimizer, keep: Iterable[nn.Parameter]) -> None:
    """Drop parameters that a network no longer has, and their state, from an optimiser."""
    kept = {id(parameter) for parameter in keep}
    for group in optimiser.param_groups:
        group["params"] = [p for p in group["params"] if id(p) in kept]
    for parameter in [p for p in optimiser.state if id(p) not in kept]:
        del optimiser.state[parameter]


def inherit(optimiser: torch.optim.Optimizer, growth: Sequence[Growth]) -> None:
    """Put weights that grew in the place of those that they grew from, with their state.

    First moments of new entries start at 0. Second moments start at the mean of the kept ones
    (our choice): from 0, Adam, whose step counter goes on, would take them for known and small,
    and move new entries several times further than others.
    """
    successors = {id(one.old): one.new for one in growth}
    for group in optimiser.param_groups:
        group["params"] = [successors.get(id(p), p) for p in group["params"]]
    for one in growth:
        if one.old in optimiser.state:
            state = optimiser.state.pop(one.old)
            optimiser.state[one.new] = {
                name: _grown_state(name, value, one) for name, value in state.items()
            }


def _grown_state(name: str, value: Any, growth: Growth) -> Any:
    if not isinstance(value, Tensor) or value.shape != growth.old.shape:
        return value
    start = value.mean() if name == "exp_avg_sq" else 0.0
    return keep(value, torch.zeros_like(growth.new, requires_grad=False).add_(start))


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """An optimiser's ``state_dict`` with its learning rates as plain numbers."""
    state = optimiser.state_dict()
    groups = [{**group, "lr": float(group["lr"])} for group in state["param_groups"]]
    return {**state, "param_groups": groups}


def load_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load :func:`optimiser_state`, whichever way the saved optimiser was executed."""
    groups = []
    for own, saved in zip(optimiser.param_groups, state["param_groups"], strict=True):
        execution = {name: own[name] for name in EXECUTION if name in own}
        rate = own["lr"].fill_(saved["lr"]) if isinstance(own["lr"], Tensor) else saved["lr"]
        groups.append({**saved, **execution, "lr": rate})
    optimiser.load_state_dict({**state, "param_groups": groups})
