"""Labels and targets translate into each other by the scheme alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.data.contract import LabelScheme, Region
from distributed_iac.data.targets import decode_logits, membership, output_values
from distributed_iac.errors import DataError

BRATS = LabelScheme(
    "brats<=2022 (1,2,4)",
    {1: "NCR", 2: "ED", 4: "ET"},
    (Region("WT", (1, 2, 4)), Region("TC", (1, 4)), Region("ET", (4,))),
    (2, 1, 4),
)
KITS = LabelScheme(
    "kits23",
    {1: "kidney", 2: "tumor", 3: "cyst"},
    (Region("kidney_and_mass", (1, 2, 3)), Region("mass", (2, 3)), Region("tumor", (2,))),
    (1, 3, 2),
)
ACDC = LabelScheme("acdc", {1: "RV", 2: "MYO", 3: "LV"})
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("scheme", [BRATS, KITS], ids=lambda s: s.convention)
@given(seed=seeds)
def test_painting_the_regions_gives_the_labels_back(scheme: LabelScheme, seed: int) -> None:
    labels = np.random.default_rng(seed).choice([0, *scheme.classes], (3, 5, 4)).astype(np.uint8)
    masks = membership(scheme)[:, labels]
    assert masks.shape == (len(output_values(scheme)), 3, 5, 4)
    for mask, region in zip(masks, scheme.regions, strict=True):
        np.testing.assert_array_equal(mask, np.isin(labels, region.values))
    np.testing.assert_array_equal(decode_logits(masks * 8.0 - 4.0, scheme), labels)


@given(seeds)
def test_classes_are_decided_by_the_largest_logit(seed: int) -> None:
    logits: Any = np.random.default_rng(seed).random((4, 6, 5))
    np.testing.assert_array_equal(decode_logits(logits, ACDC), logits.argmax(0))


def test_class_values_need_not_be_consecutive() -> None:
    scheme = LabelScheme("gaps", {2: "a", 9: "b"})
    logits = np.eye(3)[:, :, None]
    np.testing.assert_array_equal(decode_logits(logits, scheme), [[0], [2], [9]])


@pytest.mark.parametrize(("scheme", "outputs"), [(BRATS, 4), (ACDC, 3)])
def test_a_prediction_of_another_width_is_refused(scheme: LabelScheme, outputs: int) -> None:
    with pytest.raises(DataError, match="outputs"):
        decode_logits(np.zeros((outputs, 2, 2)), scheme)
