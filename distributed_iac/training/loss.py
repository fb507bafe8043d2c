"""Dice plus cross-entropy over known pixels.

::

    loss = SegmentationLoss(settings, coder.activation)
    loss(network(images), *coder.encode(labels)).backward()

The soft Dice is summed over the batch (nnU-Net's ``batch_dice``), so that a slice without a
structure does not count as a miss. Equal to MONAI's ``DiceCELoss(batch=True,
include_background=False)`` where every pixel is known (a test); own code because that one has no
ignore label for overlapping regions, and to take softmax and log-softmax from one pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distributed_iac.config.training import LossSettings
from distributed_iac.training.targets import Activation


class SegmentationLoss(nn.Module):
    """Weighted sum of soft Dice and cross-entropy.

    Args:
        settings: Weights and smoothing.
        activation: ``softmax`` for exclusive classes, ``sigmoid`` for overlapping regions.
    """

    def __init__(self, settings: LossSettings, activation: Activation) -> None:
        super().__init__()
        self.settings = settings
        self.activation = activation

    def forward(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        """Return the scalar loss.

        Args:
            logits: (B, K, H, W), any floating type; computed in float32 or wider.
            target: {0, 1}, (B, K, H, W).
            known: 1 where the label counts, (B, 1, H, W).
        """
        logits = logits if logits.dtype == torch.float64 else logits.float()
        target, known = target.to(logits.dtype), known.to(logits.dtype)
        if self.activation == "softmax":
            log_probability = F.log_softmax(logits, dim=1)
            probability = log_probability.exp()[:, 1:]
            entropy = -(target * log_probability).sum(1, keepdim=True)
            target = target[:, 1:]
        else:
            probability = logits.sigmoid()
            entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        pixels = (known.sum() * entropy.shape[1]).clamp(min=1)
        cross_entropy = (entropy * known).sum() / pixels
        return (
            self.settings.dice_weight * self._dice_loss(probability, target, known)
            + self.settings.cross_entropy_weight * cross_entropy
        )

    def _dice_loss(self, probability: Tensor, target: Tensor, known: Tensor) -> Tensor:
        axes = (0, 2, 3)
        overlap = (probability * target * known).sum(axes)
        total = (probability * known).sum(axes) + (target * known).sum(axes)
        smooth = self.settings.smooth
        return 1 - ((2 * overlap + smooth) / (total + smooth)).mean()


def deep_supervision_loss(
    loss: SegmentationLoss, outputs: Sequence[Tensor], target: Tensor, known: Tensor
) -> Tensor:
    """Combine the losses of several scales, finest first, weights halving with each scale.

    Coarser targets are picked by nearest neighbour. Weights as nnU-Net: 1, 1/2, 1/4 ...,
    normalised to sum to 1; the coarsest scale is left out when there are several.
    """
    used = outputs[:-1] if len(outputs) > 1 else outputs
    weights = [0.5**scale for scale in range(len(used))]
    total = sum(weights)
    terms = [
        weight / total * loss(output, _resized(target, output), _resized(known, output))
        for weight, output in zip(weights, used, strict=True)
    ]
    return torch.stack(terms).sum()


def _resized(value: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    return value if value.shape[-2:] == size else F.interpolate(value, size, mode="nearest-exact")
