"""From label maps to what a network is trained on, and back.

::

    coder = TargetCoder(store.fingerprint.labels).to(device)
    target, known = coder.encode(labels)           # (B, K, H, W), (B, 1, H, W)
    predicted = coder.decode(network(images))      # (B, H, W) label values

The coding is that of ``data/targets.py``, here as look-up tables on a device.

Shapes: B batch, K outputs, H x W pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from distributed_iac.data.contract import LabelScheme
from distributed_iac.data.targets import LABEL_VALUES, membership, output_values

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
        members = torch.from_numpy(membership(scheme)).float()
        if self.activation == "softmax":
            background = torch.zeros(1, LABEL_VALUES)
            background[0, 0] = 1.0
            members = torch.cat([background, members])
        known = torch.ones(LABEL_VALUES)
        if scheme.ignore is not None:
            known[scheme.ignore] = 0.0
        paint = torch.tensor(output_values(scheme), dtype=torch.uint8)
        # Derived from the scheme, hence no part of any checkpoint.
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("known", known, persistent=False)
        self.register_buffer("paint", paint, persistent=False)

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
