from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distributed_iac.cell.operations import DERIVED, SEARCH, Normalisation, build_operation
from distributed_iac.genotype import OPERATIONS


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 4, 9, 11, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("normalisation", [SEARCH, DERIVED], ids=["search", "derived"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_keeps_the_shape(
    name: str, normalisation: Normalisation, x: Tensor
) -> None:
    assert build_operation(name, 4, normalisation)(x).shape == x.shape


@pytest.mark.parametrize("name", OPERATIONS)
def test_only_discrete_cells_learn_scale_and_shift(name: str) -> None:
    search = [m for m in build_operation(name, 4, SEARCH).modules() if _is_norm(m)]
    derived = [m for m in build_operation(name, 4, DERIVED).modules() if _is_norm(m)]
    assert all(norm.weight is None for norm in search)
    assert all(norm.weight is not None for norm in derived)
    assert len(search) == len(derived) + name.endswith("pool_3x3")


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d)


@pytest.mark.parametrize(
    ("name", "kernels", "dilation"),
    [
        ("sep_conv_3x3", [3, 1, 3, 1], 1),
        ("sep_conv_5x5", [5, 1, 5, 1], 1),
        ("dil_conv_3x3", [3, 1], 2),
        ("dil_conv_5x5", [5, 1], 2),
    ],
)
def test_convolutions_are_those_of_darts(name: str, kernels: list[int], dilation: int) -> None:
    convolutions = [m for m in build_operation(name, 4, SEARCH).modules() if _is_conv(m)]
    assert [conv.kernel_size for conv in convolutions] == [(k, k) for k in kernels]
    for conv in convolutions:
        depthwise = conv.kernel_size != (1, 1)
        assert conv.groups == (4 if depthwise else 1)
        assert conv.dilation == ((dilation, dilation) if depthwise else (1, 1))
        assert conv.bias is None


def _is_conv(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d)


def test_a_convolution_sees_only_what_is_positive(x: Tensor) -> None:
    operation = build_operation("sep_conv_3x3", 4, SEARCH)
    assert torch.equal(operation(x), operation(x.clamp(min=0)))


def test_borders_do_not_count_in_the_average() -> None:
    operation = build_operation("avg_pool_3x3", 1, DERIVED)
    ones = torch.ones(1, 1, 5, 5)
    assert torch.equal(operation(ones), ones)


def test_max_pooling_takes_the_neighbourhood(x: Tensor) -> None:
    pooled = build_operation("max_pool_3x3", 4, DERIVED)(x)
    patches = F.unfold(F.pad(x, (1, 1, 1, 1), value=-torch.inf), 3).view(2, 4, 9, 9, 11)
    assert torch.equal(pooled, patches.amax(2))


def test_skip_is_the_identity(x: Tensor) -> None:
    assert build_operation("skip_connect", 4, SEARCH)(x) is x


def test_none_lets_nothing_through() -> None:
    x = torch.tensor([[[[torch.nan, torch.inf]]]], requires_grad=True)
    y = build_operation("none", 1, SEARCH)(x)
    assert torch.equal(y, torch.zeros(1, 1, 1, 2))
    assert not y.requires_grad
