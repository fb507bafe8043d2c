"""What is measured on a case; apart from the metrics, which take seconds to import.

::

    score = CaseScore("LV", dice=0.93, hd95=2.8, ..., patient_id="p1", case_id="p1_ed")
"""

from __future__ import annotations

from dataclasses import dataclass

from distributed_iac.config.evaluation import EmptyPolicyName
from distributed_iac.data.contract import Phase


@dataclass(frozen=True)
class TargetScore:
    """One target of one case. NaN: undefined; None: not asked for, or without a tolerance.

    Args:
        target: Class or region.
        dice: In [0, 1].
        hd95: In mm.
        surface_dice: In [0, 1].
        tolerance: Of the surface Dice, in mm.
        label_ml: Volume in the label; NaN if it is never annotated in this kind of case.
        predicted_ml: Volume in the prediction.
    """

    target: str
    dice: float
    hd95: float | None
    surface_dice: float | None
    tolerance: float | None
    label_ml: float
    predicted_ml: float


@dataclass(frozen=True, kw_only=True)
class CaseScore(TargetScore):
    """One target of one case in native geometry, with whose it is: a row of a model's table.

    Args:
        patient_id: Owner of the case.
        case_id: The case; a patient may have several (ACDC: ED and ES; BraTS 2024: visits).
        phase: Cardiac phase, for ACDC.
        empty_policy: What was written where a mask is empty.
    """

    patient_id: str
    case_id: str
    phase: Phase | None
    empty_policy: EmptyPolicyName
