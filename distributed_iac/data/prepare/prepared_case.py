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

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme
from distributed_iac.data.faults import Fault
from distributed_iac.data.store.recipe import Recipe
from distributed_iac.data.targets import membership
from distributed_iac.data.volumes.geometry import SliceGeometry, slice_geometry
from distributed_iac.data.volumes.intensity import nonzero_mask
from distributed_iac.data.volumes.plane import Box, CaseGeometry, InPlaneTransform
from distributed_iac.data.volumes.reading import read_case
from distributed_iac.errors import DataError

Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case ready for the store.

    Args:
        normalised: (Z, C, h, w) float32, as cut; every slice, also empty ones.
        native_label: (X, Y, Z) uint8 on the grid of the image file, or None.
        geometry: The way back.
        affine: Of the image file, (4, 4).
        faults: What the case was taken with nevertheless; warnings all.
        fingerprints: Of the voxels of each channel, as read.
    """

    normalised: NDArray[np.float32]
    native_label: NDArray[np.uint8] | None
    geometry: CaseGeometry
    affine: NDArray[np.float64]
    faults: tuple[Fault, ...] = ()
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def images(self) -> NDArray[np.float16]:
        """One patch a slice, (Z, C, H, W): what is trained on."""
        return _resampled(self.normalised, self.geometry.plane)

    @property
    def whole_images(self) -> NDArray[np.float16]:
        """All of every slice, (Z, C, h', w'), at least a patch: what is predicted."""
        whole = self.geometry.plane.whole
        return self.images if whole == self.geometry.plane else _resampled(self.normalised, whole)

    @cached_property
    def labels(self) -> NDArray[np.uint8] | None:
        """Labels of the patches, (Z, H, W), or None."""
        if self.native_label is None:
            return None
        return self.geometry.plane.labels(self.geometry.slices.to_slices(self.native_label))


@dataclass(frozen=True)
class TargetCounts:
    """Voxels of one target on the native grid; sums over cases are meaningful.

    Args:
        native: Voxels of the label as on disk.
        inside: Those that the patch reaches.
        restored: Voxels of the label at the target spacing, brought back.
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
        """Dice of the resampled label itself, restored: what a perfect network would be given."""
        total = self.native + self.restored
        return 2 * self.both / total if total else None


