"""How fast is a random slice, and how many copies of a store do many readers hold?

::

    OMP_NUM_THREADS=1 python -m benchmarks.store            # about three minutes
    OMP_NUM_THREADS=1 python -m benchmarks.store --slices 400 --repetitions 5

Builds a store with the project's own preparation, writes the same slices in the usual formats,
and reads the same random rows from each, at three depths, because a memory-mapped read that is
never looked at costs nothing:

* ``array``: a (C, H, W) float16 array is returned; mapped formats have read no data yet;
* ``bytes``: every byte of it has been read once (an integer sum);
* ``float32``: it has become a float32 tensor, by torch, for all alike.

And batches of 32 as float32 tensors, each format by its own fastest way. Everything is in the
page cache, and every row has been read once before the clock starts. The sizes on disk are of the
images alone, but for the store's, whose shards hold the labels too. Written to
``results/store.json``.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from scipy.ndimage import gaussian_filter

from benchmarks.harness import (
    Timing,
    as_json,
    measure,
    options,
    print_timings,
    slowdown,
    write_result,
)
from benchmarks.page_sharing import measure_sharing
from benchmarks.slice_files import Half, Rival, megabytes, write_rivals
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.store import Store

SIDE = 256
SLICES_A_CASE = 40
BATCH = 32
PROCESSES = 8
STORE = "store"
CONTROL = "store again"
"""The store against itself: how far from 1 the machine's noise alone moves a ratio."""
DISK_FORMATS = ("HDF5", "HDF5 gzip", "npz files", "PersistentDataset")


def build_store(folder: Path, slices: int) -> Store:
    """Prepare ``slices`` slices of smooth tissue on a black background, from NIfTI files."""
    raw = folder / "Dataset001_Benchmark"
    for name in ("imagesTr", "labelsTr"):
        (raw / name).mkdir(parents=True)
    cases = slices // SLICES_A_CASE
    generator = np.random.default_rng(0)
    for number in range(cases):
        image, label = _volume(generator)
        _save(raw / "imagesTr" / f"case{number:03d}_0000.nii", image)
        _save(raw / "labelsTr" / f"case{number:03d}.nii", label)
    description = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "bright": 1},
        "numTraining": cases,
        "file_ending": ".nii",
    }
    (raw / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    settings = PreprocessSettings(spacing=(1.0, 1.0), patch=(SIDE, SIDE), crop="image")
    prepare_store(read_source(raw), "benchmark", settings, SplitSettings(), folder / STORE)
    return Store.open(folder / STORE)


def _volume(generator: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """An image (X, Y, Z) that compresses as scans do, and a label of its bright parts."""
    shape = (SIDE, SIDE, SLICES_A_CASE)
    texture = gaussian_filter(generator.normal(size=shape).astype(np.float32), (2, 2, 0))
    rows, columns = np.ogrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    body = ((rows / 0.8) ** 2 + (columns / 0.65) ** 2 < 1)[:, :, None]
    image = np.where(body, np.round(500 + 1000 * texture), 0).astype(np.float32)
    return image, (image > 620).astype(np.uint8)


def _save(path: Path, array: NDArray[Any]) -> None:
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 5.0, 1.0])), path)


def as_rival(store: Store, folder: Path) -> Rival:
    """The store as one more format."""
    return Rival(
        read=store.image,
        read_many=lambda rows: store.images(rows, dtype=np.float16),
        megabytes=megabytes(folder / "shards"),
    )


def read_bytes(image: Half) -> int:
    """Read every byte of an image once."""
    return int(image.view(np.uint64).sum())


def widen(image: Half) -> torch.Tensor:
    """Copy to a float32 tensor."""
    return torch.from_numpy(image).float()


def readers(
    formats: Mapping[str, Rival], rows: NDArray[np.int64], then: Callable[[Half], object]
) -> dict[str, Callable[[], object]]:
    """Readers that take the same random rows in turn, each from its own place in the list."""

    def reader(read: Callable[[int], Half]) -> Callable[[], object]:
        turn = itertools.cycle(rows.tolist())
        return lambda: then(read(next(turn)))

    return {name: reader(rival.read) for name, rival in formats.items()}


