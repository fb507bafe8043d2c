"""One data set of a run: where it lies and how it becomes a store."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from distributed_iac.config.base import Settings
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings


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

    store: Path | None = None
    """Folder of the prepared store; default: ``<stores>/<name>``."""

    preprocess: PreprocessSettings = PreprocessSettings()
    """Spacing, patch and intensity."""

    split: SplitSettings = SplitSettings()
    """The four-way split by patient."""
