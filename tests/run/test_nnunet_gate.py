"""A network that nnU-Net trained is scored and compared before anything builds upon it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.config.run import RunConfig
from distributed_iac.evaluation.patients_table import read_patients
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.report.parity_table import parity_doubts, parity_lines, parity_table
from distributed_iac.report.run_record import read_run
from distributed_iac.run.local_sweep import LocalSweep
from distributed_iac.run.result import read_result
from distributed_iac.training.folds import settle_folds

MODEL = Path(__file__).parents[1] / "nets/data/nnunet_plain"
PLAIN = "x/n/evaluate/plain"
CASES = [f"case{number}" for number in range(6)]
HELD = CASES[:2]
SHORT = {"epochs": 1, "optimiser": {"kind": "adam", "learning_rate": 1e-3}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw data for the recorded model, and the model without a validation."""
    here = tmp_path_factory.mktemp("gate")
    raw, rng = here / "raw/Dataset900_Parity", np.random.default_rng(0)
    for folder in ("imagesTr", "labelsTr"):
        (raw / folder).mkdir(parents=True)
    for case in CASES:
        truth = np.zeros((30, 20, 3), np.uint8)
        truth[6:14, 4:9], truth[14:20, 4:9], truth[20:26, 9:15] = 1, 2, 3
        affine = np.diag([-1.25, -1.5, 8.0, 1.0])
        for channel in (0, 1):
            image = (truth * 40 + rng.normal(100, 10, truth.shape)).astype(np.float32)
            nib.save(nib.Nifti1Image(image, affine), raw / f"imagesTr/{case}_{channel:04}.nii.gz")
        nib.save(nib.Nifti1Image(truth, affine), raw / f"labelsTr/{case}.nii.gz")
    meta = json.loads((MODEL / "dataset.json").read_text())
    (raw / "dataset.json").write_text(json.dumps({**meta, "numTraining": len(CASES)}))
    folds = [{"train": CASES[2:], "val": HELD}]
    (raw / "splits_final.json").write_text(json.dumps(folds))
    shutil.copytree(MODEL, here / "model")
    return here


def sweep(place: Path, name: str, **backbone: Any) -> LocalSweep:
    preprocess = {"workers": 1, "patch": [32, 20], "spacing": [1.25, 1.5]}
    source = place / "raw/Dataset900_Parity"
    values = {
        "name": name,
        "out": place / "runs",
        "stores": place / "stores",
        "device": "cpu",
        "threads": 1,
        "data": [{"name": "x", "source": source, "preprocess": preprocess}],
        "backbones": [{"name": "nnunet", "label": "n", "folder": place / "model", **backbone}],
        "arms": {"lth": {"policy": "js"}},
        "controls": [],
        "cell": {"nodes": 1, "partial_channels": 2},
        "batches": {"batch_size": 4, "steps_per_epoch": 1},
        "retrain": SHORT,
        "search": {"epochs": 2, "warmup_epochs": 1},
        "evaluation": {"metrics": ["dice"]},
    }
    config = settle_folds(RunConfig.model_validate(values)).config
    return LocalSweep(config, plan_jobs(config), lambda *_: None)


@pytest.fixture(scope="module")
def unheld(place: Path) -> LocalSweep:
    """A run of the model that nnU-Net has not validated."""
    made = sweep(place, "unheld")
    assert set(made.run().counts) == {"done"}
    return made


@pytest.fixture
def summary(place: Path, unheld: LocalSweep) -> Path:
    """A summary that agrees with the plain network here."""
    keys, found = {"RV": "1", "MYO": "2", "LV": "3"}, {case: {} for case in HELD}
    rows = read_patients(unheld.result(PLAIN) / "patients.parquet").to_pylist()
    for row in rows:
        counts = {"n_ref": 500, "n_pred": 500}
        found[row["case_id"]][keys[row["target"]]] = {"Dice": row["dice"], **counts}
    path = place / "model/fold_0/validation/summary.json"
    path.parent.mkdir(exist_ok=True)
    listed = [{"prediction_file": f"/x/{c}.nii.gz", "metrics": m} for c, m in found.items()]
    path.write_text(json.dumps({"metric_per_case": listed}))
    return path


def spoil(summary: Path) -> None:
    content = json.loads(summary.read_text())
    metrics = content["metric_per_case"][0]["metrics"]["2"]
    metrics["Dice"] = metrics["Dice"] + 0.5
    summary.write_text(json.dumps(content))


def test_without_nnunets_scores_a_run_goes_on_and_says_so(unheld: LocalSweep) -> None:
    result = read_result(unheld.result(PLAIN))
    assert (result["parity"], result["parity_cases"], result["fold_note"]) == ("unknown", 0, None)
    record = read_run(unheld.config.folder)
    assert "no validation/summary.json" in " ".join(parity_doubts(record))


def test_a_network_that_scores_as_in_nnunet_is_built_upon(place: Path, summary: Path) -> None:
    made = sweep(place, "held")
    assert set(made.run().counts) == {"done"}
    folder = made.result(PLAIN)
    assert read_result(folder)["parity"] == "held"
    assert len((folder / "parity.csv").read_text().splitlines()) == 1 + 3 * len(HELD)
    record = read_run(made.config.folder)
    assert list(parity_doubts(record)) == []
    assert "2 of 2 test cases" in parity_lines(record)[0]
    assert parity_table(record).rows[0][-1] == "held"
    assert summary.exists()


def test_a_network_that_scores_otherwise_stops_all_that_builds_upon_it(
    place: Path, summary: Path
) -> None:
    spoil(summary)
    made = sweep(place, "stopped")
    jobs = made.run().jobs
    assert {key: one.status for key, one in jobs.items() if one.status != "skipped"} == {
        "x/prepare": "done",
        PLAIN: "failed",
    }
    reason = str(jobs[PLAIN].error)
    for part in ("case0  MYO", "difference -0.5000", "orientation", "parity: report"):
        assert part in reason
    doubts = " ".join(parity_doubts(read_run(made.config.folder)))
    assert "must score as it did in nnU-Net: plain here" in doubts


@pytest.mark.parametrize("settings", [{"parity": "report"}, {"parity_tolerance": 0.6}])
def test_a_difference_may_be_let_pass(place: Path, summary: Path, settings: dict[str, Any]) -> None:
    spoil(summary)
    made = sweep(place, f"passed-{next(iter(settings))}", **settings)
    verdict = read_result(made.result(PLAIN))["parity"]
    assert verdict == ("mismatch" if "parity" in settings else "held")
    made.conclude()
    doubts = list(parity_doubts(read_run(made.config.folder)))
    assert len(doubts) == (1 if "parity" in settings else 0)


def test_the_store_is_asked_when_the_source_was_not(place: Path, unheld: LocalSweep) -> None:
    """A configuration that nobody settled: the split of the store is what counts."""
    split = {"weights": [CASES[0], CASES[1]], "architecture": [CASES[2]], "val": [CASES[3]]}
    (place / "split.json").write_text(json.dumps({**split, "test": CASES[4:]}))
    values = unheld.config.model_dump(mode="json")
    values["data"][0] |= {"split": {"file": str(place / "split.json")}, "store": str(place / "s2")}
    config = RunConfig.model_validate(values | {"name": "unsettled"})
    made = LocalSweep(config, plan_jobs(config), lambda *_: None)
    reason = str(made.run().jobs[PLAIN].error)
    assert "fold 0 has not been trained on" in reason
