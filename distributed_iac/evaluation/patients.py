"""A model's one evaluation on the test patients, in native geometry.

::

    rows = evaluate_patients(
        network, store, store.cases("test"), config.evaluation, Inference(), device
    )
    table = patients_table(model, rows)                # evaluation/tables.py

Every slice of a case is predicted, empty ones included; the stack is brought back to the grid of
the file and compared there with the label as it lies on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

from distributed_iac.config.evaluation import EvaluationSettings
from distributed_iac.data.store import Store, StoredCase
from distributed_iac.evaluation.conventions import conventions_for
from distributed_iac.evaluation.patient_row import PatientRow
from distributed_iac.evaluation.predict import Inference, predict_case
from distributed_iac.evaluation.rows import score_case

OnCase = Callable[[StoredCase, Sequence[PatientRow]], None]


def evaluate_patients(
    network: nn.Module,
    store: Store,
    cases: Iterable[StoredCase],
    settings: EvaluationSettings,
    way: Inference,
    device: torch.device,
    *,
    on_case: OnCase | None = None,
) -> list[PatientRow]:
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
        on_case: Told each case with its rows as soon as it is done.

    Returns:
        Cases in the order given, targets in the scheme's order.

    Raises:
        NumericalError: The network's outputs are not finite.
        StoreError: A label cannot be read.
        DataError: The network's outputs do not fit the label scheme.
    """
    conventions = conventions_for(settings, store.fingerprint)
    scheme = store.fingerprint.labels
    rows: list[PatientRow] = []
    for case in cases:
        predicted = predict_case(network, store, case, way, device)
        label = store.native_label(case.case_id)
        scored = score_case(predicted, label, case, scheme, conventions)
        rows += scored
        if on_case is not None:
            on_case(case, scored)
    return rows
