"""A network of three classes goes to a hospital that labels one of them, and comes back whole."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import save_file

from distributed_iac.cli.main import main
from distributed_iac.config.load import to_yaml
from distributed_iac.config.run import RunConfig
from distributed_iac.data.store import Store
from distributed_iac.data.store.identity import content_key
from distributed_iac.deploy import load_model
from distributed_iac.deploy.from_run import FinishedRun, choose_model
from distributed_iac.errors import ConfigError
from distributed_iac.evaluation.inference import Inference
from distributed_iac.evaluation.patients_table import read_patients
from distributed_iac.evaluation.score_patients import evaluate_patients
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.nets.card import ModelCard, read_card
from distributed_iac.nets.expectation import Names, NetworkCard, agree
from distributed_iac.nets.trained import card_of_store
from distributed_iac.report.rebuild import rebuild
from distributed_iac.run.local_sweep import LocalSweep
from distributed_iac.run.work.build import build_work
from distributed_iac.training.doubts import doubts, network_doubted
from distributed_iac.training.group import Group
from tests.deploy.conftest import PREPROCESS

LV = 3  # of ACDC's RV 1, MYO 2, LV 3
Iac = Callable[..., tuple[int, str]]
WITH_A_CELL = "new/unet/retrain/full/seed0"
BY_HAND = "new/unet/retrain/convolution/seed0"


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory, trained: Callable[..., Any]) -> RunConfig:
    """Six patients with one label in nnU-Net's layout, and a network that knows three."""
    tmp_path = tmp_path_factory.mktemp("hospital")
    network = trained("acdc", kind="plain")
    network.export(tmp_path / "old")
    raw = tmp_path / "raw"
    for part in ("imagesTr", "labelsTr"):
        (raw / part).mkdir(parents=True)
    for case in network.source.cases:
        known, label = nib.load(case.channels[0].path), nib.load(case.label)
        # Another patient's, by their content; a z-score leaves nothing of the difference.
        image = nib.Nifti1Image(np.asarray(known.dataobj) * np.float32(2), known.affine)
        nib.save(image, raw / "imagesTr" / f"{case.case_id}_0000.nii.gz")
        left = (np.asarray(label.dataobj) == LV).astype(np.uint8)
        nib.save(nib.Nifti1Image(left, label.affine), raw / "labelsTr" / f"{case.case_id}.nii.gz")
    about = {
        "channel_names": {"0": "cine MRI"},
        "labels": {"background": 0, "LV endocardium": 1},
        "numTraining": len(network.source.cases),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(about))
    backbone = network.backbone.model_dump(mode="json")
    names = {"LV endocardium": "LV"}
    given = {"label": "unet", "weights": tmp_path / "old", "label_names": names}
    known = {
        "name": "old",
        "source": network.source.detection.root,
        "store": network.source.detection.root.parent / "store",
        "preprocess": PREPROCESS["acdc"].model_dump(),
    }
    return RunConfig.model_validate(
        {
            "name": "run",
            "out": tmp_path / "runs",
            "stores": tmp_path / "stores",
            "device": "cpu",
            "data": [{"name": "new", "source": raw, "preprocess": {"patch": [48, 64]}}],
            "also_scored": [known],
            "backbones": [backbone | given],
            "cell": {"nodes": 1, "partial_channels": 2},
            "batches": {"batch_size": 4, "steps_per_epoch": 2},
            "retrain": {"epochs": 1, "unfreeze": "cells", "rates": [1.0]},
            "controls": ["plain", "random", "network", "convolution"],
            "arms": {"full": {"policy": "none"}, "lth": {"policy": "js"}},
            "search": {"epochs": 2, "warmup_epochs": 1},
            "evaluation": {"metrics": ["dice"]},
        }
    )


@pytest.fixture(scope="session")
def finished(hospital: RunConfig) -> LocalSweep:
    sweep = LocalSweep(hospital, plan_jobs(hospital), lambda *_: None)
    outcome = sweep.run()
    assert set(outcome.counts) == {"done"}, outcome.failed
    return sweep


