"""Files and folders become cases, and what cannot be a case says why."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.data.contract import SliceLayout
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.volumes.intensity import ZScore
from distributed_iac.deploy.images import find_images
from distributed_iac.errors import ConfigError, SourceError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Put small images into a folder."""

    def make(*names: str, shape: tuple[int, ...] = (8, 8, 3)) -> Path:
        folder = tmp_path / "images"
        folder.mkdir(exist_ok=True)
        for name in names:
            nib.save(nib.Nifti1Image(np.ones(shape, np.int16), np.eye(4)), folder / name)
        return folder

    return make


@pytest.fixture
def one(stores: Callable[..., Any]) -> Fingerprint:
    """A model of one channel."""
    fingerprint: Fingerprint = stores("acdc")[1].fingerprint
    return fingerprint


@pytest.fixture
def four(stores: Callable[..., Any]) -> Fingerprint:
    """A model of four channels."""
    fingerprint: Fingerprint = stores("brats")[1].fingerprint
    return fingerprint


def found(path: Path, fingerprint: Fingerprint) -> dict[str, list[str]]:
    images = find_images(path, fingerprint)
    assert not images.unusable
    return {case.case_id: [c.path.name for c in case.channels] for case in images.cases}


def test_each_file_of_a_folder_is_an_image(write: Write, one: Fingerprint) -> None:
    folder = write("b.nii.gz", "amos_0001.nii", "amos_0002.nii.gz", ".hidden.nii")
    (folder / "notes.txt").write_text("")
    expected = {
        "amos_0001": ["amos_0001.nii"],
        "amos_0002": ["amos_0002.nii.gz"],
        "b": ["b.nii.gz"],
    }
    assert found(folder, one) == expected


def test_a_single_file_is_enough(write: Write, one: Fingerprint) -> None:
    assert found(write("heart.nii.gz") / "heart.nii.gz", one) == {"heart": ["heart.nii.gz"]}


def test_names_of_nnunet_are_channels(write: Write, one: Fingerprint, four: Fingerprint) -> None:
    names = [f"case_{number:04d}.nii.gz" for number in range(4)]
    folder = write(*names, *(name.replace("case", "a_1") for name in names))
    assert found(folder, four) == {
        "a_1": [name.replace("case", "a_1") for name in names],
        "case": names,
    }
    assert found(write("case_0000.nii.gz") / "case_0000.nii.gz", one) == {
        "case": ["case_0000.nii.gz"]
    }


def test_images_are_cut_as_the_training_images_were(write: Write, one: Fingerprint) -> None:
    (case,) = find_images(write("a.nii"), one).cases
    assert case.layout == SliceLayout("as_stored", 2, codes="LPS")
    assert case.modality == "MR"


REFUSED = {
    "a missing channel": (["x_0000.nii", "x_0001.nii", "x_0003.nii"], "no _0002"),
    "too few channels": (["x_0000.nii", "x_0001.nii"], "2 files"),
    "too many channels": ([f"x_000{number}.nii" for number in range(5)], "5 files"),
    "no channel number": (["x.nii"], "1 file"),
    "a doubled file": ([f"x_000{number}.nii" for number in range(4)] + ["x_0000.nii.gz"], "and"),
}


@pytest.mark.parametrize(("names", "said"), REFUSED.values(), ids=list(REFUSED))
def test_a_case_that_is_incomplete_is_refused_alone(
    write: Write, four: Fingerprint, names: list[str], said: str
) -> None:
    good = [f"good_{number:04d}.nii" for number in range(4)]
    images = find_images(write(*good, *names), four)
    assert [case.case_id for case in images.cases] == ["good"]
    (refused,) = images.unusable
    assert refused.case_id == "x"
    assert said in refused.reason
    assert refused.remedy


def test_channels_for_a_model_of_one_are_refused(write: Write, one: Fingerprint) -> None:
    (refused,) = find_images(write("x_0000.nii", "x_0001.nii"), one).unusable
    assert "takes 1 channel" in refused.reason


def test_a_data_set_is_read_by_its_reader(stores: Callable[..., Any], one: Fingerprint) -> None:
    source, _ = stores("acdc")
    images = find_images(source.detection.root, one)
    assert images.cases == source.cases


def test_a_case_that_a_reader_could_not_list_is_refused(
    tmp_path: Path, stores: Callable[..., Any], four: Fingerprint
) -> None:
    source, _ = stores("brats")
    shutil.copytree(source.detection.root, tmp_path / "raw")
    lost = source.cases[2]
    (tmp_path / "raw" / lost.channels[1].path.relative_to(source.detection.root)).unlink()
    images = find_images(tmp_path / "raw", four)
    assert [case.case_id for case in images.cases] == [
        case.case_id for case in source.cases if case != lost
    ]
    assert [refused.case_id for refused in images.unusable] == [lost.case_id]


def test_a_model_of_two_modalities_must_be_told_which(write: Write, one: Fingerprint) -> None:
    both = {"CT": ZScore("all"), "MR": ZScore("all")}
    facts = replace(one, recipe=replace(one.recipe, normalisers=both))
    folder = write("a.nii")
    with pytest.raises(ConfigError, match="CT and MR"):
        find_images(folder, facts)
    (case,) = find_images(folder, facts, modality="ct").cases
    assert case.modality == "CT"


