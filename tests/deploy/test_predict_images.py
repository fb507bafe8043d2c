"""Many cases at once: what is damaged is refused by itself, what is done is not done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.data.contract import Case
from distributed_iac.deploy import Model
from distributed_iac.deploy.images import Images, find_images
from distributed_iac.deploy.segment_cases import predict_images
from distributed_iac.errors import ConfigError

Save = Callable[[Path], None]


def _image(shape: tuple[int, ...], dtype: Any = np.int16, zooms: float = 1.0) -> Save:
    def save(path: Path) -> None:
        image = nib.Nifti1Image(np.ones(shape, dtype), np.diag([zooms, 1, 5, 1]))
        nib.save(image, path)

    return save


def _not_finite(path: Path) -> None:
    voxels = np.ones((8, 8, 3), np.float32)
    voxels[2, 2, 1] = np.nan
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)


def _cut_short(path: Path) -> None:
    rng = np.random.default_rng(0)
    nib.save(nib.Nifti1Image(rng.normal(size=(20, 20, 3)), np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:2000])


def _spoilt_checksum(path: Path) -> None:
    _image((8, 8, 3))(path)
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)


def _text(path: Path) -> None:
    path.write_text("hello")


RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
BAD: dict[str, tuple[Save, str]] = {
    "one_d": (_image((8,)), "three axes"),
    "no_slices": (_image((8, 8, 0)), "shape (8, 8, 0)"),
    "four_d": (_image((8, 8, 3, 2)), "2 channels where 1"),
    "five_d": (_image((8, 8, 3, 2, 2)), "three axes"),
    "rgb": (_image((8, 8, 3), RGB), "real numbers"),
    "complex": (_image((8, 8, 3), np.complex64), "real numbers"),
    "not_finite": (_not_finite, "finite"),
    "cut_short": (_cut_short, "end mark"),
    "crc": (_spoilt_checksum, "damaged"),
    "text": (_text, "not gzip-compressed"),
}


@pytest.fixture
def model(tmp_path: Path, trained: Callable[..., Any]) -> Model:
    exported: Model = trained("acdc").export(tmp_path / "model")
    return exported


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One good image."""
    (tmp_path / "images").mkdir()
    _image((30, 40, 3))(tmp_path / "images" / "good.nii.gz")
    return tmp_path / "images"


def test_every_kind_of_bad_file_is_refused_and_the_good_one_done(
    tmp_path: Path, model: Model, folder: Path
) -> None:
    for name, (save, _) in BAD.items():
        save(folder / f"{name}.nii.gz")
    found = find_images(folder, model.card.fingerprint)
    outcomes = {o.case_id: o for o in predict_images(model, found, tmp_path / "out")}
    assert outcomes.keys() == {*BAD, "good"}
    for name, (_, said) in BAD.items():
        refusal = outcomes[name].refusal
        assert outcomes[name].status == "refused"
        assert refusal is not None
        assert said in refusal.reason
        assert name in refusal.path
        assert refusal.remedy
    assert outcomes["good"].status == "written"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.nii.gz"]


def test_a_label_map_that_is_there_is_kept_until_asked_otherwise(
    tmp_path: Path, model: Model, folder: Path
) -> None:
    found = find_images(folder, model.card.fingerprint)
    (tmp_path / "out").mkdir()
    kept = tmp_path / "out" / "good.nii.gz"
    kept.write_bytes(b"corrected by hand")
    (outcome,) = predict_images(model, found, tmp_path / "out")
    assert outcome.status == "present"
    assert kept.read_bytes() == b"corrected by hand"
    (outcome,) = predict_images(model, found, tmp_path / "out", existing="replace")
    assert outcome.status == "written"
    assert nib.load(kept).shape == (30, 40, 3)


def test_an_image_is_never_overwritten(model: Model, folder: Path) -> None:
    before = (folder / "good.nii.gz").read_bytes()
    found = find_images(folder, model.card.fingerprint)
    with pytest.raises(ConfigError, match="different folders"):
        predict_images(model, found, folder, existing="replace")
    assert (folder / "good.nii.gz").read_bytes() == before


def test_a_folder_that_cannot_be_written_ends_the_work(
    tmp_path: Path, model: Model, folder: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    found = find_images(folder, model.card.fingerprint)
    with pytest.raises(ConfigError, match="can be created"):
        list(predict_images(model, found, tmp_path / "out"))


def test_labels_of_a_data_set_are_not_looked_at(
    tmp_path: Path, model: Model, trained: Callable[..., Any]
) -> None:
    case: Case = trained("acdc").source.cases[0]
    broken = tmp_path / "gt.nii.gz"
    broken.write_text("no label map")
    images = Images((replace(case, label=broken),))
    (outcome,) = predict_images(model, images, tmp_path / "out")
    assert outcome.status == "written"
