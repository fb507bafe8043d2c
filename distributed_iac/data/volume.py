"""Reading NIfTI volumes whole, with errors that name the file and the way out.

::

    volume = load_case(case)
    volume.image.shape, volume.image.dtype      # (C, X, Y, Z), float32
    volume.label                                # (X, Y, Z), uint8; None for an unlabelled case
    read_header(path).zooms                     # without decoding a voxel

Arrays keep the axes, the directions and the memory order (Fortran) that they have on disk;
:mod:`.geometry` turns them into slices. Shapes: C channels, X x Y x Z the array on disk.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import Opener
from nibabel.spatialimages import HeaderDataError, ImageDataError
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, Channel
from distributed_iac.errors import SourceError
from distributed_iac.hiccups import PAUSES, patiently

CHUNK_VOXELS = 2**24
"""Voxels decoded at a time: a 2.2 GB float64 volume (KiTS, 1059 x 512 x 512) then needs 128 MB
beside its float32 result instead of a second copy of itself."""

SPACING_TOLERANCE = 1e-3
"""Relative; headers store float32, and converters round to about four digits."""

_UNREADABLE = (
    ImageFileError,
    ImageDataError,
    HeaderDataError,
    EOFError,
    OSError,
    ValueError,
    zlib.error,
)
"""What nibabel and gzip raise for damaged files; ValueError covers short reads of ``dataobj``."""


@dataclass(frozen=True, eq=False)
class VolumeHeader:
    """What a file's header says.

    Args:
        shape: Spatial shape (X, Y, Z) on disk.
        frames: Length of the fourth axis; 1 for a 3-D file.
        affine: Voxel index to patient millimetres, (4, 4).
        zooms: Voxel size along the array axes in mm, from ``pixdim``; positive.
    """

    shape: tuple[int, int, int]
    frames: int
    affine: NDArray[np.float64]
    zooms: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Volume:
    """A case in memory, its arrays oriented as on disk.

    Args:
        image: (C, X, Y, Z) float32, in the source's units.
        label: (X, Y, Z); uint8 where every value fits, int32 otherwise; None if unlabelled.
        affine: Of the first channel, (4, 4).
        zooms: Of the first channel, in mm along X, Y, Z.
    """

    image: NDArray[np.float32]
    label: NDArray[np.integer[Any]] | None
    affine: NDArray[np.float64]
    zooms: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Spatial shape (X, Y, Z)."""
        _, x, y, z = self.image.shape
        return x, y, z


def read_header(path: Path) -> VolumeHeader:
    """Read the header only.

    Raises:
        SourceError: The file is missing, no NIfTI, not three- or four-dimensional, or its voxel
            size is not positive.
    """
    return _header(_open(path), path)


def load_label(path: Path) -> NDArray[np.integer[Any]]:
    """Read a label map, (X, Y, Z).

    Returns:
        uint8 where every value fits, else int32.

    Raises:
        SourceError: As :func:`read_header`; or the voxels are truncated, or no whole numbers.
    """
    image = _open(path)
    header = _header(image, path)
    _require_frame(header, path, index=None)
    labels: NDArray[np.integer[Any]] = np.empty(header.shape, dtype=np.uint8, order="F")
    for part, values in _chunks(image, path, header, index=None):
        whole = _whole_numbers(values, path)
        if labels.dtype == np.uint8 and (whole.min() < 0 or whole.max() > np.iinfo(np.uint8).max):
            labels = labels.astype(np.int32)
        labels[..., part] = whole
    return labels


def load_case(case: Case) -> Volume:
    """Read all channels and the label of a case.

    Raises:
        SourceError: As :func:`load_label`; or an image's voxels are no real numbers, or the files
            disagree in shape or voxel size.
    """
    images = {channel.path: _open(channel.path) for channel in case.channels}
    first = case.channels[0].path
    header = _header(images[first], first)
    for path, image in images.items():
        _require_same_grid(header, first, _header(image, path), path)
    if case.label is not None:
        _require_same_grid(header, first, read_header(case.label), case.label)
    # Each channel in Fortran order, as on disk: nothing is transposed while it is read. One open
    # file per path: the channels of a 4-D file are decompressed in one pass.
    x, y, z = header.shape
    voxels = np.empty((len(case.channels), z, y, x), dtype=np.float32).transpose(0, 3, 2, 1)
    for target, channel in zip(voxels, case.channels, strict=True):
        _read_channel(images[channel.path], channel, target)
    label = None if case.label is None else load_label(case.label)
    return Volume(voxels, label, header.affine, header.zooms)


def _open(path: Path) -> Any:
    try:
        image = _load(path)
    except FileNotFoundError as error:
        raise SourceError(
            "the file must exist", where=path, remedy="copy or download it again"
        ) from error
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    if not isinstance(image, nib.Nifti1Pair):
        raise SourceError(
            "images and labels must be NIfTI files",
            came=type(image).__name__,
            where=path,
            remedy="convert it to .nii.gz",
        )
    return image


