"""BatchNorms without scale and shift, many in one call, and their running statistics at once.

::

    statistics = Statistics(count=3, channels=4)
    y = statistics.norm(x, [(a,), (b,)], weights)    # channels 0-3 by a, 4-7 by b
    z = statistics.norm(x, [(a, b)])                 # what a and b would normalise alike
    statistics.move()                                # all running statistics of the pass

Exact: results, gradients and buffers are those of the layers one by one. A full cell has about a
hundred layers; moving their buffers takes three calls instead of three a layer.

Shapes: B batch, P channels of a layer, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Layers = Sequence[nn.BatchNorm2d]


class Statistics:
    """The statistics of one pass.

    Args:
        count: How many groups of P channels the pass will normalise.
        channels: P.
    """

    def __init__(self, count: int, channels: int) -> None:
        self._count = count
        self._channels = channels
        self._groups: list[Layers] = []
        self._moments: Tensor | None = None

    def norm(self, x: Tensor, groups: Sequence[Layers], weights: Tensor | None = None) -> Tensor:
        """Normalise the i-th P channels as each layer of the i-th group would.

        Args:
            x: Shape (B, m P, H, W).
            groups: m groups of layers, all alike in momentum, epsilon and mode. Layers of one
                group have always seen the same tensors, so their running statistics are equal.
            weights: Optional factor of every channel, shape (m P,).

        Returns:
            Shape (B, m P, H, W).
        """
        layer = groups[0][0]
        if not layer.training:
            mean = torch.cat([group[0].get_buffer("running_mean") for group in groups])
            variance = torch.cat([group[0].get_buffer("running_var") for group in groups])
            return F.batch_norm(x, mean, variance, weights, None, False, 0.0, layer.eps)
        mean, variance = self._next(layer, len(groups))
        self._groups += groups
        # Moved all the way, a buffer holds the batch's own statistics.
        return F.batch_norm(x, mean, variance, weights, None, True, 1.0, layer.eps)

    def _next(self, like: nn.BatchNorm2d, groups: int) -> tuple[Tensor, Tensor]:
        """Room for the means and variances of the next groups, each (m P,)."""
        if self._moments is None:
            buffer = like.get_buffer("running_mean")
            self._moments = buffer.new_zeros(2, self._count * self._channels)
        start = len(self._groups) * self._channels
        mean, variance = self._moments[:, start : start + groups * self._channels]
        return mean, variance

    @torch.no_grad()
    def move(self) -> None:
        """Move the running statistics of everything that was normalised in training."""
        if self._moments is None:
            return
        means, variances = (moments.split(self._channels) for moments in self._moments)
        layers = [(layer, i) for i, group in enumerate(self._groups) for layer in group]
        buffers = [dict(layer.named_buffers(recurse=False)) for layer, _ in layers]
        momentum = layers[0][0].momentum
        assert momentum is not None
        torch._foreach_lerp_(
            [b["running_mean"] for b in buffers], [means[i] for _, i in layers], momentum
        )
        torch._foreach_lerp_(
            [b["running_var"] for b in buffers], [variances[i] for _, i in layers], momentum
        )
        torch._foreach_add_([b["num_batches_tracked"] for b in buffers], 1)
