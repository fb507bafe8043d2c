"""Statistics of blocks are those of the whole, however it is cut."""

from __future__ import annotations

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from distributed_iac.data.check import voxels
from distributed_iac.data.check.voxels import ImageScan, ImageStatistics
from distributed_iac.data.volumes import intensity_scan

floats = arrays.arrays(
    np.float32,
    st.integers(1, 200),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)
cuts = st.lists(st.integers(0, 200), max_size=4)


def scan_image(values: NDArray[np.generic], at: list[int] | None = None) -> ImageStatistics:
    scan = ImageScan((values.size, 1, 1))
    for block in np.split(values, sorted(at or [])):
        scan.add(block)
    return scan.result()


@given(floats, cuts)
def test_image_statistics_do_not_depend_on_the_blocks(
    values: NDArray[np.float32], at: list[int]
) -> None:
    whole, parts = scan_image(values), scan_image(values, at)
    assert repr(parts) == repr(whole)  # repr, because NaN is not equal to itself


@given(floats)
def test_image_statistics_are_those_of_the_sound_voxels(values: NDArray[np.float32]) -> None:
    finite = values[np.abs(values) <= intensity_scan.LARGEST]
    found = scan_image(values)
    assert found.nonfinite == values.size - finite.size
    if finite.size:
        assert (found.minimum, found.maximum) == (finite.min(), finite.max())
        assert found.percentiles == tuple(np.percentile(finite, voxels.PERCENTILES).tolist())
    else:
        assert math.isnan(found.minimum)
        assert found.is_constant


def test_the_sample_keeps_percentiles_of_a_large_volume_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intensity_scan, "SAMPLE_SIZE", 10_000)
    shape = (100, 100, 30)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32).ravel(order="F")
    scan = ImageScan(shape)
    scan.add(values)
    exact = np.percentile(values, voxels.PERCENTILES)
    np.testing.assert_allclose(scan.result().percentiles, exact, atol=0.1)


def test_sampling_favours_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of 100 through rows of 100 would see one column alone."""
    monkeypatch.setattr(intensity_scan, "SAMPLE_SIZE", 3_000)
    shape = (100, 100, 30)
    column = np.broadcast_to(np.arange(100, dtype=np.float32)[:, None, None], shape)
    scan = ImageScan(shape)
    scan.add(column.ravel(order="F"))
    assert scan.result().percentiles == pytest.approx((0, 49.5, 99), abs=1.5)


def test_the_fingerprint_sees_values_and_shape_alone() -> None:
    values = np.arange(24, dtype=np.int16)
    scan = ImageScan((2, 12, 1))
    scan.add(values)
    same = scan_image(values)
    assert scan_image(values.astype(np.float64)).fingerprint == same.fingerprint
    signed = np.where(values == 0, np.float32(-0.0), values)
    assert scan_image(signed).fingerprint == same.fingerprint
    assert scan_image(values + 1).fingerprint != same.fingerprint
    assert scan.result().fingerprint != same.fingerprint


def test_values_beyond_32_bits_count_as_not_finite() -> None:
    assert scan_image(np.array([0.0, 1e300])).nonfinite == 1
