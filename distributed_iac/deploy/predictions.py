"""Which label maps of a folder this project has written, of which images, and by which model.

::

    record = Predictions(Path("out"))               # out/predictions.jsonl
    record.add("case", origin, path)                # before the file gets its name
    record.refusal("case", origin, path)            # None: it is the one; else why it is not

A line a label map: its SHA-256, and one of all that it follows from. A file that is there is taken
for a prediction only if a line says so: one that was cut, corrected by hand, made by another model
or of another image is not. Label maps of releases that kept no record are such files as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from distributed_iac.data.contract import Case
from distributed_iac.data.store.identity import content_key
from distributed_iac.deploy.label_image import LabelDtype
from distributed_iac.errors import SourceError, raised_as
from distributed_iac.files import MALFORMED, sha256_of
from distributed_iac.nets.card import ModelCard
from distributed_iac.transient import patiently
from distributed_iac.versions import PREDICTIONS, require_version, versioned

RECORD = "predictions.jsonl"


@dataclass(frozen=True)
class _Line:
    case: str
    origin: str
    sha256: str


def origin_of(card: ModelCard, case: Case, dtype: LabelDtype) -> str:
    """SHA-256 of what a label map follows from: model, images, modality, data type.

    Raises:
        SourceError: An image cannot be read.
    """
    images = [(channel.index, _content(channel.path)) for channel in case.channels]
    return content_key(card.digest, images, case.modality, dtype)


def _content(path: Path) -> str:
    with raised_as(SourceError, "an image can be read", where=path):
        return patiently(lambda: sha256_of(path))


@dataclass(frozen=True)
class Predictions:
    """The record in a folder of label maps.

    Args:
        folder: The folder.
    """

    folder: Path

    def add(self, case_id: str, origin: str, path: Path) -> None:
        """Note a label map that is whole and about to get its name.

        Killed in between, it is not there, and the next start makes it.

        Args:
            case_id: Of its case.
            origin: Of :func:`origin_of`.
            path: Where it lies now.

        Raises:
            OSError: The record cannot be written.
        """
        line = {"case": case_id, "origin": origin, "sha256": sha256_of(path)}
        text = json.dumps(versioned(PREDICTIONS, line), sort_keys=True)
        # A line that was cut off by a kill ends here; of two processes none writes into the
        # other's line.
        with (self.folder / RECORD).open("ab") as file:
            file.write(f"{text}\n".encode() if self._ends_well() else f"\n{text}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def refusal(self, case_id: str, origin: str, path: Path) -> str | None:
        """Why a file is not the label map that would be made; None if it is.

        Raises:
            OSError: It cannot be read.
            RunError: The record is of a newer release.
        """
        sha256 = patiently(lambda: sha256_of(path))
        if _Line(case_id, origin, sha256) in self._at_start:
            return None
        own = [line for line in self._read() if line.case == case_id]  # another process may write
        origins = {line.origin for line in own if line.sha256 == sha256}
        if origin in origins:
            return None
        if origins:
            return "it was made by another model, of another image or with other options"
        if own:
            return "it is not as it was written: cut off, or changed since"
        return f"{RECORD} does not say that it was made here, by which model and of which image"

    def _ends_well(self) -> bool:
        try:
            with (self.folder / RECORD).open("rb") as file:
                if file.seek(0, os.SEEK_END) == 0:
                    return True
                file.seek(-1, os.SEEK_END)
                return file.read(1) == b"\n"
        except FileNotFoundError:
            return True

    @cached_property
    def _at_start(self) -> frozenset[_Line]:
        return frozenset(self._read())

    def _read(self) -> Iterator[_Line]:
        path = self.folder / RECORD
        try:
            content = patiently(path.read_bytes)
        except FileNotFoundError:
            return
        for text in content.splitlines():
            try:
                value: dict[str, Any] = json.loads(text)
                line = _Line(value["case"], value["origin"], value["sha256"])
            except MALFORMED:
                continue  # cut off, or damaged: what it was about counts as not made here
            require_version(PREDICTIONS, value, path)
            yield line
