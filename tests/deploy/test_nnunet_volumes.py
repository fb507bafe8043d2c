"""Whole volumes become the label maps that nnU-Net 2.8 itself predicted of them.

Recorded by ``python -m benchmarks.nnunet_volumes --record``: two networks that nnU-Net trained, on
drawn pictures larger than the patch and resampled. 901: RAS, an empty border, masked z-scores,
mirroring. 902: the thick axis first and axes SPL, CT statistics, no mirroring.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from distributed_iac.config.preprocess import SliceSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.axes import fixed_layout
from distributed_iac.data.prepare.decide import decide_recipe
from distributed_iac.data.prepare.prepared_case import preprocess_case
from distributed_iac.data.prepare.survey import survey_case
from distributed_iac.data.targets import decode_logits
from distributed_iac.evaluation.inference import Inference, mirror_axes, slice_logits
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.follow import follow_backbones

DATA = Path(__file__).parents[1] / "nets" / "data"

ANOTHER_SUM = 3
"""Voxels, of 16,380, where two classes are equal up to the order of a sum: 0 or 1 were measured."""


def raw(model: Path, root: Path) -> Path:
    """The recorded images as an nnU-Net raw data set, labelled with nnU-Net's predictions."""
    for folder, pattern in (("imagesTr", "case_*_0000.nii.gz"), ("labelsTr", "case_??.nii.gz")):
        (root / folder).mkdir(parents=True)
        for path in model.glob(pattern):
            shutil.copy(path, root / folder)
    shutil.copy(model / "dataset.json", root)
    return root


def predicted(model: Path, root: Path, **changes: Any) -> list[tuple[Any, Any]]:
    """Our label maps and nnU-Net's."""
    given = {"name": "r", "data": [{"name": "d", "source": str(raw(model, root))}]}
    given["backbones"] = [{"name": "nnunet", "folder": str(model)}]
    config = follow_backbones(RunConfig.model_validate(given))
    settings = config.data[0].preprocess.model_copy(update=changes)
    source = read_source(root)
    surveys = [survey_case(case, source.labels, fixed_layout(settings)) for case in source.cases]
    recipe = decide_recipe(settings, surveys, {})
    network = build_backbone(config.backbones[0], 1, 3).eval()
    way = Inference(mirror_axes(config.evaluation, config.backbones[0]))
    found = []
    for case in source.cases:
        prepared = preprocess_case(case, recipe, source.labels)
        assert prepared.geometry.whole != prepared.geometry, "larger than the patch"
        assert prepared.geometry.plane.resamples
        logits = slice_logits(
            network, prepared.whole_images, recipe.patch, way, torch.device("cpu")
        )
        ours = prepared.geometry.whole.restore_logits(
            logits, lambda outputs: decode_logits(outputs, source.labels)
        )
        assert case.label is not None
        found.append((ours, np.asarray(nib.load(case.label).dataobj)))
    return found


@pytest.mark.parametrize("number", [901, 902])
def test_label_maps_are_nnunets(number: int, tmp_path: Path) -> None:
    pairs = predicted(DATA / f"nnunet_volumes_{number}", tmp_path / "raw")
    assert len(pairs) == 2
    for ours, theirs in pairs:
        assert set(np.unique(theirs)) == {0, 1, 2}
        assert int((ours != theirs).sum()) <= ANOTHER_SUM


def test_slices_that_are_turned_are_not(tmp_path: Path) -> None:
    """What the comparison is there to find: upright slices, of which this network knows nothing."""
    upright = {"slices": SliceSettings(orientation="RAS")}
    for ours, theirs in predicted(DATA / "nnunet_volumes_902", tmp_path / "raw", **upright):
        assert int((ours != theirs).sum()) > 10 * ANOTHER_SUM
