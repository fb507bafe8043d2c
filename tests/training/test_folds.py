"""Splits that follow the folds of nnU-Net's backbones, and test patients that they have seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError, DataError
from distributed_iac.training.folds import Settled, settle_folds

DATASET = "Dataset001_x"
CASES = [f"patient{number:03}_frame{visit:02}" for number in range(8) for visit in (1, 9)]
HELD, OTHER = CASES[:4], CASES[4:8]
META = {
    "channel_names": {"0": "T1"},
    "labels": {"background": 0, "a": 1},
    "numTraining": len(CASES),
    "file_ending": ".nii.gz",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nnU-Net's three folders; the source's images are empty, as only names are read."""
    monkeypatch.delenv("nnUNet_preprocessed", raising=False)
    raw, model = tmp_path / "nnUNet_raw" / DATASET, tmp_path / "model"
    for folder in (raw / "imagesTr", raw / "labelsTr", model / "fold_0/validation"):
        folder.mkdir(parents=True)
    for case in CASES:
        (raw / f"imagesTr/{case}_0000.nii.gz").touch()
        (raw / f"labelsTr/{case}.nii.gz").touch()
    for folder in (raw, model):
        (folder / "dataset.json").write_text(json.dumps(META))
    return tmp_path


def fold(val: Sequence[str]) -> dict[str, list[str]]:
    return {"train": [case for case in CASES if case not in val], "val": list(val)}


