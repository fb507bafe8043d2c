"""Every stage on a device that is not the CPU: nothing made on the wrong one, little read back.

The counts are laws: what is read back makes a GPU wait, and inside a step nothing may. With two
steps an epoch, what is read once an epoch is told from what is read in each. Evaluation, export and
prediction of whole cases: ``tests/deploy/test_other_place.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.memory_store import MemoryStore
from distributed_iac.cell.implant import DerivedNetwork, SearchNetwork
from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.pruning import PruningSettings, ScheduleSettings
from distributed_iac.config.training import (
    AdamSettings,
    SearchSettings,
    SgdSettings,
    SupervisedSettings,
)
from distributed_iac.data.contract import LabelScheme
from distributed_iac.evaluation.inference import Inference, slice_logits
from distributed_iac.genotype import CellTopology
from distributed_iac.nets.contract import Backbone
from distributed_iac.training.search import SearchStage
from distributed_iac.training.supervised import SupervisedStage
from tests.training.other_device import META, OtherDevice

CELL = CellSettings.model_validate(
    {
        "nodes": 1,
        "width": 4,
        "partial_channels": 2,
        "relax_partial_channels": [{"alive": 0.5, "partial_channels": 1}],
    }
)
SEARCH = SearchSettings(
    epochs=5,
    warmup_epochs=1,
    validate_every=2,
    beta_decay=0.1,
    gradient_clip=1.0,
    weights=SgdSettings(learning_rate=0.1),
    architecture=AdamSettings(learning_rate=3e-2),
)
SUPERVISED = SupervisedSettings(
    epochs=2, validate_every=2, gradient_clip=1.0, optimiser=AdamSettings(learning_rate=0.1)
)
SCHEDULE = ScheduleSettings(at=(3, 4), keep=(3, 1))
FINITE, OBSERVE = "training/search.py:_finite", "training/search.py:_observe"
ALIVE, DICE = "cell/architecture.py:structures", "training/score.py:case_dice"
KEPT = "training/best.py:<dictcomp>"
EPOCH = {FINITE: 2, OBSERVE: 2, ALIVE: 1}
"""Two losses, the importance of operations and of edges, and what is alive."""


def batches(steps: int) -> BatchSettings:
    return BatchSettings(batch_size=3, steps_per_epoch=steps, augmentation="light")


def derived(backbone: Backbone) -> DerivedNetwork:
    genotype = random_genotype(CellTopology(nodes=2), np.random.default_rng(0), "shared", 1)
    settings = CellSettings(nodes=2, width=4)
    return DerivedNetwork(backbone, genotype, settings, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("make", [lambda backbone: backbone, derived], ids=["plain", "cells"])
def test_supervised_training_reads_one_number_an_epoch_and_one_a_validation(
    make: Callable[[Backbone], torch.nn.Module],
    backbone: Callable[[], Backbone],
    store: MemoryStore,
    scheme: LabelScheme,
) -> None:
    network = make(backbone()).to(META)
    groups = [(list(network.parameters()), 1.0)]
    read = []
    with OtherDevice() as device:
        stage = SupervisedStage(
            network, groups, store, scheme, SUPERVISED, batches(2), seed=0, device=META
        )
        while not stage.done:
            device.read.clear()
            stage.step()
            read.append(dict(device.read))
    epoch, kept = {"training/supervised.py:step": 1}, len(network.state_dict())
    assert read == [epoch, epoch | {KEPT: kept, DICE: 1}]


@pytest.mark.parametrize(("importance", "steps"), [("softmax", 2), ("perturbation", 1)])
def test_a_search_reads_five_things_an_epoch_and_nothing_inside_a_step(
    importance: Any,
    steps: int,
    backbone: Callable[[], Backbone],
    store: MemoryStore,
    scheme: LabelScheme,
) -> None:
    def alive(tensor: Tensor) -> Tensor:
        return torch.tensor(stage.history.live_operations).reshape(tensor.shape)

    def observed(tensor: Tensor) -> Tensor:
        """Even shares of what is alive, of operations (S, rows, O) or edges (S, rows)."""
        live = torch.tensor(stage.history.live_operations).double()
        shares = live / live.sum(1, keepdim=True)
        if tensor.dim() == 2:
            shares = live.any(1).double() / live.any(1).sum()  # one node: it has all edges
        return shares.expand(tensor.shape).to(tensor.dtype)

    answers = {
        ALIVE: alive,
        OBSERVE: observed,
    }
    pruning = PruningSettings(policy="schedule", importance=importance, schedule=SCHEDULE)
    read = []
    with OtherDevice(answers) as device:
        stage = SearchStage(
            SearchNetwork(backbone(), CELL, torch.Generator().manual_seed(1)),
            store,
            scheme,
            SEARCH,
            batches(steps),
            pruning,
            seed=0,
            device=META,
        )
        while not stage.done:
            device.read.clear()
            report = stage.step()
            read.append(dict(device.read))
        device.read.clear()
        stage._bilevel.architecture_step(next(stage._architecture_batches))
        stage._bilevel.weight_step(next(stage._weight_batches))
        assert not device.read
    assert report["reason"] == "all 5 epochs"
    assert report["partial_channels"] == 1
    warm_up, validated, plain, *pruned = read
    assert warm_up == {FINITE: 1, ALIVE: 1}
    # Validated are the supernet and the cell that would be cut of it, which is what is alive of a
    # copy. Perturbation validates once more, and once for every operation on trial.
    asked = 0 if importance == "softmax" else 1
    assert validated == EPOCH | {DICE: 2 + asked, ALIVE: 2, KEPT: len(stage.best.state)}
    assert plain == EPOCH | ({DICE: 1} if asked else {})
    for one in pruned:
        assert {**one, DICE: 0, ALIVE: 0} == {**EPOCH, DICE: 0, ALIVE: 0}
        assert bool(asked) or (one[DICE], one[ALIVE]) == (2, 3)


@pytest.mark.parametrize("size", [(16, 16), (24, 20)], ids=["patch", "windows"])
def test_prediction_reads_each_batch_twice(
    size: tuple[int, int], backbone: Callable[[], Backbone]
) -> None:
    network = derived(backbone()).to(META).eval()
    slices = np.zeros((5, 1, *size), np.float16)
    way = Inference(mirror=("rows", "columns"), batch_size=64)
    with OtherDevice() as device:
        logits = list(slice_logits(network, slices, (16, 16), way, META))
    assert [one.shape for one in logits] == [(3, *size)] * 5
    assert dict(device.read) == {"evaluation/inference.py:slice_logits": 2}


def test_the_other_device_refuses_what_a_gpu_would() -> None:
    away, here = torch.zeros(2, device=META), torch.zeros(2)
    with OtherDevice(), pytest.raises(AssertionError, match="mixes devices at outside"):
        away + here
    with OtherDevice() as device:
        assert (away + torch.tensor(1.0)).device == META
        assert float(away.sum()) == 1.0
        here.copy_(away)
    assert device.read == {"outside": 2}
