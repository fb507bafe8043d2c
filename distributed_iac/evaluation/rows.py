"""One row a case and target: what was measured, by which conventions.

::

    rows = score_case(predicted, label, case, scheme, conventions)
    rows[0].target, rows[0].phase, rows[0].dice, rows[0].empty_policy
"""

from __future__ import annotations

from distributed_iac.data.contract import LabelScheme
from distributed_iac.data.store import StoredCase
from distributed_iac.errors import GeometryError
from distributed_iac.evaluation.conventions import Conventions
from distributed_iac.evaluation.pair import Labels, measure_pair
from distributed_iac.evaluation.patient_row import PatientRow


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
