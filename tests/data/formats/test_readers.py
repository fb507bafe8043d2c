"""The laws of ``Reader``, held by every reader over every layout it knows."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from distributed_iac.data.contract import LabelScheme, Source
from distributed_iac.data.formats.brats_releases import RELEASES
from distributed_iac.data.formats.kits_releases import LABELS as KITS_LABELS
from distributed_iac.data.formats.msd import BRAIN_ORDER, BRAIN_REGIONS
from distributed_iac.data.formats.names import is_safe_case_id, split_nifti
from distributed_iac.data.formats.registry import LOOKS, READERS, detect, read_source
from distributed_iac.data.problems import CODES
from distributed_iac.errors import SourceError


def reader_of(variant: str) -> str:
    return variant.split("-", 1)[0]


def errors(source: Source) -> list[str]:
    return [str(problem) for problem in source.problems if problem.severity == "error"]


def named_in(source: Source, case_id: str) -> bool:
    return any(case_id in problem.path.name for problem in source.problems)


def test_the_table_is_keyed_by_the_readers_own_names():
    assert {name: reader.NAME for name, reader in READERS.items()} == {n: n for n in READERS}
    assert LOOKS.keys() == READERS.keys()
    assert all(LOOKS.values())


def test_a_tree_is_claimed_by_its_reader_and_by_no_other(variant, trees, tmp_path):
    root = trees.build(variant, tmp_path)
    claims = {name: reader.detect(root) for name, reader in READERS.items()}
    assert [name for name, claim in claims.items() if claim is not None] == [reader_of(variant)]


@pytest.mark.parametrize("above", [1, 2])
def test_a_tree_is_found_from_folders_above(variant, above, trees, tmp_path):
    root = trees.build(variant, tmp_path / "one/two/three")
    asked = root.parents[above - 1]
    (asked / "paper.pdf").write_text("")
    found = detect(asked)
    assert (found.format, found.root) == (reader_of(variant), root)
    assert read_source(asked).cases == read_source(root).cases


@pytest.mark.parametrize("name", sorted(READERS))
def test_nothing_is_claimed_in_empty_and_unrelated_folders(name, trees, tmp_path):
    assert READERS[name].detect(tmp_path) is None
    trees.json(tmp_path / "dataset.json", {"training": [1]})
    trees.nifti(tmp_path / "imagesTr/scan.nii.gz")
    trees.nifti(tmp_path / "images/patient_1/scan.nii.gz")
    (tmp_path / "patient001").mkdir()
    (tmp_path / "case_00001").mkdir()
    assert READERS[name].detect(tmp_path) is None


def test_cases_are_unique_ordered_complete_and_on_disk(variant, trees, tmp_path):
    source = read_source(trees.build(variant, tmp_path))
    ids = [case.case_id for case in source.cases]
    assert ids == sorted(set(ids))
    assert ids
    assert not errors(source)
    for case in source.cases:
        assert is_safe_case_id(case.case_id)
        assert tuple(channel.name for channel in case.channels) == source.channel_names
        assert all(path.is_file() for path in case.files)
        assert case.label is not None or case.part != "train"
        assert case.unannotated <= source.labels.values


def test_a_label_file_belongs_to_its_own_image(variant, trees, tmp_path):
    """No two cases share a file, but for the channels of one 4-D file."""
    source = read_source(trees.build(variant, tmp_path))
    owners = [path for case in source.cases for path in case.files]
    assert len(owners) == len(set(owners))


def test_hidden_files_change_nothing(variant, trees, tmp_path):
    root = trees.build(variant, tmp_path)
    before = read_source(root)
    for path in sorted(root.rglob("*")):
        if split_nifti(path.name) and not path.name.startswith("."):
            (path.parent / f"._{path.name}").write_bytes(b"macOS")
        (path.parent / ".DS_Store").write_bytes(b"macOS")
    shutil.copytree(root, root / "__MACOSX")
    assert read_source(root) == before


def test_links_that_run_in_circles_change_nothing(variant, trees, tmp_path):
    root = trees.build(variant, tmp_path)
    before = read_source(root)
    (root / "loop").symlink_to("loop")
    (root / "self").symlink_to(root / "nowhere")
    assert read_source(root).cases == before.cases


def test_reading_is_repeatable_and_survives_pickling(variant, trees, tmp_path):
    root = trees.build(variant, tmp_path)
    source = read_source(root)
    assert read_source(root) == source
    assert pickle.loads(pickle.dumps(source)) == source


def test_no_training_case_vanishes_in_silence(variant, trees, tmp_path):
    """Every file in turn is deleted, garbled and replaced by a folder."""
    root = trees.build(variant, tmp_path)
    detection = detect(root)
    reader = READERS[detection.format]
    training = {case.case_id for case in reader.read(detection).cases if case.part == "train"}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for damage in ("deleted", "garbled", "folder"):
            path.unlink()
            if damage == "garbled":
                path.write_bytes(b"\xff\x00{[:\r" * 40)
            elif damage == "folder":
                path.mkdir()
            source = reader.read(detection)
            lost = training - {case.case_id for case in source.cases}
            told = errors(source) or all(named_in(source, case_id) for case_id in lost)
            assert not lost or told, f"{path} {damage}: {lost} lost in silence"
            assert {problem.code for problem in source.problems} <= CODES.keys()
            assert all(problem.reason and problem.remedy for problem in source.problems)
            assert all(file.is_file() for case in source.cases for file in case.files)
            if damage == "folder":
                path.rmdir()
            path.write_bytes(content)


def test_a_folder_that_may_not_be_listed_becomes_a_problem(variant, trees, tmp_path, monkeypatch):
    root = trees.build(variant, tmp_path)
    detection = detect(root)
    reader = READERS[detection.format]
    before = reader.read(detection)
    closed = before.cases[0].channels[0].path.parent
    _close(closed, monkeypatch)
    source = reader.read(detection)
    # A dataset.json that maps cases to files is followed without listing their folders.
    assert errors(source) or (source.cases == before.cases and variant == "nnunet_raw-map")


def test_only_an_unlistable_root_raises(variant, trees, tmp_path, monkeypatch):
    root = trees.build(variant, tmp_path)
    detection = detect(root)
    _close(root, monkeypatch)
    with pytest.raises(SourceError, match="readable folder"):
        READERS[detection.format].read(detection)


def _close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def guarded(path):
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("distributed_iac.data.formats.listing.os.scandir", guarded)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    "training",
    "validation",
    "test",
    "labels",
    "modality",
    "channel_names",
    "numTraining",
    "file_ending",
    "dataset",
    "regions_class_order",
    "licence",
]


@pytest.mark.parametrize("listed", ["amos", "nnunet_raw", "nnunet_raw-map", "msd", "msd-brain"])
def test_no_dataset_json_makes_a_reader_raise(listed, trees, tmp_path_factory):
    root = trees.build(listed, tmp_path_factory.mktemp("fuzz"))
    detection = detect(root)
    reader = READERS[detection.format]
    path = root / "dataset.json"
    original = json.loads(path.read_text())

    @settings(max_examples=40, deadline=None)
    @given(st.dictionaries(st.sampled_from(KEYS), JSON, min_size=1, max_size=3))
    def check(changes):
        path.write_text(json.dumps({**original, **changes}))
        source = reader.read(detection)
        assert all(file.is_relative_to(root) for case in source.cases for file in case.files)
        assert source.cases or errors(source)

    check()


REGION_SCHEMES = {
    **{release.name: release.labels for release in RELEASES},
    **{f"kits {release}": labels for release, labels in KITS_LABELS.items()},
    "msd": LabelScheme("msd", {1: "a", 2: "b", 3: "c"}, BRAIN_REGIONS, BRAIN_ORDER),
}


@pytest.mark.parametrize("name", sorted(REGION_SCHEMES))
def test_regions_painted_in_order_give_the_labels_back(name):
    scheme = REGION_SCHEMES[name]
    labels = np.array(sorted(scheme.values))
    painted = np.zeros_like(labels)
    assert len(scheme.region_order) == len(scheme.regions)
    for region, value in zip(scheme.regions, scheme.region_order, strict=True):
        painted[np.isin(labels, region.values)] = value
    assert painted.tolist() == labels.tolist()


def test_two_formats_side_by_side_are_refused_with_both_names(trees, tmp_path):
    for variant in ("acdc", "kits-2019"):
        trees.build(variant, tmp_path)
    with pytest.raises(SourceError, match="holds one data set") as caught:
        detect(tmp_path)
    assert "acdc" in str(caught.value)
    assert "kits" in str(caught.value)


@pytest.mark.parametrize("inner", ["nnunet_raw", "brats-2021"])
@pytest.mark.parametrize("outer", ["amos", "acdc"])
def test_the_nearer_of_two_data_sets_is_meant(outer, inner, trees, tmp_path):
    root = trees.build(outer, tmp_path)
    trees.build(inner, root / "converted")
    assert detect(root).format == outer


def test_several_data_sets_of_one_format_are_refused(trees, tmp_path):
    for name in ("Dataset001_A", "Dataset002_B"):
        trees.nnunet(tmp_path / name)
    with pytest.raises(SourceError, match="one nnunet_raw data set at a time") as caught:
        detect(tmp_path)
    assert "Dataset001_A" in str(caught.value)
    assert "Dataset002_B" in str(caught.value)
