"""Label values, what is scored, and network outputs on numpy arrays.

::

    masks = targets(labels, scheme)                      # (..., T): one plane a region or class
    labels = labels_from_regions(masks, scheme)          # painted in the scheme's order
    labels = decode_logits(logits, scheme)               # (K, ...) -> label values

Shapes: T targets; K outputs, T for regions (sigmoids) and 1 + T for classes (softmax with the
background first).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import LabelScheme
from distributed_iac.errors import DataError


def targets(labels: NDArray[np.uint8], scheme: LabelScheme) -> NDArray[np.bool_]:
    """Membership of each scored target.

    Args:
        labels: Label values, (n, ...).
        scheme: Meaning of the values.

    Returns:
        (n, T, ...).
    """
    table = np.zeros((len(scheme.targets), np.iinfo(np.uint8).max + 1), dtype=bool)
    for row, target in zip(table, scheme.targets, strict=True):
        row[list(target.values)] = True
    masks: NDArray[np.bool_] = np.stack([row[labels] for row in table], axis=1)
    return masks


def labels_from_regions(masks: NDArray[np.bool_], scheme: LabelScheme) -> NDArray[np.uint8]:
    """Paint overlapping regions, later ones over earlier ones (nnU-Net's rule).

    Args:
        masks: (n, T, ...), T regions.
        scheme: With regions and as many values in ``region_order``.

    Returns:
        Label values, (n, ...).
    """
    labels = np.zeros((masks.shape[0], *masks.shape[2:]), dtype=np.uint8)
    for region, value in enumerate(scheme.region_order):
        labels[masks[:, region]] = value
    return labels


def decode_logits(logits: NDArray[np.floating[Any]], scheme: LabelScheme) -> NDArray[np.uint8]:
    """Decide label values: the largest class; or every region above 0, a probability of one half.

    Args:
        logits: (K, ...).
        scheme: Meaning of the values; decides between regions and classes.

    Returns:
        Label values, (...).

    Raises:
        DataError: K does not fit the scheme.
    """
    wanted = len(scheme.region_order) if scheme.regions else 1 + len(scheme.classes)
    if len(logits) != wanted:
        raise DataError(
            f"a prediction for {scheme.convention!r} has {wanted} outputs",
            came=len(logits),
            remedy="use a network trained on a store of this label scheme",
        )
    if scheme.regions:
        (labels,) = labels_from_regions(logits[None] > 0, scheme)
    else:
        labels = np.array((0, *scheme.classes), dtype=np.uint8)[logits.argmax(axis=0)]
    return np.asarray(labels, dtype=np.uint8)
