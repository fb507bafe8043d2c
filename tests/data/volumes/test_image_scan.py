"""Statistics of blocks are those of the whole, however it is cut; a deviation made by few voxels is
seen, and background, air and small objects are no outliers."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from distributed_iac.data.volumes import image_scan
from distributed_iac.data.volumes.image_scan import ImageScan, ImageStatistics

SHAPE = (40, 40, 20)
SIZE = 40 * 40 * 20
RNG = np.random.default_rng(0)
TISSUE = RNG.normal(100, 20, SIZE)


def scan(values: NDArray[Any], parts: int = 1) -> ImageStatistics:
    scan = ImageScan(SHAPE)
    for block in np.array_split(values.astype(np.float32), parts):
        scan.add(block)
    return scan.result()


def filled(count: int, value: float, start: NDArray[Any] = TISSUE) -> NDArray[Any]:
    """Some voxels, evenly spread, set to a value."""
    values = start.copy()
    values[:: SIZE // count][:count] = value
    return values


def background(share: float, value: float, inner: NDArray[Any] = TISSUE) -> NDArray[Any]:
    values = np.full(SIZE, value)
    count = int((1 - share) * SIZE)
    values[:count] = inner[:count]
    return values


FILLS = {
    "one of -1e9": filled(1, -1e9),
    "one of 1e18": filled(1, 1e18),
    "a handful of -32768": filled(5, -32768),
    "not quite a hundredth": filled(SIZE // 101, -32768),
    "both ends": filled(2, 32767, filled(3, -32768)),
    "in a head": filled(3, -32768, background(0.85, 0)),
    "in a small object": filled(2, -32768, background(0.991, 0)),
    "in CT": filled(3, 1e9, background(0.6, -1024, RNG.normal(40, 300, SIZE))),
}
SOUND = {
    "tissue": TISSUE,
    "head without skull": background(0.85, 0),
    "small object": background(0.995, 0),
    "hardly an object": background(0.9999, 0),
    "mask": background(0.995, 0, np.ones(SIZE)),
    "two values": filled(5, 1, np.zeros(SIZE)),
    "constant": np.full(SIZE, 7.0),
    "air of a CT": background(0.5, -1024, RNG.normal(40, 200, SIZE)),
    "air around the circle of a CT": background(0.2, -3024, RNG.normal(-300, 500, SIZE)),
    "corners around a large circle": background(0.008, -3024, RNG.normal(-300, 500, SIZE)),
    "metal in a CT": filled(SIZE // 1000, 3071, background(0.5, -1024, RNG.normal(40, 200, SIZE))),
    "metal in a CT of wide range": filled(
        SIZE // 5000, 30000, background(0.5, -1024, RNG.normal(40, 200, SIZE))
    ),
    "bright vessels": filled(SIZE // 200, 900, background(0.4, 0)),
    "activity": RNG.lognormal(0, 1.5, SIZE),
    "noise alone": np.abs(RNG.normal(0, 1, SIZE)),
}


@pytest.mark.parametrize("values", FILLS.values(), ids=list(FILLS))
def test_a_deviation_made_by_a_few_voxels_is_seen(values: NDArray[Any]) -> None:
    found = scan(values)
    assert found.core is not None
    low, high = found.core
    assert found.minimum <= low < high <= found.maximum
    assert high - low < values.std()


@pytest.mark.parametrize("values", SOUND.values(), ids=list(SOUND))
def test_background_air_metal_and_small_objects_are_no_outliers(values: NDArray[Any]) -> None:
    found = scan(values)
    assert (found.core, found.unsound) == (None, 0)


@pytest.mark.parametrize("name", FILLS)
def test_blocks_of_any_size_lead_to_the_same(name: str) -> None:
    assert scan(FILLS[name]) == scan(FILLS[name], 7) == scan(FILLS[name], 1009)


def test_one_voxel_beside_the_sample_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_scan, "SAMPLE_SIZE", 1000)
    values = TISSUE.copy()
    values[1] = -1e9
    assert scan(values).core is not None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3.4028235e38, 3e38, 1e20, -1.9e19])
def test_values_whose_squares_are_no_32_bit_floats_are_unsound(value: float) -> None:
    found = scan(filled(3, value))
    assert (found.unsound, found.core) == (3, None)
    assert found.maximum == np.float32(filled(3, 100.0).max())


floats = arrays.arrays(
    np.float32,
    st.integers(1, 200),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)
cuts = st.lists(st.integers(0, 200), max_size=4)


def scan_line(values: NDArray[np.generic], at: list[int] | None = None) -> ImageStatistics:
    scan = ImageScan((values.size, 1, 1))
    for block in np.split(values, sorted(at or [])):
        scan.add(block)
    return scan.result()


@given(floats, cuts)
def test_image_statistics_do_not_depend_on_the_blocks(
    values: NDArray[np.float32], at: list[int]
) -> None:
    whole, parts = scan_line(values), scan_line(values, at)
    assert repr(parts) == repr(whole)  # repr, because NaN is not equal to itself


@given(floats)
def test_image_statistics_are_those_of_the_sound_voxels(values: NDArray[np.float32]) -> None:
    finite = values[np.abs(values) <= image_scan.LARGEST]
    found = scan_line(values)
    assert found.unsound == values.size - finite.size
    if finite.size:
        assert (found.minimum, found.maximum) == (finite.min(), finite.max())
        assert found.percentiles == tuple(np.percentile(finite, image_scan.PERCENTILES).tolist())
    else:
        assert math.isnan(found.minimum)
        assert found.is_constant


def test_the_sample_keeps_percentiles_of_a_large_volume_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_scan, "SAMPLE_SIZE", 10_000)
    shape = (100, 100, 30)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32).ravel(order="F")
    scan = ImageScan(shape)
    scan.add(values)
    exact = np.percentile(values, image_scan.PERCENTILES)
    np.testing.assert_allclose(scan.result().percentiles, exact, atol=0.1)


def test_sampling_favours_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of 100 through rows of 100 would see one column alone."""
    monkeypatch.setattr(image_scan, "SAMPLE_SIZE", 3_000)
    shape = (100, 100, 30)
    column = np.broadcast_to(np.arange(100, dtype=np.float32)[:, None, None], shape)
    scan = ImageScan(shape)
    scan.add(column.ravel(order="F"))
    assert scan.result().percentiles == pytest.approx((0, 49.5, 99), abs=1.5)


def test_the_fingerprint_sees_values_and_shape_alone() -> None:
    values = np.arange(24, dtype=np.int16)
    scan = ImageScan((2, 12, 1))
    scan.add(values)
    same = scan_line(values)
    assert scan_line(values.astype(np.float64)).fingerprint == same.fingerprint
    signed = np.where(values == 0, np.float32(-0.0), values)
    assert scan_line(signed).fingerprint == same.fingerprint
    assert scan_line(values + 1).fingerprint != same.fingerprint
    assert scan.result().fingerprint != same.fingerprint


def test_values_beyond_32_bits_count_as_not_finite() -> None:
    assert scan_line(np.array([0.0, 1e300])).unsound == 1


@pytest.mark.parametrize(("factor", "faint"), [(1.0, False), (1e-9, False), (1e-11, True)])
def test_intensities_below_what_a_z_score_divides_by_are_faint(factor: float, faint: bool) -> None:
    assert scan(TISSUE * factor).is_faint is faint
    assert not scan(np.full(SIZE, factor)).is_faint
