"""Tiny NIfTI files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

LPS = np.diag([-1.5, -1.5, 8.0, 1.0])


@pytest.fixture
def write_nifti(tmp_path: Path) -> Callable[..., Path]:
    """Write an array as NIfTI under the test's folder."""

    def write(name: str, array: NDArray[Any], affine: NDArray[Any] = LPS) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array, affine), path)
        return path

    return write
