from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from torch.nn import functional as F

from distributed_iac.data.batches import augment_intensity as intensity


@pytest.fixture
def planes() -> torch.Tensor:
    return torch.randn(5, 24, 31, generator=torch.Generator().manual_seed(3)) * 2 + 1


ONE = torch.ones(5)
AMOUNT = torch.tensor([0.5, 0.6, 0.75, 0.9, 1.0])


@pytest.mark.parametrize(
    "change",
    [
        intensity.brightness,
        intensity.contrast,
        intensity.gamma,
        intensity.gamma_inverted,
        intensity.low_resolution,
    ],
)
def test_an_amount_of_one_changes_nothing(
    change: intensity.PlaneChange, planes: torch.Tensor
) -> None:
    torch.testing.assert_close(change(planes, ONE), planes, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    "change",
    [
        intensity.brightness,
        intensity.contrast,
        intensity.gamma,
        intensity.gamma_inverted,
        intensity.low_resolution,
    ],
)
def test_a_plane_is_changed_alike_alone_and_in_a_stack(
    change: intensity.PlaneChange, planes: torch.Tensor
) -> None:
    together = change(planes, AMOUNT)
    alone = torch.cat([change(planes[i : i + 1], AMOUNT[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_low_resolution_is_what_interpolate_does_plane_by_plane(planes: torch.Tensor) -> None:
    amount = torch.tensor([0.5, 0.57, 0.7, 0.83, 0.99])
    expected = []
    for plane, share in zip(planes, amount.tolist(), strict=True):
        coarse = [round(side * share) for side in plane.shape]
        small = F.interpolate(plane[None, None], coarse, mode="nearest-exact")
        expected.append(F.interpolate(small, plane.shape, mode="bilinear")[0, 0])
    torch.testing.assert_close(
        intensity.low_resolution(planes, amount), torch.stack(expected), rtol=1e-4, atol=1e-4
    )


def test_blur_is_a_gaussian_with_its_own_width_for_each_plane_and_axis(
    planes: torch.Tensor,
) -> None:
    rows, columns = torch.linspace(0.5, 1.0, 5), torch.linspace(1.0, 0.6, 5)
    blurred = intensity.blur(planes, rows, columns, largest=1.0)
    for i in range(5):
        expected = gaussian_filter1d(planes[i].numpy(), float(rows[i]), 0, mode="mirror", radius=3)
        expected = gaussian_filter1d(expected, float(columns[i]), 1, mode="mirror", radius=3)
        torch.testing.assert_close(blurred[i], torch.from_numpy(expected), rtol=1e-4, atol=1e-4)


def test_gamma_keeps_mean_and_deviation_and_bends_the_dark_end(planes: torch.Tensor) -> None:
    for change in (intensity.gamma, intensity.gamma_inverted):
        bent = change(planes, torch.full((5,), 1.4))
        torch.testing.assert_close(bent.mean((1, 2)), planes.mean((1, 2)), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(bent.std((1, 2)), planes.std((1, 2)), rtol=1e-3, atol=1e-4)
    ramp = torch.linspace(0, 1, 64).view(1, 8, 8)
    steps = intensity.gamma(ramp, torch.tensor([1.5])).flatten().diff()
    assert steps[0] < steps[-1]
    inverted = intensity.gamma_inverted(ramp, torch.tensor([1.5])).flatten().diff()
    assert inverted[0] > inverted[-1]


def test_contrast_stays_within_the_range_of_the_plane(planes: torch.Tensor) -> None:
    stretched = intensity.contrast(planes, torch.full((5,), 1.25))
    assert (stretched.amax((1, 2)) <= planes.amax((1, 2))).all()
    assert (stretched.amin((1, 2)) >= planes.amin((1, 2))).all()
    assert (stretched.std((1, 2)) > planes.std((1, 2))).all()


def test_a_constant_plane_stays_finite() -> None:
    flat = torch.full((2, 16, 16), -1.5)
    for change in (intensity.contrast, intensity.gamma, intensity.gamma_inverted):
        torch.testing.assert_close(change(flat, torch.tensor([0.7, 1.3])), flat)
