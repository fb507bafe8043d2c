"""The pictured cases are the extremes, at their fullest slice, as the network predicts them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from distributed_iac.data.store import Store
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.extreme_cases import case_scores, extremes, grey, take_overlays


class Constant(nn.Module):
    """Predicts one output everywhere."""

    def __init__(self, outputs: int, wins: int) -> None:
        super().__init__()
        self.register_buffer("levels", torch.where(torch.arange(outputs) == wins, 5.0, -5.0))

    def forward(self, images: Tensor) -> Tensor:
        batch, _, height, width = images.shape
        return self.levels.view(1, -1, 1, 1).expand(batch, -1, height, width)


def row(case_id: str, target: str, dice: float) -> CaseScore:
    return CaseScore(
        *(target, dice, None, None, None, 1.0, 1.0),
        patient_id=f"p{case_id}",
        case_id=case_id,
        phase=None,
        empty_policy="nan",
    )


@pytest.mark.parametrize("name", ["acdc", "brats"])
def test_extreme_cases_are_pictured_at_their_fullest_slice(
    phantom_store: Callable[[str], Store], name: str
) -> None:
    store = phantom_store(name)
    scheme = store.fingerprint.labels
    outputs = len(scheme.regions) or 1 + len(scheme.classes)
    cases = store.cases("weights")[:2]
    rows = [row(cases[0].case_id, "a", 0.2), row(cases[1].case_id, "a", 0.7)]
    network = Constant(outputs, outputs - 1).train()
    best, worst = take_overlays(network, store, rows, torch.device("cpu"))
    assert (best.case_id, best.dice, worst.case_id) == (cases[1].case_id, 0.7, cases[0].case_id)
    labels = store.labels(cases[1].rows)
    areas = (labels != 0).sum(axis=(1, 2))
    assert best.slice_number == int(areas.argmax()) + 1
    np.testing.assert_array_equal(best.label, labels[areas.argmax()])
    assert best.image.shape == best.label.shape == best.predicted.shape
    expected = scheme.region_order[-1] if scheme.regions else list(scheme.classes)[-1]
    assert np.unique(best.predicted).tolist() == [expected]
    assert best.classes == dict(scheme.classes)
    assert not network.training


def test_a_case_counts_by_what_is_defined() -> None:
    nan = float("nan")
    rows = [row("a", "x", 0.4), row("a", "y", nan), row("b", "x", nan), row("c", "x", 0.4)]
    assert case_scores(rows) == {"a": 0.4, "c": 0.4}


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 1)))
def test_nobody_is_better_than_the_best_or_worse_than_the_worst(scores: dict[str, float]) -> None:
    found = extremes(scores)
    assert len(set(found.values())) == len(found) <= 2
    if scores:
        assert scores[found["best"]] == max(scores.values())
    if "worst" in found and len(set(scores.values())) > 1:
        assert scores[found["worst"]] == min(scores.values())


def test_grey_spans_black_to_white_and_survives_a_flat_image() -> None:
    ramp = grey(np.linspace(-3, 5, 400, dtype=np.float32).reshape(20, 20))
    assert (ramp.min(), ramp.max()) == (0, 255)
    assert grey(np.full((4, 4), 2.0, np.float32)).max() == 0
