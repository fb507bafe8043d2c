"""Many small convolutions computed as few large ones.

::

    y = fan_out(x, units)                  # units that all read x: (B, P, H, W) to (B, m P, H, W)
    y = side_by_side(y, units)             # unit i reads the i-th P channels of y

Both are exact: they take the weights of the modules that they stand for. ReLU and normalisation
are left to the caller.

Shapes: B batch, m units, P channels of a unit, H x W pixels. Results are ``channels_last`` with
the channels of unit i at ``i P .. (i + 1) P``; the strides matter for speed alone. Measured on one
CPU thread (8 x 64 x 64 pixels, forward and backward), against torch's default layout: depthwise
convolutions of 4 to 128 channels are 1 to 4 times faster in this one, poolings of 8 to 64 channels
2.4 to 5.6 times, BatchNorm of 16 and more up to 2 times. On a GPU it has not been measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from distributed_iac.cell.operations import SeparableUnit

Layout = Literal["unit_major", "channel_major"]

BLOCK_DIAGONAL_UP_TO = 16
"""Largest P at which m pointwise convolutions are one dense product with a block-diagonal matrix.

Up to there the wasted multiplications cost less than the overhead of narrow products: measured on
one CPU thread (m = 4, N = 32768 pixels, forward and backward), dense against separate takes
1.5 / 3.7 ms at P = 4, 3.2 / 5.2 at 8, 5.9 / 8.6 at 16, but 21 / 13 at 32.
"""


def pixels_last(x: Tensor) -> Tensor:
    """View (B, C, H, W) as (B, H, W, C)."""
    return x.permute(0, 2, 3, 1)


def channels_first(x: Tensor) -> Tensor:
    """View (B, H, W, C) as (B, C, H, W)."""
    return x.permute(0, 3, 1, 2)


def composes(units: int, channels: int) -> bool:
    """Whether m units of P channels that read one tensor are computed as a dense convolution.

    Nothing stands between a unit's depthwise and its pointwise convolution, so the two are one
    dense convolution with the weight ``pointwise[q, p] * depthwise[p]``: more multiplications,
    but one pass over the memory instead of three, and none of the slow weight gradients of
    depthwise 5 x 5 kernels. One-off timings on a CPU thread (8 x 64 x 64 pixels, forward and
    backward, milliseconds of the thread; ``benchmarks/supernet.py`` times the cells that follow
    from them), dense / in two steps:

    ====  ===  ===========  ===========  ===================
    P     m    3 x 3        5 x 5        5 x 5, dilation 2
    ====  ===  ===========  ===========  ===================
    4     4    2.7 / 4.7    5.4 / 7.2    5.0 / 7.2
    4     1    1.4 / 1.9    3.0 / 3.1    2.8 / 3.0
    8     4    6.1 / 12.7   12.8 / 16.7  12.1 / 14.1
    8     1    2.0 / 1.8    5.4 / 3.9    5.2 / 5.3
    16    4    14.2 / 24.2  33.0 / 36.2  32.5 / 31.6
    16    1    4.5 / 3.2    9.0 / 6.7    8.9 / 10.7
    32    1    13.8 / 6.8   29.3 / 13.5  30.8 / 23.2
    ====  ===  ===========  ===========  ===================

    At P = 32 and m = 4, 5 x 5 kernels take 115 ms either way. For units that read tensors of
    their own the same idea is a grouped convolution, which is no faster (P = 4: 3.5 / 3.7 and
    7.9 / 6.7; P = 8: 8.4 / 8.6 and 16.4 / 15.4; P = 16: 19.8 / 21.1 and 38.5 / 35.7).
    """
    return channels <= 4 or (units > 1 and channels <= 16)


def fan_out(x: Tensor, units: Sequence[SeparableUnit]) -> Tensor:
    """Convolve one tensor with the depthwise and pointwise convolutions of several units.

    Args:
        x: Shape (B, P, H, W), after the ReLU.
        units: m units of equal kernel and dilation.

    Returns:
        Shape (B, m P, H, W), before the normalisation.
    """
    channels = x.shape[1]
    if composes(len(units), channels):
        depthwise = torch.stack([unit.depthwise.weight for unit in units]).transpose(1, 2)
        pointwise = torch.stack([unit.pointwise.weight for unit in units])
        return _convolve(x, (pointwise * depthwise).flatten(0, 1), units[0])
    weight = torch.stack([unit.depthwise.weight for unit in units], dim=1).flatten(0, 1)
    y = _convolve(x, weight, units[0], groups=channels)
    return _pointwise(y, units, "channel_major")


def side_by_side(x: Tensor, units: Sequence[SeparableUnit]) -> Tensor:
    """Convolve the i-th P channels with the convolutions of the i-th unit.

    Args:
        x: Shape (B, m P, H, W), after the ReLU.
        units: m units of equal kernel and dilation.

    Returns:
        Shape (B, m P, H, W), before the normalisation.
    """
    weight = torch.cat([unit.depthwise.weight for unit in units])
    y = _convolve(x, weight, units[0], groups=x.shape[1])
    return _pointwise(y, units, "unit_major")


def _convolve(x: Tensor, weight: Tensor, unit: SeparableUnit, groups: int = 1) -> Tensor:
    dilation = unit.depthwise.dilation[0]
    padding = weight.shape[-1] // 2 * dilation
    return F.conv2d(x, weight, padding=padding, dilation=dilation, groups=groups)


def _pointwise(x: Tensor, units: Sequence[SeparableUnit], layout: Layout) -> Tensor:
    """Apply each unit's pointwise convolution to its channels; the result is unit-major."""
    y = pixels_last(x)
    count = len(units)
    if count == 1:
        return channels_first(F.linear(y, units[0].pointwise.weight.flatten(1)))
    weights = torch.stack([unit.pointwise.weight.flatten(1) for unit in units])
    channels = weights.shape[-1]
    if channels <= BLOCK_DIAGONAL_UP_TO:
        return channels_first(F.linear(y, _block_diagonal(weights, layout)))
    if layout == "channel_major":
        z = torch.einsum("bhwpm,mqp->bhwmq", y.unflatten(-1, (channels, count)), weights)
    else:
        z = torch.einsum("bhwmp,mqp->bhwmq", y.unflatten(-1, (count, channels)), weights)
    return channels_first(z.flatten(-2))


def _block_diagonal(weights: Tensor, layout: Layout) -> Tensor:
    """Spread (m, Q, P) to (m Q, m P), with columns in the order of the input's channels."""
    count, channels, _ = weights.shape
    eye = torch.eye(count, dtype=weights.dtype, device=weights.device)
    if layout == "channel_major":
        spread = weights.unsqueeze(-1) * eye[:, None, None, :]
    else:
        spread = weights.unsqueeze(-2) * eye[:, None, :, None]
    return spread.reshape(count * channels, count * channels)
