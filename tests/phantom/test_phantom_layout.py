from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from distributed_iac.phantom import FormatName, Phantom, make_phantom

Written = Callable[[FormatName, str], Phantom]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def info(folder: Path) -> dict[str, str]:
    lines = (folder / "Info.cfg").read_text().splitlines()
    return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}


def test_no_file_is_hidden_or_empty(every: Phantom) -> None:
    files = [path for path in every.out.rglob("*") if path.is_file()]
    assert all(path.stat().st_size > 0 for path in files)
    assert not [path for path in files if path.name.startswith(".")]


def test_acdc_has_the_folders_of_the_download(phantom: Written) -> None:
    root = phantom("acdc", "2017").out / "database"
    assert names(root) == ["MANDATORY_CITATION.md", "testing", "training"]
    assert names(root / "training") == [
        "patient001", "patient021", "patient041", "patient061", "patient090",
    ]  # fmt: skip
    assert names(root / "testing") == ["patient101", "patient102", "patient103"]


def test_acdc_files_are_named_after_the_frames_in_info_cfg(phantom: Written) -> None:
    for folder in (phantom("acdc", "2017").out / "database").glob("t*/patient*"):
        facts = info(folder)
        stem, ed, es = folder.name, int(facts["ED"]), int(facts["ES"])
        assert names(folder) == sorted(
            [
                "Info.cfg",
                "MANDATORY_CITATION.md",
                f"{stem}_4d.nii.gz",
                *(
                    f"{stem}_frame{n:02d}{ending}.nii.gz"
                    for n in (ed, es)
                    for ending in ("", "_gt")
                ),
            ]
        )
        assert list(facts) == ["ED", "ES", "Group", "Height", "NbFrame", "Weight"]
        assert 1 <= ed < es <= int(facts["NbFrame"])


def test_acdc_groups_follow_the_official_ids(phantom: Written) -> None:
    root = phantom("acdc", "2017").out / "database" / "training"
    groups = {folder.name: info(folder)["Group"] for folder in root.iterdir()}
    assert groups == {
        "patient001": "DCM",
        "patient021": "HCM",
        "patient041": "MINF",
        "patient061": "NOR",
        "patient090": "RV",
    }


def test_acdc_patient090_starts_late_and_has_windows_line_ends(phantom: Written) -> None:
    folder = phantom("acdc", "2017").out / "database" / "training" / "patient090"
    assert info(folder)["ED"] == "4"
    assert not (folder / "patient090_frame01.nii.gz").exists()
    assert b"\r\n" in (folder / "Info.cfg").read_bytes()


BRATS = {
    "2018": ("MICCAI_BraTS_2018_Data_Training", r"Brats18_PHA_\d{3}_1", "_"),
    "2020": ("MICCAI_BraTS2020_TrainingData", r"BraTS20_Training_\d{3}", "_"),
    "2021": ("RSNA_ASNR_MICCAI_BraTS2021_TrainingData", r"BraTS2021_\d{5}", "_"),
    "2023-GLI": (
        "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData", r"BraTS-GLI-\d{5}-000", "-",
    ),
    "2024-GLI": ("BraTS2024-BraTS-GLI-TrainingData", r"BraTS-GLI-\d{5}-10[01]", "-"),
}  # fmt: skip


@pytest.mark.parametrize("release", BRATS)
def test_brats_cases_hold_five_files_named_after_their_folder(
    phantom: Written, release: str
) -> None:
    made = phantom("brats", release)
    top, pattern, separator = BRATS[release]
    suffixes = ("t1", "t1ce", "t2", "flair", "seg")
    if separator == "-":
        suffixes = ("t1n", "t1c", "t2w", "t2f", "seg")
    assert names(made.out) == [top]
    for case in made.cases:
        assert re.fullmatch(pattern, case.case_id)
        folder = case.label.parent
        assert folder.name == case.case_id
        expected = [f"{case.case_id}{separator}{suffix}.nii.gz" for suffix in suffixes]
        assert names(folder) == sorted(expected)


def test_brats_2018_cases_lie_in_folders_of_their_grade(phantom: Written) -> None:
    root = phantom("brats", "2018").out / "MICCAI_BraTS_2018_Data_Training"
    assert names(root) == ["HGG", "LGG"]
    assert (len(names(root / "HGG")), len(names(root / "LGG"))) == (6, 2)


