"""Everything that is measured on one predicted and one true label volume.

::

    for measured in measure_pair(predicted, label, scheme, zooms, conventions):
        measured.target, measured.dice, measured.hd95, measured.label_ml

Both volumes lie on the grid of the files and keep their array order, so ``zooms`` are the voxel
sizes along the array's own axes. Every target is measured within the smallest box that holds it
in both volumes; nothing outside changes a metric, and most structures are small: 15 organs on
512 x 512 x 100 voxels took 0.3 s for Dice, 0.9 s with HD95 and 2.1 s with surface Dice on one CPU
core. Predictions scattered over the whole volume gain nothing from the box: 2 s a target for HD95.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from distributed_iac.data.contract import LabelScheme, Region
from distributed_iac.data.targets import membership
from distributed_iac.errors import GeometryError
from distributed_iac.evaluation.case_score import TargetScore
from distributed_iac.evaluation.conventions import UNDEFINED, Conventions, Scores
from distributed_iac.evaluation.surfaces import Mask, Spacing, hd95, surface_dice

Labels = NDArray[np.uint8]
Box = tuple[slice, ...]
Boxes = Sequence[Box | None]
MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class MaskGrid:
    """What masks lie on.

    Args:
        zooms: Voxel size in mm along X, Y, Z.
        flat: Axis along which the whole volume has one voxel, or None. Such a picture's outlines
            are lines: in three dimensions every pixel would be surface, and distances and areas
            would depend on the thickness of a slice that has no neighbour.
    """

    zooms: Spacing
    flat: int | None

    @property
    def spacing(self) -> Spacing:
        """Voxel size along the axes that outlines have."""
        return tuple(zoom for axis, zoom in enumerate(self.zooms) if axis != self.flat)


def measure_pair(
    predicted: Labels,
    label: Labels,
    scheme: LabelScheme,
    zooms: Spacing,
    conventions: Conventions,
    *,
    unannotated: Collection[int] = frozenset(),
) -> list[TargetScore]:
    """Measure every target of a case.

    Args:
        predicted: Label values, (X, Y, Z).
        label: Label values, (X, Y, Z).
        scheme: Meaning of the values. Voxels whose label is its ignore value belong to neither
            mask; a surface cut by them ends there in both.
        zooms: Voxel size in mm along X, Y, Z.
        conventions: Metrics, empty masks and tolerances.
        unannotated: Values never annotated in this kind of case. A target made of nothing else
            has no truth: its scores are undefined under every policy.

    Returns:
        In the order of the scheme's targets.

    Raises:
        GeometryError: The shapes differ.
    """
    if predicted.shape != label.shape or label.ndim != 3:
        raise GeometryError(
            f"a prediction has its label's shape (X, Y, Z), here {label.shape}",
            came=predicted.shape,
        )
    found = [ndimage.find_objects(volume) for volume in (predicted, label)]
    flat = next((axis for axis, size in enumerate(label.shape) if size == 1), None)
    grid = MaskGrid(zooms, flat)
    measured = []
    for target, member in zip(scheme.targets, membership(scheme), strict=True):
        box = _union_box(target, found)
        guess, truth = member[predicted[box]], member[label[box]]
        if scheme.ignore is not None:
            counted = label[box] != scheme.ignore
            guess, truth = guess & counted, truth & counted
        annotated = not set(target.values) <= set(unannotated)
        measured.append(
            _measure(target.name, guess, truth if annotated else None, grid, conventions)
        )
    return measured


def _union_box(target: Region, found: Sequence[Boxes]) -> Box:
    """Smallest box around all values of a target in all volumes; empty without any.

    Args:
        target: Its values.
        found: For each volume, the box of value v at position v - 1 (``find_objects``).
    """
    boxes = [
        box
        for boxes in found
        for value in target.values
        if value <= len(boxes) and (box := boxes[value - 1]) is not None
    ]
    if not boxes:
        return (slice(0, 0),) * 3
    return tuple(
        slice(min(s.start for s in sides), max(s.stop for s in sides))
        for sides in zip(*boxes, strict=True)
    )


def _measure(
    target: str, guess: Mask, truth: Mask | None, grid: MaskGrid, conventions: Conventions
) -> TargetScore:
    """Measure one target; ``truth`` is None where it was never annotated."""
    voxel_ml = math.prod(grid.zooms) / MM3_PER_ML
    tolerance = conventions.tolerance(target)
    scores = UNDEFINED if truth is None else _scores(guess, truth, grid, tolerance, conventions)
    return TargetScore(
        target=target,
        dice=scores.dice,
        hd95=scores.hd95 if "hd95" in conventions.metrics else None,
        surface_dice=None if tolerance is None else scores.surface_dice,
        tolerance=tolerance,
        label_ml=math.nan if truth is None else int(truth.sum()) * voxel_ml,
        predicted_ml=int(guess.sum()) * voxel_ml,
    )


def _scores(
    guess: Mask,
    truth: Mask,
    grid: MaskGrid,
    tolerance: float | None,
    conventions: Conventions,
) -> Scores:
    """Score two masks; what is not computed is NaN."""
    if not guess.any() or not truth.any():
        empty = conventions.empty
        return empty.one if guess.any() or truth.any() else empty.both
    zooms = grid.spacing
    if grid.flat is not None:
        guess, truth = guess.squeeze(grid.flat), truth.squeeze(grid.flat)
    return Scores(
        dice=2 * int((guess & truth).sum()) / (int(guess.sum()) + int(truth.sum())),
        hd95=hd95(guess, truth, zooms) if "hd95" in conventions.metrics else math.nan,
        surface_dice=(
            math.nan if tolerance is None else surface_dice(guess, truth, zooms, tolerance)
        ),
    )