def test_only_the_hospitals_own_label_is_trained_and_scored(finished: LocalSweep) -> None:
    config = finished.config
    group = Group.open(config, config.data[0], config.backbones[0])
    network = group.backbone()
    images = torch.randn(2, 1, 48, 64, generator=torch.Generator().manual_seed(0))
    known = load_model(str(config.backbones[0].weights), device="cpu").network(images).softmax(1)
    ours = network(images).softmax(1)
    assert ours.shape[1] == 2
    torch.testing.assert_close(ours[:, 1], known[:, LV])
    torch.testing.assert_close(ours[:, 0], known[:, :LV].sum(1))
    for job in plan_jobs(config).jobs():
        if job.dataset == "new" and job.kind in ("evaluate", "retrain"):
            rows = read_patients(finished.result(job.key) / "patients.parquet")
            assert set(rows["target"].to_pylist()) == {"LV endocardium"}


def scored_again(config: RunConfig, network: Any, store: Store) -> dict[tuple[str, str], float]:
    """Dice of a network on the test patients of a store, by case and target."""
    settings = config.evaluation
    way, cpu = Inference((), settings.batch_size), torch.device("cpu")
    rows = evaluate_patients(network.eval(), store, store.cases("test"), settings, way, cpu)
    return {(row.case_id, row.target): row.dice for row in rows}


def kept(finished: LocalSweep, key: str) -> dict[tuple[str, str], float]:
    rows = read_patients(finished.result(key) / "patients.parquet").to_pylist()
    return {(row["case_id"], row["target"]): row["dice"] for row in rows}


def test_the_plain_network_scores_at_its_old_hospital_as_it_always_did(
    finished: LocalSweep, trained: Callable[..., Any]
) -> None:
    known = trained("acdc", kind="plain")
    found = kept(finished, "old/unet/evaluate/plain")
    assert {target for _, target in found} == {"RV", "MYO", "LV"}
    expected = scored_again(finished.config, known.network, known.store)
    assert found == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_every_model_is_scored_at_the_old_hospital_by_what_it_does_there(
    finished: LocalSweep, trained: Callable[..., Any], tmp_path: Path
) -> None:
    jobs = plan_jobs(finished.config).jobs()
    there = {job.name for job in jobs if job.dataset == "old" and job.kind == "evaluate"}
    assert there == {"plain", "full", "lth", "random", "network", "convolution"}
    run = FinishedRun.open(finished.config.folder)
    run.export(choose_model(run.models(), key=WITH_A_CELL), tmp_path / "new")
    new: Any = load_model(tmp_path / "new", device="cpu").network
    new.backbone.keep_outputs(None, "softmax")
    new.backbone.reorder((0,), (0, 2, 3, 1))  # it was background, LV, RV, MYO
    expected = scored_again(finished.config, new, trained("acdc", kind="plain").store)
    found = kept(finished, "old/unet/evaluate/full/seed0")
    assert found == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_the_report_says_what_each_model_gains_and_what_it_forgets(finished: LocalSweep) -> None:
    folder = finished.config.folder
    finished.conclude()
    page = rebuild(folder)
    with (folder / "tables" / "adaptation.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["model"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"full", "lth", "random", "network", "convolution"}
    for row in rows.values():
        assert row["group"] == "new/unet"
        assert row["gain over plain"].strip()
        assert row["change at old"].strip("- ")
    sizes = [int(rows[name]["trained parameters"].replace(",", "")) for name in rows]
    assert max(sizes) == int(rows["network"]["trained parameters"].replace(",", ""))
    compared = json.loads((folder / "comparison.json").read_text())["contrasts"]
    assert {one["group"] for one in compared} == {"new/unet"}, "the old hospital is no second group"
    (unfair,) = [one for one in page.warnings if " was not chosen" in one]
    assert "learning rate of network and convolution was" in unfair
    with (folder / "tables" / "retraining.csv").open(newline="", encoding="utf-8") as file:
        trainings = {row["model"]: row for row in csv.DictReader(file)}
    assert {row["rate kept, by seed"] for row in trainings.values()} == {"1"}
    assert all(row["val Dice of each rate, mean"].startswith("1: 0.") for row in trainings.values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"backbones": [{"name": "basic_unet"}]}, "has no weights"),
        ({"also_scored": [{"name": "new", "source": "x"}]}, "must differ from each other"),
        ({"also_scored": [{"name": "again", "source": "SAME"}]}, "is other data than data"),
        ({"data": [{"name": one, "source": "x"} for one in "ab"]}, "wants one data set"),
    ],
)
def test_what_cannot_be_forgotten_is_not_asked_for(
    hospital: RunConfig, change: dict[str, Any], said: str
) -> None:
    for one in change.get("also_scored", ()):
        one["source"] = one["source"].replace("SAME", str(hospital.data[0].source))
    with pytest.raises(ValidationError, match=said):
        RunConfig.model_validate(hospital.model_dump() | change)