def test_brats_2020_has_its_two_tables(phantom: Written) -> None:
    made = phantom("brats", "2020")
    root = made.out / "MICCAI_BraTS2020_TrainingData"
    with (root / "name_mapping.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["BraTS_2020_subject_ID"] for row in rows] == [c.case_id for c in made.cases]
    assert {row["Grade"] for row in rows} == {"HGG", "LGG"}
    with (root / "survival_info.csv").open(newline="") as file:
        ids = [row["Brats20ID"] for row in csv.DictReader(file)]
    assert ids == [r["BraTS_2020_subject_ID"] for r in rows if r["Grade"] == "HGG"]


def test_brats_2024_patients_come_more_than_once(phantom: Written) -> None:
    made = phantom("brats", "2024-GLI")
    assert len(made.cases) > len({case.patient_id for case in made.cases}) == 8


KITS = {
    "2023": ("kits23/dataset", "kits23.json", "segmentation.nii.gz"),
    "2021": ("kits21/data", "kits.json", "aggregated_MAJ_seg.nii.gz"),
    "2019": ("kits19/data", "kits.json", "segmentation.nii.gz"),
}


@pytest.mark.parametrize("release", KITS)
def test_kits_cases_lie_beside_their_table(phantom: Written, release: str) -> None:
    made = phantom("kits", release)
    top, table, segmentation = KITS[release]
    cases = [f"case_{n:05d}" for n in (*range(7), 160)]
    assert names(made.out / top) == sorted([*cases, table])
    listed = json.loads((made.out / top / table).read_text())
    assert [row["case_id"] for row in listed] == cases
    for case in cases:
        files = [name for name in names(made.out / top / case) if name != "instances"]
        assert files == sorted(["imaging.nii.gz", segmentation])


def test_kits23_has_three_annotations_of_every_instance(phantom: Written) -> None:
    root = phantom("kits", "2023").out / "kits23" / "dataset"
    for folder in root.glob("case_*"):
        found = names(folder / "instances")
        assert all(
            re.fullmatch(r"(kidney|tumor|cyst)_instance-\d_annotation-[123]\.nii\.gz", name)
            for name in found
        )
        instances = {name.partition("_annotation")[0] for name in found}
        assert {"kidney_instance-1", "kidney_instance-2", "tumor_instance-1"} <= instances
        assert len(found) == 3 * len(instances)


def test_amos_lists_what_lies_in_its_folders(phantom: Written) -> None:
    root = phantom("amos", "2022").out / "amos22"
    assert names(root) == [
        "dataset.json", "imagesTr", "imagesTs", "imagesVa", "labelsTr", "labelsVa",
    ]  # fmt: skip
    listed = json.loads((root / "dataset.json").read_text())
    for part, count, suffix in (("training", 5, "Tr"), ("validation", 3, "Va"), ("test", 1, "Ts")):
        entries = listed[part]
        assert listed[
            {"training": "numTraining", "validation": "numValidation"}.get(part, "numTest")
        ]
        assert len(entries) == count
        assert sorted(Path(entry["image"]).name for entry in entries) == names(
            root / f"images{suffix}"
        )
        for entry in entries:
            name = Path(entry["image"]).name
            assert entry["image"] == f"./images{suffix}/{name}"
            assert entry.get("label") == (f"./labels{suffix}/{name}" if count > 1 else None)


def test_amos_json_has_the_published_keys_and_spellings(phantom: Written) -> None:
    listed = json.loads((phantom("amos", "2022").out / "amos22" / "dataset.json").read_text())
    assert list(listed) == [
        "name", "description", "author", "tensorImageSize", "reference", "licence", "release",
        "modality", "labels", "numTraining", "numValidation", "numTest",
        "training", "validation", "test",
    ]  # fmt: skip
    assert listed["modality"] == {"0": "CT"}
    assert list(listed["labels"]) == [str(value) for value in range(16)]
    assert listed["labels"]["8"] == "arota"
    assert listed["labels"]["15"] == "prostate/uterus"


def test_amos_numbers_tell_the_modality(phantom: Written) -> None:
    modality = {case.case_id: case.modality for case in phantom("amos", "2022").cases}
    assert {modality[case] for case in modality if int(case[5:]) <= 500} == {"CT"}
    assert {modality[case] for case in modality if int(case[5:]) >= 507} == {"MR"}
    assert set(modality.values()) == {"CT", "MR"}


def test_small_phantoms_take_a_few_megabytes(tmp_path: Path) -> None:
    made = make_phantom("acdc", tmp_path / "out", patients=1, size="small")
    assert sum(path.stat().st_size for path in made.out.rglob("*.nii.gz")) < 2e6
