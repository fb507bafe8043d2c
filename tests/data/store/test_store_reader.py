"""A store gives back what was prepared, in any order, thread and process."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.prepare.prepared_case import preprocess_case
from distributed_iac.data.splits.split import PARTS
from distributed_iac.data.store import Store
from distributed_iac.data.store.manifest import read_manifest
from distributed_iac.errors import GeometryError, StoreError


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, write: Any, as_source: Any) -> Source:
    """Two channels, several shards' worth of record batches, sizes that crop and pad."""
    root = tmp_path_factory.mktemp("raw")
    cases = [
        write(root, f"p{i}", f"p{i}", shape=(30 + 4 * i, 40 - i, 3 + 5 * i), seed=i,
              channels=("t1", "t2"), unannotated=frozenset({2} if i == 3 else ()),
              attributes={"group": "AB"[i % 2]})
        for i in range(6)
    ]  # fmt: skip
    return as_source(root, cases)


@pytest.fixture(scope="module")
def store(raw: Source, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("stores") / "demo"
    how = PreprocessSettings(workers=1, patch=(48, 32))
    prepare_store(raw, "demo", how, SplitSettings(), folder)
    return Store.open(folder, "checksums")


def everything(store: Store) -> Any:
    return np.arange(len(store))


def test_parts_hold_every_slice_once_and_every_patient_once(store: Store, raw: Source) -> None:
    rows = np.concatenate([store.rows(part) for part in PARTS])
    np.testing.assert_array_equal(np.sort(rows), everything(store))
    owners = [case.patient_id for part in PARTS for case in store.cases(part)]
    assert sorted(owners) == sorted(raw.patients)
    for part in PARTS:
        joined = [case.rows for case in store.cases(part)]
        np.testing.assert_array_equal(store.rows(part), np.concatenate(joined))
        assert {case.patient_id for case in store.cases(part)} == set(store.split.parts[part])


def test_slices_are_those_of_preprocessing_bit_for_bit(store: Store, raw: Source) -> None:
    for case in raw.cases:
        stored = store.case(case.case_id)
        expected = preprocess_case(case, store.fingerprint.recipe, raw.labels)
        np.testing.assert_array_equal(store.images(stored.rows, np.float16), expected.images)
        np.testing.assert_array_equal(store.labels(stored.rows), expected.labels)
        assert stored.geometry == expected.geometry
        np.testing.assert_array_equal(stored.affine, expected.affine)
        assert (stored.unannotated, stored.attributes) == (case.unannotated, case.attributes)


def test_foreground_says_exactly_what_the_labels_contain(store: Store) -> None:
    rows = everything(store)
    labels = store.labels(rows)
    present = [sum(1 << int(v) for v in np.unique(label) if v) for label in labels]
    np.testing.assert_array_equal(store.foreground(rows), present)
    assert 0 in present  # slices without foreground are kept


def test_rows_come_fresh_and_in_the_order_asked_for(store: Store) -> None:
    rows = np.random.default_rng(0).integers(len(store), size=100)
    images, labels = store.images(rows), store.labels(rows)
    assert images.dtype == np.float32
    for image, label, row in zip(images, labels, rows, strict=True):
        np.testing.assert_array_equal(image, store.image(row))
        np.testing.assert_array_equal(label, store.label(row))
    images[:] = 0
    labels[:] = 0
    assert store.image(rows[0]).any()


def test_single_slices_are_views_of_the_file(store: Store) -> None:
    image, label = store.image(5), store.label(5)
    assert (image.dtype, label.dtype) == (np.float16, np.uint8)
    assert image.shape == store.image_shape == (2, 48, 32)
    for view in (image, label):
        assert not view.flags.writeable
        assert view.base is not None
    assert np.shares_memory(image, store.image(5))


def test_native_labels_equal_the_files(store: Store, raw: Source) -> None:
    for case in raw.cases:
        truth = np.asarray(nib.load(case.label).dataobj)
        native = store.native_label(case.case_id)
        np.testing.assert_array_equal(native, truth)
        assert native.flags.writeable


def test_restoring_the_stored_labels_gives_the_files_back_inside_the_patch(store: Store) -> None:
    """Nothing was resampled: exact wherever the patch reaches, background elsewhere."""
    reached = []
    for part in PARTS:
        for case in store.cases(part):
            assert not case.geometry.plane.resamples
            labels, native = store.labels(case.rows), store.native_label(case.case_id)
            everywhere = np.ones_like(labels)
            inside = case.geometry.restore_labels(everywhere)
            np.testing.assert_array_equal(case.geometry.restore_labels(labels), native * inside)
            one_hot = (labels[:, None] == np.arange(3)[None, :, None, None]).astype(np.float32)
            if case.geometry.whole == case.geometry:
                restored = store.restore_logits(case.case_id, one_hot)
                np.testing.assert_array_equal(restored, native)
            reached.append(inside.mean())
    assert min(reached) < 1.0, "some case must be wider than the patch"


def test_geometry_knows_the_files_spacing(store: Store) -> None:
    case = store.cases("weights")[0]
    assert case.spacing == (5.0, 1.0, 1.0)
    assert case.zooms == (1.0, 1.0, 5.0)


def test_a_store_travels_as_its_path(store: Store) -> None:
    data = pickle.dumps(store)
    assert len(data) < 1000
    copy = pickle.loads(data)
    np.testing.assert_array_equal(copy.images(everything(store)), store.images(everything(store)))


def test_threads_read_the_same_as_one(store: Store) -> None:
    fresh = Store.open(store.path)
    gate = threading.Barrier(8)

    def read(seed: int) -> bool:
        rows = np.random.default_rng(seed).permutation(len(store))
        gate.wait()  # all open their shards at the same moment
        same = np.array_equal(fresh.images(rows), store.images(rows))
        case = fresh.cases(PARTS[seed % 4])[0].case_id
        return same and np.array_equal(fresh.native_label(case), store.native_label(case))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


def test_any_arrow_reader_understands_a_shard(store: Store) -> None:
    (path,) = (store.path / "shards").iterdir()
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    assert table.schema.field("image").type == pa.fixed_shape_tensor(pa.float16(), [2, 48, 32])
    assert table.schema.metadata[b"identity"].decode() == store.identity
    index = pq.read_table(store.path / "index.parquet")
    for name in ("case_id", "patient_id", "part", "slice_index", "n_slices", "foreground"):
        assert table[name].to_pylist() == index[name].to_pylist()
    assert {batch.num_rows for batch in table.to_batches()[:-1]} == {64}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.rows("train"), "weights, architecture, val, test"),
        (lambda s: s.native_label("nobody"), "6 cases"),
    ],
)
def test_wrong_questions_are_answered_with_what_there_is(
    store: Store, call: Callable[[Store], Any], words: str
) -> None:
    with pytest.raises(StoreError, match=words):
        call(store)


