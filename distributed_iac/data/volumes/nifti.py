"""Read a NIfTI file once, block by block, to its very last byte: the only way a file is opened.

::

    file = open_nifti(path)
    file.grid.shape, file.grid.zooms                # data/volumes/grid.py
    for frame, values in read_blocks(file):         # frame: index on the fourth axis
        ...                                         # values: 1-D, in stored (Fortran) order

nibabel reads the header. The voxels are streamed here because nibabel's array proxy either decodes
a whole file (2.2 GB for one KiTS case) or starts a compressed file again for every slice, and
because only a read to the end of the stream makes gzip compare its checksum and length.

The header accounts for every byte: what comes before ``vox_offset`` is header and extensions,
what comes after the last voxel is an error, ``surplus_bytes``. Let pass are only zeros that fill a
file up to whole blocks of :data:`PADDING` bytes.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from distributed_iac.data.faults import Fault, FaultError
from distributed_iac.data.volumes.grid import Grid, read_grid
from distributed_iac.transient import PAUSES, patiently

BLOCK_VOXELS = 1 << 22
"""Voxels held at a time: 16 MiB of float32, enough for Python's share of the time to be small."""

PADDING = 512
"""Bytes of a block of tapes, tar and disks, to whose multiples some programs fill files up."""

_HEADER_BYTES = 348
"""``sizeof_hdr`` of NIfTI-1; NIfTI-2 is longer."""

_SNIFFED_BYTES = 1024

_GZIP_MAGIC = b"\x1f\x8b"
_LFS_MAGIC = b"version https://git-lfs"
DAMAGE = (EOFError, zlib.error, ImageFileError, HeaderDataError, ValueError, OverflowError)
"""What the libraries raise over bad bytes, beside errors of the system."""


@dataclass(frozen=True, eq=False)
class NiftiFile:
    """What is needed to stream the voxels of a file.

    Args:
        path: The file.
        voxels: The file with the voxels: itself, or the .img of a pair.
        grid: Where they lie; ``frames`` counts the file's 3-D volumes.
        dtype: On disk, byte order included.
        offset: Of the first voxel, in bytes of the decompressed file.
        slope: Stored values are multiplied by it ...
        inter: ... before this is added.
    """

    path: Path
    voxels: Path
    grid: Grid
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float

    @property
    def scaling(self) -> str | None:
        """How whole numbers on disk become others; None where they stay whole."""
        whole = self.slope.is_integer() and self.inter.is_integer()
        if whole or self.dtype.kind not in "iu":
            return None
        return f"scl_slope {self.slope:.9g}, scl_inter {self.inter:.9g}"


def open_nifti(path: Path) -> NiftiFile:
    """Read the header alone.

    Raises:
        FaultError: Missing, truncated, not NIfTI, without voxels, not scalar, of impossible
            geometry or unknown scale.
    """
    _check_magic(path)
    with _damage(path), LoggingOutputSuppressor():
        image: Any = _load(path)
    if not isinstance(image, nibabel.Nifti1Pair):
        raise FaultError(Fault("unreadable", path, f"the file is a {type(image).__name__}"))
    files = {kind: Path(holder.filename) for kind, holder in image.file_map.items()}
    with _damage(path), _open(files.get("header", files["image"])) as stream:
        stored = type(image.header).from_fileobj(stream, check=False)
    with _damage(path):
        grid = read_grid(path, stored, image.header)
    grid = replace(grid, faults=(*grid.faults, *_scaling_faults(path, stored)))
    dtype = image.dataobj.dtype
    if dtype.fields is not None or dtype.kind not in "iuf":
        reason = f"voxels must be real numbers, one each; these are {dtype}"
        raise FaultError(Fault("channel_count", path, reason))
    return NiftiFile(
        path=path,
        voxels=files["image"],
        grid=grid,
        dtype=dtype,
        offset=int(image.dataobj.offset),
        slope=float(image.dataobj.slope),
        inter=float(image.dataobj.inter),
    )


def _load(path: Path) -> Any:
    """Open a file; nibabel takes storage that fails for a file that is missing or of no known type.

    Raises:
        OSError: What storage itself says.
    """
    for _ in PAUSES:
        try:
            return nibabel.load(path)
        except (ImageFileError, FileNotFoundError):
            patiently(lambda: path.open("rb").close())
    return nibabel.load(path)


