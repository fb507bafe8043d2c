from __future__ import annotations

import pytest

from distributed_iac.data.contract import SliceLayout
from distributed_iac.data.formats.registry import detect, read_source


def codes(source, severity="error"):
    return [(p.code, p.case_id) for p in source.problems if p.severity == severity]


@pytest.mark.parametrize(
    ("release", "folder", "label"),
    [
        ("2019", "kits19/data", "segmentation.nii.gz"),
        ("2021", "kits21/kits21/data", "aggregated_MAJ_seg.nii.gz"),
        ("2023", "kits23/dataset", "segmentation.nii.gz"),
    ],
)
def test_every_release_is_found_from_its_repository(release, folder, label, trees, tmp_path):
    root = trees.kits(tmp_path / folder, release)
    source = read_source(tmp_path / folder.split("/")[0])
    assert (source.release, source.detection.root) == (release, root)
    assert source.channel_names == ("ct",)
    assert {c.modality for c in source.cases} == {"CT"}
    assert {c.layout for c in source.cases} == {SliceLayout("as_stored", 0)}
    assert {c.label.name for c in source.cases if c.label} == {label}
    assert source.problems == ()


def test_cysts_are_a_class_from_2021_on(trees, tmp_path):
    schemes = {
        release: read_source(trees.kits(tmp_path / release, release)).labels
        for release in ("2019", "2021", "2023")
    }
    assert schemes["2019"].classes == {1: "kidney", 2: "tumor"}
    assert [r.values for r in schemes["2019"].regions] == [(1, 2), (2,)]
    for release in ("2021", "2023"):
        assert schemes[release].classes == {1: "kidney", 2: "tumor", 3: "cyst"}
        assert [r.values for r in schemes[release].regions] == [(1, 2, 3), (2, 3), (2,)]
        assert schemes[release].region_order == (1, 3, 2)


def test_test_cases_of_2019_are_unlabelled_and_no_problem(trees, tmp_path):
    source = read_source(trees.kits(tmp_path / "data", "2019"))
    assert [(c.case_id, c.part, c.label is None) for c in source.cases] == [
        ("case_00000", "train", False),
        ("case_00001", "train", False),
        ("case_00210", "test", True),
    ]
    assert source.problems == ()


def test_case_210_is_a_training_case_from_2021_on(trees, tmp_path):
    root = trees.kits(tmp_path / "dataset", "2023")
    trees.kits_case(root / "case_00210", label="")
    assert codes(read_source(root)) == [("missing_label", "case_00210")]


@pytest.mark.parametrize(
    ("release", "command"),
    [("2019", "get_imaging"), ("2021", "get_imaging"), ("2023", "kits23_download_data")],
)
def test_a_fresh_clone_is_told_how_to_download_its_images(release, command, trees, tmp_path):
    root = trees.kits(tmp_path / "x", release)
    for image in root.rglob("imaging.nii.gz"):
        image.unlink()
    source = read_source(root)
    assert source.cases == ()
    assert source.problems
    assert {p.code for p in source.problems} == {"missing_image"}
    assert all(command in p.remedy for p in source.problems)


def test_an_interrupted_download_is_named(trees, tmp_path):
    root = trees.kits(tmp_path / "dataset", "2023")
    image = root / "case_00160/imaging.nii.gz"
    image.rename(image.with_name(".partial.imaging.nii.gz"))
    source = read_source(root)
    assert codes(source) == [("partial_download", "case_00160")]
    assert source.problems[0].path.name == ".partial.imaging.nii.gz"
    assert "kits23_download_data" in source.problems[0].remedy


def test_a_leftover_beside_a_finished_download_is_only_a_warning(trees, tmp_path):
    root = trees.kits(tmp_path / "dataset", "2023")
    (root / "case_00160/.partial.imaging.nii.gz").write_bytes(b"")
    source = read_source(root)
    assert codes(source) == []
    assert codes(source, "warning") == [("partial_download", "case_00160")]
    assert "case_00160" in source.patients


def test_a_download_that_never_got_further_is_still_recognised(trees, tmp_path):
    trees.text(tmp_path / "data/case_00000/.partial.imaging.nii.gz", "")
    assert detect(tmp_path).format == "kits"


@pytest.mark.parametrize(
    ("prepare", "release", "sure"),
    [
        (lambda t, r: t.text(r / "kits23.json", "[]"), "2023", True),
        (lambda t, r: t.text(r / "kits.json", "[]"), "2019", True),
        (lambda t, r: t.nifti(r / "case_00001/instances/kidney_instance-1.nii.gz"), "2023", True),
        (lambda t, r: t.kits_case(r / "case_00588"), "2023", True),
        (lambda t, r: t.kits_case(r / "case_00250"), "2023", True),
        (lambda t, r: t.kits_case(r / "case_00250", label=""), "2019", True),
        (lambda t, r: t.kits_case(r / "case_00007", "aggregated_MAJ_seg"), "2021", True),
        (lambda _t, _r: None, "2019", False),
    ],
    ids=["kits23.json", "kits.json", "instances", "588", "250", "test", "aggregated", "nothing"],
)
def test_the_release_is_decided_by_what_only_it_has(prepare, release, sure, trees, tmp_path):
    root = tmp_path / "scans"
    trees.kits_case(root / "case_00001")
    prepare(trees, root)
    source = read_source(root)
    assert source.release == release
    assert ("release_guessed" not in [p.code for p in source.problems]) is sure


@pytest.mark.parametrize(
    ("folder", "release"), [("kits19", "2019"), ("KiTS-2021", "2021"), ("kits23/dataset", "2023")]
)
def test_the_repository_name_decides_where_nothing_else_does(folder, release, trees, tmp_path):
    trees.kits_case(tmp_path / folder / "case_00001")
    assert read_source(tmp_path / folder).release == release


def test_a_missing_segmentation_excludes_a_training_case(trees, tmp_path):
    root = trees.kits(tmp_path / "kits21/data", "2021")
    (root / "case_00299/aggregated_MAJ_seg.nii.gz").unlink()
    source = read_source(root)
    assert [c.case_id for c in source.cases] == ["case_00000"]
    assert codes(source) == [("missing_label", "case_00299")]
