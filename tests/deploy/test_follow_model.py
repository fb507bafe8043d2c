"""A data set that follows an exported model is prepared as the model's own images were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distributed_iac.config.run import RunConfig
from distributed_iac.data.prepare.axes import fixed_layout
from distributed_iac.data.prepare.decide import decide_recipe
from distributed_iac.data.prepare.prepared_case import preprocess_case
from distributed_iac.data.prepare.survey import survey_case
from distributed_iac.nets.follow import follow_backbones


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
