"""A model sees slices as its training did, whatever the axes in which an image is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    io_orientation,
    ornt_transform,
)

from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.deploy import Model
from distributed_iac.deploy.images import find_images
from distributed_iac.deploy.segment_cases import predict_images
from distributed_iac.errors import SourceError

Train = Callable[..., Any]


def copy_in(path: Path, source: Path, codes: str) -> Path:
    """Rewrite an image in other axes, as nibabel or any viewer does."""
    image = nib.load(source)
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    nib.save(image.as_reoriented(turn), path)
    return path


def seen(labels: Any, codes: str) -> Any:
    """A label map's voxels in given axes."""
    turn = ornt_transform(io_orientation(labels.affine), axcodes2ornt(codes))
    return apply_orientation(np.asarray(labels.dataobj), turn)


@pytest.fixture
def kits(tmp_path: Path, trained: Train) -> tuple[Any, Model]:
    network = trained("kits")
    return network, network.export(tmp_path / "model")


def test_the_card_names_the_axes_in_which_slices_were_cut(kits: tuple[Any, Model]) -> None:
    network, model = kits
    assert network.store.fingerprint.axis_codes == "IPL"
    assert model.card.fingerprint.axis_codes == "IPL"


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASL"])
def test_copies_in_other_axes_get_the_same_labels_at_the_same_places(
    tmp_path: Path, kits: tuple[Any, Model], codes: str
) -> None:
    network, model = kits
    shipped = network.source.cases[0].channels[0].path
    expected = model.predict(shipped)
    assert len(np.unique(np.asarray(expected.dataobj))) > 1
    copy = copy_in(tmp_path / "copy.nii.gz", shipped, codes)
    found = model.predict(copy)
    assert "".join(nib.aff2axcodes(found.affine)) == codes
    np.testing.assert_array_equal(found.affine, nib.load(copy).affine)
    np.testing.assert_array_equal(seen(found, "IPL"), np.asarray(expected.dataobj))


@pytest.mark.parametrize("codes", ["IPL", "RAS"])
def test_the_same_files_as_an_nnunet_data_set_give_the_same(
    tmp_path: Path, kits: tuple[Any, Model], codes: str
) -> None:
    network, model = kits
    shipped = network.source.cases[0]
    raw = tmp_path / "Dataset001_Kits"
    (raw / "imagesTr").mkdir(parents=True)
    (raw / "labelsTr").mkdir()
    copy_in(raw / "imagesTr/a_0000.nii.gz", shipped.channels[0].path, codes)
    copy_in(raw / "labelsTr/a.nii.gz", shipped.label, codes)
    about = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "kidney": 1, "tumor": 2, "cyst": 3},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(about))
    assert read_source(raw).cases[0].layout.reorient == "LPS"
    images = find_images(raw, model.card.fingerprint)
    (outcome,) = predict_images(model, images, tmp_path / "out")
    assert outcome.status == "written", outcome.refusal
    expected = np.asarray(model.predict(shipped.channels[0].path).dataobj)
    np.testing.assert_array_equal(seen(nib.load(outcome.path), "IPL"), expected)


def test_an_image_that_does_not_tell_its_axes_is_refused(
    tmp_path: Path, kits: tuple[Any, Model]
) -> None:
    network, model = kits
    image = nib.load(network.source.cases[0].channels[0].path)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nib.save(nib.Nifti1Image(image.dataobj, None, image.header), tmp_path / "a.nii.gz")
    with pytest.raises(SourceError, match="axes IPL") as caught:
        model.predict(tmp_path / "a.nii.gz")
    assert "set sform" in str(caught.value.remedy)


def test_a_stack_that_would_be_cut_across_is_refused(tmp_path: Path, trained: Train) -> None:
    """A short-axis scan whose header is true: its thick axis runs to the front."""
    model = trained("acdc").export(tmp_path / "model")
    affine = np.array([[-1.5, 0, 0, 0], [0, 0, 8.0, 0], [0, -1.5, 0, 0], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(np.ones((30, 30, 6), np.int16), affine), tmp_path / "a.nii")
    with pytest.raises(SourceError, match="axes LPS") as caught:
        model.predict(tmp_path / "a.nii")
    assert "cut across its slices of 8 mm" in str(caught.value.came)


def test_a_card_of_an_older_release_is_read_and_warns(kits: tuple[Any, Model]) -> None:
    network, model = kits
    value = model.card.fingerprint.to_json()
    for name in ("axis_codes", "notes"):
        del value[name]
    older = replace(model, card=replace(model.card, fingerprint=Fingerprint.from_json(value)))
    path = network.source.cases[0].channels[0].path
    with pytest.warns(UserWarning, match="cut as they are stored"):
        found = older.predict(path)
    np.testing.assert_array_equal(
        np.asarray(found.dataobj), np.asarray(model.predict(path).dataobj)
    )


def test_a_channel_in_other_axes_changes_nothing(tmp_path: Path, trained: Train) -> None:
    network = trained("brats")
    model = network.export(tmp_path / "model")
    paths = [channel.path for channel in network.source.cases[0].channels]
    expected = np.asarray(model.predict(paths).dataobj)
    paths[1] = copy_in(tmp_path / "t1ce.nii.gz", paths[1], "RAI")
    with pytest.warns(UserWarning, match="axes"):
        found = model.predict(paths)
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)


def test_a_channel_at_another_place_is_refused(tmp_path: Path, trained: Train) -> None:
    network = trained("brats")
    model = network.export(tmp_path / "model")
    paths = [channel.path for channel in network.source.cases[0].channels]
    image = nib.load(paths[1])
    affine = image.affine.copy()
    affine[:3, 3] += 7
    paths[1] = tmp_path / "t1ce.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), paths[1])
    with pytest.raises(SourceError, match="mm away"):
        model.predict(paths)


def test_a_picture_gets_a_picture(tmp_path: Path, trained: Train) -> None:
    model = trained("acdc").export(tmp_path / "model")
    picture = np.random.default_rng(0).normal(100, 20, (40, 36)).astype(np.float32)
    affine = np.diag([-1.5, -1.5, 1.0, 1.0])
    nib.save(nib.Nifti1Image(picture, affine), tmp_path / "flat.nii.gz")
    nib.save(nib.Nifti1Image(picture[..., None], affine), tmp_path / "slice.nii.gz")
    flat, slab = (model.predict(tmp_path / f"{name}.nii.gz") for name in ("flat", "slice"))
    assert (flat.shape, slab.shape) == ((40, 36), (40, 36, 1))
    np.testing.assert_array_equal(np.asarray(flat.dataobj), np.asarray(slab.dataobj)[..., 0])
