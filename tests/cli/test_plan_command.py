"""``distributed-iac plan``: what it says with and without data, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from distributed_iac.cli.main import app
from distributed_iac.cli.measuring import fitted
from distributed_iac.cli.plan import _growth
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.load import load_config
from distributed_iac.config.run import RunConfig
from distributed_iac.data.store import Store, StoredCase
from distributed_iac.errors import ConfigError
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.nets.build import build_backbone
from distributed_iac.phantom import make_phantom
from distributed_iac.run.measure import measure
from distributed_iac.run.probe import Probe, probe
from distributed_iac.training.memory_model import MemoryModel

CONFIG = """
name: demo
out: {root}/runs
stores: {root}/stores
device: cpu
threads: 1
data:
- {{name: hearts, source: {root}/raw,
    preprocess: {{spacing: [2.4, 2.0], patch: [48, 48], workers: 1}}}}
backbones: [{{name: basic_unet, features: [4, 4, 4, 8, 8, 4], label: unet}}]
baselines: [{{name: attention_unet, channels: [4, 4, 4, 8, 8], label: attention}}]
cell: {{nodes: 1, partial_channels: 2}}
batches: {{batch_size: 4, steps_per_epoch: 2, augmentation: none}}
pretrain: {{epochs: 20}}
search: {{epochs: 10, warmup_epochs: 0}}
retrain: {{epochs: 5}}
"""

RATE = "pretrain.optimiser={kind: sgd, learning_rate: 1.0e+30}"
"""With which the first batch leads to infinity."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose data set is prepared."""
    root = tmp_path_factory.mktemp("plan")
    make_phantom("acdc", root / "raw", patients=6, seed=0, size="tiny")
    path = root / "run.yaml"
    path.write_text(CONFIG.format(root=root), encoding="utf-8")
    done = CliRunner().invoke(app, ["prepare", str(path)])
    assert done.exit_code == 0, done.output
    return path


def plan(config: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["plan", str(config), *options])


THEIRS = "backbones.0={name: custom, import: 'tests.foreign:CroppingUNet', label: theirs%s}"


@pytest.mark.parametrize("command", ["plan", "search", "sweep"])
def test_a_join_that_fails_is_named_before_anything_is_done(prepared: Path, command: str) -> None:
    wrong = THEIRS % ", joins: [ups.0.cat, ups.7.cat]"
    result = CliRunner().invoke(
        app, [command, str(prepared), "--set", wrong, "--set", "name=unbuilt"]
    )
    assert isinstance(result.exception, ConfigError)
    assert "ups.7.cat" in str(result.exception)
    assert "ups.0.cat, ups.1.cat, ups.2.cat" in str(result.exception)
    assert not (prepared.parent / "runs" / "unbuilt").exists()


def test_it_says_where_cells_go_into_a_network_of_others(prepared: Path) -> None:
    result = plan(prepared, "--no-measure", "--set", THEIRS % "")
    assert "theirs is itself with cells at ups.0.cat (stride 4, 16 + 16 channels)" in result.output
    assert "multiples of 8" in result.output


def rows(output: str) -> dict[str, list[str]]:
    """Words of the table's lines, by kind."""
    kinds = {"prepare", "pretrain", "search", "retrain", "baseline", "evaluate"}
    lines = [line.split() for line in output.splitlines()]
    return {line[0]: line[1:] for line in lines if line and line[0] in kinds}


def test_jobs_are_counted_by_kind_and_trained_ones_measured(prepared: Path) -> None:
    done = plan(prepared)
    assert done.exit_code == 0, done.output
    table = rows(done.stdout)
    counts = {kind: cells[0] for kind, cells in table.items()}
    assert counts == {
        "prepare": "1",
        "pretrain": "1",
        "baseline": "1",
        "evaluate": "1",
        "search": "2",
        "retrain": "4",
    }
    measured = {kind for kind, cells in table.items() if cells[-1] == "GB"}
    assert measured == {"pretrain", "baseline", "search", "retrain"}
    assert "10 jobs in" in done.stdout
    assert "at most" in done.stdout
    assert not load_config(prepared, []).folder.exists(), "a plan leaves nothing behind"


@pytest.mark.parametrize(
    ("variants", "shared", "said"),
    [
        ("{a: {}, b: {batches: {batch_size: 2}}}", 1, "which the variant a has as well"),
        ("{a: {search: {epochs: 9}}, b: {search: {epochs: 8}}}", 1, "which no variant has"),
        ("{a: {retrain: {epochs: 4}}, b: {retrain: {epochs: 6}}}", 0, "which no variant has"),
    ],
)
def test_the_headroom_shares_its_jobs_with_the_variant_that_trains_alike(
    prepared: Path, variants: str, shared: int, said: str
) -> None:
    output = plan(prepared, "--no-measure", "--set", f"variants={variants}").output
    assert f"{said}: 18 retrainings of random cells, {shared} of them jobs" in output


def test_random_cells_beyond_all_that_there_are_are_told(prepared: Path) -> None:
    controls = "controls=[plain, random_search]"  # one node that keeps both inputs: 7 * 7 cells
    for count, told in ((49, False), (50, True)):
        cells = f"comparison.random_cells={count}"
        output = plan(prepared, "--no-measure", "--set", controls, "--set", cells).output
        assert ("asks for 50 random cells where there are 49" in output) is told


def test_every_job_is_listed_with_its_needs(prepared: Path) -> None:
    listed = plan(prepared, "--no-measure", "--jobs").stdout.splitlines()
    assert "hearts/unet/search/lth/seed0  <- hearts/unet/pretrain" in listed
    assert "hearts/prepare  <- nothing" in listed


