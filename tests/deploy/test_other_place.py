"""Evaluation, export and prediction of a network that is not on the CPU.

The device is torch's ``meta``, see ``tests/training/other_device.py``. Up to the logits of a batch
of slices all is there; what is made of them, from their way back to the files' grid on, is NumPy's.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from distributed_iac.config.evaluation import EvaluationSettings
from distributed_iac.data.volumes.plane import Size
from distributed_iac.evaluation.extreme_cases import take_overlays
from distributed_iac.evaluation.inference import Inference, window_starts
from distributed_iac.evaluation.score_patients import evaluate_patients
from tests.training.other_device import META, OtherDevice

LOGITS = "evaluation/inference.py:slice_logits"


def away(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).to(META).eval()


def reads(shape: tuple[int, ...], patch: Size, batch: int) -> int:
    """Of slices (Z, C, h', w'): whether all is finite, and the logits, for each batch of them."""
    windows = math.prod(map(len, window_starts(shape[2:], patch)))
    return 2 * math.ceil(shape[0] / max(1, batch // windows))


def test_an_evaluation_reads_each_batch_of_slices_twice_and_two_pictures(
    trained: Callable[..., Any], batch_size: int
) -> None:
    one = trained("acdc")
    network, store, cases = away(one.network), one.store, one.store.cases("test")
    way = Inference(("rows",), batch_size)
    with OtherDevice() as device:
        rows = evaluate_patients(network, store, cases, EvaluationSettings(), way, META)
        overlays = take_overlays(network, store, rows, META)
    patch = store.fingerprint.recipe.patch
    shapes = [store.whole_slices(case.case_id).shape for case in cases]
    assert len(rows) == 3 * len(cases)
    assert [overlay.role for overlay in overlays] == ["best", "worst"]
    assert dict(device.read) == {
        LOGITS: sum(reads(shape, patch, batch_size) for shape in shapes),
        "evaluation/extreme_cases.py:_predict": 2,
    }


@pytest.mark.parametrize("kind", ["cells", "plain"])
def test_an_export_reads_each_tensor_once_and_a_prediction_each_batch_twice(
    tmp_path: Path, trained: Callable[..., Any], batch_size: int, kind: str
) -> None:
    one = trained("acdc", kind=kind)
    moved = replace(one, network=away(one.network))
    with OtherDevice() as device:
        model = moved.export(tmp_path / "model")
    tensors = len(one.network.state_dict())
    assert dict(device.read) == {"training/outputs.py:<dictcomp>": tensors}
    model = replace(model, network=away(model.network), device=META)
    case = next(iter(one.source.cases))
    with OtherDevice() as device:
        labels = model.segment(case).labels
    [shape] = {
        one.store.whole_slices(stored.case_id).shape
        for part in ("weights", "architecture", "val", "test")
        for stored in one.store.cases(part)
        if stored.case_id == case.case_id
    }
    assert labels.ndim == 3
    assert dict(device.read) == {
        LOGITS: reads(shape, one.store.fingerprint.recipe.patch, batch_size)
    }
