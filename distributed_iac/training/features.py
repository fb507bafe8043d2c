"""Features of a frozen encoder, kept: slices that never change are encoded once.

::

    parts = [Part("val", val_rows, batch=16), Part("weights", weight_rows)]
    cache = FeatureCache(network.encode, parts, budget=2**30)
    features = cache(batch)             # encoded, or from the cache: the same bits
    cache.admission.reason              # "val: 120 slices; weights: none, 340 would need 5.3 GiB"

Only slices that are never augmented may be given. It is exact because a batch is either taken
from the cache as a whole or encoded as a whole, and because what an encoder in evaluation mode
computes for a slice does not depend on its neighbours in a batch of the same size. (It may depend
on the size: kernels are chosen by it. Both hold for every backbone of the registry, by test.)

What is kept lies on the device that computes: over a bus it would come more slowly than it is
computed. Features are kept as they lie in memory, so that what follows chooses the same kernels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from distributed_iac.data.batches.loader import Batch, IntArray
from distributed_iac.nets.contract import Features

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Slices that may be kept.

    Args:
        name: Of the part, for the reason.
        rows: Row ids of its slices, in the order in which they are asked for.
        batch: Slices of a batch, when its batches are the same ones every time; None when they
            are drawn anew. Of a part with fixed batches as many are kept as there is room for;
            with drawn ones hardly any batch would be found whole, so it is all or nothing.
    """

    name: str
    rows: IntArray
    batch: int | None = None


@dataclass(frozen=True)
class Admission:
    """Which slices are kept, and why.

    Args:
        rows: Their ids; the position in it is the place in the cache.
        reason: One sentence for every part.
    """

    rows: IntArray
    reason: str


def admit(parts: Sequence[Part], slice_bytes: int, budget: int) -> Admission:
    """Choose what is kept: the parts in their order, as far as the budget reaches.

    Args:
        parts: Disjoint; earlier ones first.
        slice_bytes: Bytes of the features of one slice, above 0.
        budget: Bytes at most.
    """
    left = budget // slice_bytes
    chosen, reasons = [np.empty(0, dtype=np.int64)], []
    for part in parts:
        fits = _fitting(part, left)
        chosen.append(part.rows[:fits])
        left -= fits
        if fits == part.rows.size:
            reasons.append(f"{part.name}: {fits} slices")
        else:
            needed = part.rows.size * slice_bytes / 2**30
            some = f"{fits} of" if fits else "none,"
            reasons.append(f"{part.name}: {some} {part.rows.size} would need {needed:.1f} GiB")
    return Admission(np.concatenate(chosen), "; ".join(reasons))


def _fitting(part: Part, left: int) -> int:
    """Slices of a part that are kept when there is room for ``left``."""
    if part.rows.size <= left:
        return int(part.rows.size)
    return 0 if part.batch is None else left // part.batch * part.batch


class FeatureCache:
    """Encodes batches, and remembers what it may.

    Laws: what it returns has the bits and the strides that ``encode`` returns; it never holds more
    than ``budget`` bytes of features; what it returns belongs to the caller.

    Args:
        encode: Images (B, C, H, W) to features, each (B, ...); must not depend on anything that
            changes.
        parts: What may be kept, most useful first.
        budget: Bytes; 0 keeps nothing.
    """

    def __init__(
        self, encode: Callable[[Tensor], Features], parts: Sequence[Part], budget: int
    ) -> None:
        self.admission = Admission(np.empty(0, dtype=np.int64), "nothing encoded yet")
        self.hits = 0
        self._encode = encode
        self._parts: Sequence[Part] | None = parts if budget else None
        self._budget = budget
        self._banks: list[_Bank] = []
        self._places = np.empty(0, dtype=np.int64)
        self._filled = np.empty(0, dtype=np.bool_)

    @property
    def held(self) -> int:
        """Bytes set aside."""
        return sum(bank.memory.nbytes for bank in self._banks)

    def __call__(self, batch: Batch) -> Features:
        """Return the features of a batch."""
        places = self._places_of(batch.rows)
        if (places >= 0).all() and self._filled[places].all():
            self.hits += 1
            index = _on(places, batch.images.device)
            return [bank.read(index) for bank in self._banks]
        features = self._encode(batch.images)
        if self._parts is not None:
            self._prepare(features, self._parts)
            places = self._places_of(batch.rows)
        self._keep(features, places)
        return features

    def drop(self) -> bool:
        """Give all memory back and keep nothing from now on; returns whether it kept anything."""
        kept = self._budget > 0
        self._banks, self._parts, self._budget = [], None, 0
        self._places, self._filled = self._places[:0], self._filled[:0]
        self.admission = Admission(self._places, "given back, because memory ran out")
        return kept

    def _places_of(self, rows: IntArray) -> IntArray:
        """Where slices lie in the cache; -1: nowhere."""
        places = np.full(rows.shape, -1)
        known = rows < self._places.size
        places[known] = self._places[rows[known]]
        return places

    def _prepare(self, features: Features, parts: Sequence[Part]) -> None:
        """Now that the size of a slice is known: choose what is kept, and set memory aside."""
        self._parts = None
        if not all(map(_is_dense, features)):
            self.admission = Admission(self._places, "features with gaps in memory are not kept")
            return
        slice_bytes = sum(feature[0].nbytes for feature in features)
        self.admission = admit(parts, slice_bytes, self._budget)
        LOGGER.info("search.feature_cache keeps %s", self.admission.reason)
        rows = self.admission.rows
        self._banks = [_Bank(feature, rows.size) for feature in features]
        self._filled = np.zeros(rows.size, dtype=np.bool_)
        self._places = np.full(int(rows.max(initial=-1)) + 1, -1)
        self._places[rows] = np.arange(rows.size)

    def _keep(self, features: Features, places: IntArray) -> None:
        fresh = np.flatnonzero(places >= 0)
        fresh = fresh[~self._filled[places[fresh]]]
        if fresh.size:
            source, target = (_on(one, features[0].device) for one in (fresh, places[fresh]))
            for bank, feature in zip(self._banks, features, strict=True):
                bank.write(feature, source, target)
            self._filled[places[fresh]] = True


class _Bank:
    """One kind of feature of many slices, each as it lies in a batch's memory.

    Args:
        like: A batch of it, (B, ...).
        slices: How many it has room for.
    """

    def __init__(self, like: Tensor, slices: int) -> None:
        self._shape, self._strides = like.shape[1:], like.stride()[1:]
        self.memory = like.new_empty(slices, like[0].numel())

    def write(self, feature: Tensor, source: Tensor, target: Tensor) -> None:
        lines = feature.as_strided((len(feature), self.memory.shape[1]), (self.memory.shape[1], 1))
        self.memory.index_copy_(0, target, lines.index_select(0, source))

    def read(self, places: Tensor) -> Tensor:
        lines = self.memory.index_select(0, places)
        return lines.as_strided((len(places), *self._shape), (self.memory.shape[1], *self._strides))


def _is_dense(feature: Tensor) -> bool:
    """Whether every slice is one block of memory without gaps, one after the other."""
    numel = feature[0].numel()
    one_block = len(feature) == 1 or feature.stride(0) == numel
    return numel == 0 or (one_block and torch.empty_like(feature).stride() == feature.stride())


def _on(index: IntArray, device: torch.device) -> Tensor:
    """Bring indices to a device without waiting."""
    tensor = torch.from_numpy(index)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
