"""How a finished model is scored on the test patients.

::

    EvaluationSettings()                                # conventions of each data set's challenge
    EvaluationSettings(empty_masks="nan")               # one convention for all data sets
    EvaluationSettings(tolerances_mm={"LV": 2.0})       # a surface Dice where none is published
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import field_validator, model_validator

from distributed_iac.config.base import Before, Count, Positive, Settings
from distributed_iac.config.batches import Axis

MetricName = Literal["dice", "hd95", "surface_dice"]
EmptyPolicyName = Literal["nan", "brats", "kits"]


class EvaluationSettings(Settings):
    """Metrics and conventions of the one evaluation in native geometry."""

    metrics: tuple[MetricName, ...] = ("dice", "hd95", "surface_dice")
    """What is computed beside the volumes. Dice is not optional: the rest of a report is read
    against it. The surface metrics take nearly all of the time on large volumes."""

    empty_masks: EmptyPolicyName | Literal["auto"] = "auto"
    """What a target is worth that is empty in label, prediction or both: ``nan`` (nnU-Net:
    undefined), ``brats``, ``kits``. ``auto``: ``brats`` and ``kits`` for data in those formats,
    ``nan`` for all others. The policy in force stands in every row of a table."""

    tolerances_mm: Mapping[str, Positive] = {}
    """Surface-Dice tolerances by target, added to (and before) those that a data set publishes
    (KiTS from 2021 on). A target without a tolerance has no surface Dice."""

    mirror: Annotated[Literal["auto"] | tuple[Axis, ...], Before("auto")] = "auto"
    """Axes along which every slice is also predicted mirrored, the logits averaged over all
    combinations: the same for every arm and control. ``auto``: of an nnunet backbone those that its
    checkpoint allows, as nnU-Net does; none for all others. Takes two or four times as long."""

    batch_size: Count = 32
    """Slices that are predicted at a time; changes memory and speed only. Our choice."""

    @field_validator("mirror")
    @classmethod
    def _axes_differ(cls, given: Literal["auto"] | tuple[Axis, ...]) -> Any:
        if given != "auto" and len(set(given)) < len(given):
            raise ValueError(f"axes differ from each other (came {', '.join(given)})")
        return given

    @field_validator("metrics")
    @classmethod
    def _canonical(cls, metrics: tuple[MetricName, ...]) -> tuple[MetricName, ...]:
        """Order and repetition mean nothing, so that equal settings compare equal."""
        return tuple(name for name in get_args(MetricName) if name in metrics)

    @model_validator(mode="after")
    def _has_dice(self) -> Self:
        if "dice" not in self.metrics:
            raise ValueError(f"metrics must contain dice (came {list(self.metrics)})")
        return self
