"""What nnU-Net's summary.json and label maps say of a fold."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from distributed_iac.errors import ConfigError, DataError
from distributed_iac.nets.nnunet_validation import parse_summary, read_validation

REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "ignore": 4}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "fold_0/validation").mkdir(parents=True)
    content = {"labels": REGIONS, "file_ending": ".nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    return tmp_path


def case(name: str, **metrics: Any) -> dict[str, Any]:
    return {"prediction_file": name, "reference_file": "x", "metrics": metrics}


def test_labels_and_regions_are_known_by_their_values() -> None:
    whole, edema = {"Dice": 0.5, "n_ref": 10, "n_pred": 20}, {"Dice": math.nan}
    text = json.dumps(
        {"metric_per_case": [case("/a/p1.nii.gz", **{"(1, 2, 3)": whole, "2": edema})]}
    )
    scores = parse_summary(json.loads(text), ".nii.gz")["p1"]
    assert (scores[frozenset({1, 2, 3})].dice, scores[frozenset({1, 2, 3})].voxels) == (0.5, 30)
    assert math.isnan(scores[frozenset({2})].dice)


@pytest.mark.parametrize(
    "place", ["/root/validation/sub.1_0.nii.gz", r"C:\validation\sub.1_0.nii.gz", "sub.1_0.nii.gz"]
)
def test_a_case_is_named_wherever_the_summary_was_written(place: str) -> None:
    assert list(parse_summary({"metric_per_case": [case(place)]}, ".nii.gz")) == ["sub.1_0"]


def test_a_summary_knows_all_cases_and_label_maps_only_themselves(model: Path) -> None:
    assert read_validation(model, 0) is None
    (model / "fold_0/validation/p1.nii.gz").touch()
    maps = read_validation(model, 0)
    assert maps is not None
    assert (maps.cases, maps.extent) == ({"p1"}, "some cases")
    summary = model / "fold_0/validation/summary.json"
    content = {"metric_per_case": [case("p1.nii.gz"), case("p2.nii.gz")]}
    summary.write_text(json.dumps(content))
    found = read_validation(model, 0)
    assert found is not None
    assert (found.cases, found.extent) == ({"p1", "p2"}, "all cases")
    assert found.labels == {"whole": frozenset({1, 2, 3}), "core": frozenset({2, 3})}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"metric_per_case": [{"metrics": {}}]}'])
def test_a_damaged_summary_is_refused_and_not_taken_for_none(model: Path, text: str) -> None:
    (model / "fold_0/validation/summary.json").write_text(text)
    with pytest.raises(DataError, match=r"summary\.json"):
        read_validation(model, 0)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trained nnU-Net model"):
        read_validation(tmp_path / "absent", 0)