@pytest.mark.parametrize("shape", [(2, 48, 32), (8, 32, 48)])
def test_slices_of_another_case_or_size_are_refused(store: Store, shape: Any) -> None:
    with pytest.raises(GeometryError):
        store.case("p1").geometry.restore_labels(np.zeros(shape, np.uint8))
    with pytest.raises(GeometryError):
        store.restore_logits("p1", np.zeros((shape[0], 3, *shape[1:]), np.float32))


def test_logits_may_come_slice_by_slice(store: Store) -> None:
    case = store.cases("test")[0]
    depth, _, height, width = store.whole_slices(case.case_id).shape
    outputs = np.random.default_rng(0).random((depth, 3, height, width)).astype(np.float32)
    at_once = store.restore_logits(case.case_id, outputs)
    np.testing.assert_array_equal(store.restore_logits(case.case_id, iter(outputs)), at_once)


def test_a_store_that_was_replaced_is_noticed(store: Store, tmp_path: Path) -> None:
    function, (_, _) = store.__reduce__()
    with pytest.raises(StoreError, match="must not change"):
        function(store.path, "another identity")
    with pytest.raises(StoreError, match="no such folder"):
        function(tmp_path / "gone", store.identity)


def test_whole_slices_are_kept_of_test_cases_that_the_patch_cuts(store: Store, raw: Source) -> None:
    larger = [case for case in store.cases("test") if case.geometry.whole != case.geometry]
    assert larger, "some test case must be wider than the patch"
    by_id = {case.case_id: case for case in raw.cases}
    for case in store.cases("test"):
        recipe = store.fingerprint.recipe
        expected = preprocess_case(by_id[case.case_id], recipe, store.fingerprint.labels)
        np.testing.assert_array_equal(store.whole_slices(case.case_id), expected.whole_images)
    kept = {path.name for path in (store.path / "whole").iterdir()}
    assert kept == {f"{case.case_id}.npy" for case in larger}


def test_labels_of_whole_slices_come_back_whole(store: Store) -> None:
    for case in store.cases("test"):
        whole, native = case.geometry.whole, store.native_label(case.case_id)
        labels = whole.plane.labels(whole.slices.to_slices(native))
        one_hot = (labels[:, None] == np.arange(3)[None, :, None, None]).astype(np.float32)
        np.testing.assert_array_equal(store.restore_logits(case.case_id, one_hot), native)


def test_whole_slices_that_were_not_kept_are_not_made_up(store: Store) -> None:
    others = [case for part in ("weights", "val") for case in store.cases(part)]
    cut = next(case for case in others if case.geometry.whole != case.geometry)
    with pytest.raises(StoreError, match="whole slices"):
        store.whole_slices(cut.case_id)


def test_results_on_whole_slices_are_known_by_another_name(store: Store) -> None:
    manifest = read_manifest(store.path)
    assert manifest.results != manifest.identity
    patches = {name: one for name, one in manifest.files.items() if "whole" not in name}
    assert replace(manifest, files=patches).results == manifest.identity
