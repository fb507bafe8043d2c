"""The jobs of a configured run: what counts as finished while stores come and go."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from distributed_iac.config.run import RunConfig
from distributed_iac.errors import CheckpointError, StoreError
from distributed_iac.phantom import make_phantom
from distributed_iac.run.checkpoints import CheckpointInterval, JobCheckpoints
from distributed_iac.run.job_run import JobRun
from distributed_iac.run.run_workload import RunWorkload
from distributed_iac.tune.searcher import JobSearcher

PREPARE, PRETRAIN = "acdc/prepare", "acdc/basic_unet-tiny/pretrain"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "acdc"
    make_phantom("acdc", folder, patients=8, seed=0, size="tiny")
    return folder


@pytest.fixture
def prepared(source: Path, tmp_path: Path) -> RunConfig:
    """A run whose data set is prepared, and the result of that job kept."""
    config = RunConfig.model_validate(
        {
            "name": "run",
            "out": tmp_path / "runs",
            "stores": tmp_path / "stores",
            "data": [{"name": "acdc", "source": source, "preprocess": {"workers": 1}}],
            "backbones": [{"name": "basic_unet", "features": "tiny"}],
        }
    )
    assert prepare(config) == "done"
    return config


def workload_of(config: RunConfig) -> RunWorkload:
    """As another process finds it: nothing is remembered."""
    return RunWorkload(config, str(config.out / "artifacts"))


def prepare(config: RunConfig) -> object:
    workload = workload_of(config)
    checkpoints = JobCheckpoints(str(config.out / "checkpoints"))
    run = JobRun(
        workload.graph[PREPARE], workload, checkpoints, CheckpointInterval(60.0), lambda: 0.0
    )
    return run.advance()["outcome"]


def suggested(searcher: JobSearcher, trial: str) -> object:
    config = searcher.suggest(trial)
    return config["job"] if isinstance(config, dict) else config


def test_a_prepared_store_is_not_prepared_again(prepared: RunConfig) -> None:
    assert prepare(prepared) == "reused"
    assert suggested(JobSearcher(workload_of(prepared)), "one") == PRETRAIN


def test_a_store_of_other_settings_is_not_taken_for_this_one(prepared: RunConfig) -> None:
    """It may have been made in the same folder since, for another run."""

    def of(stores: Path) -> RunConfig:
        plain = prepared.model_dump(exclude={"stores"})
        plain["data"][0]["preprocess"]["patch"] = [32, 32]
        return RunConfig.model_validate({**plain, "stores": stores})

    assert prepare(of(prepared.out / "elsewhere")) == "done"
    assert prepare(of(prepared.out / "elsewhere")) == "reused"
    with pytest.raises(StoreError, match=r"preprocess\.patch"):
        prepare(of(prepared.stores))


def test_a_store_that_was_cut_is_not_taken_for_whole(prepared: RunConfig) -> None:
    (shard, *_) = (prepared.stores / "acdc" / "shards").iterdir()
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(StoreError, match="bytes instead of"):
        prepare(prepared)


def test_a_store_of_which_a_bit_was_flipped_is_not_taken_for_whole(prepared: RunConfig) -> None:
    (shard, *_) = (prepared.stores / "acdc" / "shards").iterdir()
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    workload = workload_of(prepared)
    assert workload.finished(workload.graph[PREPARE]) is None
    with pytest.raises(StoreError, match="has been altered"):
        prepare(prepared)
    aside = prepared.data[0].source.rename(prepared.out / "aside")  # no source to compare with
    try:
        with pytest.raises(StoreError, match="has been altered"):
            prepare(prepared)
    finally:
        aside.rename(prepared.data[0].source)


def test_a_deleted_store_is_prepared_again_before_anything_needs_it(prepared: RunConfig) -> None:
    store = prepared.stores / "acdc"
    identity = (store / "manifest.json").read_bytes()
    shutil.rmtree(store)
    searcher = JobSearcher(workload_of(prepared))
    assert suggested(searcher, "one") == PREPARE
    assert suggested(searcher, "two") is None
    assert prepare(prepared) == "done"
    assert (store / "manifest.json").read_bytes() == identity
    searcher.on_trial_complete("one", {"outcome": "done"})
    assert suggested(searcher, "two") == PRETRAIN


def test_a_damaged_store_is_neither_finished_nor_overwritten(prepared: RunConfig) -> None:
    manifest = prepared.stores / "acdc" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-9])
    assert suggested(JobSearcher(workload_of(prepared)), "one") == PREPARE
    with pytest.raises(StoreError, match=r"manifest\.json cannot be read") as caught:
        prepare(prepared)
    assert "delete the folder" in str(caught.value)
    manifest.unlink()
    with pytest.raises(StoreError, match=r"manifest\.json is missing"):
        prepare(prepared)


def test_nothing_is_kept_of_a_job_whose_store_was_changed_meanwhile(
    prepared: RunConfig, tmp_path: Path
) -> None:
    workload = workload_of(prepared)
    job = workload.graph[PRETRAIN]
    left = tmp_path / "left"
    left.mkdir()
    workload.digest(job)
    folder = prepared.stores / "acdc"
    shard = next((folder / "shards").iterdir())
    whole = shard.read_bytes()
    shard.chmod(0o644)
    before = shard.stat()
    shard.write_bytes(whole[:-64] + bytes(64))
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))  # as rsync, cp -p and mv leave it
    with pytest.raises(StoreError, match="must be as it was written"):
        workload.keep(job, left, [], {})
    shard.write_bytes(whole)  # changed after the manifest, and as it was
    assert workload.keep(job, left, [], {})["status"] == "done"


def test_nothing_is_kept_of_a_job_whose_weights_were_exchanged_meanwhile(
    prepared: RunConfig, tmp_path: Path
) -> None:
    weights = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(2)}, weights)
    given = prepared.backbones[0].model_copy(update={"weights": weights})
    workload = workload_of(prepared.model_copy(update={"backbones": (given,)}))
    job = next(one for one in workload.graph.jobs() if one.kind == "search")
    digest = workload.digest(job)
    save_file({"a": torch.ones(2)}, weights)
    with pytest.raises(CheckpointError, match="others in their place"):
        workload.keep(job, tmp_path, [], {})
    assert workload_of(workload.config).digest(job) != digest


def test_nothing_is_kept_of_a_job_whose_store_is_another_one_now(
    prepared: RunConfig, tmp_path: Path
) -> None:
    workload = workload_of(prepared)
    job = workload.graph[PRETRAIN]
    workload.digest(job)
    shutil.rmtree(prepared.stores / "acdc")
    dataset = prepared.data[0]
    preprocess = dataset.preprocess.model_copy(update={"patch": (32, 32)})
    other = prepared.model_copy(
        update={"data": (dataset.model_copy(update={"preprocess": preprocess}),)}
    )
    assert prepare(other) == "done"
    left = tmp_path / "left"
    left.mkdir()
    with pytest.raises(StoreError, match="another store in its place"):
        workload.keep(job, left, [], {})
