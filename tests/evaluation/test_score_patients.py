"""Whole test patients of real stores: every slice, the native grid, one row a case and target."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distributed_iac.config.evaluation import EvaluationSettings
from distributed_iac.data.store import Store
from distributed_iac.data.targets import membership
from distributed_iac.errors import GeometryError, NumericalError
from distributed_iac.evaluation.conventions import conventions_for
from distributed_iac.evaluation.inference import Inference
from distributed_iac.evaluation.patients_table import ScoredModel, merge_patients, patients_table
from distributed_iac.evaluation.score_patients import evaluate_patients, score_case

CPU = torch.device("cpu")
PARTS = ("weights", "architecture", "val", "test")


class Oracle(nn.Module):
    """Answers with the stored labels of a store's slices, in row order, whatever it is shown."""

    def __init__(self, store: Store, rows: np.ndarray) -> None:
        super().__init__()
        self.store, self.rows, self.shown = store, list(rows), 0

    def forward(self, images: Tensor) -> Tensor:
        rows = np.array(self.rows[self.shown : self.shown + len(images)])
        self.shown += len(images)
        masks = membership(self.store.fingerprint.labels)[:, self.store.labels(rows)].swapaxes(0, 1)
        planes = torch.from_numpy(masks).float()
        if not self.store.fingerprint.labels.regions:
            planes = torch.cat([1 - planes.amax(1, keepdim=True), planes], 1)
        return 20 * (planes - 0.5)


class Background(nn.Module):
    """Finds nothing."""

    def __init__(self, outputs: int, value: float = 20.0) -> None:
        super().__init__()
        self.outputs, self.value = outputs, value

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.full((len(images), self.outputs, *images.shape[2:]), -self.value)
        logits[:, 0] = self.value
        return logits


@pytest.mark.parametrize("format", ["acdc", "brats", "kits", "amos"])
def test_a_perfect_network_is_perfect_on_the_native_grid(format, phantom_store) -> None:
    store = phantom_store(format)
    cases = store.cases("test")
    oracle = Oracle(store, store.rows("test"))
    rows = evaluate_patients(oracle, store, cases, EvaluationSettings(), Inference((), 7), CPU)
    assert oracle.shown == sum(len(case.rows) for case in cases)
    assert len(rows) == len(cases) * len(store.fingerprint.labels.targets)
    voxel_ml = {case.case_id: math.prod(case.zooms) / 1000 for case in cases}
    large = [row.dice for row in rows if row.label_ml > 100 * voxel_ml[row.case_id]]
    assert min(large) > 0.9


def test_volumes_are_those_of_the_files(phantom_store) -> None:
    store = phantom_store("kits")
    case = store.cases("test")[0]
    (source,) = Path(store.path.parent / "data").rglob(f"{case.case_id}/segmentation.nii.gz")
    image = nibabel.load(source)
    label = np.asarray(image.dataobj)
    voxel_ml = abs(np.linalg.det(image.affine[:3, :3])) / 1000
    rows = evaluate_patients(Background(3), store, [case], EvaluationSettings(), Inference(), CPU)
    wanted = {
        target.name: np.isin(label, target.values).sum() * voxel_ml
        for target in store.fingerprint.labels.targets
    }
    assert {row.target: row.label_ml for row in rows} == pytest.approx(wanted, rel=1e-5)


def test_phases_are_told_apart_and_only_where_there_are_any(phantom_store) -> None:
    settings = EvaluationSettings(metrics=("dice",))
    for format, outputs, phases in (("acdc", 4, {"ED", "ES"}), ("amos", 16, {None})):
        store = phantom_store(format)
        rows = evaluate_patients(
            Background(outputs), store, store.cases("test"), settings, Inference(), CPU
        )
        assert {row.phase for row in rows} == phases
        assert {row.hd95 for row in rows} == {None}


def test_workers_together_give_what_one_gives(phantom_store) -> None:
    store, settings = phantom_store("acdc"), EvaluationSettings()
    cases = [case for part in PARTS for case in store.cases(part)]
    model = ScoredModel("acdc/unet/retrain/lth/seed0", "acdc", "unet", "lth", "lth", 0)
    torch.manual_seed(0)
    network = nn.Conv2d(1, 4, 3, padding=1)

    def table(some, batch_size):
        rows = evaluate_patients(network, store, some, settings, Inference((), batch_size), CPU)
        return patients_table(model, rows)

    parts = [table(cases[start::3], batch_size) for start, batch_size in ((2, 5), (0, 8), (1, 8))]
    assert merge_patients(parts).equals(table(cases, 8))


def test_ct_and_mr_lack_different_annotations(phantom_store) -> None:
    store = phantom_store("amos")
    known = [case for part in PARTS for case in store.cases(part) if case.unannotated]
    cases = [case for case in known if case.geometry.whole == case.geometry]
    assert cases
    rows = evaluate_patients(
        Background(16),
        store,
        cases[:1],
        EvaluationSettings(empty_masks="brats", metrics=("dice",)),
        Inference(),
        CPU,
    )
    names = {store.fingerprint.labels.classes[value] for value in cases[0].unannotated}
    assert {row.target for row in rows if math.isnan(row.dice)} == names


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_outputs_that_are_not_finite_are_refused_and_not_scored(value, phantom_store) -> None:
    store = phantom_store("acdc")
    with pytest.raises(NumericalError, match=store.cases("test")[0].case_id):
        evaluate_patients(
            Background(4, value),
            store,
            store.cases("test"),
            EvaluationSettings(),
            Inference(),
            CPU,
        )


def test_a_prediction_on_another_grid_is_refused_with_the_cases_name(phantom_store) -> None:
    store = phantom_store("acdc")
    case = store.cases("test")[0]
    label = store.native_label(case.case_id)
    conventions = conventions_for(EvaluationSettings(), store.fingerprint)
    with pytest.raises(GeometryError, match=case.case_id):
        score_case(label[1:], label, case, store.fingerprint.labels, conventions)
