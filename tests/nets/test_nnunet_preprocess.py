"""A trained nnU-Net's plan becomes settings that prepare images as it knows them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from distributed_iac.config.preprocess import ChannelNormalisation, CtStatistics
from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.nets.nnunet_folder import read_nnunet_mirroring, read_nnunet_plan
from distributed_iac.nets.nnunet_plan import NnUnetPlan
from distributed_iac.nets.nnunet_preprocess import planned_preprocess


@pytest.fixture
def plan(nnunet_data: Path) -> NnUnetPlan:
    return read_nnunet_plan(nnunet_data / "nnunet_plain")


def settings(plan: NnUnetPlan, **changes: Any) -> Any:
    return planned_preprocess(replace(plan, **changes), where="model")


def test_a_recorded_plan_is_taken_over_whole(plan: NnUnetPlan) -> None:
    found = settings(plan)
    assert (found.spacing, found.patch, found.crop) == ((1.25, 1.5), (32, 20), "box")
    assert found.slices.orientation == "as_stored"
    assert found.slices.axes == (0, 2, 1)  # transpose_forward (2, 0, 1) of an array z, y, x
    assert [rule.scheme for rule in found.normalisation] == ["zscore", "zscore"]


@pytest.mark.parametrize(
    ("transpose", "axes"),
    [
        ((0, 1, 2), (2, 1, 0)),
        ((1, 0, 2), (1, 2, 0)),
        ((2, 0, 1), (0, 2, 1)),
        ((0, 2, 1), (2, 0, 1)),
    ],
)
def test_axes_are_counted_in_the_file_and_not_as_read(
    plan: NnUnetPlan, transpose: Any, axes: Any
) -> None:
    assert settings(plan, transpose=transpose).slices.axes == axes


@pytest.mark.parametrize(
    ("reader", "orientation"),
    [
        ("SimpleITKIO", "as_stored"),
        ("NibabelIO", "as_stored"),
        ("NibabelIOWithReorient", "RAS"),
        ("SimpleITKIOWithReorient", "RAS"),
    ],
)
def test_readers_that_reorient_are_followed(
    plan: NnUnetPlan, reader: str, orientation: str
) -> None:
    assert settings(plan, reader=reader).slices.orientation == orientation


def test_each_channel_keeps_its_rule_and_its_statistics(plan: NnUnetPlan) -> None:
    known = {"percentile_00_5": -900.0, "percentile_99_5": 300.0, "mean": 40.0, "std": 60.0}
    found = settings(
        plan,
        normalization=("CTNormalization", "ZScoreNormalization"),
        masked=(False, True),
        intensities=(known, {}),
    )
    ct = CtStatistics(lower=-900.0, upper=300.0, mean=40.0, deviation=60.0)
    assert found.normalisation == (
        ChannelNormalisation(scheme="ct", ct=ct),
        ChannelNormalisation(scheme="zscore_nonzero"),
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"reader": "NaturalImage2DIO"}, "NaturalImage2DIO"),
        ({"normalization": ("OurOwn", "ZScoreNormalization")}, "OurOwn"),
        ({"steps": {"preprocessor_name": "OurPreprocessor"}}, "OurPreprocessor"),
        ({"steps": {"resampling_fn_data": "resample_torch_fornnunet"}}, "resample_torch"),
    ],
)
def test_code_that_only_nnunet_knows_is_refused_by_name(
    plan: NnUnetPlan, changes: Any, named: str
) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        settings(plan, **changes)
    assert "preprocess.follow: data" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("allowed", "axes"), [((0, 1), ("rows", "columns")), ((1,), ("columns",)), (None, ())]
)
def test_mirroring_is_the_checkpoints(
    nnunet_data: Path, tmp_path: Path, allowed: Any, axes: Any
) -> None:
    folder = checkpoint_with(nnunet_data, tmp_path, allowed)
    assert read_nnunet_mirroring(folder, fold=0, checkpoint="final") == axes


def test_mirroring_along_an_axis_that_slices_lack_is_refused(
    nnunet_data: Path, tmp_path: Path
) -> None:
    folder = checkpoint_with(nnunet_data, tmp_path, (0, 1, 2))
    with pytest.raises(CheckpointError, match="rows"):
        read_nnunet_mirroring(folder, fold=0, checkpoint="final")


def checkpoint_with(nnunet_data: Path, tmp_path: Path, allowed: Any) -> Path:
    path = "fold_0/checkpoint_final.pth"
    content = torch.load(nnunet_data / "nnunet_plain" / path, weights_only=False)
    content["inference_allowed_mirroring_axes"] = allowed
    (tmp_path / "fold_0").mkdir()
    torch.save(content, tmp_path / path)
    return tmp_path


def test_a_plan_without_optional_keys_is_read(nnunet_data: Path, tmp_path: Path) -> None:
    """Plans of nnU-Net's first releases name no preprocessor, mask or reader."""
    for name in ("plans.json", "dataset.json"):
        content = json.loads((nnunet_data / "nnunet_plain" / name).read_text())
        content.pop("image_reader_writer", None)
        for key in ("preprocessor_name", "use_mask_for_norm"):
            content.get("configurations", {}).get("2d", {}).pop(key, None)
        (tmp_path / name).write_text(json.dumps(content))
    assert settings(read_nnunet_plan(tmp_path)).slices.orientation == "as_stored"
