from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from distributed_iac.phantom import FormatName, Phantom

Written = Callable[[FormatName, str], Phantom]
Voxels = Callable[[Path], NDArray[Any]]

FORMATS: tuple[tuple[FormatName, str], ...] = (
    ("acdc", "2017"), ("brats", "2021"), ("kits", "2023"), ("amos", "2022"),
)  # fmt: skip


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * np.sum(a & b) / max(1, a.sum() + b.sum()))


def best_band(image: NDArray[Any], target: NDArray[np.bool_]) -> float:
    """Return the Dice of the best intensity band, chosen with the truth in hand."""
    lows = [-np.inf, *np.quantile(image[target], (0.01, 0.05, 0.15, 0.3))]
    highs = [np.inf, *np.quantile(image[target], (0.7, 0.85, 0.95, 0.99))]
    return max(dice((image >= low) & (image <= high), target) for low in lows for high in highs)


@pytest.mark.parametrize(("format", "release"), FORMATS)
def test_no_structure_can_be_cut_out_by_its_intensity(
    phantom: Written, voxels: Voxels, format: FormatName, release: str
) -> None:
    scores: dict[int, list[float]] = {}
    for case in phantom(format, release).cases:
        label = voxels(case.label)
        for value in np.unique(label)[1:]:
            bands = (best_band(voxels(path), label == value) for path in case.images.values())
            scores.setdefault(int(value), []).append(max(bands))
    averages = {value: float(np.mean(found)) for value, found in scores.items()}
    assert max(averages.values()) < 0.7, averages
    assert np.median(list(averages.values())) < 0.45, averages


@pytest.mark.parametrize(
    ("format", "release", "target", "distractor"),
    [
        ("acdc", "2017", 3, 1),  # both cavities hold blood
        ("acdc", "2017", 3, 0),  # and so do aorta and atria
        ("brats", "2021", 2, 0),  # oedema, and old lesions of the white matter
        ("kits", "2023", 2, 0),  # tumour, and bowel, spleen, liver
        ("amos", "2022", 2, 3),  # right kidney, and left kidney
        ("amos", "2022", 13, 0),  # duodenum, and bowel
    ],
)
def test_distractors_share_the_targets_intensities(
    phantom: Written,
    voxels: Voxels,
    format: FormatName,
    release: str,
    target: int,
    distractor: int,
) -> None:
    overlaps = []
    for case in phantom(format, release).cases:
        label = voxels(case.label)
        image = voxels(list(case.images.values())[-1])
        low, high = np.quantile(image[label == target], (0.05, 0.95))
        alike = (image >= low) & (image <= high) & (label == distractor)
        overlaps.append(alike.sum() / (label == target).sum())
    assert np.median(overlaps) > 0.4
