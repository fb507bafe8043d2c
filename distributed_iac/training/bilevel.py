"""One bilevel step of PC-DARTS, first order: architecture on one batch, weights on another.

::

    losses = bilevel.architecture_step(batch_a)       # alpha, beta: Adam
    losses = bilevel.weight_step(batch_w)             # the cells' weights: SGD

Differs from PC-DARTS's code (arXiv 1907.05737) in: 1. gradients are taken for the parameters of
the step alone (``autograd.grad``), instead of computing the others' and throwing them away;
2. beta-decay may be added to the architecture's loss (beta-DARTS, arXiv 2203.01665).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distributed_iac.cell.architecture import beta_decay
from distributed_iac.cell.implant import SearchNetwork
from distributed_iac.config.training import SearchSettings
from distributed_iac.data.batches import Batch
from distributed_iac.training.device import autocast
from distributed_iac.training.loss import SegmentationLoss
from distributed_iac.training.memory import BatchSplitter, LossOf
from distributed_iac.training.optimisers import build_optimiser, clip_gradients, forget
from distributed_iac.training.targets import TargetCoder


class Bilevel:
    """The two optimisers of a search and their steps.

    Args:
        network: The frozen backbone with its supernet cells.
        coder: Target coding.
        settings: Optimisers, clipping, beta-decay, precision.
        batch_size: For the scaling of learning rates.
        device: Where to compute.
    """

    def __init__(
        self,
        network: SearchNetwork,
        coder: TargetCoder,
        settings: SearchSettings,
        batch_size: int,
        device: torch.device,
    ) -> None:
        self.network = network
        self.settings = settings
        self.splitter = BatchSplitter(settings.largest_split)
        self._coder = coder
        self._loss = SegmentationLoss(settings.loss, coder.activation)
        self._device = device
        self.weight_optimiser = build_optimiser(
            settings.weights, [(self._weights(), 1.0)], batch_size
        )
        self.architecture_optimiser = build_optimiser(
            settings.architecture, [(self._architecture(), 1.0)], batch_size
        )

    def _weights(self) -> list[nn.Parameter]:
        return list(self.network.cell_parameters())

    def _architecture(self) -> list[nn.Parameter]:
        return list(self.network.architecture_parameters())

    def architecture_step(self, batch: Batch) -> Tensor:
        """Move alpha and beta once; returns the loss (detached)."""

        def loss_of(images: Tensor, labels: Tensor) -> Tensor:
            loss = self._segmentation_loss(images, labels)
            if self.settings.beta_decay:
                loss = loss + self.settings.beta_decay * beta_decay(self.network.architecture)
            return loss

        return self._step(loss_of, batch, self._architecture(), self.architecture_optimiser, None)

    def weight_step(self, batch: Batch) -> Tensor:
        """Move the cells' weights once; returns the loss (detached)."""
        return self._step(
            self._segmentation_loss,
            batch,
            self._weights(),
            self.weight_optimiser,
            self.settings.gradient_clip,
        )

    def _segmentation_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        with autocast(self._device, self.settings.precision):
            logits = self.network(images)
        loss: Tensor = self._loss(logits, *self._coder.encode(labels))
        return loss

    def _step(
        self,
        loss_of: LossOf,
        batch: Batch,
        parameters: Sequence[nn.Parameter],
        optimiser: torch.optim.Optimizer,
        clip: float | None,
    ) -> Tensor:
        loss, gradients = self.splitter.gradients(loss_of, batch.images, batch.labels, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        if clip is not None:
            clip_gradients(parameters, clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return loss

    def forget_pruned(self) -> None:
        """Drop all optimiser state of what the network no longer has."""
        forget(self.weight_optimiser, self._weights())
        self.network.architecture.forget_dead(self.architecture_optimiser)

    def state_dict(self) -> dict[str, Any]:
        """Both optimisers."""
        return {
            "weights": self.weight_optimiser.state_dict(),
            "architecture": self.architecture_optimiser.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`; the network must already be pruned alike."""
        self.weight_optimiser.load_state_dict(state["weights"])
        self.architecture_optimiser.load_state_dict(state["architecture"])
