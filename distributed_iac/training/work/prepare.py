"""The work of a prepare job: a data set's store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.difference import first_difference
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.data.fingerprint import Fingerprint
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare import prepare_store
from distributed_iac.data.store import Store
from distributed_iac.data.store.identity import HOW_NOT_WHAT
from distributed_iac.data.store.manifest import IDENTITY, MANIFEST
from distributed_iac.data.store.progress import Silence
from distributed_iac.errors import OccupiedError, StoreError
from distributed_iac.training.stage import Scalar, StepReport
from distributed_iac.training.work.contract import Row
from distributed_iac.training.work.once import OnceStage


class PrepareWork:
    """Makes a store, or finds that it is there.

    The store itself stays in its own folder; the job leaves only a description of it. Where the
    raw data are out of reach, on a machine that was given the store alone, a finished store of
    the same settings is taken as it is.

    Where another process prepares the store, the first step ends with an
    :class:`OccupiedError` that names it; the next one waits for it.

    Args:
        dataset: The data set.
        folder: Of its store.
    """

    def __init__(self, dataset: DatasetSettings, folder: Path) -> None:
        self._dataset = dataset
        self._folder = folder
        self._watcher = _Impatient()
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
            self._watcher,
        )
        return {"preparation": done.status, **_sizes(done.fingerprint)}


class _Impatient(Silence):
    """Turns back once for everybody who is waited for, so that it can be told who it is."""

    def __init__(self) -> None:
        self._holder: str | None = None

    def waits(self, holder: str) -> None:
        if holder == self._holder:
            return
        self._holder = holder
        raise OccupiedError(
            "one process at a time prepares a store",
            came=f"its store is prepared by {holder}",
            remedy="wait for it: the same step again does so",
        )


def _sizes(fingerprint: Fingerprint) -> dict[str, Scalar]:
    parts = fingerprint.parts.values()
    return {
        "patients": sum(part.patients for part in parts),
        "cases": sum(part.cases for part in parts),
        "slices": sum(part.slices for part in parts),
        "skipped_cases": fingerprint.skipped,
    }


def _require_same_settings(folder: Path, dataset: DatasetSettings) -> None:
    """Compare what can be compared without the source."""
    stored = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    difference = first_difference(
        {name: stored[name] for name in ("dataset", "preprocess")},
        {"dataset": dataset.name, "preprocess": _plain(dataset.preprocess)},
    )
    if difference is not None:
        raise StoreError(
            "the store must be of the run's settings, and its source is not here to make another",
            came=str(difference),
            where=folder,
            remedy=f"bring back {dataset.source}, or take over the store's settings",
        )


def _plain(settings: PreprocessSettings) -> dict[str, object]:
    return settings.model_dump(mode="json", exclude=set(HOW_NOT_WHAT))
