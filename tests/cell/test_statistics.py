from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from distributed_iac.cell.statistics import Statistics


def image(channels: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, channels, 7, 6, generator=generator, dtype=torch.float64)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def layers(count: int) -> list[nn.BatchNorm2d]:
    return [nn.BatchNorm2d(4, affine=False).double() for _ in range(count)]


def assert_same_buffers(ours: list[nn.BatchNorm2d], theirs: list[nn.BatchNorm2d]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        for name, buffer in other.state_dict().items():
            torch.testing.assert_close(one.state_dict()[name], buffer, atol=1e-14, rtol=0)


@pytest.mark.parametrize("training", [True, False])
def test_a_group_after_the_other_is_every_layer_on_its_own_channels(training: bool) -> None:
    ours, theirs = layers(3), layers(3)
    for x in (image(12), image(12, seed=1)):
        statistics = Statistics(3, 4)
        scale = torch.rand(3, dtype=torch.float64, requires_grad=True)
        stacked = statistics.norm(x, [(norm,) for norm in ours], scale.repeat_interleave(4))
        statistics.move()
        alone = torch.cat(
            [f * norm(part) for f, norm, part in zip(scale, theirs, x.split(4, 1), strict=True)], 1
        )
        torch.testing.assert_close(stacked, alone, atol=1e-12, rtol=0)
        seed = torch.randn_like(alone)
        for one, other in zip(
            torch.autograd.grad(stacked, [x, scale], seed),
            torch.autograd.grad(alone, [x, scale], seed),
            strict=True,
        ):
            torch.testing.assert_close(one, other, atol=1e-11, rtol=0)
        assert_same_buffers(ours, theirs)
        for norm in ours + theirs:
            norm.train(training)


def test_layers_that_see_the_same_move_alike_and_are_normalised_once() -> None:
    ours, theirs = layers(4), layers(4)
    for seed in range(2):
        x, other = image(4, seed), image(4, seed + 2)
        statistics = Statistics(2, 4)
        together = statistics.norm(x, [ours[:3]])
        single = statistics.norm(other, [ours[3:]])
        statistics.move()
        for norm in theirs[:3]:
            torch.testing.assert_close(together, norm(x), atol=1e-12, rtol=0)
        torch.testing.assert_close(single, theirs[3](other), atol=1e-12, rtol=0)
    assert_same_buffers(ours, theirs)


def test_nothing_moves_where_nothing_was_normalised() -> None:
    norm = layers(1)[0]
    statistics = Statistics(1, 4)
    statistics.move()
    assert int(norm.get_buffer("num_batches_tracked")) == 0
