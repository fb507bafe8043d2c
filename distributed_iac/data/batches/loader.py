"""From a store to batches on a device: seeded, augmented, resumable.

::

    batches = Batches(store, ["weights"], settings, seed=0, device=torch.device("cuda"))
    for _ in range(batches.steps_per_epoch):
        batch = next(batches)                   # images (B, C, H, W), labels (B, H, W), rows (B,)
    state = batches.state_dict()                # load it, and the next batch is the same bits

There are no worker processes: 32 slices of 256 x 256 reach a float32 tensor in 2 to 3 ms on a
busy core (``benchmarks/results/store.json``). For a GPU, whose steps may be as short, one thread
reads the next batch meanwhile; what it holds is not part of the state, as if it had not been drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from distributed_iac.config.batches import BatchSettings
from distributed_iac.data.batches.augment import Augmentation
from distributed_iac.data.batches.augment_strength import STRENGTHS
from distributed_iac.data.batches.sampler import SliceSampler
from distributed_iac.seeds import derive_seed

IntArray = NDArray[np.int64]


class Case(Protocol):
    """What training needs of a case."""

    @property
    def case_id(self) -> str:
        """Unique in the store."""

    @property
    def patient_id(self) -> str:
        """Its owner."""

    @property
    def rows(self) -> IntArray:
        """Ids of its slices, in slice order."""


class CaseSource(Protocol):
    """Prepared slices by row id, and their cases: what training needs of a store.

    Laws, held by one conformance test over the implementations: the parts are disjoint and no
    patient is in two of them; ``foreground`` says exactly what ``labels`` contain; ``images`` and
    ``labels`` return fresh, writable arrays in the order asked for, repeated ids included; images
    are kept as float16, so that asking for float16 loses nothing.
    """

    def rows(self, part: str) -> IntArray:
        """Return the ids of a part's slices, ascending; cases lie together, in slice order."""

    def cases(self, part: str) -> Sequence[Case]:
        """Return the cases of a part; their rows, joined, are the part's rows."""

    def foreground(self, rows: IntArray) -> IntArray:
        """Return (n,) bit masks of the label values present: bit v for value v, v from 1."""

    def images(self, rows: IntArray, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Read normalised images, (n, C, H, W)."""

    def labels(self, rows: IntArray) -> NDArray[np.uint8]:
        """Read label values, (n, H, W)."""


@dataclass(frozen=True)
class Batch:
    """Slices on a device.

    Args:
        images: (B, C, H, W) float32.
        labels: (B, H, W) uint8 label values.
        rows: (B,) row ids, on the host.
    """

    images: Tensor
    labels: Tensor
    rows: IntArray

    def first(self, slices: int) -> Batch:
        """Its first slices."""
        return Batch(self.images[:slices], self.labels[:slices], self.rows[:slices])


class Batches:
    """Endless training batches of some parts of a store.

    Law: run k batches, save, run m; a fresh object that loads the state runs the same m, bit for
    bit on a CPU, augmentation included.

    Streams of different parts are independent also under one seed, so that a bilevel search
    takes one for the weights and one for the architecture.

    Args:
        source: The store.
        parts: Parts to draw from, such as ``["weights", "architecture"]``.
        settings: How batches are drawn and augmented.
        seed: Of the order and of the augmentation.
        device: Where the batches are needed.
        ahead: Whether a batch is read, by a thread, while the one before is computed on; None: on
            a GPU. A CPU that computes has no time to spare.

    Raises:
        DataError: The parts have no slices, or no foreground although it is asked for.
    """

    def __init__(
        self,
        source: CaseSource,
        parts: Sequence[str],
        settings: BatchSettings,
        *,
        seed: int,
        device: torch.device,
        ahead: bool | None = None,
    ) -> None:
        self._source = source
        self._device = device
        ahead = device.type == "cuda" if ahead is None else ahead
        self._reader = ThreadPoolExecutor(1, "batches") if ahead else None
        self._coming: _Coming | None = None
        rows = np.concatenate([source.rows(part) for part in parts])
        order = np.random.default_rng(derive_seed(seed, "order", *parts))
        self._sampler = SliceSampler(rows, source.foreground(rows), settings, order)
        self._augmentation: Augmentation | None = None
        if settings.augmentation != "none":
            generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation", *parts))
            self._augmentation = Augmentation(
                STRENGTHS[settings.augmentation],
                mirror_axes=settings.mirror_axes,
                generator=generator,
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self._sampler.steps_per_epoch

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        batch = self._host_batch().to(self._device)
        if self._augmentation is None:
            return batch
        return Batch(*self._augmentation(batch.images, batch.labels), batch.rows)

    def _host_batch(self) -> _HostBatch:
        """The next batch; with a thread that reads, it is asked for the one after."""
        coming, self._coming = self._coming, None
        found = self._read(self._sampler.draw()) if coming is None else coming.batch.result()
        if self._reader is not None:
            state = self._sampler.state_dict()
            rows = self._sampler.draw()
            self._coming = _Coming(state, self._reader.submit(self._read, rows))
        return found

    def _read(self, rows: IntArray) -> _HostBatch:
        return _HostBatch.read(self._source, rows, pinned=self._device.type == "cuda")

    def state_dict(self) -> dict[str, Any]:
        """Return the sampler's state and, with augmentation, its generator's.

        What was read and not handed out yet was never drawn.
        """
        drawn = self._sampler.state_dict() if self._coming is None else self._coming.drawn_before
        state: dict[str, Any] = {"sampler": drawn}
        if self._augmentation is not None:
            state["augmentation"] = self._augmentation.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict` of equally configured batches.

        Raises:
            CheckpointError: The state is of other slices.
        """
        self._coming = None
        self._sampler.load_state_dict(state["sampler"])
        if self._augmentation is not None:
            self._augmentation.load_state_dict(state["augmentation"])


def read_batch(source: CaseSource, rows: IntArray, device: torch.device) -> Batch:
    """Read slices onto a device; to a GPU through pinned memory, without waiting for the copy.

    Images travel as the float16 that they are stored as and are widened by torch on the device:
    half the bytes to a GPU, and on a CPU a quarter of the time that numpy needs to widen them
    (measured: 1.6 against 6.6 ms for 32 slices of 256 x 256 from a memory map, one thread).
    """
    return _HostBatch.read(source, rows, pinned=device.type == "cuda").to(device)


@dataclass(frozen=True)
class _HostBatch:
    """Slices in main memory: images (B, C, H, W) float16, labels (B, H, W) uint8, row ids (B,)."""

    images: Tensor
    labels: Tensor
    rows: IntArray

    @classmethod
    def read(cls, source: CaseSource, rows: IntArray, *, pinned: bool) -> _HostBatch:
        """Read slices; pinned memory is torch's, which keeps what is given back for the next."""
        images = torch.from_numpy(source.images(rows, dtype=np.float16))
        labels = torch.from_numpy(source.labels(rows))
        if pinned:
            images, labels = images.pin_memory(), labels.pin_memory()
        return cls(images, labels, rows)

    def to(self, device: torch.device) -> Batch:
        """Send them, without waiting until they are there."""
        images = self.images.to(device, non_blocking=True).float()
        return Batch(images, self.labels.to(device, non_blocking=True), self.rows)


@dataclass(frozen=True)
class _Coming:
    """A batch that is being read, and the sampler's state before it was drawn."""

    drawn_before: dict[str, Any]
    batch: Future[_HostBatch]
