"""Whether two sweeps of one configuration ended alike, however they were disturbed.

    python -m benchmarks.endings RUN OTHER_RUN

Compared are the tables of jobs, epochs and patients but for times, memory and remarks, the bytes of
all trained weights, and which cells were selected. Training is deterministic on a CPU, so
everything has to be equal; exits with 1 where it is not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_iac.evaluation.patients_table import read_patients
from distributed_iac.report.run_record import read_run
from distributed_iac.run.work.contract import PATIENTS, WEIGHTS

INCIDENTAL = {
    *("seconds", "device_seconds", "total_seconds", "memory_bytes", "losses", "note"),
    *("hostname", "trial_id"),
}
"""Columns that a second try may change."""


@dataclass(frozen=True)
class Ending:
    """What a sweep leaves, without what may differ from one to the next.

    Args:
        tables: Rows of jobs, epochs and patients, digests of weights, selections; as text: JSON
            has no NaN.
        losses: How often a job was started again.
    """

    tables: dict[str, list[str]]
    losses: int

    @classmethod
    def read(cls, run: Path) -> Ending:
        """Read a run folder."""
        record = read_run(run)
        found = record.tables
        patients = {
            key: read_patients(folder / PATIENTS).to_pylist()
            for key, folder in found.folders.items()
            if (folder / PATIENTS).exists()
        }
        weights = {
            key: hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
            for key, folder in sorted(found.folders.items())
            if (folder / WEIGHTS).exists()
        }
        return cls(
            {
                "jobs": _plain(found.jobs.to_pylist()),
                "epochs": sorted(_plain(found.epochs.to_pylist())),
                "weights": _plain([{"key": key, "sha256": one} for key, one in weights.items()]),
                "selections": _plain([one.to_dict() for one in record.selections]),
                **{key: _plain(rows) for key, rows in patients.items()},
            },
            sum(found.jobs.column("losses").to_pylist()),
        )

    def differences(self, other: Ending) -> list[str]:
        """Tables that are not equal, each with its first row that is not."""
        names = sorted(self.tables.keys() | other.tables.keys())
        return [
            f"{name}: {_first_difference(self.tables.get(name, []), other.tables.get(name, []))}"
            for name in names
            if self.tables.get(name) != other.tables.get(name)
        ]


def _plain(rows: list[dict[str, Any]]) -> list[str]:
    kept = [{name: value for name, value in row.items() if name not in INCIDENTAL} for row in rows]
    return [json.dumps(row, sort_keys=True, default=str) for row in kept]


def _first_difference(mine: list[str], theirs: list[str]) -> str:
    differing = (pair for pair in zip(mine, theirs, strict=False) if pair[0] != pair[1])
    one, other = next(differing, (f"{len(mine)} rows", f"{len(theirs)} rows"))
    return f"{one[:300]} instead of {other[:300]}"


def main() -> None:
    """Compare two run folders and say what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("other", type=Path)
    given = parser.parse_args()
    run, other = Ending.read(given.run), Ending.read(given.other)
    differences = run.differences(other)
    rows = {name: len(run.tables[name]) for name in ("jobs", "epochs", "weights", "selections")}
    patients = sum(len(one) for one in run.tables.values()) - sum(rows.values())
    print(", ".join(f"{count} {name}" for name, count in (*rows.items(), ("patients", patients))))
    print(f"jobs started again: {run.losses} and {other.losses}")
    print("\n".join(differences) or "all tables, weights and selections are equal")
    sys.exit(int(bool(differences)))


if __name__ == "__main__":
    main()
