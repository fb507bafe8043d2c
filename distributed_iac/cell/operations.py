"""The eight candidate operations of PC-DARTS, all at stride 1.

::

    operation = build_operation("sep_conv_5x5", channels=4, normalisation=SEARCH)
    operation(x).shape == x.shape

Shapes: (B, C, H, W) in, the same out. Definitions follow PC-DARTS (arXiv 1907.05737) and DARTS
(arXiv 1806.09055), on whose code PC-DARTS builds:

* ``sep_conv``: twice (ReLU, depthwise k x k, pointwise 1 x 1, BatchNorm).
* ``dil_conv``: once the same, with dilation 2.
* pooling: 3 x 3, stride 1, borders do not count in the average; followed by BatchNorm in the
  search only.

One departure: ``none`` returns fresh zeros. The published code computes ``x * 0``, which lets NaN
and infinity through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distributed_iac.genotype import OPERATIONS


@dataclass(frozen=True)
class Normalisation:
    """What follows convolutions and poolings.

    Args:
        affine: Whether BatchNorm learns scale and shift. Not in the search, where it would rescale
            the outputs of the candidates (DARTS).
        after_pooling: Whether poolings are normalised too, so that the outputs of all operations
            are comparable.
    """

    affine: bool
    after_pooling: bool

    def after_convolution(self, channels: int) -> nn.BatchNorm2d:
        """Build the layer that follows a convolution."""
        return nn.BatchNorm2d(channels, affine=self.affine)

    def after_pool(self, channels: int) -> nn.Module:
        """Build the layer that follows a pooling."""
        return self.after_convolution(channels) if self.after_pooling else nn.Identity()


SEARCH = Normalisation(affine=False, after_pooling=True)
"""In a cell that is being searched."""

DERIVED = Normalisation(affine=True, after_pooling=False)
"""In a discrete cell."""


class Zero(nn.Module):
    """``none``: zeros that depend on the input's shape alone."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros like ``x``, without a path for its values or gradients."""
        return torch.zeros_like(x)


class Pool(nn.Module):
    """A 3 x 3 pooling that keeps the size.

    Args:
        pool: The pooling itself.
        channels: Channels C.
        normalisation: What may follow it.
    """

    def __init__(
        self, pool: Callable[[Tensor], Tensor], channels: int, normalisation: Normalisation
    ) -> None:
        super().__init__()
        self.pool = pool
        self.norm = normalisation.after_pool(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Pool (B, C, H, W)."""
        y: Tensor = self.norm(self.pool(x))
        return y


class SeparableUnit(nn.Module):
    """ReLU, depthwise k x k, pointwise 1 x 1, BatchNorm.

    Args:
        channels: Channels C, in and out.
        kernel: Kernel size k, odd.
        dilation: Distance of the kernel's pixels.
        normalisation: What follows the convolution.
    """

    def __init__(
        self, channels: int, kernel: int, dilation: int, normalisation: Normalisation
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels,
            channels,
            kernel,
            padding=kernel // 2 * dilation,
            dilation=dilation,
            groups=channels,
            bias=False,
        )
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = normalisation.after_convolution(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, C, H, W)."""
        y: Tensor = self.norm(self.pointwise(self.depthwise(F.relu(x))))
        return y


@dataclass(frozen=True)
class Convolution:
    """What tells the four convolutions apart: kernel, dilation, and how many units follow."""

    kernel: int
    dilation: int
    repeats: int

    def build(self, channels: int, normalisation: Normalisation) -> nn.Sequential:
        """Build the operation as a sequence of :class:`SeparableUnit`."""
        return nn.Sequential(
            *(
                SeparableUnit(channels, self.kernel, self.dilation, normalisation)
                for _ in range(self.repeats)
            )
        )


CONVOLUTIONS: dict[str, Convolution] = {
    "sep_conv_3x3": Convolution(kernel=3, dilation=1, repeats=2),
    "sep_conv_5x5": Convolution(kernel=5, dilation=1, repeats=2),
    "dil_conv_3x3": Convolution(kernel=3, dilation=2, repeats=1),
    "dil_conv_5x5": Convolution(kernel=5, dilation=2, repeats=1),
}

POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "max_pool_3x3": partial(F.max_pool2d, kernel_size=3, stride=1, padding=1),
    "avg_pool_3x3": partial(
        F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False
    ),
}

BUILDERS: dict[str, Callable[[int, Normalisation], nn.Module]] = {
    "none": lambda _channels, _normalisation: Zero(),
    "skip_connect": lambda _channels, _normalisation: nn.Identity(),
    **{name: partial(Pool, pool) for name, pool in POOLINGS.items()},
    **{name: convolution.build for name, convolution in CONVOLUTIONS.items()},
}
"""Every operation by name."""

assert set(BUILDERS) == set(OPERATIONS)


def build_operation(name: str, channels: int, normalisation: Normalisation) -> nn.Module:
    """Build one operation.

    Args:
        name: One of ``OPERATIONS``.
        channels: Channels C, in and out.
        normalisation: ``SEARCH`` or ``DERIVED``.
    """
    return BUILDERS[name](channels, normalisation)
