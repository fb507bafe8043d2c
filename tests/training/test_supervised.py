"""Pre-training and retraining: exact resume, what is frozen stays, better than chance, reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from benchmarks.memory_store import MemoryStore
from distributed_iac.cell.implant import DerivedNetwork
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.training import (
    AdamSettings,
    PretrainSettings,
    RetrainSettings,
    SgdSettings,
)
from distributed_iac.data.contract import LabelScheme
from distributed_iac.genotype import Genotype
from distributed_iac.nets.contract import Backbone
from distributed_iac.training.checkpoint import checkpoint_bytes, read_checkpoint
from distributed_iac.training.memory import OutOfMemoryError
from distributed_iac.training.retrain import retrained
from distributed_iac.training.supervised import SupervisedStage

BATCHES = BatchSettings(batch_size=4, steps_per_epoch=4, augmentation="light")
ADAM = AdamSettings(learning_rate=1e-2)
CPU = torch.device("cpu")
GENOTYPE = Genotype.shared(
    2, [[(0, "sep_conv_3x3"), (1, "skip_connect")], [(0, "max_pool_3x3"), (2, "dil_conv_3x3")]]
)


@pytest.fixture
def pretrain(
    backbone: Callable[[], Backbone], store: MemoryStore, scheme: LabelScheme
) -> Callable[..., SupervisedStage]:
    def stage(**settings: Any) -> SupervisedStage:
        values = PretrainSettings(**{"epochs": 6, "optimiser": ADAM, **settings})
        network, parts = backbone(), values.parts
        groups = [(list(network.parameters()), 1.0)]
        return SupervisedStage(
            network, groups, store, scheme, values, BATCHES, seed=0, device=CPU, parts=parts
        )

    return stage


@pytest.fixture
def retrain(
    backbone: Callable[[], Backbone], store: MemoryStore, scheme: LabelScheme
) -> Callable[..., SupervisedStage]:
    def stage(unfreeze: Literal["cells", "cells_and_decoder", "all"]) -> SupervisedStage:
        network = DerivedNetwork(
            backbone(), GENOTYPE, CellSettings(nodes=2, width=4), torch.Generator().manual_seed(0)
        )
        settings = RetrainSettings(epochs=2, optimiser=ADAM, unfreeze=unfreeze)
        groups = retrained(network, unfreeze, rate=0.1)
        return SupervisedStage(
            network, groups, store, scheme, settings, BATCHES, seed=0, device=CPU
        )

    return stage


def finish(stage: SupervisedStage) -> list[dict[str, Any]]:
    rows = []
    while not stage.done:
        rows.append(dict(stage.step().values))
    return rows


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


@pytest.mark.parametrize("kind", ["pretrain", "retrain"])
def test_save_load_step_equals_step(
    kind: str,
    pretrain: Callable[..., SupervisedStage],
    retrain: Callable[..., SupervisedStage],
    tmp_path: Path,
) -> None:
    def build() -> SupervisedStage:
        return pretrain(epochs=3) if kind == "pretrain" else retrain("all")

    straight = build()
    rows = finish(straight)
    first = build()
    head = dict(first.step().values)
    (tmp_path / "c.pt").write_bytes(checkpoint_bytes(first.state_dict()))
    second = build()
    second.load_state_dict(read_checkpoint(tmp_path / "c.pt"))
    assert [head, *finish(second)] == rows
    assert equal(second.state_dict(), straight.state_dict())


def test_training_learns_what_the_discs_look_like(
    pretrain: Callable[..., SupervisedStage],
) -> None:
    stage = pretrain(epochs=20)
    rows = finish(stage)
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    assert stage.best.score > 0.6
    assert stage.best.score == max(row["val_dice"] for row in rows)


def test_a_network_learns_from_the_parts_that_it_is_given_alone(
    pretrain: Callable[..., SupervisedStage], store: MemoryStore
) -> None:
    states = []
    for values in ("as they are", "others"):
        if values == "others":
            store._images[store.rows("architecture")] += 1
        for parts in (["weights"], ["weights", "architecture"]):
            stage = pretrain(epochs=2, parts=parts)
            finish(stage)
            states.append(stage.network.state_dict())
    assert equal(states[0], states[2])
    assert not equal(states[1], states[3])


def test_patience_ends_the_training_and_says_so(pretrain: Callable[..., SupervisedStage]) -> None:
    rows = finish(pretrain(epochs=50, patience=1, optimiser=AdamSettings(learning_rate=1e-12)))
    assert len(rows) < 50
    assert rows[-1]["reason"] == "no better val Dice for 1 validations"


def test_an_unstable_training_is_called_diverged(pretrain: Callable[..., SupervisedStage]) -> None:
    rows = finish(pretrain(optimiser=SgdSettings(learning_rate=1e30, reference_batch=None)))
    assert str(rows[-1]["reason"]).startswith("diverged")


@pytest.mark.parametrize(
    ("unfreeze", "moved"),
    [
        ("cells", {"cells", "projections"}),
        ("cells_and_decoder", {"cells", "projections", "backbone.up", "backbone.head"}),
        ("all", {"cells", "projections", "backbone.up", "backbone.head", "backbone.down"}),
    ],
)
def test_only_what_is_unfrozen_moves(
    retrain: Callable[..., SupervisedStage], unfreeze: Any, moved: set[str]
) -> None:
    stage = retrain(unfreeze)
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    finish(stage)
    after = stage.network.state_dict()
    changed = {
        ".".join(name.split(".")[:2]) if name.startswith("backbone") else name.split(".")[0]
        for name, value in before.items()
        if not torch.equal(value, after[name])
    }
    assert changed == moved


def small_gpu(network: Any, fits: int) -> None:
    """Let a network run out of memory whenever it sees more slices at a time."""
    encode = network.encode

    def short(images: torch.Tensor) -> Any:
        if len(images) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(images)

    network.encode = short


def without_batch_statistics(network: torch.nn.Module) -> None:
    """They are the one thing that parts of a batch cannot have in common; so is the soft Dice."""
    blocks = [block for block in network.modules() if isinstance(block, torch.nn.Sequential)]
    for block in blocks:
        for place, layer in enumerate(block):
            if isinstance(layer, torch.nn.BatchNorm2d):
                block[place] = torch.nn.InstanceNorm2d(layer.num_features)


@pytest.mark.parametrize(("fits", "parts"), [(4, 1), (3, 2), (1, 4)])
def test_a_batch_that_does_not_fit_trains_in_parts_to_equal_weights(
    pretrain: Callable[..., SupervisedStage], fits: int, parts: int
) -> None:
    sgd = SgdSettings(learning_rate=0.1, reference_batch=None)  # Adam would blow up rounding
    stages = [pretrain(epochs=2, loss={"dice_weight": 0.0}, optimiser=sgd) for _ in range(2)]
    for stage in stages:
        without_batch_statistics(stage.network)
    whole, narrow = stages
    small_gpu(narrow.network, fits)
    rows = [finish(stage) for stage in stages]
    assert rows[1][-1]["batch_parts"] == parts
    for one, other in zip(*rows, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-5)
        assert other["val_dice"] == pytest.approx(one["val_dice"], abs=1e-3)
    for ours, theirs in zip(narrow.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_parts_are_remembered_by_a_checkpoint(
    pretrain: Callable[..., SupervisedStage], tmp_path: Path
) -> None:
    first, second = pretrain(), pretrain()
    small_gpu(first.network, 2)
    first.step()
    (tmp_path / "c.pt").write_bytes(checkpoint_bytes(first.state_dict()))
    second.load_state_dict(read_checkpoint(tmp_path / "c.pt"))
    assert second.splitter.parts == 2


def test_a_slice_that_does_not_fit_is_one_clear_error(
    pretrain: Callable[..., SupervisedStage],
) -> None:
    stage = pretrain()
    small_gpu(stage.network, 0)
    with pytest.raises(OutOfMemoryError, match=r"in 4 parts[\s\S]*batches\.batch_size"):
        stage.step()


def test_validation_in_parts_has_the_score_of_the_whole(
    pretrain: Callable[..., SupervisedStage],
) -> None:
    stage = pretrain()
    stage.step()
    expected = stage._validate()
    for fits in (3, 1):
        small_gpu(stage.network, fits)
        assert stage._validate() == expected
    small_gpu(stage.network, 0)
    with pytest.raises(OutOfMemoryError, match="smaller patch"):
        stage._validate()
