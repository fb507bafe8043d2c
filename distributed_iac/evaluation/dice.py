"""Dice of whole cases in native geometry.

::

    rows = [row for case in cases for row in case_dice(predicted, truth, scheme, case)]

Both empty: NaN, undefined (nnU-Net's convention); one of them empty: 0.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import LabelScheme
from distributed_iac.errors import GeometryError


@dataclass(frozen=True)
class DiceRow:
    """One target of one case.

    Args:
        patient_id: Owner of the case.
        case_id: The case.
        target: Class or region.
        dice: In [0, 1], or NaN if the target is in neither label nor prediction, or is never
            annotated in this kind of case.
        label_voxels: Size in the label.
        predicted_voxels: Size in the prediction.
    """

    patient_id: str
    case_id: str
    target: str
    dice: float
    label_voxels: int
    predicted_voxels: int


def case_dice(
    predicted: NDArray[np.uint8],
    label: NDArray[np.uint8],
    scheme: LabelScheme,
    *,
    patient_id: str,
    case_id: str,
    unannotated: Collection[int] = frozenset(),
) -> list[DiceRow]:
    """Score every target of a case.

    Args:
        predicted: Label values, (X, Y, Z).
        label: Label values, (X, Y, Z).
        scheme: Meaning of the values; voxels with its ignore value do not count.
        patient_id: Owner of the case.
        case_id: The case.
        unannotated: Values that were not annotated here: targets made of them are undefined.

    Raises:
        GeometryError: The shapes differ.
    """
    if predicted.shape != label.shape:
        raise GeometryError(
            f"a prediction has its label's shape {label.shape}", came=predicted.shape, where=case_id
        )
    counted = np.ones(label.shape, bool) if scheme.ignore is None else label != scheme.ignore
    rows = []
    for target in scheme.targets:
        truth = np.isin(label, target.values) & counted
        guess = np.isin(predicted, target.values) & counted
        total = int(truth.sum()) + int(guess.sum())
        undefined = total == 0 or set(target.values) <= set(unannotated)
        dice = float("nan") if undefined else 2 * int((truth & guess).sum()) / total
        rows.append(
            DiceRow(patient_id, case_id, target.name, dice, int(truth.sum()), int(guess.sum()))
        )
    return rows
