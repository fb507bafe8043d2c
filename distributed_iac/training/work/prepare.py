"""The work of a prepare job: a data set's store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.data.fingerprint import Fingerprint
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare import prepare_store
from distributed_iac.data.store import Store
from distributed_iac.data.store.identity import settings_identity, store_difference
from distributed_iac.data.store.manifest import IDENTITY, MANIFEST
from distributed_iac.data.store.notes import describe_notes
from distributed_iac.errors import StoreError
from distributed_iac.training.stage import Scalar, StepReport
from distributed_iac.training.work.contract import Row
from distributed_iac.training.work.once import OnceStage


class PrepareWork:
    """Makes a store, or finds that it is there.

    The store itself stays in its own folder; the job leaves only a description of it. Where the
    raw data are out of reach, on a machine that was given the store alone, a finished store of
    the same settings is taken as it is.

    Args:
        dataset: The data set.
        folder: Of its store.
    """

    def __init__(self, dataset: DatasetSettings, folder: Path) -> None:
        self._dataset = dataset
        self._folder = folder
        self.stage = OnceStage(self._prepare)

    def stops(self, report: StepReport) -> bool:
        """Never: there is but one step."""
        del report
        return False

    def finish(self, folder: Path, rows: Sequence[Row]) -> Mapping[str, Scalar]:
        """Describe the store."""
        del folder, rows
        return {"stop_reason": "done", **(self.stage.facts or {})}

    def _prepare(self) -> Mapping[str, Scalar]:
        dataset = self._dataset
        if not dataset.source.exists() and (self._folder / MANIFEST).exists():
            _require_same_settings(self._folder, dataset)
            return {"preparation": "source_absent", **_sizes(Store.open(self._folder).fingerprint)}
        done = prepare_store(
            read_source(dataset.source, dataset.format, dataset.modality),
            dataset.name,
            dataset.preprocess,
            dataset.split,
            self._folder,
        )
        return {"preparation": done.status, **_sizes(done.fingerprint)}


def _sizes(fingerprint: Fingerprint) -> dict[str, Scalar]:
    parts = fingerprint.parts.values()
    lost = [f"{fingerprint.skipped} unusable cases were left out"] if fingerprint.skipped else []
    notes = "; ".join(lost + describe_notes(fingerprint.notes))
    return {
        **({"note": notes} if notes else {}),
        "patients": sum(part.patients for part in parts),
        "cases": sum(part.cases for part in parts),
        "slices": sum(part.slices for part in parts),
        "skipped_cases": fingerprint.skipped,
    }


def _require_same_settings(folder: Path, dataset: DatasetSettings) -> None:
    """Compare what can be compared without the source."""
    stored = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    asked = {"dataset": dataset.name, "preprocess": settings_identity(dataset.preprocess)}
    difference = store_difference(stored, {**stored, **asked})
    if difference is not None:
        raise StoreError(
            "the store must be of the run's settings, and its source is not here to make another",
            came=str(difference),
            where=folder,
            remedy=f"bring back {dataset.source}, or take over the store's settings",
        )
