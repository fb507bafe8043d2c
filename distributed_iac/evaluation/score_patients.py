"""A model's one evaluation on the test patients, in native geometry.

::

    rows = evaluate_patients(
        network, store, store.cases("test"), config.evaluation, Inference(), device
    )
    table = patients_table(model, rows)                # evaluation/patients_table.py

Every slice of a case is predicted, empty ones included; the stack is brought back to the grid of
the file and compared there with the label as it lies on disk.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from distributed_iac.config.evaluation import EvaluationSettings
from distributed_iac.data.contract import LabelScheme
from distributed_iac.data.store import Store, StoredCase
from distributed_iac.errors import GeometryError
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.conventions import Conventions, conventions_for
from distributed_iac.evaluation.inference import Inference, predict_case
from distributed_iac.evaluation.pair import Labels, measure_pair


def evaluate_patients(
    network: nn.Module,
    store: Store,
    cases: Iterable[StoredCase],
    settings: EvaluationSettings,
    way: Inference,
    device: torch.device,
) -> list[CaseScore]:
    """Predict and score whole cases, one after another.

    The rows of a case depend on nothing but the case, so cases may be divided among workers and
    the tables merged.

    Args:
        network: Images (B, C, H, W) to logits (B, K, H, W), on ``device``; left in evaluation
            mode.
        store: Where the cases lie.
        cases: Usually ``store.cases("test")``.
        settings: Metrics and conventions.
        way: How slices are predicted.
        device: Where to predict; metrics are computed on the CPU.

    Returns:
        Cases in the order given, targets in the scheme's order.

    Raises:
        NumericalError: The network's outputs are not finite.
        StoreError: A label cannot be read.
        DataError: The network's outputs do not fit the label scheme.
    """
    conventions = conventions_for(settings, store.fingerprint)
    scheme = store.fingerprint.labels
    rows: list[CaseScore] = []
    for case in cases:
        predicted = predict_case(network, store, case, way, device)
        label = store.native_label(case.case_id)
        rows += score_case(predicted, label, case, scheme, conventions)
    return rows


def score_case(
    predicted: Labels,
    label: Labels,
    case: StoredCase,
    scheme: LabelScheme,
    conventions: Conventions,
) -> list[CaseScore]:
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
        CaseScore(
            patient_id=case.patient_id,
            case_id=case.case_id,
            phase=case.phase,
            empty_policy=conventions.empty.name,
            **vars(one),
        )
        for one in measured
    ]
