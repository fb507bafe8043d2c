"""The one coding of targets: which label values are scored as one, and what outputs stand for.

::

    masks = membership(scheme)[:, labels]                # (T, ...): one plane a region or class
    outputs = len(output_values(scheme))                 # K that a network must have
    labels = decode_logits(logits, scheme)               # (K, ...) -> label values

Two codings: *classes* (softmax over background and every class) where the labels exclude one
another, and *regions* (a sigmoid each) where the targets overlap (BraTS WT/TC/ET, KiTS). The same
on a device, for batches: ``training/targets.py``.

Shapes: T targets; K outputs, T for regions and 1 + T for classes, the background first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import LabelScheme
from distributed_iac.errors import DataError

LABEL_VALUES = 256
"""That a label of eight bits can have."""


def membership(scheme: LabelScheme) -> NDArray[np.bool_]:
    """Which label values belong to each scored target, (T, 256)."""
    table = np.zeros((len(scheme.targets), LABEL_VALUES), dtype=bool)
    for row, target in zip(table, scheme.targets, strict=True):
        row[list(target.values)] = True
    return table


def output_values(scheme: LabelScheme) -> tuple[int, ...]:
    """The label value that each of the K outputs decides for."""
    return scheme.region_order if scheme.regions else (0, *scheme.classes)


def decode_logits(logits: NDArray[np.floating[Any]], scheme: LabelScheme) -> NDArray[np.uint8]:
    """Decide label values: the largest class; or every region above 0, a probability of one half.

    Regions are painted in the scheme's order, later ones over earlier ones (nnU-Net's rule).

    Args:
        logits: (K, ...).
        scheme: Meaning of the values; decides between regions and classes.

    Returns:
        Label values, (...).

    Raises:
        DataError: K does not fit the scheme.
    """
    values = output_values(scheme)
    if len(logits) != len(values):
        raise DataError(
            f"a prediction for {scheme.convention!r} has {len(values)} outputs",
            came=len(logits),
            remedy="use a network trained on a store of this label scheme",
        )
    if not scheme.regions:
        return np.asarray(np.array(values, dtype=np.uint8)[logits.argmax(axis=0)])
    labels = np.zeros(logits.shape[1:], dtype=np.uint8)
    for logit, value in zip(logits, values, strict=True):
        labels[logit > 0] = value
    return labels
