"""Torch's global generator, tamed: every epoch starts from its own seed.

Dropout and stochastic depth draw from the global generator and offer no other door. Seeding it
from (seed, epoch) inside a fork makes a resumed epoch equal to an undisturbed one without saving
generator states, and leaves the caller's own randomness alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from distributed_iac.seeds import derive_seed


@contextmanager
def epoch_randomness(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Run one epoch under a generator seeded by ``(seed, epoch)``."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(derive_seed(seed, "epoch", epoch))
        yield
