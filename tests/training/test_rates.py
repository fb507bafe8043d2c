"""Several learning rates, one after another: the best is kept, nothing is lost on the way."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks.memory_store import MemoryStore
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.training import AdamSettings, RetrainSettings, SgdSettings
from distributed_iac.data.contract import LabelScheme
from distributed_iac.nets.contract import Backbone
from distributed_iac.training.checkpoint import checkpoint_bytes, read_checkpoint
from distributed_iac.training.rates import RatesStage
from distributed_iac.training.retrain import adapted
from distributed_iac.training.supervised import SupervisedStage

BATCHES = BatchSettings(batch_size=4, steps_per_epoch=3, augmentation="light")
ADAM = AdamSettings(learning_rate=1e-2)
CPU = torch.device("cpu")

Build = Callable[[float], SupervisedStage]


@pytest.fixture
def build(backbone: Callable[[], Backbone], store: MemoryStore, scheme: LabelScheme) -> Build:
    def one(rate: float) -> SupervisedStage:
        settings = RetrainSettings(epochs=2, optimiser=ADAM)
        network = backbone()
        groups = adapted(network, "network", rate)
        return SupervisedStage(
            network, groups, store, scheme, settings, BATCHES, seed=0, device=CPU
        )

    return one


@pytest.fixture
def hopeless(backbone: Callable[[], Backbone], store: MemoryStore, scheme: LabelScheme) -> Build:
    """With the rate 1 its loss becomes NaN in the first epoch."""

    def one(rate: float) -> SupervisedStage:
        optimiser = SgdSettings(learning_rate=1e38 if rate == 1.0 else 1e-3, reference_batch=None)
        settings = RetrainSettings(epochs=2, optimiser=optimiser, gradient_clip=1e30)
        network = backbone()
        groups = adapted(network, "network", rate)
        return SupervisedStage(
            network, groups, store, scheme, settings, BATCHES, seed=0, device=CPU
        )

    return one


def run(stage: RatesStage | SupervisedStage) -> list[dict[str, object]]:
    rows = []
    while not stage.done:
        rows.append(dict(stage.step().values))
    return rows


def test_each_rate_is_trained_as_if_it_were_alone(build: Build) -> None:
    rates = (1.0, 1e-6, 0.1)
    together = RatesStage(build, rates)
    rows = run(together)
    alone = [run(build(rate)) for rate in rates]
    assert [row["val_dice"] for row in rows] == [row["val_dice"] for one in alone for row in one]
    assert [row["loss"] for row in rows] == [row["loss"] for one in alone for row in one]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["rate"] for row in rows] == [1.0, 1.0, 1e-6, 1e-6, 0.1, 0.1]
    assert [row["done"] for row in rows] == [False] * 5 + [True]


def test_the_best_of_all_is_kept_with_its_rate_and_weights(build: Build) -> None:
    together = RatesStage(build, (1e-6, 1.0))
    rows = run(together)
    scores = [float(str(row["val_dice"])) for row in rows]
    best = scores.index(max(scores))
    assert together.best.score == max(scores)
    assert (together.best.epoch, together.rate) == (best + 1, rows[best]["rate"])
    alone = build(together.rate)
    run(alone)
    assert alone.best.state.keys() == together.best.state.keys()
    for name, value in alone.best.state.items():
        assert torch.equal(value, together.best.state[name])
    assert set(json.loads(together.scores)) == {"1e-06", "1"}
    assert rows[-1]["best_val_dice"] == max(scores)


def test_one_rate_is_the_plain_training(build: Build) -> None:
    together, alone = RatesStage(build, (0.5,)), build(0.5)
    assert [row["loss"] for row in run(together)] == [row["loss"] for row in run(alone)]
    assert together.reason == alone.reason
    assert (together.best.score, together.best.epoch) == (alone.best.score, alone.best.epoch)


@pytest.mark.parametrize("interrupted", [1, 2, 3])
def test_save_load_step_equals_step(build: Build, tmp_path: Path, interrupted: int) -> None:
    straight = RatesStage(build, (1.0, 0.1))
    expected = run(straight)
    first = RatesStage(build, (1.0, 0.1))
    rows = [dict(first.step().values) for _ in range(interrupted)]
    (tmp_path / "a.pt").write_bytes(checkpoint_bytes(first.state_dict()))
    second = RatesStage(build, (1.0, 0.1))
    second.load_state_dict(read_checkpoint(tmp_path / "a.pt"))
    assert second.epoch == interrupted
    assert rows + run(second) == expected
    assert second.best.score == straight.best.score
    assert (second.rate, second.scores) == (straight.rate, straight.scores)
    for name, value in straight.best.state.items():
        assert torch.equal(value, second.best.state[name])


def test_a_rate_that_diverges_is_out_and_the_others_count(hopeless: Build) -> None:
    stage = RatesStage(hopeless, (1.0, 0.1))
    rows = run(stage)
    assert len(rows) == 3, "one epoch of the first, two of the second"
    assert stage.rate == 0.1
    assert stage.best.epoch > 1
    assert stage.ending is not None
    assert stage.ending.code == "all_epochs"
    assert json.loads(stage.scores)["1"] is None


def test_only_if_all_diverge_has_the_training_failed(hopeless: Build) -> None:
    stage = RatesStage(hopeless, (1.0,))
    rows = run(stage)
    assert stage.ending is not None
    assert stage.ending.code == "diverged"
    assert not math.isfinite(float(str(rows[-1]["loss"])))


def test_epochs_left_are_known(build: Build) -> None:
    stage = RatesStage(build, (1.0, 0.1, 0.01))
    assert (stage.epoch, stage.epochs) == (0, 6)
    stage.step()
    stage.step()
    stage.step()
    assert (stage.epoch, stage.epochs) == (3, 6)
