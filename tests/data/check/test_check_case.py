"""One fault in a case raises one problem, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from distributed_iac.data.check.case import CaseFinding, inspect_case
from distributed_iac.data.contract import Case, Channel, LabelScheme
from distributed_iac.data.faults import CODES

Make = Callable[..., Case]
Spoil = Callable[[Path], None]


def faults(finding: CaseFinding) -> list[tuple[str, Path]]:
    return [(problem.code, problem.path) for problem in finding.problems]


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], **header: np.ndarray) -> None:
    image = nibabel.load(path)
    array = change(np.asarray(image.dataobj))
    nibabel.save(nibabel.Nifti1Image(array, header.get("affine", image.affine)), path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def garble(path: Path) -> None:
    path.write_bytes(b"nothing of the kind" * 50)


def crop(path: Path) -> None:
    # Without a voxel also the affine's corners move: still one fault.
    rewrite(path, lambda array: array[1:], affine=np.diag([-2.0, -2.0, 9.0, 1.0]))


def stretch(path: Path) -> None:
    rewrite(path, lambda array: array, affine=np.diag([-1.5, -1.5, 9.0, 1.0]))


def shift(path: Path) -> None:
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    affine[:3, 3] = 40
    rewrite(path, lambda array: array, affine=affine)


def stack(path: Path) -> None:
    rewrite(path, lambda array: np.stack([array, array], axis=-1))


def hollow(path: Path) -> None:
    rewrite(path, lambda array: array[:, :0])


def poison(path: Path) -> None:
    def change(array: np.ndarray) -> np.ndarray:
        spoilt = array.astype(np.float32)
        spoilt[0, 0, 0] = np.nan
        return spoilt

    rewrite(path, change)


def blur(path: Path) -> None:
    rewrite(path, lambda array: array.astype(np.float32) * 0.75)


def renumber(path: Path) -> None:
    rewrite(path, lambda array: np.where(array == 2, 7, array).astype(np.uint8))


def erase(path: Path) -> None:
    rewrite(path, np.zeros_like)


ANY_FILE: dict[str, Spoil] = {
    "truncated": cut,
    "unreadable": garble,
    "shape_mismatch": crop,
    "spacing_mismatch": stretch,
    "affine_mismatch": shift,
    "channel_count": stack,
    "zero_size": hollow,
    "nonfinite": poison,
}
LABEL_ONLY: dict[str, Spoil] = {
    "noninteger_labels": blur,
    "unexpected_labels": renumber,
    "empty_mask": erase,
    "missing_label": Path.unlink,
}
IMAGE_ONLY: dict[str, Spoil] = {"missing_channel": Path.unlink}
SPOILT = [
    *((code, spoil, target) for code, spoil in ANY_FILE.items() for target in ("t2", "label")),
    *((code, spoil, "label") for code, spoil in LABEL_ONLY.items()),
    *((code, spoil, "t2") for code, spoil in IMAGE_ONLY.items()),
]


def test_a_sound_case_has_no_problem(make_case: Make, scheme: LabelScheme) -> None:
    finding = inspect_case(make_case(channels=("t1", "t2", "flair")), scheme)
    assert finding.problems == ()
    assert list(finding.facts.images) == ["t1", "t2", "flair"]
    assert finding.facts.label is not None
    assert finding.facts.label.voxels == {0: 120 - 18, 1: 17, 2: 1}


@pytest.mark.parametrize(
    ("code", "spoil", "target"),
    SPOILT,
    ids=[f"{code}-{spoil.__name__}-{target}" for code, spoil, target in SPOILT],
)
def test_each_fault_is_named_once_and_on_its_file(
    make_case: Make, scheme: LabelScheme, code: str, spoil: Spoil, target: str
) -> None:
    case = make_case(channels=("t1", "t2", "flair"))
    label = case.label
    assert label is not None
    path = label if target == "label" else case.channels[1].path
    spoil(path)
    finding = inspect_case(case, scheme)
    assert faults(finding) == [(code, path)]
    (problem,) = finding.problems
    assert problem.case_id == case.case_id
    assert problem.severity == CODES[code].severity


def test_faults_of_different_files_are_all_found(make_case: Make, scheme: LabelScheme) -> None:
    case = make_case(channels=("t1", "t2", "flair"))
    assert case.label is not None
    first, second, third = (channel.path for channel in case.channels)
    cut(first)
    poison(second)
    shift(third)
    erase(case.label)
    assert faults(inspect_case(case, scheme)) == [
        ("truncated", first),
        ("nonfinite", second),
        ("empty_mask", case.label),
        ("affine_mismatch", third),
    ]


def test_the_only_image_of_a_case_is_missing_as_an_image(
    make_case: Make, scheme: LabelScheme
) -> None:
    case = make_case()
    case.channels[0].path.unlink()
    finding = inspect_case(case, scheme)
    assert faults(finding) == [("missing_image", case.channels[0].path)]
    assert finding.facts.grid is None


def test_an_absent_class_is_no_problem(make_case: Make, scheme: LabelScheme) -> None:
    case = make_case()
    assert case.label is not None
    rewrite(case.label, lambda array: np.minimum(array, 1))
    assert inspect_case(case, scheme).problems == ()


def test_a_mask_of_ignored_voxels_alone_is_empty(make_case: Make, scheme: LabelScheme) -> None:
    case = make_case()
    assert case.label is not None
    rewrite(case.label, lambda array: np.where(array > 0, 9, 0).astype(np.uint8))
    finding = inspect_case(case, replace(scheme, ignore=9))
    assert faults(finding) == [("empty_mask", case.label)]


def test_unexpected_values_are_told_with_counts_and_what_is_expected(
    make_case: Make, scheme: LabelScheme
) -> None:
    case = make_case()
    assert case.label is not None
    renumber(case.label)
    (problem,) = inspect_case(case, scheme).problems
    assert problem.reason == "the label holds 7 (voxels: 1); test (1, 2) has 0, 1, 2"


def test_channels_of_one_4d_file_are_read_in_one_pass(
    make_case: Make, write_nifti: Callable[..., Path], scheme: LabelScheme
) -> None:
    array = np.random.default_rng(0).normal(size=(6, 5, 4, 2)).astype(np.float32)
    path = write_nifti("both.nii.gz", array)
    channels = (Channel("flair", path, 0), Channel("t1", path, 1))
    finding = inspect_case(replace(make_case(), channels=channels), scheme)
    assert finding.problems == ()
    for index, name in enumerate(("flair", "t1")):
        assert finding.facts.images[name].maximum == array[..., index].max()


@pytest.mark.parametrize("frames", [1, 3])
def test_a_4d_file_with_another_number_of_channels_is_named(
    make_case: Make, write_nifti: Callable[..., Path], scheme: LabelScheme, frames: int
) -> None:
    path = write_nifti("both.nii.gz", np.ones((6, 5, 4, frames), np.float32))
    channels = (Channel("flair", path, 0), Channel("t1", path, 1))
    finding = inspect_case(replace(make_case(), channels=channels), scheme)
    assert faults(finding) == [("channel_count", path)]


def test_a_trailing_axis_of_length_one_is_no_channel(make_case: Make, scheme: LabelScheme) -> None:
    case = make_case()
    rewrite(case.channels[0].path, lambda array: array[..., None])
    assert inspect_case(case, scheme).problems == ()


def test_a_case_without_a_label_is_inspected(make_case: Make, scheme: LabelScheme) -> None:
    finding = inspect_case(replace(make_case(), label=None), scheme)
    assert finding.problems == ()
    assert finding.facts.label is None
