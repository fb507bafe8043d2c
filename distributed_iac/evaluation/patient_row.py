"""What a table of patients has in each row; apart from the metrics, which take seconds to import.

::

    row = PatientRow("p1", "p1_ed", "LV", dice=0.93, hd95=2.8, ...)
"""

from __future__ import annotations

from dataclasses import dataclass

from distributed_iac.config.evaluation import EmptyPolicyName
from distributed_iac.data.contract import Phase


@dataclass(frozen=True)
class PatientRow:
    """One target of one case in native geometry. NaN: undefined; None: not computed.

    Args:
        patient_id: Owner of the case.
        case_id: The case; a patient may have several (ACDC: ED and ES; BraTS 2024: visits).
        target: Class or region.
        dice: In [0, 1].
        hd95: In mm.
        surface_dice: In [0, 1], at ``tolerance``.
        tolerance: In mm.
        label_ml: Volume in the label; NaN if the target is never annotated in such cases.
        predicted_ml: Volume in the prediction.
        phase: Cardiac phase, for ACDC.
        empty_policy: What was written where a mask is empty.
    """

    patient_id: str
    case_id: str
    target: str
    dice: float
    hd95: float | None
    surface_dice: float | None
    tolerance: float | None
    label_ml: float
    predicted_ml: float
    phase: Phase | None
    empty_policy: EmptyPolicyName