@pytest.mark.parametrize("name", ["absent", "absent.nii.gz", "photo.png", "empty"])
def test_what_holds_no_image_is_refused(tmp_path: Path, one: Fingerprint, name: str) -> None:
    (tmp_path / "photo.png").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError):
        find_images(tmp_path / name, one)


def test_every_file_that_looks_like_an_image_is_used_or_told(
    write: Write, one: Fingerprint
) -> None:
    folder = write("SCAN.nii.gz", "b.nii.gz", "c.nii", "d.nii.gz", "deeper.nii.gz")
    (folder / "SCAN.nii.gz").rename(folder / "SCAN.NII.GZ")
    (folder / "c.nii").rename(folder / "C.NII")
    (folder / "d.nii.gz").rename(folder / "d.Nii.gz")
    (folder / "below").mkdir()
    (folder / "deeper.nii.gz").rename(folder / "below" / "deeper.nii.gz")
    for name in ("e.mha", "f.nrrd", "g.dcm", "h.IMG", "h.hdr", "i.npy", "j.png", "k.nii.bz2"):
        (folder / name).write_bytes(b"")
    (folder / "l.nii.gz").symlink_to(folder / "nowhere.nii.gz")
    (folder / "notes.txt").write_text("")
    images = find_images(folder, one)
    assert [case.case_id for case in images.cases] == ["C", "SCAN", "b"]
    told = {skipped.case_id: skipped.reason for skipped in images.unusable}
    assert sorted(told) == sorted(
        {path.name for path in folder.iterdir()} - {"C.NII", "SCAN.NII.GZ", "b.nii.gz", "notes.txt"}
    )
    assert "leads nowhere" in told["l.nii.gz"]
    assert "nowhere.nii.gz" in told["l.nii.gz"]
    assert "large and small letters" in told["d.Nii.gz"]
    assert "folder of their own" in told["below"]
    assert "not .mha" in told["e.mha"]


def test_names_that_differ_in_letter_case_only_are_refused(write: Write, one: Fingerprint) -> None:
    folder = write("Scan.nii.gz", "scan.nii", "other.nii.gz")
    images = find_images(folder, one)
    assert [case.case_id for case in images.cases] == ["other"]
    assert [skipped.case_id for skipped in images.unusable] == ["Scan", "scan"]
    assert all("letter case" in skipped.reason for skipped in images.unusable)


def test_channels_of_a_data_set_come_in_the_order_of_the_model(
    stores: Callable[..., Any], four: Fingerprint
) -> None:
    source = stores("brats")[0]
    model = replace(four, channel_names=four.channel_names[::-1])
    found = find_images(source.detection.root, model)
    for case, own in zip(found.cases, source.cases, strict=True):
        assert case.channels == own.channels[::-1]
    other = replace(four, channel_names=("pet",))
    assert find_images(source.detection.root, other).cases == source.cases


def test_what_is_no_file_though_it_is_named_like_an_image_is_listed(
    write: Write, one: Fingerprint
) -> None:
    folder = write("a.nii.gz")
    os.mkfifo(folder / "pipe.nii.gz")
    (folder / "link.nii").symlink_to("pipe.nii.gz")
    (folder / "empty.nii.gz").mkdir()
    (folder / "notes").mkdir()
    os.mkfifo(folder / "notes.pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # the name of a socket is short
        server.bind("s.nii")
        os.chdir(here)
        images = find_images(folder, one)
    assert [case.case_id for case in images.cases] == ["a"]
    reasons = {Path(one.path).name: one.reason for one in images.unusable}
    assert reasons.keys() == {"pipe.nii.gz", "link.nii", "empty.nii.gz", "s.nii"}
    assert "no image lies in it" in reasons.pop("empty.nii.gz")
    assert all("pipe" in reason for reason in reasons.values())


def test_a_pipe_is_no_image(tmp_path: Path, one: Fingerprint) -> None:
    os.mkfifo(tmp_path / "a.nii.gz")
    with pytest.raises(SourceError, match="another kind of file"):
        find_images(tmp_path / "a.nii.gz", one)


@pytest.mark.parametrize("names", [["a_0001.nii.gz"], ["a_0001.nii.gz", "a_0002.nii", "b.nii"]])
def test_an_image_that_is_numbered_as_another_channel_is_doubted(
    write: Write, one: Fingerprint, four: Fingerprint, names: list[str]
) -> None:
    """AMOS names cases so, nnU-Net channels: nothing but the user can tell."""
    images = find_images(write(*names), one)
    assert {case.case_id for case in images.cases} == {name.partition(".")[0] for name in names}
    (sentence,) = images.warnings
    assert "a_0001" in sentence
    assert "takes cine alone" in sentence
    assert not find_images(write(*names), four).warnings, "refused there"


@pytest.mark.parametrize("name", ["a_0000.nii.gz", "a_001.nii.gz", "a.nii.gz"])
def test_other_names_are_not_doubted(write: Write, one: Fingerprint, name: str) -> None:
    assert not find_images(write(name), one).warnings
