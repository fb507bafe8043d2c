"""The laws of ``CaseSource``, over every implementation."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations

import nibabel
import numpy as np
import pytest
import torch

from benchmarks.memory_store import MemoryStore
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.batches.loader import Batches, CaseSource
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.store import Store

PARTS = ("weights", "architecture", "val", "test")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store on disk of twelve cases with five slices each, the last without foreground."""
    folder = tmp_path_factory.mktemp("store")
    raw = folder / "Dataset001_Small"
    for name in ("imagesTr", "labelsTr"):
        (raw / name).mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(12):
        image = generator.normal(100, 20, size=(24, 20, 5)).astype(np.float32)
        label = np.zeros((24, 20, 5), dtype=np.uint8)
        label[6:12, 5:10, :4] = 1
        label[14:18, 5:10, 1:3] = 2
        for place, array in (("imagesTr/c{:02d}_0000.nii", image), ("labelsTr/c{:02d}.nii", label)):
            scan = nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 5.0, 1.0]))
            nibabel.save(scan, raw / place.format(number))
    description = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "left": 1, "right": 2},
        "numTraining": 12,
        "file_ending": ".nii",
    }
    (raw / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    settings = PreprocessSettings(spacing=(1.0, 1.0), patch=(24, 24), workers=1)
    prepare_store(read_source(raw), "small", settings, SplitSettings(), folder / "store")
    return Store.open(folder / "store")


@pytest.fixture(params=["memory", "disk"])
def source(
    request: pytest.FixtureRequest, slice_store: Callable[..., MemoryStore], prepared: Store
) -> CaseSource:
    return slice_store() if request.param == "memory" else prepared


def test_parts_are_disjoint_and_share_no_patient(source: CaseSource) -> None:
    for first, second in combinations(PARTS, 2):
        assert not set(source.rows(first).tolist()) & set(source.rows(second).tolist())
        patients = [{case.patient_id for case in source.cases(part)} for part in (first, second)]
        assert patients[0]
        assert not patients[0] & patients[1]


@pytest.mark.parametrize("part", PARTS)
def test_cases_joined_are_the_rows_of_the_part(source: CaseSource, part: str) -> None:
    rows = source.rows(part)
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()
    joined = np.concatenate([case.rows for case in source.cases(part)])
    np.testing.assert_array_equal(joined, rows)


@pytest.mark.parametrize("part", PARTS)
def test_foreground_says_exactly_what_labels_contain(source: CaseSource, part: str) -> None:
    rows = source.rows(part)
    masks = source.foreground(rows)
    for mask, label in zip(masks.tolist(), source.labels(rows), strict=True):
        present = {value for value in np.unique(label).tolist() if value}
        assert {bit for bit in range(1, 63) if mask >> bit & 1} == present
    assert (masks >> 1 == 0).any()
    assert (masks >> 1 != 0).any()


def test_reads_are_fresh_writable_and_in_the_order_asked_for(source: CaseSource) -> None:
    rows = source.rows("weights")[[3, 0, 3]]
    images, labels = source.images(rows), source.labels(rows)
    assert images.dtype == np.float32
    assert labels.dtype == np.uint8
    assert images.shape[0] == labels.shape[0] == 3
    assert images.shape[2:] == labels.shape[1:]
    np.testing.assert_array_equal(images[0], images[2])
    np.testing.assert_array_equal(images[1:2], source.images(rows[1:2]))
    before = images.copy(), labels.copy()
    images[:], labels[:] = -7, 7
    np.testing.assert_array_equal(source.images(rows), before[0])
    np.testing.assert_array_equal(source.labels(rows), before[1])


def test_half_precision_loses_nothing(source: CaseSource) -> None:
    rows = source.rows("weights")[:5]
    half = source.images(rows, dtype=np.float16)
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half.astype(np.float32), source.images(rows))


@pytest.mark.parametrize("augmentation", ["none", "strong"])
def test_batches_resume_bit_for_bit_on_every_source(source: CaseSource, augmentation: str) -> None:
    settings = BatchSettings.model_validate({"batch_size": 4, "augmentation": augmentation})

    def fresh(seed: int) -> Batches:
        return Batches(source, ["weights", "architecture"], settings, seed=seed, device=CPU)

    running = fresh(0)
    for _ in range(running.steps_per_epoch + 2):
        next(running)
    state = running.state_dict()
    resumed = fresh(1)
    resumed.load_state_dict(state)
    for _ in range(5):
        expected, batch = next(running), next(resumed)
        assert torch.equal(batch.images, expected.images)
        assert torch.equal(batch.labels, expected.labels)


def test_the_store_on_disk_is_what_batches_read(prepared: Store) -> None:
    batches = Batches(prepared, ["weights"], BatchSettings(augmentation="none"), seed=0, device=CPU)
    batch = next(batches)
    views = np.stack([prepared.image(int(row)) for row in batch.rows])
    np.testing.assert_array_equal(batch.images.numpy(), views.astype(np.float32))
