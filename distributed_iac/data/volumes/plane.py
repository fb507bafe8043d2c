"""Within a slice: resample to the target spacing, crop or pad to the patch, and back.

::

    plane = InPlaneTransform.plan((232, 256), (1.4, 1.4), (1.5625, 1.5625), (256, 224))
    images = plane.images(slices)                    # (..., h, w) -> (..., H, W)
    labels = plane.labels(label_slices)              # (Z, h, w)   -> (Z, H, W)
    native = plane.restore_labels(predicted)         # (Z, H, W)   -> (Z, h, w)
    native = CaseGeometry(slices, plane).restore_labels(predicted)   # the array as on disk

Rules, those of nnU-Net's default resampling: pixel areas (not pixel centres) of the first and the
last pixel coincide; images by cubic splines, clipped to the slice's own range; labels one value
at a time by linear weights; logits linearly, then decided on the native grid. Differs from
nnU-Net in: 1. a label pixel takes the value of the largest weight, where nnU-Net asks for half of
it and leaves background where three structures meet; ties go to the higher value, as there.
2. One sparse operator an axis does resampling, cropping and padding at once, and computes nothing
outside the patch.

What a patch does not reach is background in what is restored; ``inside`` says where. A network
sees all of a slice through ``plane.whole``, whose patch is as large as what there is to see.

Shapes: h x w a native slice, h' x w' resampled, H x W the patch; Z slices, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import ndimage, sparse

from distributed_iac.data.volumes.geometry import SliceGeometry
from distributed_iac.errors import GeometryError

Order = Literal[1, 3]
IMAGE_ORDER: Order = 3
LABEL_ORDER: Order = 1
"""Spline orders of nnU-Net's default planner for images, and for labels and probabilities."""

TIE = 1e-5
"""Weights this close are equal: float32 sums of halves differ by less."""

NEGLIGIBLE = 1e-7
"""Operator entries below this are dropped; they are below float32's resolution of the result."""

LONGEST = 16_384
"""Pixels of a side, resampled; four times the largest patch. A voxel size that is wrong by a
factor of a thousand would fill any memory."""

Size = tuple[int, int]
Box = tuple[tuple[int, int], tuple[int, int]]
"""Rows and columns [start, stop)."""
Decode = Callable[[NDArray[np.float32]], NDArray[np.uint8]]


