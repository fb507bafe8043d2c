"""One data set of a run: where it lies and how it becomes a store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from distributed_iac.config.base import Before, Settings
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings


class PatientSettings(Settings):
    """Whose the cases are, where their names follow no published convention."""

    pattern: str | None = None
    """Regular expression for whole case ids; its group ``patient`` is the patient:
    ``(?P<patient>P[0-9]+)_.*``."""

    table: Path | None = None
    """Table of two columns, ``case`` and ``patient``: ``.csv``, ``.tsv``, or ``.json``, an object
    from case to patient."""

    @field_validator("pattern")
    @classmethod
    def _names_the_patient(cls, pattern: str | None) -> str | None:
        try:
            groups = re.compile(pattern or "").groupindex
        except re.error as error:
            raise ValueError(f"pattern must be a regular expression: {error}") from error
        if pattern is not None and "patient" not in groups:
            raise ValueError("pattern must have a group patient: (?P<patient>...)")
        return pattern

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.pattern is None) == (self.table is None):
            raise ValueError("patients takes a pattern or a table, one of them")
        return self


class DatasetSettings(Settings):
    """A raw data set and the store made from it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name in tables, run folders and TensorBoard; letters, digits, ``_ . -``."""

    source: Path
    """Folder of the raw data set; relative paths start at the working directory."""

    format: str = "auto"
    """Reader to use; ``auto`` detects it from names and structure."""

    modality: Literal["all", "ct", "mr"] = "all"
    """Which cases of a mixed source to take (AMOS: CT, MR or both)."""

    patients: Annotated[PatientSettings | None, Before(None)] = None
    """Whose the cases are; default: told from published names (BIDS, ACDC, BraTS, ...), a case of
    another name being a patient of its own."""

    store: Path | None = None
    """Folder of the prepared store; default: ``<stores>/<name>``."""

    preprocess: PreprocessSettings = PreprocessSettings()
    """Spacing, patch and intensity."""

    split: SplitSettings = SplitSettings()
    """The four-way split by patient."""

    settings: Annotated[Mapping[str, Any], Before({})] = {}
    """Settings of the run that are others for this data set, nested as in the configuration:
    ``{batches: {batch_size: 32}, search: {epochs: 100}}``. Any of ``batches``, ``cell``,
    ``pretrain``, ``search`` and ``retrain``; for all models trained on it."""

    def without_settings(self, name: str) -> DatasetSettings:
        """The same without what it replaces in one branch of the run."""
        kept = {key: value for key, value in self.settings.items() if key != name}
        return self.model_copy(update={"settings": kept})
