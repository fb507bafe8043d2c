"""No patient on two sides, no part empty, and no surprise between machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.config.split import Fractions, SplitSettings
from distributed_iac.data.contract import (
    Case,
    Channel,
    Detection,
    LabelScheme,
    Problem,
    SliceLayout,
    Source,
)
from distributed_iac.data.splits.split import PARTS, Split, split_patients
from distributed_iac.errors import ConfigError, DataError


def case(patient: str, visit: int = 0, **facts: Any) -> Case:
    facts = {"modality": "MR", **facts}
    name, path = f"{patient}_v{visit}", Path(f"{patient}_{visit}.nii.gz")
    return Case(name, patient, (Channel("t1", path),), path, layout=SliceLayout("LPS", 2), **facts)


def source(cases: Sequence[Case], **facts: Any) -> Source:
    detection = Detection("test", "1", Path(), "made here")
    return Source(detection, ("t1",), LabelScheme("one", {1: "a"}), tuple(cases), **facts)


def patients(count: int) -> list[Case]:
    return [case(f"p{index:03}", visit) for index in range(count) for visit in range(2)]


def split(cases: Sequence[Case], made: Source | None = None, **settings: Any) -> Split:
    return split_patients(made or source(cases), cases, SplitSettings(**settings))


def write(folder: Path, content: Any) -> Path:
    path = folder / "split.json"
    path.write_text(json.dumps(content))
    return path


shares = st.lists(st.floats(0.05, 1.0), min_size=4, max_size=4)


@given(st.integers(4, 60), st.integers(0, 10**6), shares)
def test_every_patient_lies_in_one_part_of_about_the_asked_size(
    count: int, seed: int, weights: list[float]
) -> None:
    *first, _ = (share / sum(weights) for share in weights)
    fractions = Fractions(**dict(zip(PARTS, [*first, 1 - sum(first)], strict=True)))
    made = split(patients(count), seed=seed, fractions=fractions)
    members = [patient for part in PARTS for patient in made.parts[part]]
    assert sorted(members) == [f"p{index:03}" for index in range(count)]
    for part in PARTS:
        size, wanted = len(made.parts[part]), count * getattr(fractions, part)
        assert size >= 1
        assert abs(size - wanted) < 4  # rounding, and what empty parts took


def test_a_draw_is_the_same_everywhere_and_changes_with_the_seed() -> None:
    made = split(patients(10), seed=3)
    assert made.parts == {
        "weights": ("p000", "p002", "p005", "p008", "p009"),
        "architecture": ("p001", "p007"),
        "val": ("p004",),
        "test": ("p003", "p006"),
    }, "a published split must never change"
    assert made == split(patients(10)[::-1], seed=3)
    assert made.parts != split(patients(10), seed=4).parts


def test_strata_are_spread_over_the_parts() -> None:
    cases = [case(f"c{i:03}", modality="CT") for i in range(60)]
    cases += [case(f"m{i:03}") for i in range(20)]
    made = split(cases, seed=1)
    for part, wanted in {"weights": 10, "architecture": 4, "val": 2, "test": 4}.items():
        assert abs(sum(name[0] == "m" for name in made.parts[part]) - wanted) <= 1


def test_an_attribute_can_be_a_stratum_and_an_unknown_one_is_refused() -> None:
    cases = [case(f"p{i:02}", attributes={"group": "ABCDE"[i % 5]}) for i in range(50)]
    made = split(cases, stratify=("group",))
    groups = [int(name[1:]) % 5 for name in made.parts["test"]]
    assert sorted(groups) == sorted([*range(5)] * 2)
    with pytest.raises(ConfigError, match="group, modality"):
        split(cases, stratify=("grp",))


def test_three_patients_are_too_few() -> None:
    with pytest.raises(DataError, match="at least 4 patients"):
        split(patients(3))


@pytest.mark.parametrize("part", ["test", "val"])
def test_the_official_part_becomes_the_test(part: Any) -> None:
    cases = patients(8) + [case(f"q{i}", part=part) for i in range(5)]
    made = split(cases, test="official")
    assert made.parts["test"] == tuple(f"q{i}" for i in range(5))
    assert [len(made.parts[name]) for name in PARTS[:3]] == [5, 2, 1]


def test_an_official_test_must_exist() -> None:
    with pytest.raises(ConfigError, match="published"):
        split(patients(8), test="official")


def test_a_saved_split_imports_as_itself(tmp_path: Path) -> None:
    cases = patients(12)
    made = split(cases, seed=5)
    again = split(cases, file=write(tmp_path, made.to_json()))
    assert again.parts == made.parts
    assert Split.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_nnunets_folds_of_cases_become_patients(tmp_path: Path) -> None:
    cases = patients(10)
    names = [c.case_id for c in cases]
    path = write(tmp_path, [{"train": names[4:], "val": names[:4]}])
    made = split(cases, file=path, fold=0)
    assert made.parts["test"] == ("p000", "p001")
    assert [len(made.parts[name]) for name in PARTS[:3]] == [5, 2, 1]
    for fold in (None, 1):
        with pytest.raises(ConfigError, match="below 1"):
            split(cases, file=path, fold=fold)


def test_the_sources_own_folds_are_used() -> None:
    cases = patients(10)
    ids = tuple(dict.fromkeys(c.patient_id for c in cases))
    folds = ({"train": ids[:7], "val": ids[7:8], "test": ids[8:]},)
    made = split(cases, source(cases, splits=folds), fold=0)
    assert (made.parts["val"], made.parts["test"]) == (("p007",), ("p008", "p009"))
    with pytest.raises(ConfigError, match="has none"):
        split(cases, fold=0)


def test_unusable_and_unused_patients_may_be_named(tmp_path: Path) -> None:
    cases = patients(7)
    problem = Problem("missing_image", "error", Path("x"), "gone", "fetch it", "p999")
    lists = dict(zip(PARTS, [["p000", "p999"], ["p001"], ["p002"], ["p003"]], strict=True))
    path = write(tmp_path, {**lists, "unused": ["p004", "p005", "p006"]})
    made = split(cases, source(cases, problems=(problem,)), file=path)
    assert made.parts["weights"] == ("p000",)
    assert made.unused == ("p004", "p005", "p006")
    assert made.part_of("p004") is None
    assert made.part_of("p001") == "architecture"
    assert made.training == {"p000", "p001"}


GOOD = dict(zip(PARTS, [["p000"], ["p001"], ["p002"], ["p003"]], strict=True))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({**GOOD, "val": [], "unused": ["p002"]}, "none in val"),
        ({**GOOD, "test": ["p003", "p000"]}, "p000 in weights and in test"),
        ({**GOOD, "test": ["p003", "p000_v1"]}, "p000 in weights and in test"),
        ({**GOOD, "test": ["p003", "nobody"]}, "nobody"),
        ({**GOOD, "test": []}, "p003"),
        ({**GOOD, "holdout": []}, "holdout"),
        ({"val": ["p000"]}, "rename"),
        ({**GOOD, "test": "p003"}, "list of patient ids"),
        ("text", "maps part names"),
    ],
)
def test_a_wrong_file_is_refused_with_the_names(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        split(patients(4), file=write(tmp_path, content))
    assert words in str(caught.value)


def test_a_name_of_a_patient_and_of_another_s_case_is_not_guessed_at(tmp_path: Path) -> None:
    cases = [replace(case(f"c{n}"), case_id=f"c{(n + 1) % 6}") for n in range(6)]
    names = [f"c{n}" for n in range(6)]
    path = write(tmp_path, {"test": names[:2], "train": names[2:]})
    with pytest.raises(DataError, match="either patients or cases"):
        split(cases, file=path)


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="readable"):
        split(patients(4), file=tmp_path / "none.json")
    (tmp_path / "split.json").write_text("{")
    with pytest.raises(DataError, match="JSON"):
        split(patients(4), file=tmp_path / "split.json")
