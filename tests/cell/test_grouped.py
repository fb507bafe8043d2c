from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distributed_iac.cell import grouped
from distributed_iac.cell.operations import SEARCH, SeparableUnit

WIDE = grouped.DENSE_UP_TO + 4


def image(channels: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, 7, 6, generator=generator, dtype=torch.float64)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def units(count: int, channels: int, kernel: int, dilation: int) -> list[SeparableUnit]:
    return [SeparableUnit(channels, kernel, dilation, SEARCH).double() for _ in range(count)]


def alone(x: Tensor, unit: SeparableUnit) -> Tensor:
    y: Tensor = unit.pointwise(unit.depthwise(x))
    return y


def assert_same(ours: Tensor, theirs: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)
    seed = torch.randn_like(theirs)
    for one, other in zip(
        torch.autograd.grad(ours, inputs, seed),
        torch.autograd.grad(theirs, inputs, seed),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 4, WIDE])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 2)])
def test_fanning_out_is_every_unit_on_the_same_input(
    count: int, channels: int, kernel: int, dilation: int
) -> None:
    x, members = image(channels), units(count, channels, kernel, dilation)
    parameters = [p for unit in members for p in unit.parameters()]
    one_by_one = torch.cat([alone(x, unit) for unit in members], 1)
    assert_same(grouped.fan_out(x, members), one_by_one, [x, *parameters])


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 4, WIDE])
def test_side_by_side_is_every_unit_on_its_own_channels(count: int, channels: int) -> None:
    x, members = image(count * channels), units(count, channels, 3, 1)
    parameters = [p for unit in members for p in unit.parameters()]
    one_by_one = torch.cat(
        [alone(part, unit) for part, unit in zip(x.split(channels, 1), members, strict=True)], 1
    )
    assert_same(grouped.side_by_side(x, members), one_by_one, [x, *parameters])


@pytest.mark.parametrize("training", [True, False])
def test_stacked_norms_are_the_norms_and_move_their_statistics(training: bool) -> None:
    x = image(12)
    ours, theirs = (
        [nn.BatchNorm2d(4, affine=False).double().train(training) for _ in range(3)]
        for _ in range(2)
    )
    scale = torch.rand(3, dtype=torch.float64, requires_grad=True)
    stacked = grouped.stacked_norm(x, ours, scale)
    parts = [
        factor * norm(part) for factor, norm, part in zip(scale, theirs, x.split(4, 1), strict=True)
    ]
    assert_same(stacked, torch.cat(parts, 1), [x, scale])
    for one, other in zip(ours, theirs, strict=True):
        for name, buffer in other.state_dict().items():
            torch.testing.assert_close(one.state_dict()[name], buffer)


def test_a_shared_norm_moves_the_statistics_of_all() -> None:
    x = image(4)
    ours, theirs = ([nn.BatchNorm2d(4, affine=False).double() for _ in range(3)] for _ in "ab")
    for _ in range(2):
        y = grouped.shared_norm(x, ours)
        for norm in theirs:
            torch.testing.assert_close(norm(x), y)
    for one, other in zip(ours, theirs, strict=True):
        for name, buffer in other.state_dict().items():
            assert torch.equal(one.state_dict()[name], buffer)


def test_layouts_are_views() -> None:
    x = image(3)
    assert grouped.channels_first(grouped.pixels_last(x)).data_ptr() == x.data_ptr()
    assert F.relu(grouped.channels_first(grouped.pixels_last(x))).shape == x.shape
