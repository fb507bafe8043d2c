"""Normalisation follows the published rules and never turns numbers into NaN."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import TypeAdapter

from distributed_iac.config.preprocess import ChannelNormalisation
from distributed_iac.data.volumes.intensity import (
    CtNormaliser,
    Normaliser,
    PerChannel,
    ZScore,
    nonzero_mask,
)
from distributed_iac.errors import DataError


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(0).gamma(2.0, 100.0, (2, 6, 7, 8)).astype(np.float32)


def normalised(rule: Any, image: Any) -> Any:
    out = image.copy()
    rule(out)
    return out


def test_ct_clips_to_percentiles_and_scales_by_the_foreground() -> None:
    sample = np.linspace(-100, 300, 4001, dtype=np.float32)[None]
    normaliser = CtNormaliser.fit([sample[:, :2000], sample[:, 2000:]])
    (channel,) = normaliser.channels
    assert (channel.lower, channel.upper) == pytest.approx((-98.0, 298.0))
    assert (channel.mean, channel.deviation) == pytest.approx((100.0, sample.std()), abs=1e-3)
    air, centre, metal = normalised(
        normaliser, np.array([[[[-1024.0, 100.0, 3000.0]]]], np.float32)
    ).ravel()
    assert centre == pytest.approx(0, abs=1e-6)
    assert (air, metal) == pytest.approx((-198 / channel.deviation, 198 / channel.deviation))


def test_ct_without_foreground_is_refused() -> None:
    with pytest.raises(DataError, match="foreground"):
        CtNormaliser.fit([])


def test_z_scores_have_mean_zero_and_deviation_one_for_each_channel(image: Any) -> None:
    out = normalised(ZScore("all"), image)
    np.testing.assert_allclose(out.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(out.std((1, 2, 3)), 1, rtol=1e-5)


def test_masked_z_scores_leave_the_outside_zero_and_unseen(image: Any) -> None:
    image[:, :3] = 0
    image[0, 4] = 0  # zero in one channel only: still inside the mask
    out = normalised(ZScore("nonzero"), image)
    mask = nonzero_mask(image)
    assert mask[3:].all()
    assert not mask[:3].any()
    assert (out[:, ~mask] == 0).all()
    np.testing.assert_allclose(out[:, mask].mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(out[:, mask].std(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(normalised(ZScore("nonzero"), image[:, 2:])[:, 1:], out[:, 3:])


voxels = hnp.arrays(np.float32, (2, 2, 3, 3), elements=st.floats(-1e5, 1e5, width=32))


@given(voxels, st.sampled_from(["all", "nonzero", "ct"]))
def test_finite_in_means_finite_out(image: Any, kind: Any) -> None:
    rule = CtNormaliser.fit([image.reshape(2, -1)]) if kind == "ct" else ZScore(kind)
    assert np.isfinite(normalised(rule, image)).all()


@pytest.mark.parametrize("value", [0.0, 5.0])
@pytest.mark.parametrize("where", ["all", "nonzero"])
def test_a_constant_image_becomes_zero(value: float, where: Any) -> None:
    assert not normalised(ZScore(where), np.full((1, 2, 2, 2), value, np.float32)).any()


def test_json_keeps_a_normaliser(image: Any) -> None:
    for rule in (CtNormaliser.fit([image.reshape(2, -1)]), ZScore("all"), ZScore("nonzero")):
        assert TypeAdapter(Normaliser).validate_json(json.dumps(asdict(rule))) == rule


CT = {"lower": 50.0, "upper": 400.0, "mean": 200.0, "deviation": 80.0}


def per_channel(*schemes: Any) -> PerChannel:
    return PerChannel.of(
        [ChannelNormalisation(scheme=s, ct=CT if s == "ct" else None) for s in schemes]
    )


def test_each_channel_goes_by_its_own_rule(image: Any) -> None:
    """The formulas of nnU-Net's normalisation schemes."""
    for scheme, expected in {
        "none": image[0],
        "zscore": (image[0] - image[0].mean()) / image[0].std(),
        "ct": (image[0].clip(50, 400) - 200) / 80,
        "unit": (image[0] - image[0].min()) / np.ptp(image[0]),
        "rgb": image[0].clip(0, 255) / 255,
    }.items():
        given = image.clip(0, 255) if scheme == "rgb" else image
        found = normalised(per_channel(scheme, "none"), given)
        np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5, err_msg=scheme)
        np.testing.assert_array_equal(found[1], given[1])


def test_the_mask_of_a_channel_has_no_holes(image: Any) -> None:
    image[:, :2], image[:, -1] = 0, 0
    image[:, 3, 3, 3] = 0  # a hole: within the mask, and zero
    inside = np.zeros(image.shape[1:], bool)
    inside[2:-1] = True
    found = normalised(per_channel("zscore_nonzero", "none"), image)
    known = image[0][inside]
    expected = (image[0] - known.mean()) / known.std() * inside
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
    assert found[0, 3, 3, 3] != 0


def test_a_constant_channel_stays_finite() -> None:
    flat = np.full((3, 4, 4, 4), 7, np.float32)
    found = normalised(per_channel("zscore", "zscore_nonzero", "unit"), flat)
    np.testing.assert_array_equal(found, 0)


def test_rgb_outside_of_a_byte_is_refused(image: Any) -> None:
    with pytest.raises(DataError, match="0 and 255"):
        normalised(per_channel("rgb", "none"), image * 10)


def test_channel_rules_survive_json() -> None:
    rule = per_channel("ct", "zscore_nonzero")
    assert TypeAdapter(Normaliser).validate_json(json.dumps(asdict(rule))) == rule
