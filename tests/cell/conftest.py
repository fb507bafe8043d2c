"""A small real U-Net with BatchNorm and dropout, and what the tests of this room share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distributed_iac.cell.structure import CellStructure
from distributed_iac.config.cell import CellSettings
from distributed_iac.genotype import CellTopology
from distributed_iac.nets.contract import Backbone, Features, Implant, Tap


class SmallUnet(Backbone):
    """Three levels, 8, 12 and 16 channels; two taps, at strides 2 and 1."""

    def __init__(self, in_channels: int = 1, classes: int = 3) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            (_block(in_channels, 8), _block(8, 12, stride=2), _block(12, 16, stride=2))
        )
        self.up = nn.ModuleList((nn.Conv2d(16, 12, 1), nn.Conv2d(12, 4, 1)))
        self.join = nn.ModuleList((_block(24, 12), _block(12, 8)))
        self.head = nn.Conv2d(8, classes, 1)

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (Tap("level_1", 12, 12, 2), Tap("level_0", 8, 4, 1))

    @property
    def encoder_modules(self) -> tuple[nn.Module, ...]:
        return (self.down,)

    def encode(self, x: Tensor) -> Features:
        features = []
        for block in self.down:
            x = block(x)
            features.append(x)
        return features

    def decode(self, features: Features, implant: Implant) -> Tensor:
        *skips, x = features
        for tap, (up, join) in enumerate(zip(self.up, self.join, strict=True)):
            skip = skips[1 - tap]
            x = up(F.interpolate(x, size=skip.shape[2:], mode="nearest"))
            x = join(torch.cat([implant(tap, skip, x), x], 1))
        return self.head(x)


def _block(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.Dropout(0.2),
    )


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def backbone() -> SmallUnet:
    """A U-Net that has seen data: its running statistics are not the initial ones."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        unet = SmallUnet().train()
        for _ in range(3):
            unet(torch.randn(4, 1, 16, 16))
    return unet.eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 1, 16, 20, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def settings() -> CellSettings:
    return CellSettings(nodes=2, partial_channels=4)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


Prune = Callable[[CellStructure, torch.Generator], CellStructure]


@pytest.fixture
def prune_once() -> Prune:
    """Remove one random operation or edge that may be removed."""

    def prune(structure: CellStructure, generator: torch.Generator) -> CellStructure:
        smaller = list(_smaller(structure))
        return smaller[int(torch.randint(len(smaller), (), generator=generator))]

    return prune


def _smaller(structure: CellStructure) -> Iterator[CellStructure]:
    topology: CellTopology = structure.topology
    for edge in structure.edges:
        names = structure.operations[edge]
        if len(names) > 1:
            yield from (structure.without_operation(edge, name) for name in names)
        if len(structure.incoming(topology.edges[edge].target)) > 1:
            yield structure.without_edge(edge)
