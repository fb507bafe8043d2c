"""Changes of grey values, each for a stack of planes with one amount a plane.

::

    planes = gamma(planes, amount=torch.tensor([0.8, 1.3]))      # planes: (2, H, W)

Shapes: n planes (one channel of one sample each), H x W pixels; an amount is (n,). Nothing here
is random and nothing loops over planes: a stack costs a handful of kernels whatever its size.
Formulas are those of batchgeneratorsv2, the library of nnU-Net.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

PlaneChange = Callable[[Tensor, Tensor], Tensor]
"""``(planes (n, H, W), amount (n,)) -> planes (n, H, W)``."""

_TINY = 1e-7
_KERNEL_REACH = 3.0


def brightness(planes: Tensor, amount: Tensor) -> Tensor:
    """Multiply."""
    return planes * amount[:, None, None]


def contrast(planes: Tensor, amount: Tensor) -> Tensor:
    """Stretch the distance to the mean, without leaving the plane's own range of values."""
    mean = planes.mean(dim=(1, 2), keepdim=True)
    low, high = planes.amin(dim=(1, 2), keepdim=True), planes.amax(dim=(1, 2), keepdim=True)
    return ((planes - mean) * amount[:, None, None] + mean).clamp(low, high)


def gamma(planes: Tensor, amount: Tensor) -> Tensor:
    """Raise to a power between the plane's extremes; mean and standard deviation are kept."""
    low = planes.amin(dim=(1, 2), keepdim=True)
    extent = planes.amax(dim=(1, 2), keepdim=True) - low
    bent = ((planes - low) / extent.clamp(min=_TINY)).pow(amount[:, None, None]) * extent + low
    mean, deviation = _moments(planes)
    new_mean, new_deviation = _moments(bent)
    return (bent - new_mean) * (deviation / new_deviation.clamp(min=_TINY)) + mean


def gamma_inverted(planes: Tensor, amount: Tensor) -> Tensor:
    """Apply :func:`gamma` to the negative: bends the bright end instead of the dark one."""
    return -gamma(-planes, amount)


def blur(planes: Tensor, rows: Tensor, columns: Tensor, largest: float) -> Tensor:
    """Convolve with a Gaussian of its own width for each plane and axis.

    Args:
        planes: (n, H, W); H and W above ``3 * largest``.
        rows: (n,) standard deviation along the rows' axis, in pixels, above 0.
        columns: (n,) standard deviation along the columns' axis.
        largest: Upper bound of all deviations; fixes the kernel's size without asking the device.

    Returns:
        (n, H, W), borders reflected. The kernel reaches three deviations of ``largest``
        (batchgeneratorsv2: three deviations of each plane's own).
    """
    n = planes.shape[0]
    reach = math.ceil(_KERNEL_REACH * largest)
    padded = F.pad(planes[None], (reach, reach, reach, reach), mode="reflect")
    vertical = _gaussian(rows, reach)[:, None, :, None]
    horizontal = _gaussian(columns, reach)[:, None, None, :]
    return F.conv2d(F.conv2d(padded, vertical, groups=n), horizontal, groups=n)[0]


def low_resolution(planes: Tensor, amount: Tensor) -> Tensor:
    """Throw away pixels and interpolate them back.

    The coarse picture has ``round(side * amount)`` pixels a side, taken by ``nearest-exact``, and
    is brought back bilinearly (``align_corners=False``), as ``F.interpolate`` would plane by
    plane. Here both are folded into two look-ups an axis, because coarse sizes differ from plane
    to plane.
    """
    height, width = planes.shape[1:]
    below, above, weight = _coarse_neighbours(amount, height)
    planes = torch.lerp(
        planes.gather(1, below[:, :, None].expand_as(planes)),
        planes.gather(1, above[:, :, None].expand_as(planes)),
        weight[:, :, None],
    )
    below, above, weight = _coarse_neighbours(amount, width)
    return torch.lerp(
        planes.gather(2, below[:, None, :].expand_as(planes)),
        planes.gather(2, above[:, None, :].expand_as(planes)),
        weight[:, None, :],
    )


def _moments(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Return (n, 1, 1) mean and standard deviation; on a CPU twice as fast as ``Tensor.std``."""
    mean = planes.mean(dim=(1, 2), keepdim=True)
    return mean, (planes - mean).square().mean(dim=(1, 2), keepdim=True).sqrt()


def _gaussian(deviation: Tensor, reach: int) -> Tensor:
    """Return (n, 2 reach + 1) weights that sum to 1."""
    offset = torch.arange(-reach, reach + 1, device=deviation.device, dtype=deviation.dtype)
    weight = torch.exp(-0.5 * (offset / deviation[:, None]).square())
    return weight / weight.sum(dim=1, keepdim=True)


def _coarse_neighbours(amount: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Find, for each fine pixel, the two fine pixels that its coarse neighbours were taken from.

    Returns:
        Two (n, side) index tensors and the (n, side) weight of the second.
    """
    coarse = (amount * side).round().clamp(min=1)[:, None]
    pixel = torch.arange(side, device=amount.device, dtype=amount.dtype)
    position = ((pixel + 0.5) * (coarse / side) - 0.5).clamp(min=0)
    below = position.floor().minimum(coarse - 1)
    above = (below + 1).minimum(coarse - 1)
    step = side / coarse
    return (
        ((below + 0.5) * step).floor().long(),
        ((above + 0.5) * step).floor().long(),
        (position - below).clamp(0, 1),
    )
