"""A data set that follows an exported model is prepared as the model's own images were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.config.run import RunConfig
from distributed_iac.data.prepare.axes import fixed_layout
from distributed_iac.data.prepare.decide import decide_recipe
from distributed_iac.data.prepare.prepared_case import preprocess_case
from distributed_iac.data.prepare.survey import survey_case
from distributed_iac.nets.expectation import differences
from distributed_iac.nets.follow import follow_backbones
from distributed_iac.nets.trained import card_of_store


@pytest.mark.parametrize("name", ["acdc", "brats", "kits"])
def test_slices_are_those_that_the_model_was_trained_on(
    tmp_path: Path, trained: Callable[..., Any], name: str
) -> None:
    network = trained(name, kind="plain")
    network.export(tmp_path / "model")
    source = network.source
    given = {
        "name": "r",
        "data": [
            {"name": "d", "source": str(source.detection.root), "preprocess": "from_backbone"}
        ],
        "backbones": [{**network.backbone.model_dump(), "weights": str(tmp_path / "model")}],
    }
    settings = follow_backbones(RunConfig.model_validate(given)).data[0].preprocess
    own, case = network.store.fingerprint.recipe, source.cases[0]
    cut = fixed_layout(settings)
    assert cut is not None
    recipe = decide_recipe(settings, [survey_case(case, source.labels, cut)], {})
    assert (recipe.spacing, recipe.patch, recipe.crop) == (own.spacing, own.patch, own.crop)
    one, two = (preprocess_case(case, way, source.labels) for way in (own, recipe))
    np.testing.assert_array_equal(two.images, one.images)
    np.testing.assert_array_equal(two.labels, one.labels)
    known = network.store.fingerprint
    codes = known.axis_codes if cut.reorient == "as_stored" else None  # as prepare records them
    like = replace(known, recipe=recipe, axis_codes=codes)
    assert differences(card_of_store(known), card_of_store(like)) == (), "no false alarm"


def followed(network: Any, folder: Path, source: Path, **data: Any) -> RunConfig:
    given = {
        "name": "r",
        "data": [{"name": "d", "source": str(source), **data}],
        "backbones": [{**network.backbone.model_dump(), "weights": str(folder)}],
    }
    return follow_backbones(RunConfig.model_validate(given))


def test_a_model_that_says_how_is_followed_unless_the_settings_say_otherwise(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    network = trained("acdc", kind="plain")
    network.export(tmp_path / "model")
    root = network.source.detection.root
    own = network.store.fingerprint.recipe
    by_itself = followed(network, tmp_path / "model", root).data[0].preprocess
    asked = followed(network, tmp_path / "model", root, preprocess="from_backbone")
    assert by_itself == asked.data[0].preprocess
    assert (by_itself.spacing, by_itself.patch) == (own.spacing, own.patch)
    given = followed(network, tmp_path / "model", root, preprocess={"patch": [32, 32]})
    assert given.data[0].preprocess.patch == (32, 32)
    assert given.data[0].preprocess.spacing == own.spacing
    data = followed(network, tmp_path / "model", root, preprocess={"follow": "data"})
    assert data.data[0].preprocess.spacing == "auto"


def test_images_in_another_orientation_are_cut_as_the_models_own_were(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    """ACDC's slices are cut as stored; a model of them knows in which axes its arrays lay."""
    network = trained("acdc", kind="plain")
    network.export(tmp_path / "model")
    assert network.store.fingerprint.axis_codes == "LPS"
    settings = (
        followed(network, tmp_path / "model", network.source.detection.root).data[0].preprocess
    )
    cut = fixed_layout(settings)
    assert cut is not None
    turned = replace(network.source.cases[0], label=None)
    image = nib.load(turned.channels[0].path)
    path = tmp_path / "ras.nii.gz"
    nib.save(image.as_reoriented([[0, -1], [1, -1], [2, 1]]), path)
    assert nib.aff2axcodes(nib.load(path).affine) == ("R", "A", "S")
    channel = replace(turned.channels[0], path=path)
    recipe = decide_recipe(
        settings, [survey_case(network.source.cases[0], network.source.labels, cut)], {}
    )
    way = network.source.labels
    here = preprocess_case(turned, recipe, way)
    there = preprocess_case(replace(turned, channels=(channel,)), recipe, way)
    np.testing.assert_array_equal(there.images, here.images)
