"""Two commands at once, in real processes: the second waits or is refused, and is told by whom.

The first is held (SIGSTOP) right after it has taken its lock, until the second has met it. In the
end there is what one after the other would have made.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

PATIENCE = 600.0
"""Seconds; many times what it takes, for crowded machines."""

CONFIG = {
    "name": "first",
    "device": "cpu",
    "threads": 1,
    "data": [
        {
            "name": "lesion",
            "source": "data/Dataset001_lesion",
            "preprocess": {"patch": [32, 32], "workers": 1},
        }
    ],
    "backbones": [{"name": "basic_unet", "features": [4, 4, 4, 4, 4, 4], "label": "unet"}],
    "batches": {"batch_size": 2, "steps_per_epoch": 1},
    "cell": {"nodes": 1, "partial_channels": 1},
    "pretrain": {"epochs": 1},
    "search": {"epochs": 2, "warmup_epochs": 1},
    "arms": {"lth": {"policy": "js"}},
    "controls": [],
    "retrain": {"epochs": 1},
    "sweep": {"cpus": 1, "workers": "reused"},
}
SEARCH = "lesion/unet/search/lth/seed0"
TOLD = ("digest", "status", "epochs", "val_dice", "genotype_id")


def write_source(root: Path) -> None:
    """A small raw data set of nnU-Net."""
    rng = np.random.default_rng(0)
    for number in range(12):
        truth = np.zeros((32, 32, 12), np.uint8)
        truth[6:14, 8:16, 1:] = 1
        voxels = (truth * 40 + rng.normal(100, 10, truth.shape)).astype(np.float32)
        for name, content in (("imagesTr", voxels), ("labelsTr", truth)):
            (root / name).mkdir(parents=True, exist_ok=True)
            channel = "_0000" if name == "imagesTr" else ""
            image = nib.Nifti1Image(content, np.diag([-1.0, -1.0, 5.0, 1.0]))
            nib.save(image, root / name / f"case{number}{channel}.nii.gz")
    values = {
        "channel_names": {"0": "T2"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 12,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(values))


@dataclass
class Command:
    """A command line at work."""

    process: subprocess.Popen[str]
    folder: Path

    def said(self) -> str:
        return "".join((self.folder / name).read_text() for name in ("out", "err"))

    def code(self) -> int:
        return self.process.wait(PATIENCE)


@dataclass
class Place:
    """A working folder."""

    folder: Path
    begun: list[Command] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def start(self, *arguments: str) -> Command:
        here = self.folder / f"command{len(self.begun)}"
        here.mkdir()
        with (here / "out").open("w") as out, (here / "err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed_iac.cli.main", *arguments],
                cwd=self.folder,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=out,
                stderr=err,
                text=True,
            )
        self.begun.append(Command(process, here))
        return self.begun[-1]

    def run(self, *arguments: str) -> tuple[int, str]:
        command = self.start(*arguments)
        return command.code(), command.said()

    def hold(self, lock: str, first: Command) -> int:
        """Hold whoever takes a lock, right then."""

        def holder() -> int | None:
            note = (self.folder / lock).read_text() if (self.folder / lock).exists() else ""
            return json.loads(note)["pid"] if note.endswith("}") else None

        pid = until(holder, first)
        os.kill(pid, signal.SIGSTOP)
        self.held.append(pid)
        assert holder() == pid, "it was held in time"
        return pid

    def release(self) -> None:
        while self.held:
            os.kill(self.held.pop(), signal.SIGCONT)

    def contents(self, folder: str) -> dict[str, bytes]:
        root = self.folder / folder
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }

    def rows(self, run: str) -> dict[str, dict[str, Any]]:
        table = pq.read_table(self.folder / run / "jobs.parquet").to_pylist()
        return {row["key"]: {name: row[name] for name in TOLD} for row in table}


def until(seen: Callable[[], Any], *alive: Command) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := seen()):
        assert all(one.process.poll() is None for one in alive), [one.said() for one in alive]
        assert time.monotonic() < end
        time.sleep(0.001)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    write_source(tmp_path / "data" / "Dataset001_lesion")
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(CONFIG))
    made = Place(tmp_path)
    yield made
    made.release()
    for command in made.begun:
        command.process.kill()
        command.process.wait()


@pytest.mark.slow
def test_prepare_beside_prepare(place: Place) -> None:
    first = place.start("prepare", "run.yaml")
    assert place.hold("stores/lesion/.lock", first) == first.process.pid
    second = place.start("prepare", "run.yaml")
    told = f"lesion: waiting for `main.py prepare run.yaml` (process {first.process.pid} on "
    until(lambda: told in second.said(), first, second)
    place.release()
    assert (first.code(), second.code()) == (0, 0), first.said() + second.said()
    assert "lesion: prepared in" in first.said()
    assert "lesion: already prepared in" in second.said()
    assert place.run("prepare", "run.yaml", "--set", "stores=alone")[0] == 0
    assert place.contents("stores") == place.contents("alone")


@pytest.mark.slow
def test_two_first_sweeps_over_one_data_set_and_a_search_beside_a_sweep(place: Place) -> None:
    first = place.start("sweep", "run.yaml")
    worker = place.hold("stores/lesion/.lock", first)
    before = place.contents("runs/first")
    for command in ("search", "sweep"):
        code, said = place.run(command, "run.yaml", "--set", "threads=2")
        assert code == 4, said
        assert "another one is at it: `main.py sweep run.yaml`" in said
        assert f"process {first.process.pid} on" in said
    refused = {"config.yaml", "config.json", "environment.json", "jobs.json", "journal.jsonl"}
    after = place.contents("runs/first")
    assert {name: after[name] for name in refused} == {name: before[name] for name in refused}

    second = place.start("sweep", "run.yaml", "--set", "name=second")
    journal = place.folder / "runs/second/journal.jsonl"
    told = f"its store is prepared by `main.py sweep run.yaml` (process {worker} on "
    until(lambda: journal.exists() and told in journal.read_text(), first, second)
    assert f"(process {worker}" in place.run("status", "runs/second", "--once")[1]
    place.release()
    assert (first.code(), second.code()) == (0, 0), first.said() + second.said()
    assert place.run("search", "run.yaml")[0] == 0, "which was refused before"

    assert place.run("search", "run.yaml", "--set", "out=alone", "--set", "stores=alone")[0] == 0
    alone = place.rows("alone/first")[SEARCH]
    for run in ("runs/first", "runs/second"):
        rows = place.rows(run)
        assert {row["status"] for row in rows.values()} == {"done"}
        assert rows[SEARCH] == alone
        assert '"again"' not in (place.folder / run / "journal.jsonl").read_text()


@pytest.mark.slow
def test_a_sweep_beside_a_search(place: Place) -> None:
    first = place.start("search", "run.yaml")
    assert place.hold("runs/first/driver.lock", first) == first.process.pid
    before = place.contents("runs/first")
    code, said = place.run("sweep", "run.yaml")
    assert code == 4, said
    assert "another one is at it: `main.py search run.yaml`" in said
    assert place.contents("runs/first") == before
    place.release()
    assert first.code() == 0, first.said()
    found = place.rows("runs/first")[SEARCH]
    assert place.run("sweep", "run.yaml")[0] == 0
    rows = place.rows("runs/first")
    assert {row["status"] for row in rows.values()} == {"done"}
    assert rows[SEARCH] == found
