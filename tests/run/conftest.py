"""A phantom of eight patients, its store, and runs over it that take seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from distributed_iac.config.run import RunConfig
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.phantom import make_phantom
from distributed_iac.run.local_sweep import LocalSweep

SHORT = {"epochs": 2, "optimiser": {"kind": "adam", "learning_rate": 1e-3}}

MakeConfig = Callable[..., RunConfig]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the raw data, and with the runs, artifacts and stores of all tests here."""
    folder = tmp_path_factory.mktemp("work")
    make_phantom("acdc", folder / "raw", patients=8, seed=0, size="tiny")
    return folder


@pytest.fixture(scope="session")
def make_config(place: Path) -> MakeConfig:
    """Builds the smallest run that has every kind of job; keywords replace whole branches."""

    def make(**changes: Any) -> RunConfig:
        data = {"name": "acdc", "source": place / "raw"}
        values = {
            "name": "run",
            "out": place / "runs",
            "stores": place / "stores",
            "device": "cpu",
            "threads": 1,
            "data": [data | {"preprocess": {"workers": 1, "patch": [32, 32]}}],
            "backbones": [{"name": "basic_unet", "features": "tiny"}],
            "baselines": [{"name": "attention_unet", "channels": [4, 4, 4, 4, 4]}],
            "cell": {"nodes": 2, "partial_channels": 2},
            "batches": {"batch_size": 4, "steps_per_epoch": 1},
            "pretrain": SHORT,
            "retrain": SHORT,
            "search": {"epochs": 2, "warmup_epochs": 1},
            "evaluation": {"metrics": ["dice"]},
        }
        return RunConfig.model_validate(values | changes)

    return make


@pytest.fixture(scope="session")
def finished(make_config: MakeConfig) -> LocalSweep:
    """A run of which everything is done."""
    config = make_config()
    sweep = LocalSweep(config, plan_jobs(config), lambda *_: None)
    outcome = sweep.run()
    assert set(outcome.counts) == {"done"}, outcome.failed
    return sweep
