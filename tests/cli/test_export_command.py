"""``export``: a finished network leaves its run and predicts elsewhere as it was evaluated."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from distributed_iac.cli.main import main
from distributed_iac.config.load import load_config
from distributed_iac.config.run import RunConfig
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.store import Store
from distributed_iac.evaluation.conventions import conventions_for
from distributed_iac.evaluation.patients_table import read_patients
from distributed_iac.evaluation.score_patients import score_case
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.phantom import make_phantom
from distributed_iac.run.local_sweep import LocalSweep
from distributed_iac.run.result import read_result

CONFIG = """
name: demo
out: {root}/runs
stores: {root}/stores
device: cpu
seeds: [0, 1]
data:
- {{name: hearts, source: {root}/raw,
    preprocess: {{spacing: [2.4, 2.0], patch: [48, 48], workers: 1}}}}
backbones: [{{name: basic_unet, features: [4, 4, 4, 8, 8, 4], label: unet}}]
baselines: [{{name: attention_unet, channels: [4, 4, 4, 8, 8], label: attention}}]
arms: {{full: {{policy: none}}}}
cell: {{nodes: 1, partial_channels: 2}}
batches: {{batch_size: 4, steps_per_epoch: 2, augmentation: none}}
pretrain: {{epochs: 2}}
search: {{epochs: 2, warmup_epochs: 0}}
retrain: {{epochs: 1}}
"""

DONE = (
    "hearts/unet/evaluate/plain",
    "hearts/unet/retrain/random/seed0",
    "hearts/unet/retrain/random/seed1",
    "hearts/unet/retrain/plain_extra/seed0",
    "hearts/unet/retrain/full/seed0",
    "hearts/attention/baseline/seed0",
)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    torch.set_num_threads(1)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["distributed-iac", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Done(caught.value.code, captured.out, captured.err)

    return call


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """A run with one network of every kind finished."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("work")
    make_phantom("acdc", root / "raw", patients=6, seed=0, size="tiny")
    path = root / "run.yaml"
    path.write_text(CONFIG.format(root=root), encoding="utf-8")
    config = load_config(path)
    sweep = LocalSweep(config, plan_jobs(config), lambda *_: None)
    for key in DONE:
        sweep.result(key)
    return config


def test_the_best_random_cell_of_a_variant_is_exported(
    run: Run, config: RunConfig, tmp_path: Path
) -> None:
    """Its result names the retraining that was chosen as results do, without the variant."""
    changes = (
        "name=varied",
        "controls=[random_search]",
        "comparison.random_cells=2",
        "variants={a: {}, b: {retrain: {epochs: 2}}}",
    )
    varied = load_config(config.out.parent / "run.yaml", changes)
    key = "hearts/unet@b/evaluate/random_search/seed0"
    folder = LocalSweep(varied, plan_jobs(varied), lambda *_: None).result(key)
    done = run("export", varied.folder, key, tmp_path / "model")
    assert done.code == 0, done.err
    exported = json.loads((tmp_path / "model" / "genotype.json").read_text())
    assert exported["id"] == read_result(folder)["genotype_id"]


def test_without_a_model_the_finished_networks_are_listed(run: Run, config: RunConfig) -> None:
    done = run("export", config.folder)
    assert done.code == 0, done.err
    listed = [line.split()[0] for line in done.out.splitlines()[1:]]
    assert sorted(listed) == sorted([*DONE, "hearts/unet/pretrain"])
    result = read_result(config.folder / DONE[1])
    (line,) = [line for line in done.out.splitlines() if line.startswith(DONE[1])]
    assert result["genotype_id"] in line
    assert f"{result['val_dice']:.4f}" in line


