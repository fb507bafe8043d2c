"""Tiny NIfTI files; raw data sets of a few small volumes, and their stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import (
    Case,
    Channel,
    Detection,
    LabelScheme,
    Modality,
    SliceLayout,
    Source,
)
from distributed_iac.data.prepare.prepare import Preparation, prepare_store

LPS = np.diag([-1.5, -1.5, 8.0, 1.0])
SCHEME = LabelScheme("test", {1: "ring", 2: "core"})
LAYOUT = SliceLayout("LPS", 2)
CaseFactory = Callable[..., Case]


def phantom(shape: Sequence[int], seed: int, centre: Sequence[float] = (0.5, 0.5)) -> Any:
    """Nested ellipses that move from slice to slice; the first slice is empty."""
    rng = np.random.default_rng(seed)
    x, y, z = np.indices(shape)
    drift = 0.5 * z
    distance = np.hypot(
        (x - centre[0] * shape[0] - drift) / shape[0], (y - centre[1] * shape[1]) / shape[1]
    )
    label = (distance < 0.3).astype(np.uint8) + (distance < 0.18)
    label[..., 0] = 0
    image = label * 50.0 + rng.normal(100 + seed, 10.0, shape)
    return image.astype(np.float32), label


def write_case(
    root: Path,
    name: str,
    patient: str,
    *,
    shape: Sequence[int] = (24, 28, 3),
    zooms: Sequence[float] = (1.0, 1.0, 5.0),
    channels: Sequence[str] = ("t1",),
    modality: Modality = "MR",
    seed: int = 0,
    border: int = 0,
    **facts: Any,
) -> Case:
    """Write the files of a case; ``border`` pixels around every slice are 0."""
    affine = np.diag([-zooms[0], -zooms[1], zooms[2], 1.0])
    root.mkdir(parents=True, exist_ok=True)
    paths = []
    image, label = phantom(shape, seed)
    for number, channel in enumerate(channels):
        values = image + number
        if border:
            inner = np.zeros_like(values)
            inside = (slice(border, -border), slice(border, -border))
            inner[inside] = values[inside]
            values = inner
        paths.append(root / f"{name}_{channel}.nii.gz")
        nib.save(nib.Nifti1Image(values, affine), paths[-1])
    label_path = root / f"{name}_seg.nii.gz"
    nib.save(nib.Nifti1Image(label, affine), label_path)
    named = tuple(Channel(c, p) for c, p in zip(channels, paths, strict=True))
    return Case(name, patient, named, label_path, modality, layout=LAYOUT, **facts)


def source_of(root: Path, cases: Sequence[Case], **facts: Any) -> Source:
    detection = Detection("test", "1", root, "made here")
    names = tuple(channel.name for channel in cases[0].channels)
    ordered = tuple(sorted(cases, key=lambda case: case.case_id))
    return Source(detection, names, SCHEME, ordered, **facts)


@pytest.fixture(scope="session")
def write() -> CaseFactory:
    return write_case


@pytest.fixture(scope="session")
def as_source() -> Callable[..., Source]:
    return source_of


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Six patients with two visits, different sizes, one pixel size."""
    root = tmp_path / "raw"
    cases = [
        write_case(root, f"p{i}_v{v}", f"p{i}", shape=(24 + i, 28 - v, 3 + v), seed=2 * i + v)
        for i in range(6)
        for v in range(2)
    ]
    return source_of(root, cases)


Prepare = Callable[..., Preparation]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Prepare in this process unless told otherwise."""

    def run(
        source: Source,
        folder: str = "store",
        *,
        progress: Any = None,
        split: Any = None,
        **how: Any,
    ) -> Preparation:
        settings = PreprocessSettings(**{"workers": 1, **how})
        division = split or SplitSettings()
        return prepare_store(source, "demo", settings, division, tmp_path / folder, progress)

    return run


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder with its bytes."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return read


@pytest.fixture
def write_nifti(tmp_path: Path) -> Callable[..., Path]:
    """Write an array as NIfTI under the test's folder."""

    def write(name: str, array: NDArray[Any], affine: NDArray[Any] = LPS) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, affine), path)
        return path

    return write
