"""Copies are found by their voxels, under whatever name and packing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np

from distributed_iac.data.check.case import inspect_case
from distributed_iac.data.contract import Case, LabelScheme
from distributed_iac.data.volumes.duplicates import duplicate_problems

Make = Callable[..., Case]


def duplicates(scheme: LabelScheme, *cases: Case) -> list[tuple[str, str | None]]:
    facts = [inspect_case(case, scheme).facts for case in cases]
    return [
        (problem.code, problem.case_id)
        for problem in duplicate_problems((f.case, f.fingerprints) for f in facts)
    ]


def copy_images(source: Case, target: Case) -> None:
    for mine, theirs in zip(source.channels, target.channels, strict=True):
        shutil.copy(mine.path, theirs.path)


def test_different_images_are_no_duplicates(make_case: Make, scheme: LabelScheme) -> None:
    assert duplicates(scheme, make_case("a"), make_case("b")) == []


def test_a_copy_under_another_patient_is_a_duplicate_patient(
    make_case: Make, scheme: LabelScheme
) -> None:
    first, second = make_case("a"), make_case("b")
    copy_images(first, second)
    assert duplicates(scheme, first, second) == [("duplicate_patient", "b")]


def test_a_copy_under_the_same_patient_is_a_duplicate_case(
    make_case: Make, scheme: LabelScheme
) -> None:
    first, second = make_case("a", patient_id="p"), make_case("b", patient_id="p")
    copy_images(first, second)
    assert duplicates(scheme, first, second) == [("duplicate_case", "b")]


def test_every_later_copy_is_named_once(make_case: Make, scheme: LabelScheme) -> None:
    cases = [make_case(name, channels=("t1", "t2")) for name in "abc"]
    copy_images(cases[0], cases[1])
    copy_images(cases[0], cases[2])
    assert duplicates(scheme, *cases) == [("duplicate_patient", "b"), ("duplicate_patient", "c")]


def test_a_patient_copied_with_all_cases_is_one_problem(
    make_case: Make, scheme: LabelScheme
) -> None:
    first = [make_case(f"p1_{phase}", patient_id="p1") for phase in ("ed", "es")]
    second = [make_case(f"p2_{phase}", patient_id="p2") for phase in ("ed", "es")]
    for source, target in zip(first, second, strict=True):
        copy_images(source, target)
    facts = [inspect_case(case, scheme).facts for case in (*first, *second)]
    (problem,) = duplicate_problems((f.case, f.fingerprints) for f in facts)
    assert (problem.code, problem.case_id) == ("duplicate_patient", "p2_ed")
    assert "p2_ed = p1_ed, p2_es = p1_es" in problem.reason


def test_one_shared_channel_is_enough(make_case: Make, scheme: LabelScheme) -> None:
    first, second = (make_case(name, channels=("t1", "t2")) for name in "ab")
    shutil.copy(first.channels[1].path, second.channels[1].path)
    assert duplicates(scheme, first, second) == [("duplicate_patient", "b")]


def test_packing_type_and_header_do_not_hide_a_copy(
    make_case: Make, scheme: LabelScheme, tmp_path: Path
) -> None:
    first, second = make_case("a"), make_case("b")
    array = np.asarray(nibabel.load(first.channels[0].path).dataobj, dtype=np.float64)
    path = tmp_path / "again.nii"
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    copied = replace(second, channels=(replace(second.channels[0], path=path),))
    assert duplicates(scheme, first, copied) == [("duplicate_patient", "b")]


def test_constant_images_are_nobodys_copy(make_case: Make, scheme: LabelScheme) -> None:
    cases = [make_case(name) for name in "ab"]
    for case in cases:
        path = case.channels[0].path
        nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5, 4), np.float32), np.eye(4)), path)
    assert duplicates(scheme, *cases) == []
