"""One row a case and target: what was measured, by which conventions.

::

    rows = score_case(predicted, label, case, scheme, conventions)
    rows[0].target, rows[0].phase, rows[0].dice, rows[0].empty_policy
"""

from __future__ import annotations

from dataclasses import dataclass

from distributed_iac.config.evaluation import EmptyPolicyName
from distributed_iac.data.contract import LabelScheme, Phase
from distributed_iac.data.store import StoredCase
from distributed_iac.errors import GeometryError
from distributed_iac.evaluation.conventions import Conventions
from distributed_iac.evaluation.pair import Labels, measure_pair


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


def score_case(
    predicted: Labels,
    label: Labels,
    case: StoredCase,
    scheme: LabelScheme,
    conventions: Conventions,
) -> list[PatientRow]:
    """Score every target of a case.

    Args:
        predicted: Label values in the array order of the file, (X, Y, Z).
        label: The file's own values, (X, Y, Z).
        case: Whose they are; its voxel sizes and what its annotation lacks count.
        scheme: Meaning of the values.
        conventions: Metrics, empty masks and tolerances.

    Raises:
        GeometryError: The shapes differ.
    """
    try:
        measured = measure_pair(
            predicted, label, scheme, case.zooms, conventions, unannotated=case.unannotated
        )
    except GeometryError as error:
        raise GeometryError(error.message, came=error.came, where=case.case_id) from error
    return [
        PatientRow(
            patient_id=case.patient_id,
            case_id=case.case_id,
            phase=case.phase,
            empty_policy=conventions.empty.name,
            **vars(one),
        )
        for one in measured
    ]