def _load(path: Path) -> Any:
    """Open a file; nibabel takes storage that fails for a file that is missing or of no known type.

    Raises:
        OSError: What storage itself says.
    """
    for _ in PAUSES:
        try:
            return nib.load(path, keep_file_open=True)
        except (ImageFileError, FileNotFoundError):
            patiently(lambda: path.open("rb").close())
    return nib.load(path, keep_file_open=True)


def _header(image: Any, path: Path) -> VolumeHeader:
    shape = tuple(int(size) for size in image.shape)
    spatial, rest = shape[:3], shape[3:]
    if len(spatial) != 3 or min(shape) < 1 or len([size for size in rest if size > 1]) > 1:
        raise SourceError(
            "a volume has three axes, or four with the channels last",
            came=f"shape {shape}",
            where=path,
            remedy="convert the file again from its original",
        )
    zooms = _stored_zooms(image)
    if not np.isfinite(zooms).all() or min(zooms) <= 0 or not np.isfinite(image.affine).all():
        raise SourceError(
            "voxel size and affine must be finite and positive",
            came=f"voxel size {zooms}",
            where=path,
            remedy="repair pixdim and sform in the header",
        )
    frames = int(np.prod(rest, dtype=int)) if rest else 1
    x, y, z = spatial
    dx, dy, dz = zooms
    return VolumeHeader((x, y, z), frames, np.asarray(image.affine, dtype=float), (dx, dy, dz))


def _stored_zooms(image: Any) -> tuple[float, ...]:
    """Voxel size as written; nibabel's checked header would show 1 where the file says 0."""
    files = image.file_map
    with Opener(files.get("header", files["image"]).filename) as file:
        header = type(image.header).from_fileobj(file, check=False)
    return tuple(abs(float(zoom)) for zoom in header["pixdim"][1:4])  # as nibabel: sign unused


def _require_frame(header: VolumeHeader, path: Path, index: int | None) -> None:
    if index is None and header.frames != 1:
        raise SourceError(
            "a three-dimensional file is expected here",
            came=f"{header.frames} frames or channels",
            where=path,
            remedy="store one file a channel",
        )
    if index is not None and not 0 <= index < header.frames:
        raise SourceError(
            f"the file must have a channel {index}",
            came=f"{header.frames} on the fourth axis",
            where=path,
            remedy="compare the channel names of the data set with its files",
        )


def _require_same_grid(
    expected: VolumeHeader, expected_path: Path, found: VolumeHeader, path: Path
) -> None:
    if found.shape != expected.shape:
        raise SourceError(
            f"shape must be {expected.shape}, that of {expected_path.name}",
            came=found.shape,
            where=path,
            remedy="resample one to the other, or fetch both files again",
        )
    if not np.allclose(found.zooms, expected.zooms, rtol=SPACING_TOLERANCE, atol=0):
        raise SourceError(
            f"voxel size must be {expected.zooms} mm, that of {expected_path.name}",
            came=found.zooms,
            where=path,
            remedy="find out which header is right and correct the other",
        )


def _read_channel(image: Any, channel: Channel, voxels: NDArray[np.float32]) -> None:
    header = _header(image, channel.path)
    _require_frame(header, channel.path, channel.index)
    for part, values in _chunks(image, channel.path, header, channel.index):
        if values.dtype.kind not in "iuf":
            raise SourceError(
                "voxels must be real numbers",
                came=f"data type {values.dtype}",
                where=channel.path,
                remedy="convert the file to a grey-value image",
            )
        with np.errstate(over="ignore"):  # becomes infinity, which the caller can see
            voxels[..., part] = values


def _chunks(
    image: Any, path: Path, header: VolumeHeader, index: int | None
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Decode ranges of the last spatial axis, which is the slowest one on disk."""
    x, y, z = header.shape
    frame = tuple((index or 0) if size > 1 else 0 for size in image.shape[3:])
    step = max(1, CHUNK_VOXELS // (x * y))
    for start in range(0, z, step):
        part = slice(start, min(start + step, z))
        try:
            values = np.asarray(image.dataobj[(slice(None), slice(None), part, *frame)])
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error
        yield part, values


def _whole_numbers(values: NDArray[Any], path: Path) -> NDArray[Any]:
    if values.dtype.kind in "iub":
        return values
    if values.dtype.kind != "f":
        raise _fractional(path, f"data type {values.dtype}")
    limit = np.iinfo(np.int32)
    whole = (values == np.rint(values)) & (values >= limit.min) & (values <= limit.max)
    if not whole.all():
        raise _fractional(path, float(values[~whole][0]))
    return values.astype(np.int32)


def _fractional(path: Path, came: object) -> SourceError:
    return SourceError(
        "labels must be whole numbers",
        came=came,
        where=path,
        remedy="the file was probably resampled with interpolation; export the labels again",
    )


def _unreadable(path: Path, error: Exception) -> SourceError:
    return SourceError(
        "the file must be a complete NIfTI file",
        came=f"{type(error).__name__}: {error}",
        where=path,
        remedy="it is damaged or was not downloaded whole; fetch it again",
    )
