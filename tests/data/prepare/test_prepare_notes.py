"""What ``check`` calls an error or a warning, ``prepare`` says too, and the store remembers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from distributed_iac.config.split import SplitSettings
from distributed_iac.data.check.report import check_source
from distributed_iac.data.contract import Case, Problem, SliceLayout, Source
from distributed_iac.data.faults import CODES
from distributed_iac.data.problems import CODES as READER_CODES
from distributed_iac.data.splits.split import PARTS
from distributed_iac.data.store import Store
from distributed_iac.data.store.case_notes import describe_notes, summarise_notes
from distributed_iac.data.store.manifest import read_manifest, write_manifest
from distributed_iac.errors import DataError, StoreError
from distributed_iac.files import digest_of, write_json

LAYOUT = SliceLayout("LPS", 2)
Spoil = Callable[[Case], object]


def turn(path: Path, codes: str = "RAS") -> None:
    image = nib.load(path)
    voxels = np.asarray(image.dataobj)  # the file is about to be overwritten
    image = nib.Nifti1Image(voxels, image.affine)
    way = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    nib.save(image.as_reoriented(way), path)


def rewrite(path: Path, change: Callable[[Any, Any], tuple[Any, Any]]) -> None:
    image = nib.load(path)
    nib.save(nib.Nifti1Image(*change(np.asarray(image.dataobj), image.affine)), path)


def patch(path: Path, at: int, content: bytes) -> None:
    """Overwrite bytes of the header of a compressed file."""
    plain = bytearray(gzip.decompress(path.read_bytes()))
    plain[at : at + len(content)] = content
    path.write_bytes(gzip.compress(bytes(plain)))


def spoil_checksum(case: Case) -> None:
    path = case.channels[0].path
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)


def shift(case: Case) -> None:
    def change(voxels: Any, affine: Any) -> tuple[Any, Any]:
        moved = affine.copy()
        moved[0, 3] += 12
        return voxels, moved

    assert case.label is not None
    rewrite(case.label, change)


def label_of(case: Case) -> Path:
    assert case.label is not None
    return case.label


def image_of(case: Case) -> Path:
    return case.channels[0].path


def fill_a_few(voxels: Any, affine: Any) -> tuple[Any, Any]:
    """What other programs write where they know nothing."""
    filled = voxels.copy()
    filled[:5, 0, 0] = -32768
    return filled, affine


def cut(path: Path) -> None:
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(data[:-100]))


def copy_of(case: Case, other: str) -> None:
    """Give a case the files of another."""
    for path in case.files:
        source = path.with_name(path.name.replace(case.case_id, other))
        path.write_bytes(source.read_bytes())


WIDER = np.diag([1.25, 1.25, 1, 1])

WARNINGS: dict[str, Spoil] = {
    "reoriented": lambda case: turn(label_of(case)),
    "rounded_labels": lambda case: rewrite(
        label_of(case), lambda v, a: (v * np.float32(0.9999), a)
    ),
    "empty_mask": lambda case: rewrite(label_of(case), lambda v, a: (np.zeros_like(v), a)),
    "constant_image": lambda case: rewrite(image_of(case), lambda v, a: (np.ones_like(v), a)),
    "outlier_voxels": lambda case: rewrite(image_of(case), fill_a_few),
    "orientation_unknown": lambda case: patch(image_of(case), 254, bytes(2)),
    "undefined_field": lambda case: patch(label_of(case), 123, b"\5"),
    "unlike_spacing": lambda case: [
        rewrite(path, lambda v, a: (v, a @ np.diag([20, 20, 1, 1]))) for path in case.files
    ],
    "spacing_contradiction": lambda case: patch(label_of(case), 88, np.float32(1).tobytes()),
}
ERRORS: dict[str, Spoil] = {
    "missing_image": lambda case: image_of(case).unlink(),
    "missing_channel": lambda case: case.channels[1].path.unlink(),
    "missing_label": lambda case: label_of(case).unlink(),
    "unreadable": spoil_checksum,
    "truncated": lambda case: cut(image_of(case)),
    "surplus_bytes": lambda case: patch(image_of(case), 70, b"\4\0\x10\0"),  # int16
    "zero_size": lambda case: patch(image_of(case), 46, bytes(2)),
    "invalid_geometry": lambda case: patch(image_of(case), 84, bytes(4)),
    "channel_count": lambda case: rewrite(image_of(case), lambda v, a: (np.stack([v, v], -1), a)),
    "shape_mismatch": lambda case: rewrite(label_of(case), lambda v, a: (v[:-1], a)),
    "spacing_mismatch": lambda case: rewrite(label_of(case), lambda v, a: (v, a @ WIDER)),
    "affine_mismatch": shift,
    "axis_codes_differ": lambda case: [turn(path) for path in case.files],
    "nonfinite": lambda case: rewrite(image_of(case), lambda v, a: (np.full_like(v, np.nan), a)),
    "faint_image": lambda case: rewrite(image_of(case), lambda v, a: (v * np.float32(1e-15), a)),
    "noninteger_labels": lambda case: patch(label_of(case), 112, np.float32(1 / 255).tobytes()),
    "unexpected_labels": lambda case: rewrite(label_of(case), lambda v, a: (v * np.uint8(7), a)),
    "duplicate_case": lambda case: copy_of(case, "p2_v0"),
    "duplicate_patient": lambda case: copy_of(case, "p0_v1"),
}
"""Every code of an error in :data:`distributed_iac.data.faults.CODES`."""


def test_channels_that_are_one_image_are_a_warning_of_both(
    write: Any, as_source: Any, prepare: Any, tmp_path: Path
) -> None:
    channels = ("t1", "t2", "flair")
    cases = [write(tmp_path, f"p{i}", f"p{i}", channels=channels, seed=i) for i in range(6)]
    source = as_source(tmp_path, cases)
    assert check_source(source).problems == ()
    first, _, third = (channel.path for channel in cases[2].channels)
    third.write_bytes(first.read_bytes())
    (problem,) = check_source(source).problems
    assert (problem.code, problem.case_id, problem.path) == ("identical_channels", "p2", third)
    assert problem.reason == "flair holds the same voxels as t1"
    (note,) = prepare(source).notes
    assert (note.code, note.reason) == (problem.code, problem.reason)


@pytest.mark.parametrize(("code", "spoil"), WARNINGS.items(), ids=list(WARNINGS))
def test_a_warning_of_the_check_is_one_of_the_preparation(
    source: Source, prepare: Any, code: str, spoil: Spoil
) -> None:
    spoil(source.cases[3])
    problems = check_source(source).problems
    assert {problem.code for problem in problems} == {code}
    done = prepare(source)
    assert {(note.code, note.case_id, note.reason) for note in done.notes} == {
        (problem.code, problem.case_id, problem.reason) for problem in problems
    }
    assert done.fingerprint.notes == {code: 1}
    (line,) = summarise_notes(done.notes)
    assert line.startswith(describe_notes({code: 1})[0])


def test_there_is_an_example_of_every_error() -> None:
    assert set(ERRORS) == {code for code, kind in CODES.items() if kind.severity == "error"}


@pytest.mark.parametrize(("code", "spoil"), ERRORS.items(), ids=list(ERRORS))
def test_an_error_of_the_check_is_one_of_the_preparation(
    stored: Source, write: Any, as_source: Any, prepare: Any, code: str, spoil: Spoil
) -> None:
    """The same case, in the same words; left out, the store knows nothing of it."""
    source = stored
    if code == "missing_channel":
        root = stored.detection.root / "two"
        cases = [write(root, f"p{i}", f"p{i}", channels=("t1", "t2"), seed=i) for i in range(9)]
        source = as_source(root, cases)
    elif code != "axis_codes_differ":
        source = replace(stored, cases=tuple(replace(c, layout=LAYOUT) for c in stored.cases))
    case = source.cases[5]
    spoil(case)
    (problem,) = check_source(source).problems
    assert (problem.code, problem.severity, problem.case_id) == (code, "error", case.case_id)
    with pytest.raises(DataError, match=case.case_id) as refused:
        prepare(source)
    assert problem.reason in str(refused.value)
    done = prepare(source, on_bad_case="skip")
    skipped = {one.case_id: (one.reason, one.remedy) for one in done.skipped}
    assert skipped[case.case_id] == (problem.reason, problem.remedy)
    assert done.notes == ()
    store = Store.open(done.folder)
    kept = {one.case_id for part in PARTS for one in store.cases(part)}
    assert kept == {one.case_id for one in source.cases} - skipped.keys()


@pytest.mark.parametrize("code", READER_CODES)
def test_an_error_of_the_reader_is_one_of_the_preparation(
    source: Source, prepare: Any, code: str
) -> None:
    seen = Problem(code, "error", source.detection.root, "seen by the reader", "see to it")
    with pytest.raises(DataError, match="seen by the reader"):
        prepare(replace(source, problems=(seen,)))


def test_a_patient_who_has_images_of_another_is_left_out_with_all_visits(
    source: Source, prepare: Any
) -> None:
    """Whoever the other visits show: they may be the other patient's too."""
    copy_of(source.cases[5], "p0_v1")
    done = prepare(source, on_bad_case="skip")
    assert [one.case_id for one in done.skipped] == ["p2_v0", "p2_v1"]