def test_images_to_learn_from_cannot_show_what_is_forgotten(
    hospital: RunConfig, tmp_path: Path, iac: Iac
) -> None:
    other = tmp_path / "again"
    shutil.copytree(hospital.data[0].source, other)
    again = hospital.also_scored[0].model_copy(
        update={"name": "again", "source": other, "store": tmp_path / "store"}
    )
    path = tmp_path / "run.yaml"
    path.write_text(to_yaml(hospital.model_copy(update={"also_scored": (again,)})))
    for command in ("prepare", "plan", "sweep"):
        code, said = iac(command, path)
        assert code == 2, said
        assert "images that both have" in said
        assert "of again, which is" in said
    assert not (tmp_path / "store").exists()


def test_images_that_were_packed_anew_are_found_by_their_voxels(
    hospital: RunConfig, finished: LocalSweep, tmp_path: Path, iac: Iac
) -> None:
    other = tmp_path / "again"
    shutil.copytree(hospital.data[0].source, other)
    for path in (other / "imagesTr").iterdir():
        image = nib.load(path)
        nib.save(nib.Nifti1Image(image.get_fdata(), image.affine), path)
    again = hospital.data[0].model_copy(
        update={"name": "again", "source": other, "store": tmp_path / "store"}
    )
    config = hospital.model_copy(update={"also_scored": (again,)})
    path = tmp_path / "run.yaml"
    path.write_text(to_yaml(config))
    code, said = iac("prepare", path)
    assert code == 2, said
    assert "images that both have" in said
    job = next(j for j in plan_jobs(config).jobs() if (j.kind, j.dataset) == ("evaluate", "again"))
    with pytest.raises(ConfigError, match="is other data than data"):
        build_work(config, job, finished.artifacts)


def test_what_is_also_scored_is_prepared_with_the_rest(hospital: RunConfig, iac: Iac) -> None:
    path = hospital.out.parent / "run.yaml"
    path.write_text(to_yaml(hospital), encoding="utf-8")
    code, said = iac("prepare", path)
    assert code == 0, said
    assert "new: " in said
    assert "old: " in said


def test_where_the_old_data_alone_are_prepared_no_network_is_finished(
    hospital: RunConfig, tmp_path: Path
) -> None:
    there = {"out": tmp_path / "runs", "stores": tmp_path / "stores"}
    begun = hospital.model_copy(update=there)
    LocalSweep(begun, plan_jobs(begun), lambda *_: None).result("old/prepare")
    assert FinishedRun.open(begun.folder).models() == ()


def test_it_is_said_before_anything_runs(finished: LocalSweep) -> None:
    (said,) = [one for one in doubts(finished.config) if "also knows" in one]
    assert "the network also knows RV, MYO" in said
    assert "neither trained nor scored" in said


