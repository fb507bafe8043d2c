"""What a running search says for dashboards, as text that fits a flat report.

::

    row = {**row, **payload_text(report.payload)}       # where the search runs
    importance_of(row), decision_of(row)                # where it is watched

A finished search's files say the same at full precision; dashboards show what is said here,
before and after its end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from distributed_iac.genotype import OPERATIONS
from distributed_iac.importance.arrays import FloatArray, floats
from distributed_iac.importance.history import EpochImportance
from distributed_iac.pruning.decision import PruneDecision

IMPORTANCE, DECISION = "importance", "decision"
PAYLOAD_NAMES = frozenset({IMPORTANCE, DECISION})
DIGITS = 4
"""Of a weight. Enough to be looked at, and a sixth of the bytes of full precision."""


def payload_text(payload: Mapping[str, Any]) -> dict[str, str]:
    """Entries for a report from :class:`~distributed_iac.training.stage.StepReport`'s payload.

    Args:
        payload: Of a search: ``operations`` (R, O) and ``edges`` (R,), mean weights of the epoch,
            and ``decision``. Of anything else: without them.

    Returns:
        ``importance``, and ``decision`` if anything was decided; empty for other payloads.
    """
    if "operations" not in payload:
        return {}
    weights = {
        "operations": [_short(row) for row in payload["operations"]],
        "edges": _short(payload["edges"]),
    }
    found = {IMPORTANCE: json.dumps(weights, separators=(",", ":"))}
    decision: PruneDecision | None = payload.get("decision")
    if decision is not None and decision.says_something:
        found[DECISION] = json.dumps(decision.to_dict(), separators=(",", ":"))
    return found


def shortened(importance: EpochImportance) -> EpochImportance:
    """An epoch's importance as reports carry it, in :data:`DIGITS` digits."""
    operations = floats([_short(row) for row in importance.operations])
    return EpochImportance(importance.epoch, operations, floats(_short(importance.edges)))


def importance_of(row: Mapping[str, Any]) -> EpochImportance | None:
    """The importance that a report carries, if any."""
    if not row.get(IMPORTANCE):
        return None
    weights = json.loads(row[IMPORTANCE])
    operations = floats(weights["operations"])
    if operations.ndim != 2 or operations.shape[1] != len(OPERATIONS):
        return None  # of a version with other operations
    return EpochImportance(int(row["epoch"]), operations, floats(weights["edges"]))


def decision_of(row: Mapping[str, Any]) -> PruneDecision | None:
    """The decision that a report carries, if any."""
    return PruneDecision.from_dict(json.loads(row[DECISION])) if row.get(DECISION) else None


def _short(weights: FloatArray) -> list[float]:
    return [float(f"{weight:.{DIGITS}g}") for weight in np.asarray(weights, dtype=np.float64)]
