from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from distributed_iac.data.check.report import check_source
from distributed_iac.data.formats.registry import read_source
from distributed_iac.errors import ConfigError
from distributed_iac.phantom import (
    DEFECTS,
    FORMATS,
    FormatName,
    Phantom,
    PlacedCase,
    defects_of,
    make_phantom,
    plant,
)

Written = Callable[[FormatName, str], Phantom]
Copied = Callable[[Phantom], Path]
Digests = Callable[[Path], Mapping[str, str]]

PAIRS = [(format, code) for format in FORMATS for code in defects_of(format)]


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[set[str], ...]:
    """Return names of files that are gone, new, and changed."""
    gone, new = set(before) - set(after), set(after) - set(before)
    return gone, new, {name for name in set(before) & set(after) if before[name] != after[name]}


def load(path: Path) -> tuple[NDArray[Any], Any]:
    image = nib.load(path)
    return np.asanyarray(image.dataobj), image


@pytest.mark.parametrize("format", FORMATS)
def test_an_intact_phantom_has_no_problem(format: FormatName, phantom: Written) -> None:
    made = phantom(format, FORMATS[format].releases[0])
    report = check_source(read_source(made.out))
    assert report.problems == ()
    assert report.source.format == format
    assert report.source.release == made.release
    cases = {(case.case_id, case.patient_id) for case in report.source.cases if case.label}
    assert cases == {(case.case_id, case.patient_id) for case in made.cases}


@pytest.mark.parametrize("format", FORMATS)
def test_a_check_finds_every_planted_defect_and_nothing_else(
    format: FormatName, tmp_path: Path
) -> None:
    codes = defects_of(format)
    made = make_phantom(
        format, tmp_path / "out", patients=len(codes) + 2, seed=6, size="tiny", defects=codes
    )
    reported = [
        (problem.code, problem.case_id, problem.severity)
        for problem in check_source(read_source(made.out)).problems
    ]
    planted = [
        (defect.code, defect.case_id, DEFECTS[defect.code].severity)
        for defect in made.planted
        if DEFECTS[defect.code].severity != "harmless"
    ]
    assert sorted(reported, key=str) == sorted(planted, key=str)
    assert len(planted) >= 12


@pytest.mark.parametrize(("format", "code"), PAIRS)
def test_a_defect_touches_the_files_of_one_case_only(
    format: FormatName, code: str, phantom: Written, copied: Copied, digests: Digests
) -> None:
    made = phantom(format, FORMATS[format].releases[0])
    out = copied(made)
    (planted,) = plant(out, format, [code], seed=0)
    gone, new, changed = changes(digests(made.out), digests(out))
    touched = gone | new | changed
    assert touched, "nothing happened"
    of_all = {"amos22/dataset.json"}
    owners = {
        case.patient_id
        for case in made.cases
        for name in touched - of_all
        if case.patient_id in name
    }
    assert len(owners) == 1 or touched == of_all
    relative = str(planted.path.relative_to(out))
    assert any(name.startswith(relative) for name in touched)


