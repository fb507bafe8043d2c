from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from benchmarks.memory_store import MemoryStore

PARTS = {
    "weights": ["p0", "p1", "p2"],
    "architecture": ["p3", "p4"],
    "val": ["p5"],
    "test": ["p6"],
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def slice_store() -> Callable[..., MemoryStore]:
    """Slices of seven patients, two cases each; class 3 is rare, every third slice is empty."""

    def build(slices: int = 6, size: tuple[int, int] = (24, 20), channels: int = 2) -> MemoryStore:
        generator = np.random.default_rng(7)
        patients = [f"p{p}" for p in range(7) for _ in range(2 * slices)]
        cases = [f"p{p}_{c}" for p in range(7) for c in "ab" for _ in range(slices)]
        n = len(patients)
        images = generator.normal(size=(n, channels, *size)).astype(np.float32)
        labels = np.zeros((n, *size), dtype=np.uint8)
        for row in range(n):
            if row % 3:
                labels[row, 4:12, 4:12] = 1
                labels[row, 12:16, 4:12] = 2
            if row % 12 == 5:
                labels[row, 2:4, 2:4] = 3
        return MemoryStore(images, labels, patients, PARTS, cases=cases)

    return build
