"""The usual ways to keep prepared slices on disk, behind one call: ``row -> (C, H, W)``.

::

    for name, rival in write_rivals(folder, images).items():
        rival.read(17)                          # float16 (C, H, W)
        rival.megabytes                         # on disk

Each is used as its documentation recommends and opened once, with its files in the page cache:
what is compared is how long a slice takes to reach Python, not how fast a disk is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from monai.data import PersistentDataset
from monai.transforms import Lambda
from numpy.typing import NDArray

Half = NDArray[np.float16]


@dataclass(frozen=True)
class Rival:
    """One way to keep slices.

    Args:
        read: Row to image (C, H, W), float16.
        read_many: Rows to images (n, C, H, W), by the fastest way the format offers.
        megabytes: Size on disk, in 1e6 bytes.
    """

    read: Callable[[int], Half]
    read_many: Callable[[NDArray[np.int64]], Half]
    megabytes: float


def write_rivals(folder: Path, images: Half) -> dict[str, Rival]:
    """Write the same slices in every format and open them.

    Args:
        folder: Is created.
        images: (n, C, H, W).
    """
    writers: Mapping[str, Callable[[Path, Half], Callable[[int], Half]]] = {
        "HDF5": _hdf5,
        "HDF5 gzip": _hdf5_gzip,
        "npz files": _npz,
        "PersistentDataset": _persistent,
    }
    folder.mkdir()
    rivals = {"npy memmap": _npy(folder / "npy", images)}
    for name, write in writers.items():
        place = folder / name.replace(" ", "_")
        place.mkdir()
        read = write(place, images)
        rivals[name] = Rival(read, _one_by_one(read), megabytes(place))
    return rivals


def megabytes(folder: Path) -> float:
    """Size of everything in a folder, in 1e6 bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def _one_by_one(read: Callable[[int], Half]) -> Callable[[NDArray[np.int64]], Half]:
    return lambda rows: np.stack([read(row) for row in rows.tolist()])


def _npy(folder: Path, images: Half) -> Rival:
    folder.mkdir()
    np.save(folder / "images.npy", images)
    array = np.load(folder / "images.npy", mmap_mode="r")
    return Rival(lambda row: array[row], lambda rows: array[rows], megabytes(folder))


def _hdf5(folder: Path, images: Half, compression: dict[str, Any] | None = None) -> Any:
    """One data set with a chunk a slice, so that a read touches nothing else."""
    path, chunk = folder / "images.h5", (1, *images.shape[1:])
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, chunks=chunk, **(compression or {}))
    dataset = h5py.File(path, "r")["images"]
    return lambda row: dataset[row]


def _hdf5_gzip(folder: Path, images: Half) -> Any:
    return _hdf5(folder, images, {"compression": "gzip", "compression_opts": 4})


def _npz(folder: Path, images: Half) -> Any:
    paths = [folder / f"{row:06d}.npz" for row in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        np.savez_compressed(path, image=image)

    def read(row: int) -> Half:
        with np.load(paths[row]) as file:
            image: Half = file["image"]
        return image

    return read


def _persistent(folder: Path, images: Half) -> Any:
    """MONAI's disk cache: a pickle an item, found by the hash of the item's description."""
    items = [{"row": row} for row in range(len(images))]
    take = Lambda(lambda item: {"image": np.array(images[item["row"]])})
    dataset = PersistentDataset(items, take, cache_dir=folder)
    for row in range(len(images)):
        dataset[row]

    def read(row: int) -> Half:
        image: Half = dataset[row]["image"].numpy()
        return image

    return read
