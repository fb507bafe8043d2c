"""Phantoms shared by the tests of this folder: written once, never changed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

from distributed_iac.phantom import FormatName, Phantom, make_phantom

RELEASES: tuple[tuple[FormatName, str], ...] = (
    ("acdc", "2017"),
    ("brats", "2018"),
    ("brats", "2020"),
    ("brats", "2021"),
    ("brats", "2023-GLI"),
    ("brats", "2024-GLI"),
    ("kits", "2019"),
    ("kits", "2021"),
    ("kits", "2023"),
    ("amos", "2022"),
)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Callable[[FormatName, str], Phantom]:
    """A tiny phantom of eight patients of a format and release; treat it as read-only."""

    @cache
    def written(format: FormatName, release: str) -> Phantom:
        out = tmp_path_factory.mktemp("phantom") / format
        return make_phantom(format, out, patients=8, seed=3, size="tiny", release=release)

    return written


@pytest.fixture(params=RELEASES, ids=lambda pair: "-".join(pair))
def every(request: pytest.FixtureRequest, phantom: Callable[[FormatName, str], Phantom]) -> Phantom:
    """Each format and release in turn; read-only."""
    return phantom(*request.param)


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Phantom], Path]:
    """A copy of a phantom that a test may change."""

    def copy(source: Phantom) -> Path:
        return shutil.copytree(source.out, tmp_path / "copy")

    return copy


@pytest.fixture(scope="session")
def voxels() -> Callable[[Path], NDArray[Any]]:
    """Reads a file's array as stored."""

    @cache
    def read(path: Path) -> NDArray[Any]:
        array = np.asanyarray(nib.load(path).dataobj)
        array.flags.writeable = False
        return array

    return read


@pytest.fixture(scope="session")
def axial() -> Callable[[Path], NDArray[Any]]:
    """Reads a file as [superior, posterior, left], whatever its affine says is stored."""

    def read(path: Path) -> NDArray[Any]:
        image = nib.load(path)
        turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(("S", "P", "L")))
        turned: NDArray[Any] = apply_orientation(np.asanyarray(image.dataobj), turn)
        return turned

    return read


@pytest.fixture(scope="session")
def digests() -> Callable[[Path], Mapping[str, str]]:
    """Hashes every file below a folder, by relative path."""

    def read(root: Path) -> Mapping[str, str]:
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    return read
