"""A real two-level U-Net, a small store, and a double of CUDA graphs that works on any device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.memory_store import MemoryStore
from distributed_iac.data.contract import LabelScheme
from distributed_iac.nets.contract import Backbone, Features, Implant, Tap

SCHEME = LabelScheme("test", {1: "disc", 2: "ring"})


class MiniUnet(Backbone):
    """Two levels, one tap at full and one at half resolution; BatchNorm, to catch drifting."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.down = nn.ModuleList([_block(1, 4), _block(4, 4), _block(4, 8)])
        self.up = nn.ModuleList([_block(12, 4), _block(8, 4)])
        self.head = nn.Conv2d(4, outputs, 1)

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (Tap("half", 4, 8, 2), Tap("full", 4, 4, 1))

    @property
    def encoder_modules(self) -> tuple[nn.Module, ...]:
        return (self.down,)

    def encode(self, x: Tensor) -> Features:
        features = [self.down[0](x)]
        for level in self.down[1:]:
            features.append(level(nn.functional.max_pool2d(features[-1], 2)))
        return features

    def decode(self, features: Features, implant: Implant) -> Tensor:
        *skips, x = features
        for tap, (skip, block) in enumerate(zip(reversed(skips), self.up, strict=True)):
            x = nn.functional.interpolate(x, skip.shape[-2:])
            x = block(torch.cat([implant(tap, skip, x), x], 1))
        return self.head(x)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
    )


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def scheme() -> LabelScheme:
    return SCHEME


@pytest.fixture
def backbone() -> Callable[[], MiniUnet]:
    """Builds equal networks, so that a resumed process has what the first one had."""

    def build() -> MiniUnet:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return MiniUnet()

    return build


@pytest.fixture(scope="session")
def store() -> MemoryStore:
    """Discs with rings on noise: 8 patients of 3 slices, 12 x 12."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:12, :12]
    images, labels, patients = [], [], []
    for patient in range(8):
        for _ in range(3):
            cy, cx = generator.uniform(4, 8, 2)
            radius = np.hypot(y - cy, x - cx)
            label = np.where(radius < 2, 1, np.where(radius < 4, 2, 0))
            image = np.array([0.0, 1.0, -1.0])[label] + generator.normal(0, 0.6, label.shape)
            images.append(image[None])
            labels.append(label)
            patients.append(f"p{patient}")
    parts = {
        "weights": ["p0", "p1", "p2"],
        "architecture": ["p3", "p4"],
        "val": ["p5", "p6"],
        "test": ["p7"],
    }
    return MemoryStore(
        np.stack(images).astype(np.float32),
        np.stack(labels).astype(np.uint8),
        patients,
        parts,
        scheme=SCHEME,
    )


class Tape:
    """Records by keeping the step itself: all of a capture but the GPU.

    As a graph does, it reads the buffers it was recorded with, writes its result to one place,
    and executes nothing while recording.
    """

    def __init__(self, fails: str | None = None) -> None:
        self.log: list[str] = []
        self.fails = fails

    def warm(self, step: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Tensor:
        self.log.append("warm")
        return step(*inputs)

    def record(self, step: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Callable[[], Tensor]:
        self.log.append("record")
        if self.fails is not None:
            raise RuntimeError(self.fails)
        result = torch.zeros(())

        def replay() -> Tensor:
            self.log.append("replay")
            return result.copy_(step(*inputs))

        return replay


@pytest.fixture
def make_tape() -> type[Tape]:
    return Tape
