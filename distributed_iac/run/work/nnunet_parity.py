"""The plain network held against nnU-Net's own scores, with what comes of a difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.data.store import Store
from distributed_iac.errors import RunError
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.pair import MM3_PER_ML
from distributed_iac.evaluation.parity import CAUSES, Parity, hold_parity
from distributed_iac.files import write_atomically
from distributed_iac.nets.nnunet_validation import read_validation
from distributed_iac.run.work.contract import PARITY
from distributed_iac.training.stage import Scalar


def held_parity(
    settings: NnUnetSettings,
    rows: Sequence[CaseScore],
    store: Store,
    folder: Path,
) -> Mapping[str, Scalar]:
    """Compare, and leave the table in ``parity.csv``.

    Args:
        settings: The backbone.
        rows: Scores of the plain network.
        store: Of the cases.
        folder: For its files.

    Returns:
        What came of it, for tables and report.

    Raises:
        RunError: The scores differ, and ``parity`` is ``require``.
        DataError: What nnU-Net wrote is damaged.
    """
    parity = hold_parity(
        rows,
        {one.name: frozenset(one.values) for one in store.fingerprint.labels.targets},
        {one.case_id: math.prod(one.zooms) / MM3_PER_ML for one in store.cases("test")},
        read_validation(settings.folder, settings.fold),
        tolerance=settings.parity_tolerance,
        checkpoint=settings.checkpoint,
    )
    if parity.verdict == "mismatch" and settings.parity == "require":
        raise _refusal(parity)
    if parity.pairs:
        write_atomically(folder / PARITY, parity.table().encode())
    return {
        "parity": parity.verdict,
        "parity_reason": parity.reason,
        "parity_cases": parity.cases,
        "parity_here": parity.here,
        "parity_nnunet": parity.nnunet,
        "parity_largest": parity.largest,
    }


def _refusal(parity: Parity) -> RunError:
    return RunError(
        f"the plain network must score as it did in nnU-Net: {parity.reason}",
        came=f"the largest differences\n{parity.worst()}",
        remedy=f"{CAUSES}; parity: report on the backbone goes on all the same, and what searches "
        "gain may then be no more than this difference",
    )
