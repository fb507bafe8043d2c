"""Read a NIfTI file once, block by block, to its very last byte.

::

    header = read_header(path)
    for frame, values in read_blocks(header):       # frame: index on the fourth axis
        ...                                         # values: 1-D, in stored (Fortran) order

nibabel reads the header. The voxels are streamed here because nibabel's array proxy either decodes
a whole file (2.2 GB for one KiTS case) or starts a compressed file again for every slice, and
because only a read to the end of the stream makes gzip compare its checksum and length.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

from distributed_iac.data.check.codes import Fault
from distributed_iac.data.volume import VolumeHeader

BLOCK_VOXELS = 1 << 22
"""Voxels held at a time: 16 MiB of float32, enough for Python's share of the time to be small."""

_HEADER_BYTES = 348
"""``sizeof_hdr`` of NIfTI-1; NIfTI-2 is longer."""

_SNIFFED_BYTES = 1024

_GZIP_MAGIC = b"\x1f\x8b"
_LFS_MAGIC = b"version https://git-lfs"


class DamageError(Exception):
    """A file that cannot be read to its end; caught where the case is known."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What is needed to stream the voxels of a file.

    Args:
        path: The file.
        volume: Shape, voxel size and affine; ``frames`` counts the file's 3-D volumes.
        dtype: On disk, byte order included.
        offset: Of the first voxel, in bytes of the decompressed file.
        slope: Stored values are multiplied by it ...
        inter: ... before this is added.
    """

    path: Path
    volume: VolumeHeader
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float


def read_header(path: Path) -> NiftiHeader:
    """Read the header alone.

    Unlike :func:`distributed_iac.data.volume.read_header` it says by a code what is wrong.

    Raises:
        FileNotFoundError: There is no such file.
        DamageError: Truncated, not NIfTI, without voxels, not scalar, of impossible geometry.
    """
    _check_magic(path)
    with _damage(path), LoggingOutputSuppressor():
        image: Any = nibabel.load(path)
    shape = tuple(int(size) for size in image.shape)
    fault = _shape_fault(path, shape, image.dataobj.dtype) or _geometry_fault(path, image)
    if fault is not None:
        raise DamageError(fault)
    x, y, z = shape[:3]
    dx, dy, dz = (float(zoom) for zoom in image.header.get_zooms()[:3])
    frames = math.prod(shape[3:])
    affine = np.asarray(image.affine, dtype=np.float64)
    return NiftiHeader(
        path=path,
        volume=VolumeHeader((x, y, z), frames, affine, (dx, dy, dz)),
        dtype=image.dataobj.dtype,
        offset=int(image.dataobj.offset),
        slope=float(image.dataobj.slope),
        inter=float(image.dataobj.inter),
    )


def read_blocks(header: NiftiHeader) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the voxels of every volume in stored order, then read on to the end of the file.

    Yields:
        Index of the 3-D volume, and up to :data:`BLOCK_VOXELS` scaled values of it, 1-D.

    Raises:
        FileNotFoundError: There is no such file.
        DamageError: The file ends too early, or gzip finds its bytes damaged.
    """
    path, itemsize = header.path, header.dtype.itemsize
    frames, voxels = header.volume.frames, math.prod(header.volume.shape)
    with _damage(path):
        stream = _open(path)
    with stream:
        with _damage(path):
            stream.seek(header.offset)
        for frame in range(frames):
            for start in range(0, voxels, BLOCK_VOXELS):
                size = min(BLOCK_VOXELS, voxels - start) * itemsize
                with _damage(path):
                    data = stream.read(size)
                if len(data) < size:
                    done = (frame * voxels + start) * itemsize + len(data)
                    raise DamageError(_too_short(path, done, frames * voxels * itemsize))
                yield frame, _scaled(data, header)
        with _damage(path):
            _read_on(stream)


def _read_on(stream: gzip.GzipFile | BufferedReader) -> None:
    """Read to the end, where gzip compares checksum and length and raises if they differ."""
    rest = -1
    while rest != 0:
        rest = len(stream.read(BLOCK_VOXELS))


def _scaled(data: bytes, header: NiftiHeader) -> NDArray[Any]:
    stored = np.frombuffer(data, header.dtype)
    scaled: NDArray[Any] = apply_read_scaling(stored, header.slope, header.inter)
    return scaled


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Translate what the libraries raise over bad bytes; a missing file stays what it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except EOFError as error:
        raise DamageError(
            Fault("truncated", path, "the compressed stream stops before its end mark")
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DamageError(
            Fault("unreadable", path, f"the compressed bytes are damaged ({error})")
        ) from error
    except (ImageFileError, HeaderDataError, ValueError, OverflowError) as error:
        raise DamageError(
            Fault("unreadable", path, f"the NIfTI header makes no sense ({error})")
        ) from error
    except OSError as error:
        raise DamageError(
            Fault(
                "unreadable",
                path,
                f"the file cannot be opened or read ({error.strerror or error})",
                remedy="Check the file's permissions and the disk it lies on",
            )
        ) from error


def _check_magic(path: Path) -> None:
    """Tell the usual mishaps of a download from one another before nibabel guesses."""
    with _damage(path), path.open("rb") as file:
        head = file.read(64)
    compressed = path.suffix.lower() == ".gz"
    if not head:
        raise DamageError(Fault("truncated", path, "the file is empty (0 bytes)"))
    if head.startswith(_LFS_MAGIC):
        raise DamageError(
            Fault(
                "unreadable",
                path,
                "the file is a Git LFS pointer, not the image",
                remedy="Run `git lfs pull` in the data set's repository",
            )
        )
    if compressed != head.startswith(_GZIP_MAGIC):
        wanted = "gzip-compressed, as its name says" if compressed else "plain, as its name says"
        raise DamageError(
            Fault("unreadable", path, f"the file is not {wanted}; it starts with {head[:16]!r}")
        )
    # nibabel looks at this many bytes too, and calls a stream that stops among them no image.
    with _damage(path), _open(path) as stream:
        length = len(stream.read(_SNIFFED_BYTES))
    if length < _HEADER_BYTES:
        raise DamageError(Fault("truncated", path, f"the header stops after {length} bytes"))


def _shape_fault(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Fault | None:
    if any(size < 1 for size in shape) or not shape:
        return Fault("zero_size", path, f"the image has shape {shape}")
    if len(shape) < 3:
        return Fault("channel_count", path, f"the image has {len(shape)} axes, shape {shape}")
    if dtype.fields is not None or dtype.kind not in "iuf":
        return Fault("channel_count", path, f"voxels are {dtype}, not one real number each")
    return None


def _geometry_fault(path: Path, image: Any) -> Fault | None:
    """Look at the voxel size as stored: nibabel's loader turns zero into 1 mm without a word."""
    with _damage(path), _open(path) as stream:
        stored = type(image.header).from_fileobj(stream, check=False).get_zooms()[:3]
    zooms = tuple(float(zoom) for zoom in stored)
    if not all(math.isfinite(zoom) and zoom != 0 for zoom in zooms):
        return Fault("invalid_geometry", path, f"the voxel size is stored as {zooms} mm")
    if not np.isfinite(image.affine).all() or np.linalg.matrix_rank(image.affine[:3, :3]) < 3:
        rows = np.asarray(image.affine)[:3].tolist()
        return Fault("invalid_geometry", path, f"the affine does not span space: {rows}")
    return None


def _too_short(path: Path, found: int, wanted: int) -> Fault:
    return Fault("truncated", path, f"the file holds {found} of {wanted} bytes of voxels")
