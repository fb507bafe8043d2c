from __future__ import annotations

import os
from pathlib import Path

import pytest

from distributed_iac.data.formats.listing import find_nifti, find_root, list_folder, walk
from distributed_iac.data.problems import Findings
from distributed_iac.errors import SourceError


def test_a_folder_is_listed_in_name_order_with_hidden_names_apart(tmp_path):
    for name in ("b.nii.gz", "a.txt", ".hidden", "._b.nii.gz"):
        (tmp_path / name).write_text("")
    (tmp_path / "sub").mkdir()
    (tmp_path / "broken").symlink_to("nowhere")
    folder = list_folder(tmp_path)
    assert list(folder.files) == ["a.txt", "b.nii.gz"]
    assert list(folder.nifti) == ["b.nii.gz"]
    assert list(folder.folders) == ["sub"]
    assert folder.hidden == ("._b.nii.gz", ".hidden")


def test_a_walk_does_not_go_below_images(tmp_path, trees):
    trees.nifti(tmp_path / "case/imaging.nii.gz")
    (tmp_path / "case/raw/deep").mkdir(parents=True)
    (tmp_path / "other/raw/deep").mkdir(parents=True)
    trees.nifti(tmp_path / "stray.nii.gz")  # in the folder asked about it hides nothing
    visited = [folder.path.relative_to(tmp_path).as_posix() for _, folder in walk(tmp_path, 2)]
    assert visited == [".", "case", "other", "other/raw"]


def test_a_search_passes_over_what_it_may_not_see(tmp_path, trees, monkeypatch):
    trees.acdc(tmp_path / "open/database")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def guarded(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("distributed_iac.data.formats.listing.os.scandir", guarded)
    found = find_root(tmp_path, lambda folder: "training" in folder.folders, "acdc")
    assert found is not None
    assert found.path == tmp_path / "open/database"


@pytest.mark.parametrize(("depth", "found"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_root_is_looked_for_two_folders_down(depth, found, tmp_path):
    place = tmp_path.joinpath(*["x"] * depth)
    place.mkdir(parents=True, exist_ok=True)
    (place / "sign").write_text("")
    root = find_root(tmp_path, lambda folder: "sign" in folder.files, "any")
    assert (root is not None) is found
    assert root is None or root.path == place


def test_the_nearer_root_wins_and_equally_near_ones_are_refused(tmp_path):
    for place in ("a/b", "c"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "sign").write_text("")

    def has_sign(folder):
        return "sign" in folder.files

    nearer = find_root(tmp_path, has_sign, "any")
    assert nearer is not None
    assert nearer.path.name == "c"
    (tmp_path / "a/sign").write_text("")
    with pytest.raises(SourceError, match="one any data set at a time"):
        find_root(tmp_path, has_sign, "any")


def test_a_folder_named_like_a_file_counts_only_with_one_image_in_it(tmp_path, trees):
    findings = Findings()
    inner = trees.nifti(tmp_path / "x.nii/other.nii")
    assert find_nifti(list_folder(tmp_path), "x", findings) == inner
    (tmp_path / "x.nii/note.txt").write_text("")
    assert find_nifti(list_folder(tmp_path), "x", findings) == inner
    inner.unlink()
    assert find_nifti(list_folder(tmp_path), "x", findings) is None
    assert findings.problems == ()
