"""What a trained backbone decides is filled in, what a user gives stays, and nothing is guessed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError
from distributed_iac.nets.follow import follow_backbones
from tests.training.test_doubts import write_source


@pytest.fixture
def model(nnunet_data: Path) -> Path:
    return nnunet_data / "nnunet_plain"


def followed(preprocess: Any, *backbones: Any) -> Any:
    data = {"name": "d", "source": "raw"}
    if preprocess is not None:
        data["preprocess"] = preprocess
    config = RunConfig.model_validate({"name": "r", "data": [data], "backbones": backbones})
    return follow_backbones(config).data[0].preprocess


def nnunet(folder: Path) -> dict[str, str]:
    return {"name": "nnunet", "folder": str(folder)}


@pytest.mark.parametrize("preprocess", [None, "from_backbone", {"on_bad_case": "skip"}])
def test_an_nnunet_backbone_is_followed_without_a_word(preprocess: Any, model: Path) -> None:
    found = followed(preprocess, nnunet(model), {"name": "basic_unet"})
    assert (found.spacing, found.patch, found.crop) == ((1.25, 1.5), (32, 20), "box")
    assert found.slices.axes == (0, 2, 1)
    assert found.on_bad_case == ("skip" if isinstance(preprocess, dict) else "refuse")


def test_what_is_given_stays(model: Path) -> None:
    found = followed({"patch": [64, 64], "normalisation": "zscore"}, nnunet(model))
    assert (found.patch, found.normalisation) == ((64, 64), "zscore")
    assert found.spacing == (1.25, 1.5)


def test_data_are_followed_where_a_user_says_so_or_no_backbone_is_trained(model: Path) -> None:
    for found in (followed({"follow": "data"}, nnunet(model)), followed(None, {"name": "dynunet"})):
        assert (found.spacing, found.patch, found.slices) == ("auto", "auto", "auto")


def test_a_configuration_that_was_followed_is_followed_to_the_same(model: Path) -> None:
    data = [{"name": "d", "source": "raw"}]
    config = RunConfig.model_validate({"name": "r", "data": data, "backbones": [nnunet(model)]})
    once = follow_backbones(config)
    assert follow_backbones(once) == once
    assert RunConfig.model_validate(once.model_dump()) == once


def test_from_backbone_needs_one() -> None:
    with pytest.raises(ConfigError, match="from_backbone"):
        followed("from_backbone", {"name": "basic_unet"})


def test_from_backbone_says_of_weights_that_they_are_not_there(tmp_path: Path) -> None:
    absent = tmp_path / "trained"
    with pytest.raises(ConfigError, match=f"none for d; {absent} is not there"):
        followed("from_backbone", {"name": "basic_unet", "weights": absent})


def test_from_backbone_goes_on_with_nothing_that_is_left_open(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a network knows CT and MR, each with rules of its own."""
    half = PreprocessSettings(follow="data", spacing=(1, 1), patch=(32, 32), crop="image")
    monkeypatch.setattr("distributed_iac.nets.follow.planned_preprocess", lambda *_, **__: half)
    with pytest.raises(ConfigError, match="whose way can be written") as caught:
        followed("from_backbone", nnunet(model))
    assert "slices and normalisation cannot" in str(caught.value)
    assert followed(None, nnunet(model)).slices == "auto"
    by_hand = {"slices": {"orientation": "RAS"}, "normalisation": "ct"}
    assert followed({"follow": "backbone", **by_hand}, nnunet(model)).normalisation == "ct"


def test_two_plans_that_differ_are_two_runs(model: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(model, tmp_path / "other"))
    plans = json.loads((other / "plans.json").read_text())
    plans["configurations"]["2d"]["spacing"] = [2.0, 2.0]
    (other / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(ConfigError, match="differ in spacing"):
        followed(None, nnunet(model), nnunet(other))
    assert followed({"spacing": [1, 1]}, nnunet(model), nnunet(other)).patch == (32, 20)


def test_names_of_the_data_worked_on_are_not_asked_of_what_is_also_scored(
    model: Path, tmp_path: Path
) -> None:
    for name, channels in (("new", ("T2", "PD")), ("old", ("T1", "T2"))):
        write_source(tmp_path / name, channels, ("LV", "RV", "MYO"))
    plans = Path(shutil.copytree(model, tmp_path / "model")) / "plans.json"
    said = json.loads(plans.read_text())
    said["configurations"]["2d"]["normalization_schemes"] = [
        "ZScoreNormalization",
        "NoNormalization",
    ]
    plans.write_text(json.dumps(said))
    config = RunConfig.model_validate(
        {
            "name": "r",
            "data": [{"name": "new", "source": tmp_path / "new"}],
            "also_scored": [{"name": "old", "source": tmp_path / "old"}],
            "backbones": [nnunet(plans.parent) | {"channel_names": {"PD": "T1"}}],
            "controls": ["plain"],
        }
    )
    new, old = follow_backbones(config).all_data
    schemes = [
        tuple(rule.scheme for rule in one.preprocess.normalisation if not isinstance(rule, str))
        for one in (new, old)
    ]
    assert schemes == [("none", "zscore"), ("zscore", "none")]
