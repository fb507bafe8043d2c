"""Operations that get more channels: what was learned is kept, what is new starts afresh.

::

    larger = build_operation("sep_conv_3x3", 8, SEARCH)         # fresh weights
    growth = grow(smaller, larger)                              # 4 channels become 8
    larger_moments = keep(moments, torch.zeros_like(growth[0].new))

The kept channels are the first ones. They compute what they computed before: in a pointwise
convolution, weights from new channels to kept ones start at 0, and are free to leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Growth:
    """A weight that was replaced by a larger one.

    Args:
        old: Before.
        new: After; at least as large along every axis.
    """

    old: nn.Parameter
    new: nn.Parameter


@torch.no_grad()
def grow(smaller: nn.Module, larger: nn.Module) -> Sequence[Growth]:
    """Copy the channels of an operation into one of the same kind with more channels.

    Args:
        smaller: Left as it is.
        larger: Its first channels become those of ``smaller``; the others stay as they are.

    Returns:
        The weights that were replaced, in the order of ``parameters()``.
    """
    for name, buffer in smaller.named_buffers():
        keep(buffer, larger.get_buffer(name))
    growth = []
    for name, old in smaller.named_parameters():
        new = larger.get_parameter(name)
        new[: old.shape[0], old.shape[1] :].zero_()
        keep(old, new)
        growth.append(Growth(old, new))
    return growth


def keep(old: Tensor, new: Tensor) -> Tensor:
    """Overwrite the first entries of ``new``, along every axis, with ``old``; returns ``new``."""
    new[tuple(slice(size) for size in old.shape)] = old
    return new
