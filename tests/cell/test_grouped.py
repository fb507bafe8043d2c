from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from distributed_iac.cell import grouped
from distributed_iac.cell.operations import SEARCH, SeparableUnit

WIDE = grouped.BLOCK_DIAGONAL_UP_TO + 4


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


def test_units_are_composed_where_that_was_measured_to_be_faster() -> None:
    assert grouped.composes(units=1, channels=4)
    assert grouped.composes(units=2, channels=16)
    assert not grouped.composes(units=1, channels=8)
    assert not grouped.composes(units=4, channels=WIDE)


def test_layouts_are_views() -> None:
    x = image(3)
    assert grouped.channels_first(grouped.pixels_last(x)).data_ptr() == x.data_ptr()
    assert F.relu(grouped.channels_first(grouped.pixels_last(x))).shape == x.shape
