"""One slice of a scored case, small enough to keep: image, label and prediction.

::

    write_overlays(folder / "overlays.npz", overlays)
    for overlay in read_overlays(folder / "overlays.npz"):
        overlay.role, overlay.patient_id, overlay.dice, overlay.image.shape

Slices are those of the store: radiological view, resampled, cut to the patch. Scores belong to
the whole case in native geometry.

Shapes: H x W the patch.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from distributed_iac.errors import DataError
from distributed_iac.files import write_atomically
from distributed_iac.transient import patiently

OVERLAYS = "overlays.npz"

Role = Literal["best", "worst"]

_ARRAYS = ("image", "label", "predicted")
_FACTS = ("role", "patient_id", "case_id", "dice", "slice_number", "slices", "spacing", "classes")


@dataclass(frozen=True, eq=False)
class Overlay:
    """A picture of one case.

    Args:
        role: Why this case.
        patient_id: Its patient.
        case_id: The case.
        dice: Mean over its targets with a defined Dice.
        slice_number: Which slice is shown, from 1.
        slices: Slices of the case.
        spacing: (dy, dx) of a pixel, in mm.
        classes: Label value to name.
        image: (H, W) uint8, first channel, black to white.
        label: (H, W) uint8 label values.
        predicted: (H, W) uint8 label values.
    """

    role: Role
    patient_id: str
    case_id: str
    dice: float
    slice_number: int
    slices: int
    spacing: tuple[float, float]
    classes: Mapping[int, str]
    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    predicted: NDArray[np.uint8]


def write_overlays(path: Path, overlays: Sequence[Overlay]) -> None:
    """Write pictures, whole or not at all; none is a file without pictures."""
    facts = [{name: getattr(one, name) for name in _FACTS} for one in overlays]
    arrays = {
        f"{name}{number}": getattr(one, name)
        for number, one in enumerate(overlays)
        for name in _ARRAYS
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, facts=np.array(json.dumps(facts, sort_keys=True)), **arrays)
    write_atomically(path, buffer.getvalue())


def read_overlays(path: Path) -> tuple[Overlay, ...]:
    """Read pictures.

    Raises:
        DataError: The file is damaged.
    """
    try:
        # From memory: numpy leaves a damaged file open.
        with np.load(io.BytesIO(patiently(path.read_bytes)), allow_pickle=False) as content:
            facts = json.loads(str(content["facts"]))
            return tuple(
                _overlay(one, {name: content[f"{name}{number}"] for name in _ARRAYS})
                for number, one in enumerate(facts)
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"pictures of cases are a complete {OVERLAYS}",
            came=error,
            where=path,
            remedy="delete the job's result; the next run makes it again",
        ) from error


def _overlay(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> Overlay:
    """Undo what JSON does to tuples and to keys."""
    plain: dict[str, Any] = {
        **facts,
        "spacing": tuple(facts["spacing"]),
        "classes": {int(value): name for value, name in facts["classes"].items()},
        **arrays,
    }
    return Overlay(**plain)
