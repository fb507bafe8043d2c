"""How training batches are drawn and augmented."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from distributed_iac.config.base import Count, Settings

Axis = Literal["rows", "columns"]


class BatchSettings(Settings):
    """Batches of 2-D slices for a training loop."""

    batch_size: Count = 16
    """Slices in a batch; our choice (nnU-Net's planner gives 12 to 105, by memory)."""

    steps_per_epoch: Count | Literal["pass"] = "pass"
    """Batches in an epoch (nnU-Net: 250); ``pass``: as many as show every slice once."""

    foreground_fraction: Annotated[float, Field(ge=0, le=1)] = 0.33
    """Share of a batch that is guaranteed to hold foreground (nnU-Net: 0.33)."""

    augmentation: Literal["none", "light", "strong"] = "light"
    """``strong`` is nnU-Net's set in 2-D; ``light`` is a milder one of ours."""

    mirror_axes: tuple[Axis, ...] = ()
    """Axes along which the augmentation may mirror; nothing is mirrored under ``none``.

    nnU-Net mirrors both axes of every data set. Columns run from the patient's right to left, so
    mirroring them turns a left kidney into a picture of a right one that is still labelled left:
    keep ``columns`` out where classes have sides (AMOS). No axis is the default because it is
    the one choice that is wrong for no data set.
    """

    @property
    def foreground_slots(self) -> int:
        """Slices of a batch that are drawn for their foreground, rounded as nnU-Net does."""
        return self.batch_size - self.pass_slots

    @property
    def pass_slots(self) -> int:
        """Slices of a batch that come from the shuffled pass over all slices."""
        return round(self.batch_size * (1 - self.foreground_fraction))

    @field_validator("mirror_axes")
    @classmethod
    def _canonical(cls, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        """Order and repetition mean nothing, so that equal settings compare equal."""
        return tuple(axis for axis in get_args(Axis) if axis in axes)

    @model_validator(mode="after")
    def _a_pass_advances(self) -> Self:
        if self.steps_per_epoch == "pass" and self.pass_slots == 0:
            raise ValueError(
                "steps_per_epoch 'pass' needs at least one slice a batch that is not reserved for "
                f"foreground (batch_size {self.batch_size}, foreground_fraction "
                f"{self.foreground_fraction}): lower foreground_fraction or give a number of steps"
            )
        return self