def read_blocks(file: NiftiFile) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the voxels of every volume in stored order, then read on to the end of the file.

    Yields:
        Index of the 3-D volume, and up to :data:`BLOCK_VOXELS` scaled values of it, 1-D.

    Raises:
        FaultError: The file ends too early or goes on after its last voxel, or gzip finds its
            bytes damaged.
    """
    path, itemsize = file.path, file.dtype.itemsize
    frames, voxels = file.grid.frames, math.prod(file.grid.shape)
    announced = frames * voxels * itemsize
    with _damage(path):
        stream = _open(file.voxels)
    with stream:
        with _damage(path):
            stream.seek(file.offset)
        for frame in range(frames):
            for start in range(0, voxels, BLOCK_VOXELS):
                size = min(BLOCK_VOXELS, voxels - start) * itemsize
                with _damage(path):
                    data = stream.read(size)
                if len(data) < size:
                    done = (frame * voxels + start) * itemsize + len(data)
                    reason = f"the file holds {done} of {announced} bytes of voxels"
                    raise FaultError(Fault("truncated", path, reason))
                yield frame, _scaled(data, file)
        with _damage(path):
            surplus, is_zero = _read_on(stream)
    whole_blocks = (file.offset + announced + surplus) % PADDING == 0
    if surplus and not (is_zero and surplus < PADDING and whole_blocks):
        reason = f"{surplus} bytes follow the {announced} bytes of voxels that the header announces"
        raise FaultError(Fault("surplus_bytes", path, reason))


def _read_on(stream: gzip.GzipFile | BufferedReader) -> tuple[int, bool]:
    """Read to the end, where gzip compares checksum and length and raises if they differ.

    Returns:
        How many bytes there were, and whether all were 0.
    """
    surplus, is_zero = 0, True
    while rest := stream.read(BLOCK_VOXELS):
        surplus += len(rest)
        is_zero &= rest.count(0) == len(rest)
    return surplus, is_zero


def _scaled(data: bytes, file: NiftiFile) -> NDArray[Any]:
    stored = np.frombuffer(data, file.dtype)
    scaled: NDArray[Any] = apply_read_scaling(stored, file.slope, file.inter)
    return scaled


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Translate what the libraries raise over missing files and bad bytes."""
    try:
        yield
    except (*DAMAGE, OSError) as error:
        raise FaultError(_fault_of(path, error)) from error


def _fault_of(path: Path, error: BaseException) -> Fault:
    match error:
        case FileNotFoundError() if path.is_symlink():
            reason = f"the link leads to {path.readlink()}, which does not exist"
            return Fault("missing_image", path, reason)
        case FileNotFoundError():
            return Fault("missing_image", path, "the file does not exist")
        case EOFError():
            return Fault("truncated", path, "the compressed stream stops before its end mark")
        case gzip.BadGzipFile() | zlib.error():
            return Fault("unreadable", path, f"the compressed bytes are damaged ({error})")
        case OSError():
            reason = f"the file cannot be opened or read ({error.strerror or error})"
            remedy = "Check the file's permissions and the disk it lies on"
            return Fault("unreadable", path, reason, remedy)
        case _:
            return Fault("unreadable", path, f"the NIfTI header makes no sense ({error})")


def _check_magic(path: Path) -> None:
    """Tell the usual mishaps of a download from one another before nibabel guesses."""
    with _damage(path), path.open("rb") as file:
        head = file.read(64)
    compressed = path.suffix.lower() == ".gz"
    if not head:
        raise FaultError(Fault("truncated", path, "the file is empty (0 bytes)"))
    if head.startswith(_LFS_MAGIC):
        reason = "the file is a Git LFS pointer, not the image"
        remedy = "Run `git lfs pull` in the data set's repository"
        raise FaultError(Fault("unreadable", path, reason, remedy))
    if compressed != head.startswith(_GZIP_MAGIC):
        wanted = "gzip-compressed, as its name says" if compressed else "plain, as its name says"
        reason = f"the file is not {wanted}; it starts with {head[:16]!r}"
        raise FaultError(Fault("unreadable", path, reason))
    # nibabel looks at this many bytes too, and calls a stream that stops among them no image.
    with _damage(path), _open(path) as stream:
        length = len(stream.read(_SNIFFED_BYTES))
    if length < _HEADER_BYTES:
        raise FaultError(Fault("truncated", path, f"the header stops after {length} bytes"))


def _scaling_faults(path: Path, stored: Any) -> list[Fault]:
    """Judge slope and intercept as the bytes of a header have them.

    By the standard (nifti1.h, "DATA SCALING"), stored values are multiplied by ``scl_slope`` and
    ``scl_inter`` is added, unless the slope is 0. nibabel does neither where the slope is 0, NaN
    or infinite. Both NaN is how it says that nothing is stated, and nothing is done. Otherwise:

    * A slope of 0 beside an intercept, or NaN beside an intercept of 0: nothing is done either,
      and ``undefined_field`` says so.
    * An infinite slope, or NaN beside another intercept, is an error: nobody knows the scale. (So
      is, by nibabel, an intercept that is not finite beside a slope that is.)
    """
    slope, inter = float(stored["scl_slope"]), float(stored["scl_inter"])
    said = f"scl_slope is {slope:g} and scl_inter is {inter:g}"
    if math.isinf(slope) or (math.isnan(slope) and not (math.isnan(inter) or inter == 0)):
        reason = f"{said}: the scale of the voxels is unknown"
        remedy = "Set scl_slope to 1 and scl_inter to 0 if the numbers on disk are meant"
        raise FaultError(Fault("unreadable", path, reason, remedy))
    if (math.isnan(slope) and inter == 0) or (slope == 0 and math.isfinite(inter) and inter != 0):
        reason = f"{said}; the numbers on disk are taken as they are"
        return [Fault("undefined_field", path, reason)]
    return []