@pytest.mark.parametrize("key", DONE)
def test_an_exported_network_scores_on_raw_files_what_its_evaluation_scored(
    tmp_path: Path, run: Run, config: RunConfig, key: str
) -> None:
    done = run("export", config.folder, key, tmp_path / "model")
    assert done.code == 0, done.err
    assert str(tmp_path / "model") in done.out
    size = config.evaluation.batch_size
    source = config.data[0].source
    done = run("predict", tmp_path / "model", source, tmp_path / "out", "--batch-size", size)
    assert done.code == 0, done.err

    store = Store.open(config.store_folder(config.data[0]))
    scored = read_patients(config.folder / key / "patients.parquet").to_pylist()
    expected = {(row["case_id"], row["target"]): row["dice"] for row in scored}
    assert any(0 < dice < 1 for dice in expected.values())  # else equality would say little
    for case in store.cases("test"):
        labels = np.asarray(nib.load(tmp_path / "out" / f"{case.case_id}.nii.gz").dataobj)
        label = store.native_label(case.case_id)
        facts = store.fingerprint
        conventions = conventions_for(config.evaluation, facts)
        for row in score_case(labels.astype(np.uint8), label, case, facts.labels, conventions):
            np.testing.assert_equal(row.dice, expected[case.case_id, row.target])


def test_the_exported_card_says_where_it_comes_from(
    tmp_path: Path, run: Run, config: RunConfig
) -> None:
    run("export", config.folder, DONE[1], tmp_path / "model")
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    result = read_result(config.folder / DONE[1])
    facts = card["provenance"]
    assert (facts["run"], facts["job"], facts["seed"]) == ("demo", DONE[1], 0)
    assert (facts["digest"], facts["val_dice"]) == (result["digest"], result["val_dice"])
    assert {"test_dice RV", "test_dice MYO", "test_dice LV"} <= facts.keys()
    licence = read_source(config.data[0].source).licence
    assert licence
    assert licence in (tmp_path / "model" / "README.md").read_text()


def test_a_cell_is_known_by_the_beginning_of_its_id(
    tmp_path: Path, run: Run, config: RunConfig
) -> None:
    cell = str(read_result(config.folder / DONE[2])["genotype_id"])
    done = run("export", config.folder, tmp_path / "model", "--cell", cell[:8])
    assert done.code == 0, done.err
    written = json.loads((tmp_path / "model" / "genotype.json").read_text())
    assert written["id"] == cell


def test_a_run_is_found_from_its_configuration_too(run: Run, config: RunConfig) -> None:
    assert run("export", config.folder / "config.yaml").out == run("export", config.folder).out


REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no run": (("absent",), 2, "nothing of that name"),
    "no run folder": (("empty",), 2, "config.yaml"),
    "a model without a folder": (("RUN", DONE[1]), 2, "RUN MODEL OUT"),
    "a cell without a folder": (("RUN", "--cell", "abc"), 2, "RUN MODEL OUT"),
    "no such model": (
        ("RUN", "hearts/unet/retrain/rndom/seed0", "out"),
        2,
        "did you mean hearts/unet/retrain/random/seed0",
    ),
    "not finished": (("RUN", "hearts/unet/retrain/full/seed1", "out"), 2, "finished"),
    "a search": (("RUN", "hearts/unet/search/full/seed0", "out"), 2, "not among them"),
    "no such cell": (("RUN", "out", "--cell", "xyz"), 2, "finished cells"),
    "a cell that is not told": (("RUN", "out", "--cell", ""), 2, "several of them"),
    "a folder in use": (("RUN", DONE[1], "empty/.."), 2, "new or empty"),
}


@pytest.mark.parametrize(("arguments", "code", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_exported_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    config: RunConfig,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    given = [str(config.folder) if argument == "RUN" else argument for argument in arguments]
    done = run("export", *given)
    assert done.code == code, done.err
    assert said in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_run_without_its_store_says_what_to_do(
    tmp_path: Path, run: Run, config: RunConfig
) -> None:
    shutil.copytree(config.folder, tmp_path / "demo")
    text = (tmp_path / "demo" / "config.yaml").read_text()
    moved = text.replace(f"stores: {config.stores}", f"stores: {tmp_path / 'none'}")
    assert moved != text
    (tmp_path / "demo" / "config.yaml").write_text(moved)
    done = run("export", tmp_path / "demo")
    assert done.code == 3
    assert "prepare" in done.err
