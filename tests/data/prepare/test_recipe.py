"""The recipe follows nnU-Net's published rules, from what it is shown and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydantic import TypeAdapter

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.data.contract import Case, Channel, LabelScheme, SliceLayout
from distributed_iac.data.prepare.decide import decide_recipe
from distributed_iac.data.prepare.prepared_case import nonzero_box
from distributed_iac.data.prepare.survey import SAMPLE, CaseSurvey, survey_case
from distributed_iac.data.store.recipe import Recipe
from distributed_iac.data.volumes.geometry import slice_geometry
from distributed_iac.data.volumes.intensity import CtNormaliser, ZScore
from distributed_iac.errors import DataError

SCHEME = LabelScheme("test", {1: "a", 2: "b"}, ignore=9)


def survey(**facts: Any) -> CaseSurvey:
    size = facts.get("size", (256, 216))
    usual: dict[str, Any] = {
        "modality": "MR",
        "depth": 10,
        "size": size,
        "spacing": (1.5625, 1.5625),
        "box": ((0, size[0]), (0, size[1])),
        "nonzero_share": 1.0,
        "labelled": None,
        "foreground": np.linspace(0, 100, 50, dtype=np.float32)[None],
    }
    return CaseSurvey(**{**usual, **facts})


def decide(*surveys: CaseSurvey, **settings: Any) -> Recipe:
    return decide_recipe(PreprocessSettings(**settings), surveys, {"LPS": 2})


def test_acdcs_published_medians_give_its_published_plan() -> None:
    """nnU-Net: spacing 1.5625, patch 256 x 224 for a median slice of 256 x 216."""
    surveys = [
        survey(size=(256, 216)),
        survey(size=(256, 216)),
        survey(size=(428, 512), spacing=(0.7, 0.7)),
        survey(size=(154, 160), spacing=(1.95, 1.95)),
        survey(size=(256, 216)),
    ]
    recipe = decide(*surveys)
    assert recipe.spacing == (1.5625, 1.5625)
    assert recipe.patch == (256, 224)
    assert recipe.crop == "image"
    assert recipe.normalisers == {"MR": ZScore("all")}


def test_skull_stripped_brains_are_cropped_and_masked() -> None:
    """nnU-Net: patch 192 x 160 for the median box of 171 x 137, masked normalisation."""
    brains = [
        survey(size=(240, 240), spacing=(1.0, 1.0), box=((30, 201), (50, 187)), nonzero_share=s)
        for s in (0.3, 0.74, 0.9)
    ]
    recipe = decide(*brains)
    assert recipe.patch == (192, 160)
    assert recipe.crop == "nonzero"
    assert recipe.normalisers == {"MR": ZScore("nonzero")}


def test_at_three_quarters_the_mask_is_not_used() -> None:
    assert decide(survey(nonzero_share=0.75)).crop == "image"
    assert decide(survey(nonzero_share=0.1, modality="CT")).crop == "image"


def test_modalities_are_normalised_apart() -> None:
    ct = [survey(modality="CT", foreground=np.full((1, 4), v, np.float32)) for v in (0, 100)]
    recipe = decide(*ct, survey())
    rule = recipe.normalisers["CT"]
    assert isinstance(rule, CtNormaliser)
    assert rule.channels[0].mean == 50
    assert recipe.normalisers["MR"] == ZScore("all")


def test_rows_and_columns_have_their_own_median() -> None:
    recipe = decide(survey(spacing=(1.0, 2.0)), survey(spacing=(3.0, 2.0)))
    assert recipe.spacing == (2.0, 2.0)


def test_the_automatic_patch_is_a_multiple_and_never_above_the_limit() -> None:
    assert decide(survey(size=(700, 90))).patch == (512, 96)
    assert decide(survey(size=(700, 90)), patch_limit=300, patch_multiple=64).patch == (256, 128)
    assert decide(survey(size=(700, 90)), patch_limit=40, patch_multiple=64).patch == (64, 64)
    assert decide(survey(size=(64, 64)), patch_multiple=32).patch == (64, 64)


def test_no_training_case_loses_foreground_to_the_patch() -> None:
    """Off-centre structures of one large patient widen the patch, up to the patient's own size."""
    small = survey(size=(96, 96), spacing=(1.0, 1.0))
    aside = survey(size=(200, 200), spacing=(1.0, 1.0), labelled=((90, 170), (60, 110)))
    edge = survey(size=(200, 200), spacing=(1.0, 1.0), labelled=((0, 10), (90, 110)))
    assert decide(small, small, small).patch == (96, 96)
    assert decide(small, small, aside).patch == (160, 96)
    assert decide(small, small, edge).patch == (224, 96)
    assert decide(small, small, edge, spacing=(2.0, 2.0)).patch == (128, 64)
    assert decide(small, small, aside, crop="nonzero").patch == (160, 96)


