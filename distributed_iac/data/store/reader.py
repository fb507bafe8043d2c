"""A prepared store: memory-mapped slices by row id, cases with their way back.

::

    store = Store.open(Path("stores/acdc"))
    rows = store.rows("weights")                     # (n,) row ids
    store.images(rows[:32]), store.labels(rows[:32]) # (32, C, H, W) float32, (32, H, W) uint8
    for case in store.cases("test"):
        slices = store.whole_slices(case.case_id)            # (Z, C, h', w') float16
        native = store.restore_logits(case.case_id, map(network, slices))    # grid of the file
        truth = store.native_label(case.case_id)

Reading is safe from several threads. A store travels to other processes as its path and is
mapped again there, so that all processes of a machine share one copy in the page cache.

Shapes: n rows; C channels; H x W the patch; Z slices of a case; K outputs; X x Y x Z a file.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from distributed_iac.data.splits.split import PARTS, Split
from distributed_iac.data.store.case_tables import (
    Index,
    IntArray,
    StoredCase,
    read_cases,
    read_index,
)
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.store.manifest import (
    CASES,
    FINGERPRINT,
    INDEX,
    NATIVE_LABELS,
    SHARDS,
    SPLIT,
    WHOLE,
    Manifest,
    Verify,
    read_manifest,
    verify_files,
)
from distributed_iac.data.store.native import NativeLabels
from distributed_iac.data.store.shard import Shard
from distributed_iac.data.targets import decode_logits
from distributed_iac.errors import StoreError
from distributed_iac.transient import patiently

WHOLE_SLICES_SINCE = 2
"""Format of a store."""


class Store:
    """A whole, verified store; made by :meth:`open`. ``doubts``: sentences to be told with it."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.identity = manifest.identity
        self.fingerprint = Fingerprint.from_json(_json(path / FINGERPRINT))
        self.split = Split.from_json(_json(path / SPLIT))
        self.index: Index = read_index(path / INDEX)
        self._cases = read_cases(path / CASES)
        self.doubts: tuple[str, ...] = ()
        if manifest.version < WHOLE_SLICES_SINCE:
            self._confine()
        self._positions = {case.case_id: i for i, case in enumerate(self._cases)}
        names = sorted(name for name in manifest.files if name.startswith(f"{SHARDS}/"))
        self._paths = [path / name for name in names]
        self._shards: dict[int, Shard] = {}
        self._native: NativeLabels | None = None
        self._opening = threading.Lock()

    @classmethod
    def open(cls, path: Path, verify: Verify = "manifest") -> Self:
        """Open a store.

        Args:
            path: Its folder.
            verify: ``manifest`` compares file sizes and the small tables' checksums;
                ``checksums`` reads every byte.

        Raises:
            StoreError: It is missing, unfinished, damaged or of a newer format.
        """
        path = path.absolute()
        manifest = read_manifest(path)
        verify_files(path, manifest, verify)
        return cls(path, manifest)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.identity)

    def _confine(self) -> None:
        """See of a store that kept patches alone what it can show, and say where that is less."""
        cut = [c for c in self._cases if c.part == "test" and c.geometry.whole != c.geometry]
        self._cases = tuple(
            replace(c, geometry=replace(c.geometry, plane=c.geometry.plane.confined))
            for c in self._cases
        )
        if cut:
            self.doubts = (
                f"{len(cut)} test cases have slices larger than the patch, and this store of an "
                "older release kept the patch alone: what lies outside is predicted as background. "
                "Delete the store and prepare it again",
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.fingerprint.image_shape

    def __len__(self) -> int:
        return len(self.index.shard)

    def rows(self, part: str) -> IntArray:
        """Return the ids of a part's slices, ascending; cases lie together, in slice order.

        Raises:
            StoreError: There is no such part.
        """
        none = np.empty(0, dtype=np.int64)
        return np.concatenate([none, *(case.rows for case in self.cases(part))])

    def cases(self, part: str) -> tuple[StoredCase, ...]:
        """Return the cases of a part, in the order of their rows.

        Raises:
            StoreError: There is no such part.
        """
        if part not in PARTS:
            raise StoreError(
                f"the parts of a store are {', '.join(PARTS)}", came=part, remedy="name one of them"
            )
        return tuple(case for case in self._cases if case.part == part)

    def case(self, case_id: str) -> StoredCase:
        """Return one case.

        Raises:
            StoreError: It is not in this store.
        """
        return self._cases[self._position(case_id)]

    def foreground(self, rows: IntArray) -> IntArray:
        """Return (n,) bit masks of the classes present: bit v for label value v."""
        bits: IntArray = self.index.foreground[rows]
        return bits

    def image(self, row: int) -> NDArray[np.float16]:
        """View one normalised image, (C, H, W), read-only and without copying."""
        return self._shard(int(self.index.shard[row])).image(int(self.index.place[row]))

    def label(self, row: int) -> NDArray[np.uint8]:
        """View one label, (H, W), read-only and without copying."""
        return self._shard(int(self.index.shard[row])).label(int(self.index.place[row]))

    def images(self, rows: IntArray, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Copy images in the order asked for, (n, C, H, W).

        Args:
            rows: (n,) ids; may repeat.
            dtype: float16 halves the bytes on the way to a GPU.
        """
        out = np.empty((len(rows), *self.image_shape), dtype=dtype)
        for target, row in zip(out, rows, strict=True):
            target[...] = self.image(row)
        return out

    def labels(self, rows: IntArray) -> NDArray[np.uint8]:
        """Copy labels in the order asked for, (n, H, W)."""
        out = np.empty((len(rows), *self.image_shape[1:]), dtype=np.uint8)
        for target, row in zip(out, rows, strict=True):
            target[...] = self.label(row)
        return out

    def native_label(self, case_id: str) -> NDArray[np.uint8]:
        """Read a case's label as it lies on disk in the source, (X, Y, Z).

        Raises:
            StoreError: The case is not in this store, or the file is damaged.
        """
        position = self._position(case_id)
        with self._opening:
            if self._native is None:
                self._native = NativeLabels(self.path / NATIVE_LABELS)
        return self._native.read(position)

    def whole_slices(self, case_id: str) -> NDArray[np.float16]:
        """All of every normalised slice, (Z, C, h', w'), at least as large as the patch.

        Raises:
            StoreError: The case is not in this store, or its slices are larger than the patch and
                were not kept: only those of ``test`` are.
        """
        case = self.case(case_id)
        if case.geometry.whole == case.geometry:
            images: NDArray[np.float16] = self.images(case.rows, dtype=np.float16)
            return images
        path = self.path / WHOLE / f"{case_id}.npy"
        try:
            whole: NDArray[np.float16] = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{case_id} must be there in whole slices, which are larger than the patch",
                came=f"no {WHOLE}/{path.name}",
                where=self.path,
                remedy="ask for a case of the part test",
            ) from error
        return whole

    def restore_logits(
        self, case_id: str, logits: Iterable[NDArray[np.floating[Any]]]
    ) -> NDArray[np.uint8]:
        """Bring a network's logits back to the grid of the file and decide there.

        Args:
            case_id: Of the case.
            logits: Of :meth:`whole_slices`, Z times (K, h', w'), K as in
                :func:`.targets.decode_logits`: an array (Z, K, h', w'), or slices one by one, which
                keeps a large volume out of memory.

        Returns:
            Label values, (X, Y, Z).

        Raises:
            StoreError: The case is not in this store.
            GeometryError: The slices are not all of this case's.
            DataError: K does not fit the label scheme.
        """
        scheme = self.fingerprint.labels
        return self.case(case_id).geometry.whole.restore_logits(
            logits, lambda outputs: decode_logits(outputs, scheme)
        )

    def _position(self, case_id: str) -> int:
        if case_id not in self._positions:
            raise StoreError(
                f"the store has {len(self._positions)} cases",
                came=f"{case_id!r}, which is not among them",
                where=self.path,
                remedy="take ids from store.cases(part)",
            )
        return self._positions[case_id]

    def _shard(self, number: int) -> Shard:
        shard = self._shards.get(number)
        if shard is None:
            with self._opening:
                shard = self._shards.setdefault(number, Shard(self._paths[number]))
        return shard


def _reopen(path: Path, identity: str) -> Store:
    store = Store.open(path)
    if store.identity != identity:
        raise StoreError(
            "a store must not change while it is used",
            came="another preparation under the same path",
            where=path,
            remedy="start the run again",
        )
    return store


def _json(path: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(patiently(path.read_bytes))
    return content