def write_splits(folder: Path, *vals: Sequence[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "splits_final.json"
    path.write_text(json.dumps([fold(val) for val in vals or (HELD, OTHER)]))
    return path


def write_summary(here: Path, cases: Sequence[str] = HELD) -> Path:
    path = here / "model/fold_0/validation/summary.json"
    listed = [{"prediction_file": f"/x/{case}.nii.gz", "metrics": {}} for case in cases]
    path.write_text(json.dumps({"metric_per_case": listed}))
    return path


def settle(here: Path, split: Any = None, *more: dict[str, Any], **backbone: Any) -> Settled:
    data = {"name": "x", "source": here / "nnUNet_raw" / DATASET, "split": split or {}}
    first = {"name": "nnunet", "label": "n", "folder": here / "model", **backbone}
    values = {"name": "run", "data": [data], "backbones": [first, *more]}
    return settle_folds(RunConfig.model_validate(values))


def places(here: Path) -> dict[str, Path]:
    return {
        "raw": here / "nnUNet_raw" / DATASET,
        "beside": here / "nnUNet_preprocessed" / DATASET,
        "variable": here / "elsewhere" / DATASET,
    }


@pytest.mark.parametrize("place", ["raw", "beside", "variable"])
def test_an_open_split_follows_the_fold_wherever_nnunet_keeps_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    path = write_splits(places(here)[place])
    if place == "variable":
        monkeypatch.setenv("nnUNet_preprocessed", str(here / "elsewhere"))
    settled = settle(here, {"seed": 3})
    split = settled.config.data[0].split
    assert (split.fold, split.seed) == (0, 3)
    assert split.file == (None if place == "raw" else path)
    (note,) = settled.notes
    assert "follows fold 0" in note
    assert str(path) in note


def test_what_is_settled_is_settled_again_to_the_same(here: Path) -> None:
    write_splits(places(here)["beside"])
    once = settle(here)
    assert settle_folds(once.config).config == once.config


def test_a_file_of_folds_without_a_number_follows(here: Path) -> None:
    path = write_splits(here / "mine")
    assert settle(here, {"file": path}).config.data[0].split.fold == 0


def test_a_number_without_a_file_finds_nnunets_own(here: Path) -> None:
    path = write_splits(places(here)["beside"])
    assert settle(here, {"fold": 1}, fold=1).config.data[0].split.file == path


def test_without_a_list_of_folds_the_summary_says_who_was_held_out(here: Path) -> None:
    summary = write_summary(here)
    assert settle(here).config.data[0].split.file == summary


@pytest.mark.parametrize("evidence", ["splits", "summary", "maps"])
def test_a_split_that_tests_on_what_was_trained_is_refused(here: Path, evidence: str) -> None:
    parts = {"weights": CASES[:8], "architecture": CASES[8:10], "val": CASES[10:12]}
    file = here / "mine.json"
    file.write_text(json.dumps({**parts, "test": CASES[12:]}))
    if evidence == "splits":
        write_splits(places(here)["raw"])
    elif evidence == "summary":
        write_summary(here)
    else:
        (here / f"model/fold_0/validation/{HELD[0]}.nii.gz").touch()
    with pytest.raises(ConfigError, match="fold 0 has not been trained on") as caught:
        settle(here, {"file": file})
    assert "patient006, patient007" in str(caught.value)
    allowed = settle(here, {"file": file}, seen_test="allow")
    assert allowed.config.data[0].split.file == file
    assert "2 of 2 were" in allowed.notes[0]


def test_another_fold_is_refused_with_both_folds_and_the_remedy(here: Path) -> None:
    write_splits(places(here)["raw"])
    with pytest.raises(ConfigError) as caught:
        settle(here, {"fold": 1})
    for part in ("fold 0 has not", "fold 1", "follow fold 0", "seen_test: allow", "patient002"):
        assert part in str(caught.value)


def test_fold_all_is_refused_unless_the_test_is_none_of_its_cases(here: Path) -> None:
    write_splits(places(here)["raw"])
    for split in ({}, {"fold": 0}):
        with pytest.raises(ConfigError, match="fold all"):
            settle(here, split, fold="all")
    assert "seen_test: allow" in settle(here, {"fold": 0}, fold="all", seen_test="allow").notes[0]
    raw = places(here)["raw"]
    for name in ("imagesTs/patient100_frame01_0000", "labelsTs/patient100_frame01"):
        (raw / name).parent.mkdir()
        (raw / f"{name}.nii.gz").touch()
    assert settle(here, {"test": "official"}, fold="all").notes == ()


def test_where_nothing_is_known_that_is_said(here: Path) -> None:
    settled = settle(here)
    assert settled.config.data[0].split.fold is None
    (note,) = settled.notes
    assert "nothing is known" in note


def test_cases_of_one_patient_on_two_sides_have_seen_the_patient(here: Path) -> None:
    write_splits(places(here)["beside"], CASES[:3])
    write_summary(here, CASES[:3])
    with pytest.raises(ConfigError, match="1 of 2 were: patient001") as caught:
        settle(here)
    assert "patients of whom no case was trained on" in str(caught.value)


def test_lists_that_contradict_each_other_are_not_chosen_among(here: Path) -> None:
    write_splits(places(here)["raw"], HELD)
    write_splits(places(here)["beside"], OTHER)
    with pytest.raises(ConfigError, match="the same of its validation cases"):
        settle(here)


def test_backbones_of_two_folds_need_two_runs(here: Path) -> None:
    write_splits(places(here)["raw"])
    second = {"name": "nnunet", "label": "m", "folder": here / "model", "fold": 1}
    with pytest.raises(ConfigError, match="follows one fold"):
        settle(here, None, second)


def test_a_damaged_list_of_folds_is_not_taken_for_none(here: Path) -> None:
    write_splits(places(here)["beside"]).write_text('[{"train": 3}]')
    with pytest.raises(DataError, match="splits_final"):
        settle(here)


def test_a_run_without_nnunet_and_a_source_that_is_not_here_stay_as_they_are(here: Path) -> None:
    write_splits(places(here)["raw"])
    data = {"name": "x", "source": places(here)["raw"]}
    plain = RunConfig.model_validate({"name": "run", "data": [data]})
    absent = RunConfig.model_validate(
        {
            "name": "run",
            "data": [data | {"source": here / "absent"}],
            "backbones": [{"name": "nnunet", "folder": here / "model"}],
        }
    )
    for config in (plain, absent):
        assert settle_folds(config) == Settled(config, ())
