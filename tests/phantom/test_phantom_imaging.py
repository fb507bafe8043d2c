from __future__ import annotations

import numpy as np
import pytest

from distributed_iac.phantom.imaging import Look, bias, blur, ct_noise, rician, shade
from distributed_iac.phantom.space import Space, WorkingGrid

RNG = np.random.default_rng


@pytest.fixture
def space() -> Space:
    return Space.warped(WorkingGrid((10, 48, 48), (5.0, 3.0, 3.0)), RNG(0), warp_mm=(0.0, 0.0, 0.0))


def test_a_tissue_without_spread_and_texture_has_its_mean(space: Space) -> None:
    tissues = np.zeros(space.shape, dtype=np.uint8)
    tissues[:, 24:] = 2
    image = shade(tissues, {0: Look(-100), 2: Look(60)}, space, RNG(1))
    assert np.all(image[:, :24] == -100)
    assert np.all(image[:, 24:] == 60)


def test_texture_has_the_stated_deviation(space: Space) -> None:
    tissues = np.zeros(space.shape, dtype=np.uint8)
    image = shade(tissues, {0: Look(50, texture=10)}, space, RNG(1))
    assert image.std() == pytest.approx(10, rel=0.2)


def test_patients_differ_by_the_spread(space: Space) -> None:
    tissues = np.zeros(space.shape, dtype=np.uint8)
    means = [
        shade(tissues, {0: Look(0, spread=7)}, space, RNG(seed))[0, 0, 0] for seed in range(99)
    ]
    assert np.std(means) == pytest.approx(7, rel=0.25)


def test_rician_noise_has_rayleigh_background_and_gaussian_tissue() -> None:
    dark = rician(np.zeros((20, 64, 64), np.float32), 9.0, RNG(2))
    assert dark.min() >= 0
    assert dark.mean() == pytest.approx(9.0 * np.sqrt(np.pi / 2), rel=0.02)
    bright = rician(np.full((20, 64, 64), 300, np.float32), 9.0, RNG(2))
    assert bright.std() == pytest.approx(9.0, rel=0.03)


def test_ct_noise_has_the_stated_deviation_and_is_correlated_in_the_slice_only() -> None:
    noise = ct_noise(np.zeros((20, 64, 64), np.float32), 20.0, RNG(3))
    assert noise.std() == pytest.approx(20.0, rel=0.01)

    def correlation(axis: int) -> float:
        a = np.take(noise, range(noise.shape[axis] - 1), axis=axis)
        b = np.take(noise, range(1, noise.shape[axis]), axis=axis)
        return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])

    assert correlation(2) > 0.2
    assert correlation(1) > 0.2
    assert abs(correlation(0)) < 0.05


def test_coil_bias_is_a_positive_gain_without_edges(space: Space) -> None:
    gain = bias(space, 0.25, RNG(4))
    assert gain.min() > 0
    assert gain.max() / gain.min() > 1.15
    assert np.abs(np.diff(np.log(gain), axis=2)).max() < 0.05


def test_partial_volume_makes_values_between_two_tissues() -> None:
    image = np.zeros((4, 16, 16), np.float32)
    image[:, :, 8:] = 100
    mixed = blur(image, (0.0, 0.0, 0.6))
    assert 5 < mixed[0, 0, 7] < 50 < mixed[0, 0, 8] < 95
    assert mixed.mean() == pytest.approx(50, abs=1)
