"""A run in this process: resumed after a kill, never done twice, failing as little as it can."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from distributed_iac.cli.board import Board
from distributed_iac.config.run import RunConfig
from distributed_iac.data.store.manifest import LOCK
from distributed_iac.deploy.from_run import FinishedRun, choose_model
from distributed_iac.errors import ConfigError, RunError
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.locks import locked, own_command
from distributed_iac.phantom import make_phantom
from distributed_iac.run.cells import read_search
from distributed_iac.run.collect import collect_run
from distributed_iac.run.local_sweep import LocalSweep
from distributed_iac.run.result import read_result
from distributed_iac.training.group import Group
from distributed_iac.training.outputs import read_weights

MakeConfig = Callable[..., RunConfig]

UNET = "acdc/basic_unet-tiny"
PRETRAIN = f"{UNET}/pretrain"
LONGER = {"epochs": 7, "optimiser": {"kind": "adam", "learning_rate": 1e-3}}


class KilledError(Exception):
    pass


def sweep_of(config: RunConfig, seen: list[tuple[str, object]] | None = None) -> LocalSweep:
    """A sweep that notes every epoch."""

    def observe(key: str, values: dict[str, object], _epochs: int) -> None:
        if seen is not None:
            seen.append((key, values["epoch"]))

    return LocalSweep(config, plan_jobs(config), observe)


def test_a_finished_run_is_not_run_again(finished: LocalSweep) -> None:
    seen: list[tuple[str, object]] = []
    assert not sweep_of(finished.config, seen).run().unfinished
    assert seen == []


def test_a_run_of_another_name_finds_what_is_done(
    finished: LocalSweep, make_config: MakeConfig
) -> None:
    seen: list[tuple[str, object]] = []
    config = make_config(name="again", retrain={**LONGER, "epochs": 1}, controls=[], baselines=[])
    sweep = sweep_of(config, seen)
    sweep.run()
    done = [key for key, _ in seen]
    cells = [f"{UNET}/retrain/full/seed0", f"{UNET}/retrain/lth/seed0"]
    assert list(dict.fromkeys(done)) == cells, "an epoch with each learning rate"
    name = "best.safetensors"
    ours, theirs = (one.result(PRETRAIN) / name for one in (sweep, finished))
    assert ours != theirs
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("kill_after", [1, 6])
def test_a_killed_job_ends_as_an_undisturbed_one(
    make_config: MakeConfig, tmp_path: Path, kill_after: int
) -> None:
    def config(out: str) -> RunConfig:
        return make_config(out=tmp_path / out, pretrain=LONGER)

    def kill(key: str, values: dict[str, object], _epochs: int) -> None:
        if (key, values["epoch"]) == (PRETRAIN, kill_after):
            raise KilledError

    undisturbed = sweep_of(config("a")).result(PRETRAIN)
    with pytest.raises(KilledError):
        LocalSweep(config("b"), plan_jobs(config("b")), kill).result(PRETRAIN)
    seen: list[tuple[str, object]] = []
    resumed = sweep_of(config("b"), seen).result(PRETRAIN)
    assert [epoch for key, epoch in seen if key == PRETRAIN] == list(range(kill_after + 1, 8))
    one, other = (read_weights(path / "best.safetensors") for path in (undisturbed, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not list(resumed.glob("*.pt"))


def test_a_deleted_store_is_prepared_again(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(out=tmp_path / "runs", stores=tmp_path / "stores")
    sweep_of(config).result(PRETRAIN)
    shutil.rmtree(tmp_path / "stores")
    seen: list[tuple[str, object]] = []
    sweep_of(config, seen).result(PRETRAIN)
    assert {key for key, _ in seen} == {"acdc/prepare"}
    assert (tmp_path / "stores" / "acdc" / "manifest.json").exists()


def test_what_data_were_used_with_is_said_by_whoever_watches(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    make_phantom(
        "acdc", tmp_path / "raw", patients=8, seed=0, size="tiny", defects=("affine_ignored",)
    )
    data = {"name": "acdc", "source": tmp_path / "raw", "preprocess": {"workers": 1}}
    config = make_config(out=tmp_path / "runs", stores=tmp_path / "stores", data=[data])
    sweep_of(config).result("acdc/prepare")
    board = Board(config.folder)
    board.refresh()
    (note,) = board.notes()
    assert note.startswith("acdc/prepare: 1 case: files of one case differ in their place")
    rows = collect_run(config.folder).jobs.to_pylist()
    assert [row["note"] for row in rows if row["key"] == "acdc/prepare"] == [
        note.removeprefix("acdc/prepare: ")
    ]


def test_a_data_set_that_fails_does_not_cost_the_others(
    finished: LocalSweep, make_config: MakeConfig, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    bad = {"name": "bad", "source": tmp_path / "empty"}
    config = make_config(name="two", data=[bad, finished.config.data[0].model_dump()])
    jobs = sweep_of(config).run().jobs
    for key, one in jobs.items():
        expected = "done" if one.job.dataset == "acdc" else "skipped"
        assert one.status == ("failed" if key == "bad/prepare" else expected)
    assert str(tmp_path / "empty") in str(jobs["bad/prepare"].error)
    rows = {row["key"]: row for row in pq.read_table(config.folder / "jobs.parquet").to_pylist()}
    assert {key: row["status"] for key, row in rows.items()} == {
        k: one.status for k, one in jobs.items()
    }
    assert str(tmp_path / "empty") in rows["bad/prepare"]["error"]


def test_the_tables_of_a_run_tell_what_its_results_tell(finished: LocalSweep) -> None:
    rows = pq.read_table(finished.config.folder / "jobs.parquet").to_pylist()
    assert [row["key"] for row in rows] == [job.key for job in finished.graph.jobs()]
    for row in rows:
        result = read_result(finished.result(row["key"]))
        assert row["status"] == "done"
        for name in ("digest", "epochs", "arm", "seed"):
            assert row[name] == result[name], (row["key"], name)
        assert row["seconds"] == pytest.approx(result["seconds"])
        assert row["val_dice"] == result.get("val_dice")


def test_a_search_that_a_rule_stopped_is_told_apart_in_the_tables(
    make_config: MakeConfig,
) -> None:
    settings = {"epochs": 3, "warmup_epochs": 1}
    config = make_config(name="told", search=settings, scheduler={"budget": {"epochs": 2}})
    sweep = sweep_of(config)
    sweep.result(f"{UNET}/search/lth/seed0")
    sweep.conclude()
    rows = {row["key"]: row for row in pq.read_table(config.folder / "jobs.parquet").to_pylist()}
    search = rows[f"{UNET}/search/lth/seed0"]
    assert (search["stop_code"], search["stop_reason"]) == ("budget", "2 of 2 epochs spent")
    assert rows[f"{UNET}/search/full/seed0"]["status"] == "waiting"


def test_a_training_that_diverges_fails_with_a_way_out(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    absurd = {"epochs": 3, "optimiser": {"kind": "sgd", "learning_rate": 1e30}}
    config = make_config(out=tmp_path, pretrain=absurd)
    with pytest.raises(RunError, match="lower the learning rate") as caught:
        sweep_of(config).result(PRETRAIN)
    assert caught.value.where == PRETRAIN


def test_a_run_folder_of_another_configuration_is_refused(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    sweep_of(make_config(out=tmp_path))
    with pytest.raises(ConfigError, match=r"pretrain\.epochs: 2 there, 9 here"):
        sweep_of(make_config(out=tmp_path, pretrain={**LONGER, "epochs": 9}))


def test_how_a_run_is_carried_out_may_change(make_config: MakeConfig, tmp_path: Path) -> None:
    sweep_of(make_config(out=tmp_path))
    config = make_config(out=tmp_path, threads=2, sweep={"max_failures": 7})
    sweep_of(config)
    assert "max_failures: 7" in (config.folder / "config.yaml").read_text(encoding="utf-8")


def test_a_store_that_another_process_prepares_is_waited_for_and_said_so(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(out=tmp_path / "runs", stores=tmp_path / "stores")
    inside, leave, told = threading.Event(), threading.Event(), []

    def hold() -> None:
        with locked(tmp_path / "stores" / "acdc" / LOCK):
            inside.set()
            leave.wait(60)

    def observe(key: str, values: dict[str, object], _epochs: int) -> None:
        told.append((key, values["epoch"], values.get("note")))
        leave.set()

    other = threading.Thread(target=hold)
    other.start()
    assert inside.wait(60)
    LocalSweep(config, plan_jobs(config), observe).result("acdc/prepare")
    other.join()
    (first, second) = told
    assert first[:2] == ("acdc/prepare", 0)
    assert f"its store is prepared by `{own_command()}` (process {os.getpid()} on" in first[2]
    assert second == ("acdc/prepare", 1, None)


def test_a_sweep_gives_single_jobs(finished: LocalSweep) -> None:
    config = finished.config
    sweep = sweep_of(config)
    found = sweep.result(f"{UNET}/search/lth/seed0")
    retrained = read_result(sweep.result(f"{UNET}/retrain/lth/seed0"))
    assert found == config.folder / UNET / "search" / "lth" / "seed0"
    assert read_search(found).genotype.id == retrained["genotype_id"]
    group = Group.open(config, config.data[0], config.backbones[0])
    pretrained = read_weights(sweep.result(PRETRAIN) / "best.safetensors")
    assert set(pretrained) == set(group.backbone().state_dict())
    with pytest.raises(ConfigError, match="search/lth/seed1"):
        sweep.result(f"{UNET}/search/lth/seed1")


@pytest.mark.parametrize(("number", "status"), [(errno.ESTALE, "done"), (errno.EACCES, "failed")])
def test_storage_that_fails_while_a_result_is_read_costs_a_job_only_if_it_stays_so(
    finished: LocalSweep,
    make_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    status: str,
) -> None:
    """Longer than reads are repeated for: the job itself is started again."""
    monkeypatch.setattr("distributed_iac.transient.PAUSES", (0.0,))
    read, left = Path.read_bytes, [OSError(number, "storage says so") for _ in range(3)]

    def fails(path: Path) -> bytes:
        if path.name == "genotype.json" and left:
            raise left.pop()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fails)
    retrain = {**LONGER, "epochs": 1, "patience": number}
    config = make_config(name=f"flaky{number}", retrain=retrain, controls=[], baselines=[])
    jobs = sweep_of(config).run().jobs
    assert jobs[f"{UNET}/retrain/full/seed0"].status == status
    losses = {row["key"]: row["losses"] for row in collect_run(config.folder).jobs.to_pylist()}
    assert losses[f"{UNET}/retrain/full/seed0"] == (1 if status == "done" else 0)
    assert finished.config.out == config.out, "its searches are the finished run's"


def test_a_variant_does_only_what_is_its_own_and_its_cells_can_be_exported(
    finished: LocalSweep, make_config: MakeConfig, tmp_path: Path
) -> None:
    """What it shares with a run that has no variants was done by that."""
    seen: list[tuple[str, object]] = []
    one_epoch = {"retrain": {"epochs": 1, "rates": [1.0]}}
    config = make_config(name="varied", baselines=[], variants={"same": {}, "one": one_epoch})
    sweep = sweep_of(config, seen)
    assert not sweep.run().unfinished
    names = ("full", "lth", "plain_extra", "random")
    cells = [f"{UNET}@one/retrain/{name}/seed0" for name in names]
    assert list(dict.fromkeys(key for key, _ in seen)) == cells
    ours, theirs = (
        one.result(f"{UNET}{variant}/retrain/lth/seed0") / "best.safetensors"
        for one, variant in ((sweep, "@same"), (finished, ""))
    )
    assert ours.read_bytes() == theirs.read_bytes()
    table = pq.read_table(config.folder / "jobs.parquet").to_pylist()
    assert {row["key"]: row["variant"] for row in table if row["kind"] == "retrain"} == {
        f"{UNET}@{variant}/retrain/{name}/seed0": variant
        for variant in ("same", "one")
        for name in names
    }
    run = FinishedRun.open(config.folder)
    card = run.export(choose_model(run.models(), key=cells[1]), tmp_path / "model")
    assert card.provenance["job"] == cells[1]