def batch_readers(
    formats: Mapping[str, Rival], rows: NDArray[np.int64]
) -> dict[str, Callable[[], object]]:
    """Readers of random batches as float32 tensors."""
    batches = np.split(rows[: len(rows) // BATCH * BATCH], len(rows) // BATCH)

    def reader(read_many: Callable[[NDArray[np.int64]], Half]) -> Callable[[], object]:
        turn = itertools.cycle(batches)
        return lambda: widen(read_many(next(turn)))

    return {name: reader(rival.read_many) for name, rival in formats.items()}


def check_equal_work(formats: Mapping[str, Rival], images: Half, rows: NDArray[np.int64]) -> None:
    """Make sure that every format returns the very same numbers."""
    for name, rival in formats.items():
        if not np.array_equal(rival.read_many(rows[:BATCH]), images[rows[:BATCH]]):
            raise ValueError(f"{name} returns other slices than the store")


DEPTHS: Mapping[str, Callable[[Half], object]] = {
    "array": lambda image: image,
    "bytes": read_bytes,
    "float32": widen,
}


def gains(timings: Mapping[str, Timing]) -> dict[str, Any]:
    """How many times faster the store is than the best other format on disk, and than npy."""
    best = min(DISK_FORMATS, key=lambda name: timings[name].median)
    return {
        "best_disk_format": best,
        "over_best_disk_format": vars(slowdown(timings[best], timings[STORE])),
        "over_npy_memmap": vars(slowdown(timings["npy memmap"], timings[STORE])),
    }


def run(folder: Path, slices: int, repetitions: int, calls: int) -> dict[str, Any]:
    """Measure everything; returns JSON-able results."""
    store = build_store(folder, slices)
    sharing = measure_sharing(folder / STORE, PROCESSES)
    Console().print(sharing)
    images = np.stack([store.image(row) for row in range(len(store))])
    ours = as_rival(store, folder / STORE)
    formats = {STORE: ours, CONTROL: ours, **write_rivals(folder / "rivals", images)}
    rows = np.random.default_rng(1).integers(len(store), size=20 * BATCH)
    check_equal_work(formats, images, rows)
    del images  # the rivals' pages need the room in the page cache
    work = {f"slice, {depth}": readers(formats, rows, then) for depth, then in DEPTHS.items()}
    work[f"batch of {BATCH}, float32"] = batch_readers(formats, rows)
    warmups = -(-len(rows) // calls)  # until every row has been read once: pages are mapped
    results: dict[str, Any] = {}
    for name, candidates in work.items():
        many = calls if name.startswith("slice") else -(-calls // BATCH)
        timings = measure(candidates, repetitions=repetitions, calls=many, warmups=warmups)
        print_timings(f"a random {SIDE}x{SIDE} {name}", timings, STORE)
        results[name] = {"timings": as_json(timings, STORE), "gain": gains(timings)}
    return {
        "sharing": asdict(sharing),
        "megabytes": {name: rival.megabytes for name, rival in formats.items()},
        "reading": results,
    }


def main() -> None:
    """Run the benchmark and write its result."""
    parser = options(__doc__)
    parser.add_argument("--slices", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=40)
    parser.add_argument("--calls", type=int, default=80)
    parser.add_argument("--folder", type=Path, default=None, help="for the files; about 1.5 GB")
    given = parser.parse_args()
    # The views of mapped files are read-only, and nothing here writes to a tensor.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        results = run(Path(folder), given.slices, given.repetitions, given.calls)
    settings = {
        "slices": given.slices,
        "slice": [1, SIDE, SIDE],
        "dtype": "float16",
        "repetitions": given.repetitions,
        "calls_per_repetition": given.calls,
        "page_cache": "warm",
    }
    path = write_result("store", settings=settings, results=results, packages=("h5py",))
    Console().print(f"written to {path}")


if __name__ == "__main__":
    main()
