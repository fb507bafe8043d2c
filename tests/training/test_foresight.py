"""A batch that cannot fit is split before it fails, and nothing else changes, to the bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.memory_store import MemoryStore
from distributed_iac.cell.implant import SearchNetwork
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.pruning import PruningSettings
from distributed_iac.config.training import AdamSettings, SearchSettings, SupervisedSettings
from distributed_iac.nets.contract import Backbone
from distributed_iac.training.foresight import Foresight, foresight_of
from distributed_iac.training.memory import BatchSplitter
from distributed_iac.training.search import SearchStage
from distributed_iac.training.supervised import SupervisedStage
from tests.training.live_bytes import LiveBytes
from tests.training.other_device import META, OtherDevice

BATCHES = BatchSettings(batch_size=16, steps_per_epoch=2, augmentation="light")
CPU = torch.device("cpu")
Make = Callable[[], SupervisedStage | SearchStage]


@pytest.fixture(params=["supervised", "search"])
def make(
    request: pytest.FixtureRequest, backbone: Callable[[], Backbone], store: MemoryStore
) -> Make:
    """Builds equal stages, whose networks draw numbers and keep statistics."""

    def supervised() -> SupervisedStage:
        network = backbone()
        network.up[1].append(nn.Dropout(0.5))  # type: ignore[union-attr, operator, index]
        settings = SupervisedSettings(epochs=2, optimiser=AdamSettings(learning_rate=0.01))
        groups = [(list(network.parameters()), 1.0)]
        return SupervisedStage(
            network, groups, store, store.scheme, settings, BATCHES, seed=0, device=CPU
        )

    def search() -> SearchStage:
        cell = CellSettings(nodes=1, width=4, partial_channels=2)
        network = SearchNetwork(backbone(), cell, torch.Generator().manual_seed(1))
        settings = SearchSettings(epochs=2, warmup_epochs=1)
        pruning = PruningSettings(policy="none")
        return SearchStage(
            network, store, store.scheme, settings, BATCHES, pruning, seed=0, device=CPU
        )

    return supervised if request.param == "supervised" else search


def splitter_of(stage: SupervisedStage | SearchStage) -> BatchSplitter:
    return stage.splitter if isinstance(stage, SupervisedStage) else stage._bilevel.splitter


def trained(make: Make, foreseen: bool, gauge: LiveBytes, parts: int = 1) -> Mapping[str, Any]:
    """State after two epochs on a device of so many bytes, begun in so many parts."""
    with gauge:
        stage = make()
        splitter = splitter_of(stage)
        splitter.parts = parts
        if foreseen:
            splitter.foresight = Foresight(stage.network, gauge)
        for _ in range(2):
            assert stage.step()["reason"] in (None, "all 2 epochs")
    return stage.state_dict()


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(np.array_equal(one, other))


def test_what_cannot_fit_is_computed_as_if_it_had_been_split_from_the_start(make: Make) -> None:
    peaks = []
    for parts in (2, 4):
        gauge = LiveBytes()
        split = trained(make, False, gauge, parts)
        peaks.append(gauge.peak())
    card = LiveBytes(there=sum(peaks) // 2)  # room for four parts, not for two
    foreseen = trained(make, True, card)
    assert foreseen["batch_parts"] == 4
    assert card.failures == 0
    assert same(foreseen, split)
    surprised = LiveBytes(there=card.there)
    assert trained(make, False, surprised)["batch_parts"] == 4
    assert surprised.failures >= 2, "each of the two sizes, and kept features are given back"


def test_where_all_fits_a_trial_leaves_no_trace(make: Make) -> None:
    assert same(trained(make, True, LiveBytes()), trained(make, False, LiveBytes()))


def test_a_trial_is_read_without_waiting_for_the_device(
    backbone: Callable[[], Backbone], store: MemoryStore
) -> None:
    network = backbone().to(META)
    settings = SupervisedSettings(epochs=2, optimiser=AdamSettings(learning_rate=0.01))
    groups = [(list(network.parameters()), 1.0)]
    with OtherDevice() as device, LiveBytes() as gauge:
        stage = SupervisedStage(
            network, groups, store, store.scheme, settings, BATCHES, seed=0, device=META
        )
        stage.splitter.foresight = Foresight(network, gauge)
        stage._train_step()
    assert stage.splitter.foresight is None, "it was used"
    assert not device.read


def test_a_trial_that_does_not_fit_leaves_the_batch_to_tell() -> None:
    splitter = BatchSplitter(4, foresight=Foresight(nn.Linear(1, 1), LiveBytes()))

    def full(slices: int) -> None:
        raise torch.OutOfMemoryError(f"CUDA out of memory, {slices} slices")

    splitter.foresee(16, full)
    assert splitter.parts == 1


@pytest.mark.parametrize(("slices", "tried"), [(4, []), (5, [2, 4]), (16, [2, 4]), (17, [3, 6])])
def test_what_is_tried_is_small_and_no_single_slice(slices: int, tried: list[int]) -> None:
    asked: list[int] = []
    splitter = BatchSplitter(8, foresight=Foresight(nn.Linear(1, 1), Counted()))
    for _ in range(2):
        splitter.foresee(slices, asked.append)
    assert asked == tried, "once, before the first batch"
    assert splitter.parts == 1


class Counted(LiveBytes):
    """A gauge that always reads the same."""

    def peak(self) -> int:
        return 1


def test_a_cpu_has_no_foresight() -> None:
    assert foresight_of(nn.Linear(1, 1), CPU) is None