@dataclass(frozen=True)
class InPlaneTransform:
    """A slice's way to its patch, and back.

    Args:
        native: (h, w) of the slice as cut.
        resampled: (h', w') of the slice, or of its box, at the target spacing.
        patch: (H, W) as stored.
        origin: The patch's first row and column on the resampled slice; negative where padded.
        box: The part of the native slice that is looked at; None is all of it. What lies outside
            is padding, and background in a prediction.
        needed: Rows and columns of the resampled slice that show anything; None is all of it. Only
            they are worth a prediction beyond the patch.
    """

    native: Size
    resampled: Size
    patch: Size
    origin: Size
    box: Box | None = None
    needed: Box | None = None

    @classmethod
    def plan(
        cls,
        native: Size,
        spacing: tuple[float, float],
        target: tuple[float, float],
        patch: Size,
        centre: tuple[float, float] | None = None,
        box: Box | None = None,
    ) -> Self:
        """Decide sizes and origin.

        Args:
            native: (h, w).
            spacing: Native pixel size (dy, dx) in mm.
            target: Wanted pixel size in mm.
            patch: (H, W).
            centre: Where the patch should be centred, in native pixels from the slice's corner;
                None is the middle of the slice. The patch is shifted so that it covers as much
                of the slice as it can.
            box: Look at this part of the slice only; the patch is centred on it.

        Raises:
            GeometryError: The slice would have more than :data:`LONGEST` pixels a side.
        """
        if box is not None:
            (top, bottom), (left, right) = box
            resampled = _within_reason((bottom - top, right - left), spacing, target)
            rows, columns = (
                # As nnU-Net pads: the odd pixel goes behind.
                -((side - size) // 2) if size < side else (size - side) // 2
                for size, side in zip(resampled, patch, strict=True)
            )
            return cls(native, resampled, patch, (rows, columns), box)
        resampled = _within_reason(native, spacing, target)
        origins = []
        for axis in range(2):
            middle = native[axis] / 2 if centre is None else centre[axis]
            start = round(middle * resampled[axis] / native[axis] - patch[axis] / 2)
            room = resampled[axis] - patch[axis]
            # Floor division: the odd pixel of a padding goes before the slice.
            start = room // 2 if room < 0 else min(max(start, 0), room)
            origins.append(start)
        return cls(native, resampled, patch, (origins[0], origins[1]))

    @property
    def whole(self) -> InPlaneTransform:
        """The same way with a patch that reaches all that is needed; itself where it does."""
        needed = self.needed or ((0, self.resampled[0]), (0, self.resampled[1]))
        (top, height), (left, width) = (
            (start, side)
            if start <= first and last <= start + side
            # Around what is needed, as the training's patches lie around theirs.
            else (first - (max(side, last - first) - (last - first)) // 2, max(side, last - first))
            for start, side, (first, last) in zip(self.origin, self.patch, needed, strict=True)
        )
        return replace(self, patch=(height, width), origin=(top, left))

    @property
    def confined(self) -> InPlaneTransform:
        """The same way where nothing is known but the patch: all that there is to see is in it."""
        rows, columns = (
            (max(start, 0), min(start + side, size))
            for start, side, size in zip(self.origin, self.patch, self.resampled, strict=True)
        )
        return replace(self, needed=(rows, columns))

    @property
    def resamples(self) -> bool:
        """Whether any value is interpolated at all."""
        return self._looked_at != self.resampled

    @property
    def _spans(self) -> Box:
        return self.box or ((0, self.native[0]), (0, self.native[1]))

    @property
    def _looked_at(self) -> Size:
        (top, bottom), (left, right) = self._spans
        return bottom - top, right - left

    @property
    def content(self) -> tuple[slice, slice]:
        """The part of the patch that shows the slice; the rest is padding."""
        rows, columns = (
            slice(max(-start, 0), min(size - start, side))
            for start, size, side in zip(self.origin, self.resampled, self.patch, strict=True)
        )
        return rows, columns

    def inside(self) -> NDArray[np.bool_]:
        """Native pixels (h, w) whose centre lies in the patch."""
        rows, columns = (self._reached(axis) for axis in range(2))
        return np.logical_and.outer(rows, columns)

    def images(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring images (..., h, w) to patches (..., H, W), zero where padded."""
        out = np.zeros((*slices.shape[:-2], *self.patch), dtype=np.float32)
        operators = self._forward(IMAGE_ORDER)
        for index in np.ndindex(slices.shape[:-2]):
            image = slices[index]
            patch = _separable(operators, image)[self.content]
            if self.resamples:  # a cubic spline overshoots at edges
                shown = image[tuple(slice(*span) for span in self._spans)]
                np.clip(patch, shown.min(), shown.max(), out=patch)
            out[index][self.content] = patch
        return out

    def labels(self, slices: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring labels (Z, h, w) to patches (Z, H, W), zero where padded."""
        operators = self._forward(LABEL_ORDER)
        return np.stack([_resample_labels(operators, labels) for labels in slices])

    def restore_labels(self, patches: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring labels (Z, H, W) back to native slices (Z, h, w), zero outside the patch.

        Raises:
            GeometryError: The slices do not have the patch's size.
        """
        self._require_patch(patches)
        operators, inside = self._backward(), self.inside()
        return np.stack([_resample_labels(operators, labels) * inside for labels in patches])

    def restore_logits(
        self, patches: Iterable[NDArray[np.floating[Any]]], decode: Decode
    ) -> NDArray[np.uint8]:
        """Bring a network's logits back and decide on the native grid.

        nnU-Net's way: finer than restoring decided labels.

        Args:
            patches: Z times (K, H, W); an array (Z, K, H, W), or slices as they are predicted:
                all of a large CT volume at once would fill gigabytes.
            decode: From (K, h, w) to label values (h, w).

        Returns:
            (Z, h, w), zero outside the patch.

        Raises:
            GeometryError: The slices do not have the patch's size.
        """
        operators, inside = self._backward(), self.inside()
        out = []
        for outputs in patches:
            self._require_patch(outputs)
            native = [_separable(operators, values.astype(np.float32)) for values in outputs]
            out.append(decode(np.stack(native)) * inside)
        return np.stack(out)

    def _require_patch(self, slices: NDArray[Any]) -> None:
        if slices.shape[-2:] != self.patch:
            raise GeometryError(
                f"slices end in the patch's size {self.patch}",
                came=slices.shape,
                remedy="pass the slices as they come out of the store or the network",
            )

    def _axes(self) -> list[_Axis]:
        return [
            _Axis(*axis)
            for axis in zip(
                self.native, self._spans, self.resampled, self.origin, self.patch, strict=True
            )
        ]

    def _forward(self, order: Order) -> _Operators:
        rows, columns = (_to_patch(axis, order) for axis in self._axes())
        return rows, columns

    def _backward(self) -> _Operators:
        rows, columns = (_from_patch(axis) for axis in self._axes())
        return rows, columns

    def _reached(self, axis: int) -> NDArray[np.bool_]:
        native, (start, stop), resampled, origin, patch = self._axes()[axis]
        size, place = stop - start, np.arange(native)
        # Integer arithmetic: (i + 1/2) * resampled / size, times two sizes.
        centres = (2 * (place - start) + 1) * resampled
        reached: NDArray[np.bool_] = (centres >= 2 * size * origin) & (
            centres < 2 * size * (origin + patch)
        )
        return reached & (place >= start) & (place < stop)


@dataclass(frozen=True)
class CaseGeometry:
    """Both halves of a case's way into the store.

    Args:
        slices: From the array on disk to slices.
        plane: From slices to patches.
        depth: Slices [start, stop) that are looked at; None is all of them. The others are empty,
            and background in a prediction.
    """

    slices: SliceGeometry
    plane: InPlaneTransform
    depth: tuple[int, int] | None = None

    @property
    def whole(self) -> CaseGeometry:
        """The same way with a patch that reaches all of every slice."""
        return replace(self, plane=self.plane.whole)

    def restore_labels(self, patches: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring label patches (Z, H, W) back to the array as on disk (X, Y, Z)."""
        return self._as_on_disk(self.plane.restore_labels(patches))

    def restore_logits(
        self, patches: Iterable[NDArray[np.floating[Any]]], decode: Decode
    ) -> NDArray[np.uint8]:
        """Bring logits, Z times (K, H, W), back to labels as on disk (X, Y, Z)."""
        return self._as_on_disk(self.plane.restore_logits(patches, decode))

    def _as_on_disk(self, native: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.depth is not None:
            start, stop = self.depth
            native[:start], native[stop:] = 0, 0
        return np.ascontiguousarray(self.slices.from_slices(native))

    def to_json(self) -> dict[str, Any]:
        """Plain values of what there is; :meth:`from_json` is the inverse."""
        return asdict(self, dict_factory=lambda pairs: {n: v for n, v in pairs if v is not None})

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> CaseGeometry:
        """Rebuild from :meth:`to_json`."""
        return _GEOMETRY.validate_python(value)


_GEOMETRY = TypeAdapter(CaseGeometry)


def resampled_size(native: Size, spacing: tuple[float, float], target: tuple[float, float]) -> Size:
    """Size of a slice at the target spacing, rounded (nnU-Net's ``compute_new_shape``)."""
    rows, columns = (
        max(1, round(size * have / want))
        for size, have, want in zip(native, spacing, target, strict=True)
    )
    return rows, columns


def _within_reason(native: Size, spacing: tuple[float, float], target: tuple[float, float]) -> Size:
    size = resampled_size(native, spacing, target)
    if max(size) > LONGEST:
        raise GeometryError(
            f"a slice has at most {LONGEST} pixels a side once it is resampled",
            came=f"{size[0]} x {size[1]}: {native[0]} x {native[1]} of {spacing[0]:.6g} x "
            f"{spacing[1]:.6g} mm at {target[0]:.6g} x {target[1]:.6g} mm",
            remedy="correct the voxel size in the header (pixdim, sform, unit)",
        )
    return size


class _Axis(NamedTuple):
    """One axis of a transform; its fields as :class:`InPlaneTransform` has them."""

    native: int
    span: tuple[int, int]
    resampled: int
    origin: int
    patch: int


_Operators = tuple["sparse.csr_array[Any]", "sparse.csr_array[Any]"]


def _separable(operators: _Operators, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply one operator to the rows and one to the columns of an image.

    Sparse products sum in a fixed order, so that a store does not depend on the number of
    threads of a linear algebra library.
    """
    rows, columns = operators
    result: NDArray[np.float32] = (columns @ (rows @ image).T).T
    return result


def _resample_labels(operators: _Operators, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give each pixel the value of the largest weight; padding stays 0."""
    out = np.zeros([operator.shape[0] for operator in operators], dtype=np.uint8)
    best = np.zeros(out.shape, dtype=np.float32)
    labels = np.ascontiguousarray(labels)
    present = np.flatnonzero(np.bincount(labels.ravel()))
    for value in present if present.any() else ():
        weight = _separable(operators, (labels == value).astype(np.float32))
        wins = weight >= np.maximum(best - TIE, TIE)  # in the padding every weight is 0
        np.copyto(best, weight, where=wins)
        out[wins] = value
    return out


@lru_cache(maxsize=8)
def _spline(size: int, wanted: int, order: Order) -> NDArray[np.float64]:
    """Matrix (wanted, size) that resamples a line of pixels, edges repeated beyond its ends."""
    if size == wanted:
        return np.eye(size)
    matrix: NDArray[np.float64] = ndimage.zoom(
        np.eye(size), (wanted / size, 1), order=order, mode="nearest", grid_mode=True
    )
    matrix[abs(matrix) < NEGLIGIBLE] = 0
    return matrix


@lru_cache(maxsize=256)
def _to_patch(axis: _Axis, order: Order) -> sparse.csr_array[Any]:
    native, (start, stop), resampled, origin, patch = axis
    matrix = np.zeros((patch, native))
    first, last = max(origin, 0), min(origin + patch, resampled)
    spline = _spline(stop - start, resampled, order)
    matrix[first - origin : last - origin, start:stop] = spline[first:last]
    return sparse.csr_array(matrix.astype(np.float32))


@lru_cache(maxsize=256)
def _from_patch(axis: _Axis) -> sparse.csr_array[Any]:
    """Linear, the patch's border repeated beyond it so that no unknown value bleeds in."""
    native, (start, stop), resampled, origin, patch = axis
    spread = np.zeros((resampled, patch))
    position = np.arange(resampled)
    spread[position, np.clip(position - origin, 0, patch - 1)] = 1
    matrix = np.zeros((native, patch))
    matrix[start:stop] = _spline(resampled, stop - start, LABEL_ORDER) @ spread
    return sparse.csr_array(matrix.astype(np.float32))
