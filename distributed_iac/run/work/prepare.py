"""The work of a prepare job: a data set's store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from distributed_iac.config.dataset import DatasetSettings, PatientSettings
from distributed_iac.data.formats.owners import doubts, owners_of
from distributed_iac.data.formats.registry import read_dataset
from distributed_iac.data.prepare.prepare import Accept, prepare_store
from distributed_iac.data.prepare.stage_runner import SilentObserver
from distributed_iac.data.problems import Findings, warnings_in_brief
from distributed_iac.data.splits.split import PARTS
from distributed_iac.data.store import Store
from distributed_iac.data.store.case_notes import describe_notes, require_no_errors
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.store.manifest import MANIFEST, require_same_settings
from distributed_iac.errors import OccupiedError, StoreError
from distributed_iac.run.work.contract import OnceStage, Row, Work
from distributed_iac.training.stage import Scalar


class PrepareWork(Work):
    """Makes a store, or finds that it is there.

    The store itself stays in its own folder; the job leaves only a description of it. Where the
    raw data are out of reach, on a machine that was given the store alone, a finished store of
    the same settings is taken as it is.

    Where another process prepares the store, the first step ends with an
    :class:`OccupiedError` that names it; the next one waits for it.

    Args:
        dataset: The data set.
        folder: Of its store.
        accept: Raises what speaks against how its images become slices.
    """

    stage: OnceStage

    def __init__(
        self, dataset: DatasetSettings, folder: Path, accept: Accept = lambda _: None
    ) -> None:
        self._dataset = dataset
        self._folder = folder
        self._accept = accept
        self._observer = _Impatient()
        self.stage = OnceStage(self._prepare)

    def finish(self, folder: Path, rows: Sequence[Row]) -> Mapping[str, Scalar]:
        """Describe the store."""
        del folder, rows
        return {"stop_reason": "done", **(self.stage.facts or {})}

    def _prepare(self) -> Mapping[str, Scalar]:
        dataset = self._dataset
        if not dataset.source.exists() and (self._folder / MANIFEST).exists():
            require_same_settings(self._folder, dataset)
            store = Store.open(self._folder, "checksums")
            self._accept(store.fingerprint.recipe)
            require_no_errors(store.fingerprint.notes, store.path)
            doubt = _patients_doubted(store, dataset.patients)
            told = () if doubt is None else (doubt,)
            return _facts("source_absent", store.fingerprint, told)
        source = read_dataset(dataset)
        done = prepare_store(
            source,
            dataset.name,
            dataset.preprocess,
            dataset.split,
            self._folder,
            self._observer,
            self._accept,
        )
        return _facts(done.status, done.fingerprint, warnings_in_brief(source.problems))


def _facts(
    preparation: str, fingerprint: Fingerprint, warnings: Sequence[str]
) -> dict[str, Scalar]:
    """What is told of the store: how it came to be, its sizes, and warnings, one a line."""
    return {
        "preparation": preparation,
        **_sizes(fingerprint),
        **({"warnings": "\n".join(told)} if (told := (*warnings, *fingerprint.left_out)) else {}),
    }


def _patients_doubted(store: Store, settings: PatientSettings | None) -> str | None:
    """Compare a store's patients with the settings, or say which of them look like one."""
    stored = {case.case_id: case.patient_id for part in PARTS for case in store.cases(part)}
    if settings is None:
        return doubts(stored.values(), settings)
    asked = owners_of(list(stored), settings, Findings())
    moved = [case_id for case_id, patient in stored.items() if asked[case_id] != patient]
    if moved:
        raise StoreError(
            "the store's patients must be those of data.patients, and its source is not here",
            came=f"{moved[0]} of {stored[moved[0]]}, now of {asked[moved[0]]}",
            where=store.path,
            remedy="bring back the source to make another store, or take over its patients",
        )
    return doubts(stored.values(), settings)


class _Impatient(SilentObserver):
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
    lost = [f"{fingerprint.skipped} unusable cases were left out"] if fingerprint.skipped else []
    notes = "; ".join(lost + describe_notes(fingerprint.notes))
    return {
        **({"note": notes} if notes else {}),
        "patients": sum(part.patients for part in parts),
        "cases": sum(part.cases for part in parts),
        "slices": sum(part.slices for part in parts),
        "skipped_cases": fingerprint.skipped,
    }
