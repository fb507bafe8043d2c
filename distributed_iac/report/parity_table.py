"""How the networks that nnU-Net trained stand against nnU-Net's own scores of them.

::

    parity_table(record)            # a row a group of data set and backbone
    list(parity_doubts(record))     # what must be known before the scores are trusted
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Table

COLUMNS = ("group", "plain here", "nnU-Net's own", "cases", "largest difference", "verdict")
FIELDS = ("parity_here", "parity_nnunet", "parity_cases", "parity_largest", "parity")


def parity_table(record: RunRecord) -> Table:
    """Mean foreground Dice of the plain network here and in nnU-Net, of the same cases."""
    rows = tuple(
        (group, *(result[field] for field in FIELDS)) for group, result in _held(record).items()
    )
    return Table("The plain network here and in nnU-Net", COLUMNS, rows)


def parity_lines(record: RunRecord) -> tuple[str, ...]:
    """The same in a sentence each."""
    return tuple(f"{group}: {one['parity_reason']}." for group, one in _held(record).items())


def parity_doubts(record: RunRecord) -> Iterator[str]:
    """Networks that were not held, and folds of which it is not known what they have seen."""
    for group, result in _held(record).items():
        if result["parity"] != "held":
            yield f"{group}: {result['parity_reason']}"
        if result["fold_note"] is not None:
            yield f"{group}: {result['fold_note']}"
    gates = {job.key for job in record.graph.jobs() if job.kind == "evaluate"}
    for row in record.job_rows:
        if row["key"] in gates and row["status"] == "failed":
            key, first = row["key"], (row["error"] or "").partition("\n")[0]
            yield first if first.startswith(key) else f"{key}: {first}"


def _held(record: RunRecord) -> Mapping[str, Mapping[str, Any]]:
    """``result.json`` of every plain network that was held against nnU-Net, by group."""
    found = {job.group: result for job, result in record.results("evaluate")}
    return {group: result for group, result in found.items() if "parity" in result}
