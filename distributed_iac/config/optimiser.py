"""Optimisers and schedules, as values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distributed_iac.config.base import Settings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class SgdSettings(Settings):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: Positive = 0.1
    """At ``reference_batch``; scaled linearly to the batch in use."""
    reference_batch: Annotated[int, Field(ge=1)] | None = 256
    """Batch size that the learning rate was published for; None: do not scale."""
    momentum: Fraction = 0.9
    nesterov: Literal["off", "on"] = "off"
    weight_decay: NonNegative = 3e-4


class AdamSettings(Settings):
    """Adam; with decoupled weight decay when ``kind`` is ``adamw``."""

    kind: Literal["adam", "adamw"] = "adam"
    learning_rate: Positive = 6e-4
    reference_batch: Annotated[int, Field(ge=1)] | None = None
    """Batch size that the learning rate was published for; None: do not scale."""
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NonNegative = 0.0


OptimiserSettings = Annotated[SgdSettings | AdamSettings, Field(discriminator="kind")]


class ConstantSchedule(Settings):
    """The learning rate stays as it is."""

    kind: Literal["constant"] = "constant"


class CosineSchedule(Settings):
    """Half a cosine from 1 to ``floor`` over the epochs (PC-DARTS)."""

    kind: Literal["cosine"] = "cosine"
    floor: Fraction = 0.0
    """Share of the learning rate left at the end."""


class PolySchedule(Settings):
    """``(1 - epoch / epochs) ** power`` (nnU-Net)."""

    kind: Literal["poly"] = "poly"
    power: Positive = 0.9


ScheduleSettings = Annotated[
    ConstantSchedule | CosineSchedule | PolySchedule, Field(discriminator="kind")
]