def test_a_network_that_was_copied_without_its_weights_is_told(
    hospital: RunConfig, old: Path
) -> None:
    (old / "weights.safetensors").unlink()
    given = hospital.backbones[0].model_copy(update={"weights": old, "label_names": {}})
    card = card_of_store(read_card(old).fingerprint)
    found = network_doubted(hospital, hospital.data[0], given, card)
    assert found == (f"unet: {old / 'weights.safetensors'} is not there",)


def test_the_old_network_comes_back_from_an_export_to_the_bit(
    finished: LocalSweep, tmp_path: Path
) -> None:
    run = FinishedRun.open(finished.config.folder)
    chosen = choose_model(
        run.models(),
        key=next(j.key for j in run.graph.jobs() if j.name == "full" and j.kind == "retrain"),
    )
    run.export(chosen, tmp_path / "new")
    card = read_card(tmp_path / "new")
    assert card.spare_outputs == ("RV", "MYO")
    assert card_of_store(card.fingerprint).outputs == ("background", "LV endocardium")
    old = load_model(str(finished.config.backbones[0].weights), device="cpu").network
    new: Any = load_model(tmp_path / "new", device="cpu").network
    images = torch.randn(1, 1, 48, 64, generator=torch.Generator().manual_seed(1))
    raw = new.backbone.net(images)
    order = torch.tensor([0, 3, 1, 2])  # background, LV, and what was left over
    assert torch.equal(raw, old(images)[:, order])


def test_an_exported_model_with_spare_classes_goes_to_the_next_hospital(
    finished: LocalSweep, hospital: RunConfig, tmp_path: Path
) -> None:
    run = FinishedRun.open(finished.config.folder)
    run.export(choose_model(run.models(), key=WITH_A_CELL), tmp_path / "new")
    settings = hospital.backbones[0].model_copy(
        update={"weights": tmp_path / "new", "label_names": {}}
    )
    again = Group.open(finished.config, hospital.data[0], settings).backbone()
    before = Group.open(finished.config, hospital.data[0], hospital.backbones[0]).backbone()
    images = torch.randn(1, 1, 48, 64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again(images), before(images))


def test_a_label_that_the_network_lacks_is_still_refused() -> None:
    network = NetworkCard(("cine",), ("background", "RV", "MYO", "LV"), "softmax")
    store = NetworkCard(("cine",), ("background", "LV cavity"), "softmax")
    with pytest.raises(ConfigError, match=r"label_names: \{'LV cavity': RV\}"):
        agree(network, store, Names(), "m")
    assert agree(network, store, Names({}, {"LV cavity": "LV"}), "m").spare == (1, 2)


def test_regions_beyond_the_stores_are_left_away() -> None:
    network = NetworkCard(("t1",), ("WT", "TC", "ET"), "sigmoid")
    store = NetworkCard(("t1",), ("TC",), "sigmoid")
    found = agree(network, store, Names(), "m")
    assert (found.outputs, found.spare) == ((1,), (0, 2))


