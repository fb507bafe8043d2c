"""Many small operations computed as few large ones.

::

    y = fan_out(x, units)                  # units that all read x: (B, P, H, W) to (B, m P, H, W)
    y = side_by_side(y, units)             # unit i reads the i-th P channels of y
    y = stacked_norm(y, norms, scale)      # m BatchNorms, and a factor for each, in one call

All functions are exact: they take the weights and the running statistics of the modules that they
stand for, and update the statistics alike. ReLU is left to the caller, who shares it.

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
from torch import Tensor, nn
from torch.nn import functional as F

from distributed_iac.cell.operations import SeparableUnit

Layout = Literal["unit_major", "channel_major"]

DENSE_UP_TO = 16
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


def fan_out(x: Tensor, units: Sequence[SeparableUnit]) -> Tensor:
    """Convolve one tensor with the depthwise and pointwise convolutions of several units.

    The units' depthwise convolutions are one with m outputs a channel.

    Args:
        x: Shape (B, P, H, W), after the ReLU.
        units: m units of equal kernel and dilation.

    Returns:
        Shape (B, m P, H, W), before the normalisation.
    """
    weight = torch.stack([unit.depthwise.weight for unit in units], dim=1).flatten(0, 1)
    y = _depthwise(x, weight, units[0], groups=x.shape[1])
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
    y = _depthwise(x, weight, units[0], groups=x.shape[1])
    return _pointwise(y, units, "unit_major")


def _depthwise(x: Tensor, weight: Tensor, unit: SeparableUnit, groups: int) -> Tensor:
    dilation = unit.depthwise.dilation[0]
    padding = weight.shape[-1] // 2 * dilation
    return F.conv2d(x, weight, padding=padding, dilation=dilation, groups=groups)


def _pointwise(x: Tensor, units: Sequence[SeparableUnit], layout: Layout) -> Tensor:
    """Apply each unit's pointwise convolution to its channels; the result is unit-major."""
    y = pixels_last(x)
    count = len(units)
    weights = torch.stack([unit.pointwise.weight.flatten(1) for unit in units])
    channels = weights.shape[-1]
    if count == 1:
        return channels_first(F.linear(y, weights[0]))
    if channels <= DENSE_UP_TO:
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


def stacked_norm(x: Tensor, norms: Sequence[nn.BatchNorm2d], scale: Tensor | None = None) -> Tensor:
    """Normalise the i-th P channels by the i-th BatchNorm, in one call.

    Args:
        x: Shape (B, m P, H, W).
        norms: m layers without affine parameters; their running statistics move in training.
        scale: Optional factor of every unit's result, shape (m,).

    Returns:
        Shape (B, m P, H, W).
    """
    first, channels = norms[0], norms[0].num_features
    means, variances = (
        torch.cat(list(part)) for part in zip(*map(_statistics, norms), strict=True)
    )
    factor = None if scale is None else scale.repeat_interleave(channels)
    assert first.momentum is not None
    y = F.batch_norm(x, means, variances, factor, None, first.training, first.momentum, first.eps)
    if first.training:
        for norm, mean, variance in zip(
            norms, means.split(channels), variances.split(channels), strict=True
        ):
            _set_statistics(norm, mean, variance)
    return y


def shared_norm(x: Tensor, norms: Sequence[nn.BatchNorm2d]) -> Tensor:
    """Normalise once what several BatchNorms would normalise alike.

    The layers have always seen the same tensors, so their running statistics are equal.

    Args:
        x: Shape (B, P, H, W).
        norms: Layers without affine parameters; all their running statistics move in training.

    Returns:
        Shape (B, P, H, W).
    """
    y: Tensor = norms[0](x)
    if norms[0].training:
        for norm in norms[1:]:
            _set_statistics(norm, *_statistics(norms[0]))
    return y


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


@torch.no_grad()
def _set_statistics(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    own_mean, own_variance = _statistics(norm)
    own_mean.copy_(mean)
    own_variance.copy_(variance)
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
