"""From label maps to what a network is trained on, and back.

::

    coder = TargetCoder(store.fingerprint.labels)
    network = build_backbone(settings, channels, coder.outputs, ...)
    target, known = coder.encode(labels)           # (B, K, H, W), (B, 1, H, W)
    predicted = coder.decode(network(images))      # (B, H, W) label values

Two codings: *classes* (softmax over background and every class) where the labels exclude one
another, and *regions* (a sigmoid each) where the targets overlap (BraTS WT/TC/ET, KiTS).

Shapes: B batch, K outputs, H x W pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from distributed_iac.data.contract import LabelScheme

Activation = Literal["softmax", "sigmoid"]


class TargetCoder(nn.Module):
    """Look-up tables for one label scheme; follows the device it is moved to.

    Args:
        scheme: Meaning of the label values.
    """

    members: Tensor
    known: Tensor
    paint: Tensor

    def __init__(self, scheme: LabelScheme) -> None:
        super().__init__()
        self.scheme = scheme
        self.activation: Activation = "sigmoid" if scheme.regions else "softmax"
        groups = [target.values for target in scheme.targets]
        if self.activation == "softmax":
            groups = [(0,), *groups]
        members = torch.zeros(len(groups), 256)
        for row, values in enumerate(groups):
            members[row, list(values)] = 1.0
        known = torch.ones(256)
        if scheme.ignore is not None:
            known[scheme.ignore] = 0.0
        values = scheme.region_order if scheme.regions else (0, *scheme.classes)
        # Derived from the scheme, hence no part of any checkpoint.
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("known", known, persistent=False)
        self.register_buffer("paint", torch.tensor(values, dtype=torch.uint8), persistent=False)

    @property
    def outputs(self) -> int:
        """Channels K that the network must produce."""
        return self.members.shape[0]

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of what is scored, background excluded."""
        return tuple(target.name for target in self.scheme.targets)

    def encode(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Encode label values.

        Args:
            labels: Integer label values, (B, H, W).

        Returns:
            The target in {0, 1}, (B, K, H, W), and 1 where the label is known (not the ignore
            label), (B, 1, H, W).
        """
        index = labels.long()
        return self.members[:, index].movedim(0, 1), self.known[index].unsqueeze(1)

    def decode(self, logits: Tensor) -> Tensor:
        """Turn logits (B, K, H, W) into label values (B, H, W), uint8.

        Regions are painted in the scheme's ``region_order``, later ones over earlier ones
        (nnU-Net's rule).
        """
        if self.activation == "softmax":
            return self.paint[logits.argmax(1)]
        labels = torch.zeros_like(logits[:, 0], dtype=torch.uint8)
        for region, value in enumerate(self.paint):
            labels = torch.where(logits[:, region] > 0, value, labels)
        return labels

    def masks(self, labels: Tensor) -> Tensor:
        """Membership of every scored target, (B, T, H, W), background excluded."""
        start = 1 if self.activation == "softmax" else 0
        return self.members[start:, labels.long()].movedim(0, 1).bool()