@pytest.fixture
def iac(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iac:
    """Runs the command line in this process: exit code, and what it said."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["distributed-iac", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        shown = capsys.readouterr()
        return int(caught.value.code or 0), shown.out + shown.err

    return run


@pytest.fixture
def old(hospital: RunConfig, tmp_path: Path) -> Path:
    """A copy of the exported network that the run began with."""
    return Path(shutil.copytree(hospital.backbones[0].weights or "", tmp_path / "old"))


@pytest.fixture
def images(hospital: RunConfig, tmp_path: Path) -> Path:
    """One image of the new hospital."""
    folder = tmp_path / "images"
    folder.mkdir()
    image = min((hospital.data[0].source / "imagesTr").iterdir())
    nib.save(nib.load(image), folder / "a.nii.gz")
    return folder


def labels(folder: Path) -> np.ndarray:
    return np.asarray(nib.load(folder / "a.nii.gz").dataobj)


@pytest.mark.parametrize("model", [WITH_A_CELL, BY_HAND])
def test_a_network_holds_its_cells_by_name_and_stays_what_it_was(
    finished: LocalSweep, iac: Iac, old: Path, images: Path, tmp_path: Path, model: str
) -> None:
    run = finished.config.folder
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    assert iac("predict", old, images, tmp_path / "before")[0] == 0
    for name in ("b", "b-again"):
        code, said = iac("export", run, model, old, "--as", name)
        assert (code, "added the cell" in said) == (0, True), said
    assert {path.name: path.read_bytes() for path in old.iterdir() if path.is_file()} == before
    assert (old / "cells" / "b.safetensors").stat().st_size < len(before["weights.safetensors"])

    (old / "cells" / "._b.safetensors").touch()  # macOS puts one beside every file it copies
    code, said = iac("predict", old, images, tmp_path / "x")
    assert code == 2
    assert "has the cells b, b-again: one of them, or none" in said
    assert iac("predict", old, images, tmp_path / "none", "--cell", "none")[0] == 0
    np.testing.assert_array_equal(labels(tmp_path / "none"), labels(tmp_path / "before"))
    assert iac("predict", old, images, tmp_path / "cell", "--cell", "b")[0] == 0
    assert iac("export", run, model, tmp_path / "whole")[0] == 0
    assert iac("predict", tmp_path / "whole", images, tmp_path / "same")[0] == 0
    np.testing.assert_array_equal(labels(tmp_path / "cell"), labels(tmp_path / "same"))
    code, said = iac("predict", tmp_path / "whole", images, tmp_path / "x", "--cell", "none")
    assert (code, "with a cell in it" in said) == (2, True), "it would not be the old network"
    assert set(np.unique(labels(tmp_path / "cell"))) <= {0, 1}, "labels of the new hospital"


def test_what_was_put_into_skips_by_hand_is_exported_as_what_was_scored(
    finished: LocalSweep, tmp_path: Path
) -> None:
    run = FinishedRun.open(finished.config.folder)
    card = run.export(choose_model(run.models(), key=BY_HAND), tmp_path / "new")
    assert (card.module, card.genotype) == ("convolution", None)
    assert "`convolution`" in (tmp_path / "new" / "README.md").read_text()
    loaded = load_model(tmp_path / "new", device="cpu")
    assert loaded.card.module == "convolution"
    store = Store.open(finished.config.store_folder(finished.config.data[0]))
    expected = scored_again(finished.config, loaded.network, store)
    assert kept(finished, BY_HAND) == pytest.approx(expected, abs=1e-3, nan_ok=True)
    again = json.loads((tmp_path / "new" / "model.json").read_text())
    with pytest.raises(ValueError, match="transformer is none of"):
        ModelCard.from_json({**again, "module": "transformer"})
    with pytest.raises(ValueError, match="a genotype or a module, or not at all"):
        ModelCard.from_json({**again, "cell": None})


def test_a_cell_and_its_network_are_told_apart_from_others(
    finished: LocalSweep,
    iac: Iac,
    old: Path,
    images: Path,
    tmp_path: Path,
    trained: Callable[..., Any],
) -> None:
    run = finished.config.folder
    assert iac("export", run, WITH_A_CELL, old, "--as", "b")[0] == 0
    file = old / "cells" / "b.safetensors"
    other = trained("acdc", kind="plain")
    with torch.no_grad():
        next(other.network.parameters()).mul_(1.001)
    other.export(tmp_path / "other")
    for arguments, said in (
        (("predict", tmp_path / "other", images, "x", "--cell", file), "belongs to the network"),
        (("predict", old, images, "x", "--cell", "c"), "cells of this network are b"),
        (("export", run, WITH_A_CELL, old, "--as", "b"), "a name of its own"),
        (("export", run, WITH_A_CELL, old, "--as", "B"), "letter case aside"),
        (("export", run, WITH_A_CELL, old, "--as", "none"), "is not 'none'"),
        (("export", run, WITH_A_CELL, old, "--as", "None"), "is not 'none'"),
        (("export", run, WITH_A_CELL, old, "--as", "b" * 300), "at most 100"),
        (("export", run, WITH_A_CELL, old, "--as", "../b"), "a cell's name has letters"),
        (("export", run, WITH_A_CELL, tmp_path / "other", "--as", "b"), "the very network"),
        (("export", run, "new/unet/retrain/network/seed0", old, "--as", "n"), "is a cell"),
    ):
        code, found = iac(*arguments)
        assert code == 2, found
        assert said in found


def test_a_network_of_equal_weights_and_other_settings_is_another_one(
    finished: LocalSweep, old: Path, trained: Callable[..., Any], tmp_path: Path
) -> None:
    """Such as another activation, of which no weight tells."""
    known = trained("acdc", kind="plain")
    settings = known.backbone.model_copy(update={"dropout": 0.5})
    replace(known, backbone=settings).export(tmp_path / "otherwise")
    run = FinishedRun.open(finished.config.folder)
    chosen = choose_model(run.models(), key=WITH_A_CELL)
    with pytest.raises(ConfigError, match=r"dropout: 0\.0, the model's is 0\.5"):
        run.add_cell(chosen, tmp_path / "otherwise", "b")
    assert not (tmp_path / "otherwise" / "cells").exists()
    run.add_cell(chosen, old, "b")


@pytest.mark.parametrize("name", ["b.safetensors.part", "b.SAFETENSORS", "my b.safetensors"])
def test_what_lies_among_the_cells_and_is_none_by_its_name_is_not_passed_over(
    iac: Iac, old: Path, images: Path, tmp_path: Path, name: str
) -> None:
    (old / "cells").mkdir()
    assert iac("predict", old, images, tmp_path / "empty")[0] == 0, "no cell any more"
    (old / "cells" / name).touch()
    code, said = iac("predict", old, images, tmp_path / "x")
    assert code == 2
    assert "cells of a network are files NAME.safetensors" in said
    assert name in said
    assert iac("predict", old, images, tmp_path / "none", "--cell", "none")[0] == 0


def test_label_maps_are_not_put_among_the_images(iac: Iac, old: Path, images: Path) -> None:
    code, said = iac("predict", old, images, images / "labels")
    assert code == 2
    assert "outside that of the images" in said


def test_a_cell_that_was_altered_is_refused(
    finished: LocalSweep, iac: Iac, old: Path, images: Path, tmp_path: Path
) -> None:
    assert iac("export", finished.config.folder, WITH_A_CELL, old, "--as", "b")[0] == 0
    file = old / "cells" / "b.safetensors"
    whole = file.read_bytes()
    tensors = int.from_bytes(whole[:8], "little") + 8
    for place in (tensors + 3, whole.index(b"network_sha256") + 20):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        file.write_bytes(bytes(damaged))
        code, said = iac("predict", old, images, tmp_path / "x", "--cell", "b")
        assert code != 0
        assert "must be as `distributed-iac export` wrote it" in said
    file.write_bytes(whole[:-8])
    assert "must be as" in iac("predict", old, images, tmp_path / "x", "--cell", "b")[1]


def test_a_cell_for_images_of_another_preparation_is_refused(
    finished: LocalSweep, iac: Iac, old: Path, images: Path, tmp_path: Path
) -> None:
    assert iac("export", finished.config.folder, WITH_A_CELL, old, "--as", "b")[0] == 0
    file = old / "cells" / "b.safetensors"
    with safe_open(str(file), framework="pt") as opened:
        about = json.loads(opened.metadata()["cell"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    about["card"]["preprocess_version"] = 10_000
    text = json.dumps(about, sort_keys=True)
    save_file(tensors, file, {"cell": text, "digest": content_key(text)})
    code, said = iac("predict", old, images, tmp_path / "x", "--cell", "b")
    assert code == 4
    assert "preprocess_version" in said or "upgrade" in said


def test_a_name_for_no_cell_is_refused(finished: LocalSweep, iac: Iac) -> None:
    code, said = iac("export", finished.config.folder, "--as", "b")
    assert code == 2
    assert "--as b without them" in said
