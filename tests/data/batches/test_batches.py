from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.memory_store import MemoryStore
from distributed_iac.config.batches import BatchSettings
from distributed_iac.data.batches.loader import Batch, Batches
from distributed_iac.errors import CheckpointError, StoreError

CPU = torch.device("cpu")
Stores = Callable[..., MemoryStore]


def stream(
    store: MemoryStore, *parts: str, seed: int = 0, ahead: bool = False, **settings: Any
) -> Batches:
    chosen = BatchSettings(**{"batch_size": 5, **settings})
    return Batches(store, parts or ("weights",), chosen, seed=seed, device=CPU, ahead=ahead)


def equal(first: Batch, second: Batch) -> bool:
    return (
        torch.equal(first.images, second.images)
        and torch.equal(first.labels, second.labels)
        and np.array_equal(first.rows, second.rows)
    )


@pytest.mark.parametrize("ahead", [False, True], ids=["behind", "ahead"])
@pytest.mark.parametrize("augmentation", ["none", "light", "strong"])
@pytest.mark.parametrize(("before", "steps"), [(0, "pass"), (4, "pass"), (17, "pass"), (9, 4)])
def test_saved_and_loaded_batches_continue_bit_for_bit(
    slice_store: Stores, augmentation: str, before: int, steps: Any, ahead: bool
) -> None:
    settings = {
        "augmentation": augmentation,
        "steps_per_epoch": steps,
        "mirror_axes": {"rows", "columns"},
    }
    running = stream(slice_store(), ahead=ahead, **settings)
    for _ in range(before):
        next(running)
    file = io.BytesIO()
    torch.save(running.state_dict(), file)
    expected = [next(running) for _ in range(12)]

    file.seek(0)
    fresh = stream(slice_store(), seed=5, ahead=not ahead, **settings)
    next(fresh)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert all(equal(next(fresh), batch) for batch in expected)


class Watched:
    """A store that says which batches were read, and may fail at one."""

    def __init__(self, store: MemoryStore, fails_at: int = 0) -> None:
        self.store, self.read, self.fails_at = store, threading.Semaphore(0), fails_at
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def images(self, rows: Any, dtype: Any = np.float32) -> Any:
        self.count += 1
        if self.count == self.fails_at:
            raise StoreError("a shard is whole", came="half of it", remedy="prepare it again")
        self.read.release()
        return self.store.images(rows, dtype)


def test_the_next_batch_is_read_while_this_one_is_in_use(slice_store: Stores) -> None:
    for ahead in (True, False):
        watched = Watched(slice_store())
        next(stream(watched, ahead=ahead))  # type: ignore[arg-type]
        assert watched.read.acquire(timeout=30)
        assert watched.read.acquire(timeout=30 if ahead else 0.2) == ahead


def test_what_fails_while_reading_ahead_fails_at_the_batch_that_needs_it(
    slice_store: Stores,
) -> None:
    batches = stream(Watched(slice_store(), fails_at=3), ahead=True)  # type: ignore[arg-type]
    next(batches)
    next(batches)
    with pytest.raises(StoreError, match="a shard is whole"):
        next(batches)


def test_batches_hold_the_slices_that_their_rows_name(slice_store: Stores) -> None:
    store = slice_store()
    batch = next(stream(store, augmentation="none"))
    assert batch.images.dtype == torch.float32
    assert batch.labels.dtype == torch.uint8
    np.testing.assert_array_equal(batch.images.numpy(), store.images(batch.rows))
    np.testing.assert_array_equal(batch.labels.numpy(), store.labels(batch.rows))


@pytest.mark.parametrize("augmentation", ["none", "strong"])
def test_training_leaves_the_store_as_it_was(slice_store: Stores, augmentation: str) -> None:
    store, untouched = slice_store(), slice_store()
    batches = stream(store, augmentation=augmentation)
    for _ in range(batches.steps_per_epoch):
        batch = next(batches)
        batch.images.zero_()
        batch.labels.zero_()
    rows = store.rows("weights")
    np.testing.assert_array_equal(store.images(rows), untouched.images(rows))
    np.testing.assert_array_equal(store.labels(rows), untouched.labels(rows))


def test_no_patient_of_another_part_is_ever_drawn(slice_store: Stores) -> None:
    store = slice_store()
    for parts in (("weights",), ("architecture",), ("weights", "architecture")):
        batches = stream(store, *parts)
        drawn = np.concatenate([next(batches).rows for _ in range(2 * batches.steps_per_epoch)])
        allowed = np.concatenate([store.rows(part) for part in parts])
        assert set(drawn.tolist()) == set(allowed.tolist())


def test_streams_of_two_parts_are_independent_under_one_seed(slice_store: Stores) -> None:
    store = slice_store()
    rows = store.rows("weights")
    arrays = store.images(rows), store.labels(rows), ["x"] * len(rows)
    reference, again, other = (
        next(stream(MemoryStore(*arrays, {part: ["x"]}), part, augmentation="strong"))
        for part in ("weights", "weights", "architecture")
    )
    assert equal(reference, again)
    assert not np.array_equal(reference.rows, other.rows)


def test_augmentation_changes_what_is_seen_but_not_what_is_drawn(slice_store: Stores) -> None:
    store = slice_store()
    plain, varied = stream(store, augmentation="none"), stream(store, augmentation="strong")
    differs = False
    for _ in range(5):
        first, second = next(plain), next(varied)
        np.testing.assert_array_equal(first.rows, second.rows)
        differs |= not torch.equal(first.images, second.images)
    assert differs


def test_a_state_of_another_store_is_refused(slice_store: Stores) -> None:
    state = stream(slice_store()).state_dict()
    with pytest.raises(CheckpointError):
        stream(slice_store(slices=7)).load_state_dict(state)
    with pytest.raises(CheckpointError):
        stream(slice_store(), "architecture").load_state_dict(state)