def preprocess_case(case: Case, recipe: Recipe, scheme: LabelScheme) -> PreparedCase:
    """Read, cut and normalise one case, and decide how it is resampled and cropped or padded.

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
    normalise = recipe.normalisers[case.modality]
    stack = slices.to_slices(volume.image)
    depth = None
    if recipe.crop == "box":
        depth, box = _crop_to_box(stack)
        inner = stack[:, slice(*depth), slice(*box[0]), slice(*box[1])]
        plane = _plan(slices, recipe, box=box)
        normalise(inner)
        stack[:, : depth[0]], stack[:, depth[1] :] = 0, 0
    else:
        plane = _plan(slices, recipe)
        if recipe.crop == "nonzero":
            plane = _plan(slices, recipe, around=nonzero_box(volume.image, slices)[0])
        elif plane.whole != plane:
            plane = _seen(plane, _without_margin(stack))
        normalise(volume.image)
    native = None if volume.label is None else volume.label.astype(np.uint8, copy=False)
    geometry = CaseGeometry(slices, plane, depth)
    told = volume.faults, volume.fingerprints
    return PreparedCase(np.moveaxis(stack, 0, 1), native, geometry, volume.affine, *told)


def nonzero_box(image: NDArray[np.float32], geometry: SliceGeometry) -> tuple[Box, float]:
    """Find the non-zero voxels' rows and columns, and their box's share of the volume.

    Args:
        image: (C, X, Y, Z) as on disk.
        geometry: Of the case.

    Returns:
        The whole slice and 1.0 for an image of zeros.
    """
    mask = geometry.to_slices(nonzero_mask(image))
    spans = nonzero_spans(mask)
    share = float(np.prod([stop - start for start, stop in spans]) / mask.size)
    return (spans[1], spans[2]), share


def nonzero_spans(mask: NDArray[np.bool_]) -> tuple[Span, Span, Span]:
    """Find where along each axis [start, stop) a mask (Z, h, w) is set; all of it if nowhere."""
    spans = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        positions = np.flatnonzero(mask.any(axis=others))
        if not positions.size:
            depth, height, width = mask.shape
            return (0, depth), (0, height), (0, width)
        spans.append((int(positions[0]), int(positions[-1]) + 1))
    return spans[0], spans[1], spans[2]


def _plan(
    slices: SliceGeometry,
    recipe: Recipe,
    around: Box | None = None,
    box: Box | None = None,
) -> InPlaneTransform:
    """Plan the whole slice, around a part that holds all there is to see, or a box cut from it."""
    (_, height, width), (_, dy, dx) = slices.slices_shape, slices.spacing
    native, spacing = (height, width), (dy, dx)
    if around is None:
        return InPlaneTransform.plan(native, spacing, recipe.spacing, recipe.patch, box=box)
    (top, bottom), (left, right) = around
    centre = (top + bottom) / 2, (left + right) / 2
    plane = InPlaneTransform.plan(native, spacing, recipe.spacing, recipe.patch, centre)
    return _seen(plane, around)


def _seen(plane: InPlaneTransform, box: Box) -> InPlaneTransform:
    """Say in which part of the native slice there is anything to see."""
    rows, columns = (
        (start * size // full, -(-stop * size // full))
        for (start, stop), size, full in zip(box, plane.resampled, plane.native, strict=True)
    )
    return replace(plane, needed=(rows, columns))


def _without_margin(stack: NDArray[np.float32]) -> Box:
    """Rows and columns [start, stop) of (C, Z, h, w) without a margin of the same value throughout.

    A margin reaches a corner, so each corner's value is tried; what shows least was the margin's.
    """
    boxes = []
    for row, column in itertools.product((0, -1), repeat=2):
        corner = stack[:, 0, row, column].reshape(-1, 1, 1, 1)
        _, rows, columns = nonzero_spans(np.any(stack != corner, axis=0))
        boxes.append((rows, columns))
    return min(boxes, key=_area)


def _area(box: Box) -> int:
    (top, bottom), (left, right) = box
    return (bottom - top) * (right - left)


def _crop_to_box(stack: NDArray[np.float32]) -> tuple[Span, Box]:
    """Slices, rows and columns [start, stop) of what is not zero in (C, Z, h, w)."""
    depth, rows, columns = nonzero_spans(nonzero_mask(stack))
    return depth, (rows, columns)


def _resampled(stack: NDArray[np.float32], plane: InPlaneTransform) -> NDArray[np.float16]:
    """Bring slices (Z, C, h, w) to patches, one slice at a time: float32 of all would be large."""
    images = np.empty((*stack.shape[:2], *plane.patch), dtype=np.float16)
    for target, channels in zip(images, stack, strict=True):
        target[...] = plane.images(channels)
    return images


def compare_with_native(prepared: PreparedCase, scheme: LabelScheme) -> Mapping[str, TargetCounts]:
    """Count, for each target, what lies inside the patch and what survives the way and back.

    The way is that of a prediction, which sees whole slices: what the patch does not reach costs
    ``inside``, what resampling and the box cost shows in ``restored`` and ``both``. Voxels of the
    ignore label are left out.
    """
    if prepared.native_label is None:
        return {}
    plane, depth = prepared.geometry.plane, prepared.geometry.depth
    native = prepared.geometry.slices.to_slices(prepared.native_label)
    inside, whole = plane.inside(), plane.whole
    stored = prepared.labels if whole == plane else whole.labels(native)
    assert stored is not None
    members = membership(scheme)
    counts = {target.name: TargetCounts(0, 0, 0, 0) for target in scheme.targets}
    for place, before in enumerate(native):
        if not before.any():
            continue
        after = whole.restore_labels(stored[place][None])[0]
        if depth is not None and not depth[0] <= place < depth[1]:
            after[...] = 0
        known = before != scheme.ignore if scheme.ignore is not None else np.True_
        for target, member in zip(scheme.targets, members, strict=True):
            old, new = member[before] & known, member[after] & known
            counts[target.name] += TargetCounts(
                int(old.sum()), int((old & inside).sum()), int(new.sum()), int((old & new).sum())
            )
    return counts
