"""The scalars of an epoch, under names that sort them by what they are about.

::

    scalars(Epoch(3, at, {"loss": 0.4, "val_dice": 0.81}))      # loss/train, dice/val
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distributed_iac.report.tensorboard.record import Record, scalar
from distributed_iac.run.replay import Epoch

TAGS: Mapping[str, str] = {
    "val_dice": "dice/val",
    "best_val_dice": "dice/best_val",
    "cut_val_dice": "dice/cut_val",
    "loss": "loss/train",
    "weight_loss": "loss/weights",
    "architecture_loss": "loss/architecture",
    "js_mean": "stability/js_mean",
    "js_max": "stability/js_max",
    "stable_edges": "stability/stable_edges",
    "undecided_edges": "stability/undecided_edges",
    "entropy": "importance/entropy",
    "margin": "importance/margin",
    "leader_median": "importance/leader_median",
    "skip_leaders": "importance/skip_leaders",
    "pool_leaders": "importance/pool_leaders",
    "none_leaders": "importance/none_leaders",
    "live_operations": "pruning/live_operations",
    "live_edges": "pruning/live_edges",
    "removals": "pruning/removals",
    "op_evaluations": "cost/op_evaluations",
    "full_epochs": "cost/full_epochs",
    "seconds": "cost/seconds_per_epoch",
    "total_seconds": "cost/seconds",
    "memory_bytes": "cost/memory_gib",
    "learning_rate": "training/learning_rate",
    "batch_parts": "training/batch_parts",
    "partial_channels": "training/partial_channels",
}
"""Column of ``epochs.parquet`` to tag."""
UNITS: Mapping[str, float] = {"memory_bytes": 2.0**-30}
"""Column to what it is multiplied by."""


def scalars(epoch: Epoch) -> Iterator[Record]:
    """Records of an epoch's numbers; what was not measured in it has none."""
    for column, tag in TAGS.items():
        value = number(epoch.values.get(column))
        if value is not None:
            yield scalar(tag, epoch.number, epoch.at, value * UNITS.get(column, 1.0))


def number(value: Any) -> float | None:
    """A number, also one that JSON could not hold and the journal keeps as text (``nan``)."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if value in ("nan", "inf", "-inf") else None
    return float(value)