def test_without_a_store_it_says_what_is_unknown_and_what_to_do(prepared: Path) -> None:
    done = plan(prepared, "--set", f"stores={prepared.parent / 'nowhere'}")
    assert done.exit_code == 0, done.output
    assert rows(done.stdout)["search"][0] == "2"
    assert "GB" not in done.stdout
    assert "memory and time are unknown" in done.stderr
    assert "no such folder" in done.stderr
    assert "run `distributed-iac prepare`" in done.stderr


def test_kinds_that_cannot_run_here_are_named(prepared: Path) -> None:
    done = plan(prepared, "--set", RATE, "--set", "baselines=[]")
    assert done.exit_code == 4, done.output
    assert "a pretrain job gets through" in done.stderr
    assert "diverged" in done.stderr
    assert "lower the learning rates" in done.stderr
    assert rows(done.stdout)["search"][-1] == "GB", "the others are measured all the same"


def test_an_unknown_setting_is_a_configuration_error(prepared: Path) -> None:
    error = plan(prepared, "--set", "serach.epochs=3").exception
    assert isinstance(error, ConfigError)
    assert error.exit_code == 2


@pytest.fixture
def config(prepared: Path) -> RunConfig:
    torch.set_num_threads(1)
    return load_config(prepared, [])


@pytest.mark.parametrize("kind", ["pretrain", "search", "retrain", "baseline"])
def test_the_test_patients_are_left_alone(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    asked: set[str] = set()
    cases = Store.cases

    def noted(self: Store, part: str) -> tuple[StoredCase, ...]:
        asked.add(part)
        return cases(self, part)

    monkeypatch.setattr(Store, "cases", noted)
    one = measure(config, kind)  # type: ignore[arg-type]  # parametrised by name
    assert "val" in asked
    assert asked <= {"weights", "architecture", "val"}
    expected = {
        "pretrain": 20,
        "search": 10,
        "retrain": 2 * 5,
        "baseline": 25,
    }  # two learning rates
    assert one.epochs == expected[kind]


def test_an_epoch_of_many_batches_takes_as_much_longer(config: RunConfig) -> None:
    many = config.batches.model_copy(update={"steps_per_epoch": 1000})
    few, lots = (
        measure(one, "pretrain") for one in (config, config.model_copy(update={"batches": many}))
    )
    assert lots.epoch_seconds > 20 * few.epoch_seconds
    assert lots.seconds == lots.epoch_seconds * 20


def test_memory_is_that_of_a_process_of_its_own(config: RunConfig) -> None:
    ballast = bytearray(2 * 10**9)
    ballast[::4096] = b"x" * len(ballast[::4096])  # else the memory is only promised
    one = probe(config, "pretrain")
    assert isinstance(one, Probe)
    assert 10**8 < one.peak_bytes < 1.5 * 10**9
    batch = config.batches.batch_size
    assert one.memory.forecast(batch) == pytest.approx(one.peak_bytes, rel=0.05), "no GPU here"


def test_what_measures_does_not_outlive_a_killed_plan(prepared: Path) -> None:
    command = [sys.executable, "-m", "distributed_iac.cli.main", "plan", str(prepared)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert any(b"measuring" in line for line in process.stderr)
        one = psutil.Process(process.pid)
        while not any(child.children() for child in one.children()):  # of the server, one measures
            time.sleep(0.05)
        measuring = one.children(recursive=True)
        process.terminate()
    _, alive = psutil.wait_procs(measuring, timeout=20)
    for orphan in alive:
        orphan.kill()
    assert not alive


def test_what_becomes_of_a_trained_network_is_said(prepared: Path, tmp_path: Path) -> None:
    network = build_backbone(load_config(prepared).backbones[0], 1, 4)
    torch.save(network.state_dict(), tmp_path / "unet.pt")
    trained = f"backbones.0.weights={tmp_path / 'unet.pt'}"
    options = ["--no-measure", "--set", trained, "--set", "controls=[plain, random]"]
    moved = plan(prepared, *options)
    assert "unet comes trained and is trained on: retrain.unfreeze is all" in moved.output
    frozen = plan(prepared, *options, "--set", "retrain.unfreeze=cells")
    assert "unet comes trained and stays as it is, to the bit" in frozen.output
    assert "comes trained" not in plan(prepared, "--no-measure").output


def test_measured_resources_follow_a_probe_of_a_gpu_and_are_said(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory is that of a probe; that torch counts it right is torch's."""
    asked = ["--set", "sweep.resources=measured"]
    assert "found no GPU memory to divide" in plan(prepared, "--no-measure", *asked).output
    config = load_config(prepared, ["sweep.resources=measured"])
    found = {("search", ""): Probe(1.0, 1, 10**9, 3 * 10**9, MemoryModel(2e9, 0.25e9))}
    there = type("Properties", (), {"total_memory": 24 * 10**9})()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: there)
    divided, said = fitted(config, plan_jobs(config), found)
    assert said == ("sweep.resources: measured puts on a GPU of 24 GB: 5 search",)
    assert divided.sweep.resources.search.gpus == 0.2
    # Another data set has four times the batch: 6 GB.
    both = config.model_copy(update={"data": (*config.data, own_batch(config, 16))})
    assert fitted(both, plan_jobs(both), found)[1] == (
        "sweep.resources: measured puts on a GPU of 24 GB: 2 search",
    )
    assert _growth(found) == ["GPU memory of every slice more in a batch: 250 MB a search"]


def own_batch(config: RunConfig, slices: int) -> DatasetSettings:
    """A second data set, with a batch size of its own."""
    settings = {"batches": {"batch_size": slices}}
    return config.data[0].model_copy(update={"name": "others", "settings": settings})
