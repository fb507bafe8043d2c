"""One case from the files to what the store keeps of it.

::

    prepared = preprocess_case(case, recipe, scheme)
    prepared.images                    # (Z, C, H, W) float16, normalised
    prepared.labels                    # (Z, H, W) uint8; None for an unlabelled case
    prepared.geometry.restore_labels(prediction)     # back onto the grid of the file
    compare_with_native(prepared, scheme)            # what patch and resampling cost

Labelled or not: prediction on new images goes the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme
from distributed_iac.data.faults import Fault
from distributed_iac.data.geometry import slice_geometry
from distributed_iac.data.plane import CaseGeometry, InPlaneTransform
from distributed_iac.data.reading import read_case
from distributed_iac.data.recipe import Recipe
from distributed_iac.data.survey import nonzero_box
from distributed_iac.errors import DataError

PREPROCESS_VERSION = 2
"""Raised with every change that alters a stored byte; part of a store's identity."""


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case ready for the store.

    Args:
        images: (Z, C, H, W) float16, normalised; every slice, also empty ones.
        labels: (Z, H, W) uint8, or None.
        native_label: (X, Y, Z) uint8 on the grid of the image file, or None.
        geometry: The way back.
        affine: Of the image file, (4, 4).
        faults: What the case was taken with nevertheless; warnings all.
        fingerprints: Of the voxels of each channel, as read; empty for an unlabelled case.
    """

    images: NDArray[np.float16]
    labels: NDArray[np.uint8] | None
    native_label: NDArray[np.uint8] | None
    geometry: CaseGeometry
    affine: NDArray[np.float64]
    faults: tuple[Fault, ...] = ()
    fingerprints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetCounts:
    """Voxels of one target on the native grid; sums over cases are meaningful.

    Args:
        native: Voxels of the label as on disk.
        inside: Those that the patch reaches.
        restored: Voxels of the stored label brought back.
        both: Voxels of both.
    """

    native: int
    inside: int
    restored: int
    both: int

    def __add__(self, other: TargetCounts) -> TargetCounts:
        return TargetCounts(
            self.native + other.native,
            self.inside + other.inside,
            self.restored + other.restored,
            self.both + other.both,
        )

    @property
    def coverage(self) -> float | None:
        """Share of the target inside the patch; None if there is no target."""
        return self.inside / self.native if self.native else None

    @property
    def ceiling(self) -> float | None:
        """Dice of the stored label itself, restored: what a perfect network would be given."""
        total = self.native + self.restored
        return 2 * self.both / total if total else None


def preprocess_case(case: Case, recipe: Recipe, scheme: LabelScheme) -> PreparedCase:
    """Read, cut, normalise, resample and crop or pad one case.

    The crop never looks at a label: it would tell where the structure is.

    Raises:
        SourceError: The case cannot be used.
        GeometryError: Its affine does not say where its axes point.
        DataError: No training patient has this modality.
    """
    if case.modality not in recipe.normalisers:
        raise DataError(
            f"training patients must show how {case.modality} is normalised",
            came=f"only {', '.join(recipe.normalisers)} among them",
            where=case.channels[0].path,
            remedy="stratify the split by modality, or choose one modality",
        )
    volume = read_case(case, scheme)
    layout = recipe.layout(case.layout)
    slices = slice_geometry(volume.affine, volume.shape, volume.zooms, layout)
    slices.require_pictures(case.channels[0].path)
    (_, *size), (_, *spacing) = slices.slices_shape, slices.spacing
    centre = None
    if recipe.crop == "nonzero":
        ((top, bottom), (left, right)), _ = nonzero_box(volume.image, slices)
        centre = (top + bottom) / 2, (left + right) / 2
    plane = InPlaneTransform.plan(
        (size[0], size[1]), (spacing[0], spacing[1]), recipe.spacing, recipe.patch, centre
    )
    recipe.normalisers[case.modality](volume.image)
    stack = np.moveaxis(slices.to_slices(volume.image), 0, 1)
    images = np.empty((len(stack), len(volume.image), *recipe.patch), dtype=np.float16)
    for target, channels in zip(images, stack, strict=True):
        target[...] = plane.images(channels)
    labels = native = None
    if volume.label is not None:
        native = volume.label.astype(np.uint8, copy=False)
        labels = plane.labels(slices.to_slices(native))
    geometry = CaseGeometry(slices, plane)
    told = volume.faults, volume.fingerprints
    return PreparedCase(images, labels, native, geometry, volume.affine, *told)


def compare_with_native(prepared: PreparedCase, scheme: LabelScheme) -> Mapping[str, TargetCounts]:
    """Count, for each target, what lies inside the patch and what survives the way and back.

    Voxels of the ignore label are left out.
    """
    if prepared.labels is None or prepared.native_label is None:
        return {}
    plane = prepared.geometry.plane
    native = prepared.geometry.slices.to_slices(prepared.native_label)
    inside = plane.inside()
    counts = {target.name: TargetCounts(0, 0, 0, 0) for target in scheme.targets}
    for before, stored in zip(native, prepared.labels, strict=True):
        if not (before.any() or stored.any()):
            continue
        after = plane.restore_labels(stored[None])[0]
        known = before != scheme.ignore if scheme.ignore is not None else np.True_
        for target in scheme.targets:
            old, new = (np.isin(labels, target.values) & known for labels in (before, after))
            counts[target.name] += TargetCounts(
                int(old.sum()), int((old & inside).sum()), int(new.sum()), int((old & new).sum())
            )
    return counts