@pytest.mark.parametrize("format", FORMATS)
def test_planting_is_decided_by_the_seed(
    format: FormatName, tmp_path: Path, digests: Digests
) -> None:
    codes = ("truncated", "nonfinite", "unexpected_labels", "empty_mask")
    a, b, c = (
        make_phantom(format, tmp_path / name, patients=6, seed=seed, size="tiny", defects=codes)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert digests(a.out) == digests(b.out)
    assert [each.case_id for each in a.planted] == [each.case_id for each in b.planted]
    assert digests(a.out) != digests(c.out)


@pytest.mark.parametrize("format", FORMATS)
def test_every_defect_gets_a_patient_of_its_own(
    format: FormatName, phantom: Written, copied: Copied
) -> None:
    codes = ("truncated", "nonfinite", "unexpected_labels", "empty_mask", "missing_label")
    made = phantom(format, FORMATS[format].releases[0])
    planted = plant(copied(made), format, codes, seed=5)
    owner = {case.case_id: case.patient_id for case in made.cases}
    assert len({owner[defect.case_id] for defect in planted if defect.case_id}) == len(codes)


def test_more_defects_than_patients_are_refused_before_anything_happens(
    phantom: Written, copied: Copied, digests: Digests
) -> None:
    made = phantom("kits", "2023")
    out = copied(made)
    needed = len(defects_of("kits")) + 1
    with pytest.raises(ConfigError, match=f"need {needed} patients"):
        plant(out, "kits", defects_of("kits"), seed=0)
    assert digests(out) == digests(made.out)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (["no_such"], "defects of kits are missing_image"),
        (["missing_channel"], "defects of kits are missing_image"),
        (["truncated", "truncated"], "planted once"),
    ],
)
def test_wrong_codes_are_refused(phantom: Written, codes: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plant(phantom("kits", "2023").out, "kits", codes, seed=0)


class TestOnKits:
    """What each defect does to the bytes, on the format with one image a case."""

    @pytest.fixture
    def damage(self, phantom: Written, copied: Copied) -> Callable[[str], tuple[Path, Path]]:
        """Plants a defect; returns the damaged path and its intact counterpart."""
        made = phantom("kits", "2023")

        def do(code: str) -> tuple[Path, Path]:
            out = copied(made)
            (planted,) = plant(out, "kits", [code], seed=1)
            return planted.path, made.out / planted.path.relative_to(out)

        return do

    @pytest.mark.parametrize("code", ["missing_image", "missing_label"])
    def test_missing(self, damage: Callable[[str], tuple[Path, Path]], code: str) -> None:
        path, intact = damage(code)
        assert intact.is_file()
        assert not path.exists()
        assert (intact.name == "imaging.nii.gz") == (code == "missing_image")

    def test_partial_download(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("partial_download")
        image = intact.with_name("imaging.nii.gz").read_bytes()
        assert path.name == ".partial.imaging.nii.gz"
        assert not path.with_name("imaging.nii.gz").exists()
        assert image.startswith(path.read_bytes())

    def test_truncated(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("truncated")
        assert intact.read_bytes().startswith(path.read_bytes())
        with pytest.raises(EOFError), gzip.open(path) as file:
            file.read()

    def test_unreadable(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, _ = damage("unreadable")
        with pytest.raises((gzip.BadGzipFile, zlib.error)), gzip.open(path) as file:
            file.read()

    def test_zero_size(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, _ = damage("zero_size")
        assert load(path)[0].size == 0

    def test_channel_count(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("channel_count")
        array, _ = load(path)
        assert array.shape == (*load(intact)[0].shape, 2)
        np.testing.assert_array_equal(array[..., 0], load(intact)[0])

    def test_shape_mismatch(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("shape_mismatch")
        (array, image), (before, original) = load(path), load(intact)
        assert sum(before.shape) - sum(array.shape) == 1
        np.testing.assert_array_equal(image.affine, original.affine)

    def test_spacing_mismatch(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("spacing_mismatch")
        (array, image), (before, original) = load(path), load(intact)
        np.testing.assert_array_equal(array, before)
        zooms, expected = image.header.get_zooms(), original.header.get_zooms()
        np.testing.assert_allclose(zooms, 1.25 * np.array(expected))
        np.testing.assert_array_equal(image.affine[:3, 3], original.affine[:3, 3])

    def test_affine_ignored(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("affine_ignored")
        (array, image), (before, original) = load(path), load(intact)
        np.testing.assert_array_equal(array, before)
        assert image.header.get_zooms() == original.header.get_zooms()
        np.testing.assert_array_equal((image.affine - original.affine)[:3, 3], 12.0)
        assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (0, 2)

    def test_nonfinite(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("nonfinite")
        array, before = load(path)[0], load(intact)[0]
        bad = ~np.isfinite(array)
        assert np.isnan(array).sum() == 1
        assert bad.sum() == 3
        np.testing.assert_array_equal(array[~bad], before[~bad])

    def test_noninteger_labels(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("noninteger_labels")
        array, before = load(path)[0], load(intact)[0]
        assert array.dtype == np.float32
        assert np.any(array != np.rint(array))
        assert array.shape == before.shape
        assert array.max() <= before.max()

    def test_unexpected_labels(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("unexpected_labels")
        array, before = load(path)[0], load(intact)[0]
        assert array.dtype == np.uint8
        assert np.all(array[array != before] == 4)
        assert np.sum(array != before) == 3

    def test_empty_mask(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("empty_mask")
        array, before = load(path)[0], load(intact)[0]
        assert not array.any()
        assert (array.shape, array.dtype) == (before.shape, before.dtype)

    def test_hidden_files(self, damage: Callable[[str], tuple[Path, Path]]) -> None:
        path, intact = damage("hidden_files")
        assert path.name.startswith("._")
        assert path.with_name(".DS_Store").is_file()
        assert not intact.exists()


@pytest.mark.parametrize("format", FORMATS)
def test_a_duplicate_patient_has_all_files_of_another(
    format: FormatName, phantom: Written, copied: Copied
) -> None:
    made = phantom(format, FORMATS[format].releases[0])
    out = copied(made)
    (planted,) = plant(out, format, ["duplicate_patient"], seed=2)
    (case,) = (case for case in made.cases if case.case_id == planted.case_id)

    def files(each: PlacedCase, root: Path) -> list[bytes]:
        paths = (*each.images.values(), each.label)
        return [(root / path.relative_to(made.out)).read_bytes() for path in paths]

    copies = [each for each in made.cases if files(each, made.out) == files(case, out)]
    assert len(copies) == 1
    assert copies[0].patient_id != case.patient_id
    assert copies[0].case_id < case.case_id
    assert copies[0].modality == case.modality


def test_a_brats_value_of_another_release_is_the_unexpected_one(
    phantom: Written, copied: Copied
) -> None:
    made = phantom("brats", "2021")
    (planted,) = plant(copied(made), "brats", ["unexpected_labels"], seed=0)
    assert set(np.unique(load(planted.path)[0]).tolist()) - {0, 1, 2, 4} == {3}


def test_an_amos_case_is_listed_twice(phantom: Written, copied: Copied) -> None:
    out = copied(phantom("amos", "2022"))
    (planted,) = plant(out, "amos", ["duplicate_case"], seed=0)
    listed = json.loads(planted.path.read_text())
    names = [Path(e["image"]).stem for part in ("training", "validation") for e in listed[part]]
    assert names.count(f"{planted.case_id}.nii") == 2


@pytest.mark.parametrize("format", ["acdc", "brats"])
def test_a_nested_copy_equals_its_original(
    format: FormatName, phantom: Written, copied: Copied, digests: Digests
) -> None:
    out = copied(phantom(format, FORMATS[format].releases[0]))
    (planted,) = plant(out, format, ["duplicate_case"], seed=0)
    original = planted.path.parent.parent / planted.path.name
    assert original.is_dir()
    assert planted.path.parent.name == original.parent.name
    assert digests(planted.path) == digests(original)