def test_the_recipe_is_that_of_the_cases_that_stay(
    source: Source, prepare: Any, tmp_path: Path
) -> None:
    copy_of(source.cases[5], "p0_v1")
    left = tuple(case for case in source.cases if case.patient_id != "p2")
    folder = prepare(source, on_bad_case="skip").folder
    parts = json.loads((folder / "split.json").read_text())
    mine = {part: [name for name in names if name != "p2"] for part, names in parts.items()}
    write_json(tmp_path / "mine.json", {part: mine[part] for part in PARTS})
    division = SplitSettings(file=tmp_path / "mine.json")
    plain = prepare(replace(source, cases=left), "plain", split=division)
    first, second = Store.open(folder), Store.open(plain.folder)
    assert first.fingerprint.recipe == second.fingerprint.recipe
    for part in PARTS:
        rows = [np.concatenate([c.rows for c in s.cases(part)]) for s in (first, second)]
        np.testing.assert_array_equal(first.images(rows[0]), second.images(rows[1]))


def test_a_store_in_which_a_copy_was_only_noted_is_refused(source: Source, prepare: Any) -> None:
    done = prepare(source)
    document = json.loads((done.folder / "fingerprint.json").read_text())
    write_json(done.folder / "fingerprint.json", document | {"notes": {"duplicate_patient": 1}})
    manifest = read_manifest(done.folder)
    digest = digest_of(done.folder / "fingerprint.json")
    files = {**manifest.files, "fingerprint.json": digest}
    write_manifest(done.folder, replace(manifest, files=files))
    with pytest.raises(StoreError, match="delete this folder"):
        prepare(source)


