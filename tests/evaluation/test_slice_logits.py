"""Logits of whole slices, whatever their size; mirrored where asked; nothing but numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from distributed_iac.errors import NumericalError
from distributed_iac.evaluation.inference import Inference, slice_logits, window_starts

CPU = torch.device("cpu")
PLAIN = Inference()


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)).eval()


def slices(*shape: int) -> Any:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float16)


def predicted(network: nn.Module, images: Any, window: Any, way: Inference = PLAIN) -> Any:
    return np.stack(list(slice_logits(network, images, window, way, CPU)))


@pytest.mark.parametrize("size", [(8, 6), (16, 12), (9, 20)])
def test_the_batch_of_slices_does_not_show(network: nn.Module, size: Any) -> None:
    images = slices(5, 1, *size)
    one, two, all_of_them = (
        predicted(network, images, (8, 6), Inference((), batch)) for batch in (1, 2, 50)
    )
    assert one.shape == (5, 2, *size)
    np.testing.assert_allclose(one, two, atol=1e-6)
    np.testing.assert_allclose(one, all_of_them, atol=1e-6)


def test_a_slice_of_the_windows_size_is_predicted_in_one_piece(network: nn.Module) -> None:
    images = slices(5, 1, 8, 6)
    with torch.no_grad():
        expected = network(torch.from_numpy(images).float())
    np.testing.assert_array_equal(predicted(network, images, (8, 6), Inference((), 5)), expected)


@pytest.mark.parametrize("size", [(17, 16), (16, 40), (33, 47)])
def test_every_pixel_of_a_larger_slice_is_predicted(size: Any) -> None:
    """A network that looks at single pixels gives the same through windows as at once."""
    network = nn.Conv2d(1, 3, 1).eval()
    images = slices(2, 1, *size)
    with torch.no_grad():
        expected = network(torch.from_numpy(images).float())
    found = predicted(network, images, (16, 16))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_windows_are_blended_with_more_weight_in_their_middle() -> None:
    class Ramp(nn.Module):
        """Says how far a pixel is from the left of its window."""

        def forward(self, images: Tensor) -> Tensor:
            return torch.arange(images.shape[3]).expand_as(images).float()

    line = predicted(Ramp(), slices(1, 1, 8, 12), (8, 8))[0, 0, 0]
    assert line[:4].tolist() == pytest.approx([0, 1, 2, 3])
    assert line[8:].tolist() == pytest.approx([4, 5, 6, 7])
    assert (line[4:8] < [4, 5, 6, 7]).all()
    assert (line[4:8] > [0, 1, 2, 3]).all()


def test_mirroring_averages_over_all_combinations(network: nn.Module) -> None:
    images = slices(3, 1, 8, 6)
    x = torch.from_numpy(images).float()
    with torch.no_grad():
        expected = sum(network(x.flip(d)).flip(d) for d in ([], [2], [3], [2, 3])) / 4
    found = predicted(network, images, (8, 6), Inference(("rows", "columns")))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(st.integers(1, 400), st.integers(2, 64))
def test_windows_reach_both_ends_at_nnunets_number_of_steps(length: int, side: int) -> None:
    length = max(length, side)
    (starts,) = window_starts([length], [side])
    assert len(starts) == math.ceil((length - side) / (side * 0.5)) + 1
    assert starts[0] == 0
    assert starts[-1] + side == length
    steps = np.diff(starts)
    assert (steps > 0).all()
    assert (steps <= math.ceil(side * 0.5)).all()


def test_slices_come_as_soon_as_their_batch_is_done(network: nn.Module) -> None:
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    next(slice_logits(network, slices(5, 1, 8, 6), (8, 6), Inference((), 2), CPU))
    assert len(calls) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_with_its_slices(network: nn.Module, value: float) -> None:
    images = slices(5, 1, 8, 6)
    images[3, 0, 4, 4] = value
    with pytest.raises(NumericalError, match="slices 2 to 3"):
        predicted(network, images, (8, 6), Inference((), 2))