def test_what_the_user_fixes_stays() -> None:
    recipe = decide(
        survey(nonzero_share=0.1),
        spacing=(1, 2),
        patch=(40, 50),
        crop="image",
        normalisation="zscore_nonzero",
    )
    assert (recipe.spacing, recipe.patch, recipe.crop) == ((1, 2), (40, 50), "image")
    assert recipe.normalisers == {"MR": ZScore("nonzero")}


def test_ct_rules_need_foreground() -> None:
    with pytest.raises(DataError, match="foreground"):
        decide(survey(modality="CT", foreground=np.zeros((1, 0), np.float32)))


def test_json_keeps_a_recipe() -> None:
    recipe = decide(survey(modality="CT"), survey())
    assert TypeAdapter(Recipe).validate_json(json.dumps(recipe.to_json())) == recipe


def test_an_open_slice_axis_is_filled_in() -> None:
    recipe = decide(survey())
    assert recipe.layout(SliceLayout("LPS", None)) == SliceLayout("LPS", 2)
    assert recipe.layout(SliceLayout("LPS", 0)) == SliceLayout("LPS", 0)


def save(path: Path, array: Any) -> Path:
    nib.save(nib.Nifti1Image(array, np.diag([-1.5, -2.0, 7.0, 1.0])), path)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Case:
    image = np.zeros((12, 10, 4, 2), np.float32)
    image[3:7, 1:9, 1:3] = 5
    image[5, 5, 1, 1] = 40
    label = np.zeros((12, 10, 4), np.uint8)
    label[5, 5, 1], label[6, 5, 1], label[6, 6, 1] = 1, 2, 9
    path = save(tmp_path / "image.nii", image)
    channels = (Channel("t1", path, 0), Channel("t2", path, 1))
    label_path = save(tmp_path / "label.nii", label)
    return Case("c", "p", channels, label_path, "MR", SliceLayout("LPS", 2))


def test_a_survey_sees_sizes_box_and_foreground(case: Case) -> None:
    found = survey_case(case, SCHEME)
    assert (found.depth, found.size, found.spacing) == (4, (10, 12), (2.0, 1.5))
    assert found.box == ((1, 9), (3, 7))
    assert found.nonzero_share == pytest.approx(4 * 8 * 2 / (12 * 10 * 4))
    assert found.foreground.shape == (2, SAMPLE)
    first, second = found.foreground
    assert set(first) == {5.0}
    # Values 1 and 2 are foreground, the ignore label is not; both voxels are drawn alike.
    assert np.unique(second).tolist() == [5.0, 40.0]
    assert (second == 40).mean() == pytest.approx(0.5, abs=0.02)


def test_a_survey_is_reproducible(case: Case) -> None:
    again = survey_case(case, SCHEME)
    np.testing.assert_array_equal(survey_case(case, SCHEME).foreground, again.foreground)


def test_an_image_of_zeros_has_the_whole_slice_as_its_box() -> None:
    geometry = slice_geometry(np.eye(4), (4, 5, 6), (1, 1, 1), SliceLayout("LPS", 2))
    assert nonzero_box(np.zeros((1, 4, 5, 6), np.float32), geometry) == (((0, 5), (0, 4)), 1.0)
