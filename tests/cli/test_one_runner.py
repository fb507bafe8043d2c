"""A job that was interrupted under one command continues under the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from distributed_iac.phantom import make_phantom
from distributed_iac.run.journal import Journal

PRETRAIN, EPOCHS, PATIENCE = "acdc/basic_unet-tiny/pretrain", 40, 240.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A run with one search, whose pre-training has many short epochs."""
    make_phantom("acdc", tmp_path / "raw", patients=8, seed=0, size="tiny")
    adam = {"optimiser": {"kind": "adam", "learning_rate": 1e-3}}
    path = tmp_path / "run.yaml"  # JSON is YAML
    path.write_text(
        json.dumps(
            {
                "name": "run",
                "out": str(tmp_path / "runs"),
                "stores": str(tmp_path / "stores"),
                "device": "cpu",
                "threads": 1,
                "data": [{"name": "acdc", "source": "raw", "preprocess": {"patch": [32, 32]}}],
                "backbones": [{"name": "basic_unet", "features": "tiny"}],
                "arms": {"lth": {"policy": "js"}},
                "controls": [],
                "cell": {"nodes": 2, "partial_channels": 2},
                "batches": {"batch_size": 4, "steps_per_epoch": 1},
                "pretrain": {"epochs": EPOCHS, **adam},
                "retrain": {"epochs": 2, **adam},
                "search": {"epochs": 2, "warmup_epochs": 1},
                "evaluation": {"metrics": ["dice"]},
                "sweep": {"checkpoint_epochs": 1, "cpus": 1},
            }
        )
    )
    return path


def start(command: str, config: Path) -> subprocess.Popen[bytes]:
    with (config.parent / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed_iac.cli.main", command, config.name],
            cwd=config.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def reported(config: Path) -> list[Any]:
    journal = Journal(config.parent / "runs" / "run" / "journal.jsonl")
    events = list(journal.read())
    return [e.values["epoch"] for e in events if (e.kind, e.job) == ("report", PRETRAIN)]


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("search", "sweep"), ("sweep", "search")])
def test_what_was_interrupted_under_one_command_continues_under_the_other(
    config: Path, first: str, second: str
) -> None:
    begun, deadline = start(first, config), time.monotonic() + PATIENCE
    while not reported(config) or reported(config)[-1] < 5:
        assert begun.poll() is None, (config.parent / "said.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    before = reported(config)
    assert before[-1] < EPOCHS
    done = start(second, config).wait(PATIENCE)
    assert done == 0, (config.parent / "said.txt").read_text()
    after = reported(config)[len(before) :]
    # The epoch in which the kill came may have been checkpointed before it was reported, or not.
    assert before[-1] <= after[0] <= before[-1] + 2
    assert after == list(range(after[0], EPOCHS + 1))
