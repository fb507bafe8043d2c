"""Preparation: no leak, no half store, nothing lost on bad input, nothing overwritten."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Problem, SliceLayout, Source
from distributed_iac.data.prepare import case_stage, shard_stage
from distributed_iac.data.store import Store
from distributed_iac.errors import DataError, StoreError

Files = Callable[[Path], dict[str, bytes]]


def edit(path: Any, change: Callable[[Any], Any]) -> None:
    image = nib.load(path)
    nib.save(nib.Nifti1Image(change(np.asarray(image.dataobj)), image.affine), path)


def shrink(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


class Diary:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int, int]] = []
        self.steps = 0
        self.notes: list[str] = []

    def begin(self, stage: str, total: int, done: int) -> None:
        self.stages.append((stage, total, done))

    def waits(self, holder: str) -> None:
        raise AssertionError(holder)

    def advance(self) -> None:
        self.steps += 1

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_the_bytes_do_not_depend_on_the_number_of_workers(
    source: Source, prepare: Any, files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_stage, "SHARD_BYTES", 20_000)
    one = prepare(source, "one")
    two = prepare(source, "two", workers=2)
    assert files_of(one.folder) == files_of(two.folder)
    assert len(list((one.folder / "shards").iterdir())) > 2


@pytest.fixture
def ct_source(tmp_path: Path, write: Any, as_source: Any) -> Source:
    """Volumes whose size, spacing and intensity differ from patient to patient."""
    cases = [
        write(tmp_path / "ct", f"p{i}", f"p{i}", modality="CT", seed=i,
              shape=(24 + 3 * i, 40 - 2 * i, 3), zooms=(1.0 + i / 20, 1.1 - i / 30, 5.0))
        for i in range(8)
    ]  # fmt: skip
    return as_source(tmp_path / "ct", cases)


def test_val_and_test_patients_change_nothing_of_the_training(
    ct_source: Source, prepare: Any
) -> None:
    """Most patients are held out here, so that any median or mean would give a leak away."""
    shares = {"weights": 0.2, "architecture": 0.1, "val": 0.3, "test": 0.4}
    split = SplitSettings(fractions=shares)
    before = prepare(ct_source, "before", split=split)
    store = Store.open(before.folder)
    held_out = {*store.split.parts["val"], *store.split.parts["test"]}
    assert len(held_out) > len(ct_source.cases) / 2
    for case in ct_source.cases:
        if case.patient_id in held_out:
            for path in case.files:
                image = nib.load(path)
                values = np.repeat(np.asarray(image.dataobj) * 3, 2, axis=0)
                if path == case.label:
                    values = np.clip(values, 0, 2)
                affine = image.affine @ np.diag([0.3, 0.4, 1, 1])
                nib.save(nib.Nifti1Image(values.astype(image.get_data_dtype()), affine), path)
    after = prepare(ct_source, "after", split=split)
    assert after.fingerprint.recipe == before.fingerprint.recipe
    assert after.fingerprint.targets == before.fingerprint.targets
    changed = Store.open(after.folder)
    for part in ("weights", "architecture"):
        np.testing.assert_array_equal(
            changed.images(changed.rows(part)), store.images(store.rows(part))
        )
    assert not np.array_equal(
        changed.images(changed.rows("test")), store.images(store.rows("test"))
    )


def test_ct_statistics_come_from_training_patients_alone(
    tmp_path: Path, prepare: Any, write: Any, as_source: Any
) -> None:
    cases = [write(tmp_path / "ct", f"p{i}", f"p{i}", modality="CT", seed=i) for i in range(5)]
    source = as_source(tmp_path / "ct", cases)
    done = prepare(source)
    (rule,) = done.fingerprint.recipe.normalisers["CT"].channels
    split = Store.open(done.folder).split
    training = [case for case in cases if case.patient_id in split.training]
    images = [np.asarray(nib.load(c.channels[0].path).dataobj) for c in training]
    labels = [np.asarray(nib.load(c.label).dataobj) for c in training]
    voxels = np.concatenate([i[k > 0] for i, k in zip(images, labels, strict=True)])
    assert rule.mean == pytest.approx(voxels.mean(), rel=0.01)
    assert rule.deviation == pytest.approx(voxels.std(), rel=0.03)


def test_a_second_call_finds_the_store_prepared(
    source: Source, prepare: Any, files_of: Files
) -> None:
    first = prepare(source)
    before = files_of(first.folder)
    assert first.status == "prepared"
    assert not (first.folder / ".work").exists()
    (first.folder / ".work").mkdir()  # as if killed before it was tidied up
    second = prepare(source, workers=3, on_bad_case="skip")  # how, not what
    assert second.status == "already_prepared"
    assert second.fingerprint == first.fingerprint
    assert files_of(first.folder) == before
    assert not (first.folder / ".work").exists()


@pytest.mark.parametrize(
    ("how", "path"),
    [
        ({"patch": (32, 48)}, 'preprocess.patch: "auto" in the store, [32, 48] now'),
        ({"spacing": (2.0, 2.0)}, "preprocess.spacing"),
        ({"split": SplitSettings(seed=1)}, "split.architecture"),
    ],
)
def test_a_store_of_other_settings_is_refused_naming_the_first_difference(
    source: Source, prepare: Any, files_of: Files, how: Any, path: str
) -> None:
    folder = prepare(source).folder
    before = files_of(folder)
    with pytest.raises(StoreError) as caught:
        prepare(source, **how)
    assert path in str(caught.value)
    assert files_of(folder) == before


def test_a_corrected_label_is_another_source(source: Source, prepare: Any) -> None:
    prepare(source)
    edit(source.cases[0].label, lambda label: label[::-1])
    with pytest.raises(StoreError, match=r"source\.cases\.p0_v0\.files\.p0_v0_seg\.nii\.gz"):
        prepare(source)


def test_a_folder_with_something_else_is_left_alone(
    source: Source, prepare: Any, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="folder of its own"):
        prepare(source)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["thesis.tex"]


def test_a_store_without_its_manifest_says_so_and_deleted_is_made_again(
    source: Source, prepare: Any, files_of: Files
) -> None:
    folder = prepare(source).folder
    whole = files_of(folder)
    (folder / "manifest.json").unlink()
    for use in (lambda: prepare(source), lambda: Store.open(folder)):
        with pytest.raises(StoreError, match=r"manifest\.json is missing") as caught:
            use()
        assert "delete the folder" in str(caught.value)
    shutil.rmtree(folder)
    prepare(source)
    assert files_of(folder) == whole


def test_bad_cases_are_all_listed_and_nothing_is_declared_until_they_are_allowed(
    source: Source, prepare: Any, tmp_path: Path
) -> None:
    damaged = {case.case_id: case for case in source.cases}
    shrink(damaged["p0_v0"].channels[0].path)
    edit(damaged["p3_v1"].label, lambda label: label + 5)
    edit(damaged["p4_v0"].channels[0].path, lambda image: image * np.nan)
    problem = Problem("missing_image", "error", Path("p9_v0"), "no image", "fetch it", "p9_v0")
    warning = replace(problem, severity="warning", case_id="p1_v0")
    source = replace(source, problems=(problem, warning))
    diary = Diary()
    with pytest.raises(DataError) as caught:
        prepare(source, progress=diary)
    for name in ("p0_v0", "p3_v1", "p4_v0", "p9_v0"):
        assert f"    {name}: " in str(caught.value)
        assert any(name in note for note in diary.notes)
    assert "p1_v0" not in str(caught.value)
    assert not (tmp_path / "store" / "manifest.json").exists()

    diary = Diary()
    done = prepare(source, on_bad_case="skip", progress=diary)
    assert [case.case_id for case in done.skipped] == ["p0_v0", "p3_v1", "p4_v0", "p9_v0"]
    assert done.fingerprint.skipped == 4
    assert sum(part.cases for part in done.fingerprint.parts.values()) == 12 - 3
    written = json.loads((done.folder / "skipped.json").read_text())
    assert [case["reason"] for case in written] == [case.reason for case in done.skipped]
    # What was good had been kept: only the bad ones were tried again.
    (left,) = (total - done for stage, total, done in diary.stages if stage == "cases")
    assert left <= 3
    with pytest.raises(DataError, match="4 that are not"):
        prepare(source)


def test_a_repaired_file_continues_with_what_is_missing(
    ct_source: Source, prepare: Any, files_of: Files
) -> None:
    training = Store.open(prepare(ct_source, "undisturbed").folder).split.training
    path = next(c for c in ct_source.cases if c.patient_id in training).channels[0].path
    whole = path.read_bytes()
    shrink(path)
    with pytest.raises(DataError, match=path.name):
        prepare(ct_source)
    path.write_bytes(whole)
    diary = Diary()
    repaired = prepare(ct_source, progress=diary)
    assert diary.stages[0] == ("survey", len(training), len(training) - 1)
    # The same statistics to the last bit, although the cases were surveyed in another order.
    assert files_of(repaired.folder) == files_of(repaired.folder.with_name("undisturbed"))


def test_a_part_that_loses_all_its_cases_is_refused(source: Source, prepare: Any) -> None:
    (patient,) = Store.open(prepare(source).folder).split.parts["val"]
    for case in source.cases:
        if case.patient_id == patient:
            shrink(case.channels[0].path)
    with pytest.raises(DataError, match="none in val"):
        prepare(source, "other", on_bad_case="skip")


def test_no_usable_training_case_is_refused(source: Source, prepare: Any) -> None:
    for case in source.cases:
        shrink(case.channels[0].path)
    with pytest.raises(DataError, match="at least one training case"):
        prepare(source, on_bad_case="skip")


def test_unlabelled_cases_are_counted_and_left_out(source: Source, prepare: Any) -> None:
    blind = replace(source.cases[0], label=None)
    done = prepare(replace(source, cases=(blind, *source.cases[1:])))
    assert done.fingerprint.unlabelled == 1
    with pytest.raises(DataError, match="labelled"):
        prepare(replace(source, cases=(blind,)), "other")


def test_class_values_beyond_the_bit_mask_are_refused(source: Source, prepare: Any) -> None:
    with pytest.raises(DataError, match="63"):
        prepare(replace(source, labels=replace(source.labels, classes={63: "far"})))


def test_another_split_reuses_the_prepared_cases_also_after_they_went_into_shards(
    source: Source, prepare: Any, files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted between the shards, then asked for another split of the same patients."""
    monkeypatch.setattr(shard_stage, "SHARD_BYTES", 20_000)
    original, calls = shard_stage._discard_arrays, []

    def interrupted(crew: Any, finished: Any) -> None:
        original(crew, finished)
        calls.append(finished.name)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(shard_stage, "_discard_arrays", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(source)
    monkeypatch.setattr(shard_stage, "_discard_arrays", original)
    how = {"spacing": (1.0, 1.0), "patch": (32, 32)}
    other = prepare(source, split=SplitSettings(seed=3), **how)
    expected = prepare(source, "undisturbed", split=SplitSettings(seed=3), **how)
    assert files_of(other.folder) == files_of(expected.folder)


def test_the_slice_axis_is_decided_once_from_the_training_headers(
    source: Source, prepare: Any
) -> None:
    open_axis = replace(
        source, cases=tuple(replace(c, layout=SliceLayout("LPS", None)) for c in source.cases)
    )
    done = prepare(open_axis)
    assert done.fingerprint.recipe.slice_axes == {"LPS": 2}
    store = Store.open(done.folder)
    fixed = Store.open(prepare(source, "fixed").folder)
    rows = np.arange(len(fixed))
    np.testing.assert_array_equal(store.images(rows), fixed.images(rows))


def test_a_disk_that_is_too_small_is_noticed_before_the_work(
    source: Source, prepare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 10_000

    monkeypatch.setattr(case_stage.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(StoreError, match="need about"):
        prepare(source)


def test_progress_counts_every_step_once(source: Source, prepare: Any) -> None:
    diary = Diary()
    prepare(source, progress=diary)
    assert diary.stages == [("survey", 8, 0), ("cases", 12, 0), ("shards", 1, 0)]
    assert diary.steps == 21
    assert diary.notes == []
