"""Distances between the surfaces of two masks, in millimetres.

::

    hd95(predicted, truth, spacing=(1.5, 1.5, 10.0))                  # mm
    surface_dice(predicted, truth, spacing=(1.5, 1.5, 10.0), tolerance=1.0)

Both masks must hold something: what an empty one is worth is a convention
(:mod:`.conventions`), and MONAI answers NaN for it even where only one mask is empty.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Spacing = tuple[float, ...]
"""Voxel size in mm along the axes of a mask, three or two."""
PERCENTILE = 95.0


def hd95(predicted: Mask, truth: Mask, spacing: Spacing) -> float:
    """Larger of the two directed 95th percentiles of distances between surface voxels.

    A surface voxel is one with a face neighbour outside the mask; beyond the array is outside.
    MONAI's definition. MedPy pools both directions before it takes the percentile, and DeepMind's
    surface-distance (BraTS 2023) weights surface elements by area: their values differ.

    Args:
        predicted: (X, Y, Z) or (X, Y), not empty.
        truth: Of the same shape, not empty.
        spacing: Voxel size in mm along its axes.

    Returns:
        Millimetres.
    """
    with _without_own_deprecation():
        distance = compute_hausdorff_distance(
            _batch(predicted),
            _batch(truth),
            include_background=True,
            percentile=PERCENTILE,
            spacing=spacing,
        )
    return float(distance)


def surface_dice(predicted: Mask, truth: Mask, spacing: Spacing, tolerance: float) -> float:
    """Share of both surfaces' area that lies within a tolerance of the other surface.

    DeepMind's definition with surface elements of marching cubes (arXiv 1809.04430), which KiTS
    uses; computed by MONAI.

    Args:
        predicted: (X, Y, Z) or (X, Y), not empty.
        truth: Of the same shape, not empty.
        spacing: Voxel size in mm along its axes.
        tolerance: In mm.

    Returns:
        In [0, 1].
    """
    with _without_own_deprecation():
        share = compute_surface_dice(
            _batch(predicted),
            _batch(truth),
            class_thresholds=[tolerance],
            include_background=True,
            spacing=spacing,
            use_subvoxels=True,
        )
    return float(share)


@contextlib.contextmanager
def _without_own_deprecation() -> Iterator[None]:
    """MONAI 1.6 hands itself an argument that it has deprecated, and warns about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*always_return_as_numpy.*", FutureWarning)
        yield


def _batch(mask: Mask) -> torch.Tensor:
    """(1, 1, X, Y, Z) or (1, 1, X, Y) as MONAI wants it."""
    return torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None]
