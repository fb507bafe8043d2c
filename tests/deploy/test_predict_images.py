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
from distributed_iac.deploy.predictions import RECORD, Predictions
from distributed_iac.deploy.segment_cases import CaseOutcome, predict_images
from distributed_iac.errors import ConfigError, RunError

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
    assert [path.name for path in (tmp_path / "out").glob("*.nii.gz")] == ["good.nii.gz"]


Again = Callable[..., CaseOutcome]


@pytest.fixture
def again(tmp_path: Path, model: Model, folder: Path) -> Again:
    """Segments the good image once more."""

    def call(model: Model = model, **options: Any) -> CaseOutcome:
        found = find_images(folder, model.card.fingerprint)
        (outcome,) = predict_images(model, found, tmp_path / "out", **options)
        return outcome

    return call


def test_a_label_map_is_kept_as_it_is(tmp_path: Path, again: Again) -> None:
    assert again().status == "written"
    (tmp_path / "out").rename(tmp_path / "moved")
    (tmp_path / "moved").rename(tmp_path / "out")
    before = (tmp_path / "out" / "good.nii.gz").stat().st_mtime_ns
    assert [again().status, again().status] == ["present", "present"]
    assert (tmp_path / "out" / "good.nii.gz").stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [b"corrected by hand", b"", None], ids=["other", "none", "cut"])
def test_a_label_map_that_was_changed_is_neither_kept_for_one_nor_lost(
    tmp_path: Path, again: Again, content: bytes | None
) -> None:
    again()
    path = tmp_path / "out" / "good.nii.gz"
    content = path.read_bytes()[:60] if content is None else content
    path.write_bytes(content)
    outcome = again()
    assert outcome.status == "refused"
    assert outcome.refusal is not None
    assert "not as it was written" in outcome.refusal.reason
    assert "--overwrite" in outcome.refusal.remedy
    assert path.read_bytes() == content
    assert again(existing="replace").status == "written"
    assert nib.load(path).shape == (30, 40, 3)
    assert again().status == "present"


def test_a_label_map_of_another_model_image_or_type_is_told_from_its_own(
    tmp_path: Path, again: Again, folder: Path, trained: Callable[..., Any]
) -> None:
    other = trained("acdc", kind="plain").export(tmp_path / "other")
    again(existing="replace")
    for options in ({"model": other}, {"dtype": "uint8"}):
        refusal = again(**options).refusal
        assert refusal is not None
        assert "another model, of another image or with other options" in refusal.reason
    assert again().status == "present"
    _image((30, 40, 4))(folder / "good.nii.gz")
    assert again().status == "refused"
    assert again(existing="replace").status == "written"
    assert nib.load(tmp_path / "out" / "good.nii.gz").shape == (30, 40, 4)


def test_a_label_map_of_which_nothing_is_recorded_is_nobodys(tmp_path: Path, again: Again) -> None:
    """As releases left it that kept no record."""
    again()
    (tmp_path / "out" / RECORD).unlink()
    refusal = again().refusal
    assert refusal is not None
    assert f"{RECORD} does not say" in refusal.reason


def test_a_label_map_of_another_case_under_its_name_is_told(
    tmp_path: Path, again: Again, model: Model, folder: Path
) -> None:
    _image((30, 40, 5))(folder / "second.nii.gz")
    found = find_images(folder, model.card.fingerprint)
    list(predict_images(model, found, tmp_path / "out"))
    (folder / "second.nii.gz").unlink()
    (tmp_path / "out" / "second.nii.gz").replace(tmp_path / "out" / "good.nii.gz")
    assert again().status == "refused"


def test_a_kill_before_a_label_map_has_its_name_costs_that_one_alone(
    tmp_path: Path, again: Again
) -> None:
    again()
    path, record = (tmp_path / "out" / name for name in ("good.nii.gz", RECORD))
    path.unlink()  # recorded already
    record.write_bytes(record.read_bytes() + record.read_bytes()[:40])  # and half a line
    assert [again().status, again().status] == ["written", "present"]
    assert len(record.read_bytes().splitlines()) == 3


def test_the_record_of_a_newer_release_is_not_guessed_at(tmp_path: Path, again: Again) -> None:
    again()
    record = tmp_path / "out" / RECORD
    record.write_text(record.read_text().replace('"format_version": 1', '"format_version": 99'))
    with pytest.raises(RunError, match="upgrade"):
        again()


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


@pytest.mark.parametrize("name", ["good.nii.gz", RECORD])
def test_a_directory_in_a_file_s_place_is_told_before_the_work(
    tmp_path: Path, model: Model, folder: Path, name: str
) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    found = find_images(folder, model.card.fingerprint)
    with pytest.raises(ConfigError, match=f"{name}: label maps and their record are files"):
        list(predict_images(model, found, tmp_path / "out", existing="replace"))


def test_a_name_as_long_as_disks_take_does_not_cost_the_others(
    tmp_path: Path, model: Model, folder: Path
) -> None:
    _image((30, 40, 3))(folder / f"{'x' * 248}.nii.gz")
    _image((30, 40, 3))(folder / f"{'y' * 251}.nii")  # a label map is .nii.gz, which is too long
    found = find_images(folder, model.card.fingerprint)
    done = {one.case_id[0]: one.status for one in predict_images(model, found, tmp_path / "out")}
    assert (done["x"], done["y"], done["g"]) == ("written", "refused", "written")


@pytest.mark.parametrize("to", ["itself", "nowhere"])
def test_a_link_to_nowhere_is_no_folder(
    tmp_path: Path, model: Model, folder: Path, to: str
) -> None:
    out = tmp_path / "itself"
    out.symlink_to(tmp_path / to)
    found = find_images(folder, model.card.fingerprint)
    with pytest.raises(ConfigError, match="leads nowhere"):
        list(predict_images(model, found, out))


def test_label_maps_do_not_lie_in_a_model_s_folder(
    tmp_path: Path, model: Model, folder: Path
) -> None:
    found = find_images(folder, model.card.fingerprint)
    with pytest.raises(ConfigError, match="a folder of their own"):
        list(predict_images(model, found, tmp_path / "model"))


def test_labels_of_a_data_set_are_not_looked_at(
    tmp_path: Path, model: Model, trained: Callable[..., Any]
) -> None:
    case: Case = trained("acdc").source.cases[0]
    broken = tmp_path / "gt.nii.gz"
    broken.write_text("no label map")
    images = Images((replace(case, label=broken),))
    (outcome,) = predict_images(model, images, tmp_path / "out")
    assert outcome.status == "written"


def test_a_label_map_that_another_process_has_made_meanwhile_is_known(tmp_path: Path) -> None:
    first, second = Predictions(tmp_path), Predictions(tmp_path)
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"map")
    assert first.refusal("a", "origin", path) is not None, "nobody has made it yet"
    second.add("a", "origin", path)
    assert first.refusal("a", "origin", path) is None
    assert "another model" in str(first.refusal("a", "another", path))