def test_a_turned_label_is_stored_on_the_grid_of_its_image(source: Source, prepare: Any) -> None:
    straight = prepare(source, "straight")
    for case in source.cases:
        turn(label_of(case))
    turned = prepare(source, "turned")
    before, after = Store.open(straight.folder), Store.open(turned.folder)
    for case in source.cases:
        np.testing.assert_array_equal(
            after.native_label(case.case_id), before.native_label(case.case_id)
        )
        rows = before.case(case.case_id).rows
        np.testing.assert_array_equal(after.labels(rows), before.labels(rows))
    assert turned.fingerprint.notes == {"reoriented": len(source.cases)}


def test_notes_are_found_again_in_the_store_and_name_no_folder(
    source: Source, prepare: Any
) -> None:
    turn(label_of(source.cases[0]))
    done, again = prepare(source), prepare(source)
    assert again.status == "already_prepared"
    assert again.notes == done.notes
    (note,) = json.loads((done.folder / "notes.json").read_text())
    assert note["path"] == label_of(source.cases[0]).name


@pytest.fixture
def stored(source: Source) -> Source:
    """The same cases, cut as they are stored."""
    layout = SliceLayout("as_stored", 2)
    return replace(source, cases=tuple(replace(c, layout=layout) for c in source.cases))


def test_where_slices_are_cut_as_stored_other_axes_are_an_error(
    stored: Source, prepare: Any
) -> None:
    odd = stored.cases[5]
    for path in odd.files:
        turn(path)
    (problem,) = check_source(stored).problems
    assert (problem.code, problem.case_id) == ("axis_codes_differ", odd.case_id)
    assert "RAS, those of 11 of 12 cases LPS" in problem.reason
    with pytest.raises(DataError, match=rf"{odd.case_id}.*axes are RAS"):
        prepare(stored)
    done = prepare(stored, on_bad_case="skip")
    assert [case.case_id for case in done.skipped] == [odd.case_id]
    assert done.fingerprint.axis_codes == "LPS"


def test_where_the_header_decides_other_axes_are_none(source: Source, prepare: Any) -> None:
    for path in source.cases[5].files:
        turn(path)
    assert check_source(source).problems == ()
    done = prepare(source)
    assert (done.notes, done.fingerprint.axis_codes) == ((), None)


@pytest.mark.parametrize("shape", [(24, 28), (24, 28, 1)])
def test_pictures_are_prepared_as_one_slice_each(
    source: Source, prepare: Any, shape: tuple[int, ...]
) -> None:
    """Pixels of 1.5 mm and a third edge of 1 mm: the thickest axis would cut lines of pixels."""
    for case in source.cases:
        rng = np.random.default_rng(list(case.case_id.encode()))
        image, label = rng.normal(100, 9, shape), np.zeros(shape, np.uint8)
        label[8:16, 8:16], label[9:12, 9:12] = 1, 2
        for path, voxels in ((image_of(case), image), (label_of(case), label)):
            nib.save(nib.Nifti1Image(voxels, np.diag([-1.5, -1.5, 1, 1])), path)
    layout = SliceLayout("LPS", None)
    pictures = replace(source, cases=tuple(replace(c, layout=layout) for c in source.cases))
    assert check_source(pictures).problems == ()
    done = prepare(pictures)
    store = Store.open(done.folder)
    assert len(store) == len(source.cases)
    for case in source.cases:
        stored = store.case(case.case_id)
        assert stored.geometry.slices.slices_shape == (1, 28, 24)
        restored = stored.geometry.restore_labels(store.labels(stored.rows))
        np.testing.assert_array_equal(restored, store.native_label(case.case_id))
