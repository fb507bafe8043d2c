"""Whose a case is: by published names, by a pattern or a table; and what looks like one patient."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest

from distributed_iac.config.dataset import PatientSettings
from distributed_iac.data.contract import Problem, Source
from distributed_iac.data.formats.patients import alike, patient_of, spelt_alike
from distributed_iac.data.formats.registry import read_source
from distributed_iac.errors import ConfigError, DataError

NAMED = {
    "patient001_frame12": "patient001",
    "patient001_ED": "patient001",
    "sub-001_ses-1": "sub-001",
    "sub-001_ses-1_acq-2_run-1": "sub-001",
    "sub-001_T1w": "sub-001",
    "A0S9V9_ED": "A0S9V9",
    "A0S9V9_sa_ED": "A0S9V9",
    "001_SA_ED": "001",
    "BraTS-GLI-00005-101": "BraTS-GLI-00005",
    "BraTS-MEN-RT-0001-1": "BraTS-MEN-RT-0001",
    "TCGA-02-0006_1996.08.23": "TCGA-02-0006",
    "UCSF-PDGM-0431_FU001d": "UCSF-PDGM-0431",
    "UPENN-GBM-00001_11": "UPENN-GBM-00001",
}
"""Names in which one patient has several cases."""

OWN = (
    *("BraTS20_Training_001", "Brats18_2013_2_1", "BraTS2021_00000", "BRATS_001", "case_00001"),
    *("amos_0001", "volume-1", "liver_12", "hippocampus_001", "img0001", "s0001", "la_003"),
    *("TCGA-02-0006", "LIDC-IDRI-0001", "FLARE22_Tr_0001", "patient1_frame1"),
)
"""Names that are patients of their own."""

ONE_PATIENT = (
    *(("P01_pre", "P01_post"), ("P01L", "P01R"), ("sub01_ses1", "sub01_ses2"), ("P01", "P01_post")),
    *(("p1.v1", "p1.v2"), ("left_001", "right_001"), ("P1_1", "P1_2"), ("p1_T1", "p1_T2")),
    *(("P01_20200101", "P01_20210101"), ("smith_left", "smith_right"), ("Pat 1 a", "Pat 1 b")),
    *(
        ("Pat1", "pat1"),
        ("case_1", "case_001"),
        ("7", "07"),
        ("patient1_frame1", "patient1_frame2"),
    ),
    (unicodedata.normalize("NFC", "Jörg 1"), unicodedata.normalize("NFD", "Jörg 1")),
)
DIFFERENT = (
    *(("case_00001", "case_00002"), ("volume-1", "volume-2"), ("img0001", "img0002"), ("1", "2")),
    *(("scan_001", "scan_002"), ("knee_scan_1", "knee_scan_2"), ("10", "100"), ("3a2f", "3b1c")),
    *(("TCGA-02-0006", "TCGA-02-0007"), ("A0S9V9", "A0S9V3"), ("visit1", "visit2"), ("a", "b")),
    *(("BraTS20_Training_001", "BraTS20_Training_002"), ("p001_v1", "p002_v1"), ("_", "-")),
    *(("Brats18_2013_2_1", "Brats18_2013_3_1"), ("FLARE22_Tr_0001", "FLARE22_Tr_0002")),
    tuple(f"site{site}_{number:03}" for site in range(3) for number in range(30)),
)


@pytest.mark.parametrize(("case_id", "patient"), [*NAMED.items(), *((name, name) for name in OWN)])
def test_patients_are_told_from_published_names(case_id: str, patient: str) -> None:
    assert patient_of(case_id) == patient


@pytest.mark.parametrize("ids", ONE_PATIENT, ids=str)
def test_ids_that_differ_by_a_visit_look_alike(ids: tuple[str, ...]) -> None:
    assert alike(["amos_0001", *ids, "amos_0002"]) == (tuple(sorted(ids)),)


@pytest.mark.parametrize("ids", DIFFERENT, ids=lambda ids: "-".join(ids[:2]))
def test_ids_that_number_patients_do_not(ids: tuple[str, ...]) -> None:
    assert alike(ids) == ()


def test_published_names_never_look_alike() -> None:
    assert alike([*NAMED.values(), *OWN]) == ()


def write(folder: Path, cases: Mapping[str, str]) -> Path:
    """An nnU-Net raw data set with these cases, every one empty."""
    for case_id in cases:
        for place in (f"imagesTr/{case_id}_0000.nii.gz", f"labelsTr/{case_id}.nii.gz"):
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(b"")
    about = {
        "channel_names": {"0": "T2"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


CASES = {"Jörg 1_0": "Jörg", "Jörg 1_1": "Jörg", "007.a": "Ann", "07.a": "Bob"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "Dataset001_x", CASES)


def owners(source: Source) -> dict[str, str]:
    return {case.case_id: case.patient_id for case in source.cases}


TABLES = {
    "a.csv": "case,patient\n" + "".join(f"{c},{p}\n" for c, p in CASES.items()),
    "bom.csv": "\ufeffcase,patient\r\n" + "".join(f"{c} , {p}\r\n" for c, p in CASES.items()),
    "swapped.csv": "Patient;Case\n\n" + "".join(f'{p};"{c}"\n' for c, p in CASES.items()),
    "a.tsv": "case\tpatient\n" + "".join(f"{c}.nii.gz\t{p}\n" for c, p in CASES.items()),
    "a.json": json.dumps(CASES),
    "bom.json": "\ufeff" + json.dumps(CASES),
    "decomposed.csv": unicodedata.normalize("NFD", "case,patient\nJörg 1_0,J\nJörg 1_1,J\n")
    + "007.a,A\n07.a,B\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_who_is_who_however_it_is_saved(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(TABLES[name].encode())
    source = read_source(root, patients=PatientSettings(table=tmp_path / name))
    found = owners(source)
    assert found["Jörg 1_0"] == found["Jörg 1_1"] != found["007.a"] != found["07.a"]
    assert source.problems == ()


def test_rows_of_no_case_are_told_and_cases_of_no_row_refused(root: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(TABLES["a.csv"] + "case9,Eve\n", encoding="utf-8")
    (problem,) = read_source(root, patients=PatientSettings(table=table)).problems
    assert (problem.code, problem.severity) == ("unused_row", "warning")
    assert "case9" in problem.reason
    table.write_text(TABLES["a.csv"].replace("007.a", "7.a"), encoding="utf-8")
    with pytest.raises(DataError, match="a row for every case") as caught:
        read_source(root, patients=PatientSettings(table=table))
    assert "007.a" in str(caught.value)
    assert "7.a" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"", "case,patient"),
        ("t.csv", b"a,b\n", "case,patient"),
        ("t.csv", b"case,patient\na,b,c\n", "two cells"),
        ("t.csv", b"case,patient\na,\n", "one patient for each case"),
        ("t.csv", b"case,patient\na,b\na,c\n", "one patient for each case"),
        ("t.csv", b"\xff\xfe", "UTF-8"),
        ("t.json", b"[", "JSON"),
        ("t.json", b'["a"]', "one object"),
        ("t.json", b'{"a": 1}', "one object"),
        ("t.json", b'{"a": "b", "a": "c"}', "'a' is given twice"),
        ("t.json", b'{"a": "b", "a.nii.gz": "c"}', "one patient for each case"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    root: Path, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_source(root, patients=PatientSettings(table=tmp_path / name))


def test_a_table_that_is_not_there_is_a_wrong_setting(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="readable"):
        read_source(root, patients=PatientSettings(table=tmp_path / "absent.csv"))


def test_a_pattern_matches_every_case_or_is_refused(root: Path) -> None:
    pattern = r"(?P<patient>.+)[_.]\w"
    found = owners(read_source(root, patients=PatientSettings(pattern=pattern)))
    assert found == {"Jörg 1_0": "Jörg 1", "Jörg 1_1": "Jörg 1", "007.a": "007", "07.a": "07"}
    for narrow in (r"(?P<patient>J.+)_\d", r"(?P<patient>x*)", r"(?P<patient>\w+)"):
        with pytest.raises(DataError, match="match every case id as a whole"):
            read_source(root, patients=PatientSettings(pattern=narrow))


def test_a_pattern_needs_its_group_and_excludes_a_table() -> None:
    for wrong in ({"pattern": "P.*"}, {"pattern": "("}, {}, {"pattern": "x", "table": "y"}):
        with pytest.raises(ValueError, match="pattern"):
            PatientSettings.model_validate(wrong)


def test_doubtful_ids_are_told_until_somebody_says_who_they_are(tmp_path: Path) -> None:
    root = write(tmp_path / "Dataset001_x", dict.fromkeys(("P01_pre", "P01_post", "P02_pre"), ""))
    (problem,) = read_source(root).problems
    assert (problem.code, problem.severity) == ("alike_patients", "warning")
    assert "P01_post and P01_pre" in problem.reason
    assert read_source(root, patients=PatientSettings(pattern="(?P<patient>.+)")).problems == ()


SPELT = [
    ("p1", "P1"),
    ("1", "01"),
    ("Ｐ１", "P1"),
    ("P-1", "p_001"),
    ("P\u200b1", "P1"),  # a space of no width
    ("Zoe\u0308", "zoë"),
    ("site 2", "Site\u00a02"),
]


@pytest.mark.parametrize("pair", SPELT)
def test_ids_that_differ_in_spelling_alone_are_one_to_a_reader(pair: tuple[str, str]) -> None:
    assert spelt_alike([*pair, "other", "P11", "1_1"]) == (tuple(sorted(pair)),)


def test_what_tells_patients_apart_is_no_spelling() -> None:
    names = ["P1", "P10", "P01_1", "P01_2", "1-11", "11-1", "pre", "post", "100", "10", "__", "--"]
    assert spelt_alike(names) == ()


@pytest.mark.parametrize("pair", [("sub-001", "sub-01"), ("SUB-7", "sub-7"), ("p1", "P1")])
def test_spelling_is_looked_at_in_every_naming_scheme(pair: tuple[str, str]) -> None:
    assert alike([*pair, "sub-999"]) == (tuple(sorted(pair)),)


def spelling_of(root: Path, **settings: object) -> Problem:
    problems = read_source(root, patients=PatientSettings.model_validate(settings)).problems
    (problem,) = problems
    return problem


@pytest.mark.parametrize("pair", SPELT)
@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_ids_of_a_table_that_differ_in_spelling_are_warned_about(
    tmp_path: Path, pair: tuple[str, str], name: str
) -> None:
    cases = dict(zip("abc", (*pair, "q"), strict=True))
    root, table = write(tmp_path / "Dataset001_x", cases), tmp_path / name
    rows = "".join(f"{case},{patient}\n" for case, patient in cases.items())
    text = json.dumps(cases) if name == "t.json" else f"case,patient\n{rows}"
    table.write_text(text, encoding="utf-8")
    problem = spelling_of(root, table=table)
    assert (problem.code, problem.severity) == ("alike_patients", "warning")
    assert "2 patient ids differ only in spelling" in problem.reason
    assert "data.patients" in problem.remedy


def test_ids_of_a_pattern_that_differ_in_spelling_are_warned_about(tmp_path: Path) -> None:
    root = write(tmp_path / "Dataset001_x", dict.fromkeys(("a_p1", "b_P1", "c_p2"), ""))
    assert "P1 and p1" in spelling_of(root, pattern="._(?P<patient>.+)").reason


def test_folds_follow_the_patients_that_were_given(tmp_path: Path) -> None:
    root = write(tmp_path / "Dataset001_x", dict.fromkeys(("x1", "x2", "y1", "y2"), ""))
    (root / "splits_final.json").write_text(
        json.dumps([{"train": ["x1", "x2"], "val": ["y1", "y2"]}])
    )
    found = read_source(root, patients=PatientSettings(pattern=r"(?P<patient>[xy])\d"))
    assert found.splits == ({"train": ("x",), "val": ("y",)},)
    found = read_source(root, patients=PatientSettings(pattern=r"[xy](?P<patient>\d)"))
    assert found.splits == ()
    assert [problem.code for problem in found.problems] == ["split_leak"]
