"""One bilevel step of PC-DARTS, first order: architecture on one batch, weights on another.

::

    losses = bilevel.architecture_step(batch_a)       # alpha, beta: Adam
    losses = bilevel.weight_step(batch_w)             # the cells' weights: SGD

Differs from PC-DARTS's code (arXiv 1907.05737) in: 1. gradients are taken for the parameters of
the step alone (``autograd.grad``), instead of computing the others' and throwing them away;
2. beta-decay may be added to the architecture's loss (beta-DARTS, arXiv 2203.01665).

Nothing in a step waits for the device: losses are returned as tensors on it, and who wants to
read them does so once an epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distributed_iac.cell.architecture import beta_decay
from distributed_iac.cell.growth import Growth
from distributed_iac.cell.implant import SearchNetwork
from distributed_iac.config.training import SearchSettings
from distributed_iac.data.batches.loader import Batch
from distributed_iac.nets.contract import Features
from distributed_iac.training.device import autocast
from distributed_iac.training.features import FeatureCache
from distributed_iac.training.foresight import foresight_of
from distributed_iac.training.loss import SegmentationLoss
from distributed_iac.training.memory import SMALLER, BatchSplitter, LossOf, split_batch
from distributed_iac.training.optimisers import (
    build_optimiser,
    forget,
    inherit,
    load_optimiser,
    optimiser_state,
)
from distributed_iac.training.step_runner import choose_runner
from distributed_iac.training.targets import TargetCoder


class Bilevel:
    """The two optimisers of a search and their steps.

    Args:
        network: The frozen backbone with its supernet cells.
        coder: Target coding.
        settings: Optimisers, clipping, beta-decay, precision.
        batch_size: For the scaling of learning rates.
        device: Where to compute.
        encoder: The frozen encoder; gives its cache up when memory runs out.
    """

    def __init__(
        self,
        network: SearchNetwork,
        coder: TargetCoder,
        settings: SearchSettings,
        batch_size: int,
        device: torch.device,
        encoder: FeatureCache,
    ) -> None:
        self.network = network
        self.settings = settings
        self.splitter = BatchSplitter(
            settings.largest_split,
            relief=encoder.drop,
            remedy=f"{SMALLER}; of a search also a smaller cell.width, or a larger "
            "cell.partial_channels or search.largest_split",
            foresight=foresight_of(network, device),
        )
        self._coder = coder
        self._loss = SegmentationLoss(settings.loss, coder.activation)
        self._device = device
        self._encoder = encoder
        self.runner = choose_runner(settings.cuda_graphs, device, self._obstacle)
        self.weight_optimiser = build_optimiser(
            settings.weights, [(self._weights(), 1.0)], batch_size, self.runner.stepping
        )
        self.architecture_optimiser = build_optimiser(
            settings.architecture, [(self._architecture(), 1.0)], batch_size, self.runner.stepping
        )

    def _weights(self) -> list[nn.Parameter]:
        return list(self.network.cell_parameters())

    def _architecture(self) -> list[nn.Parameter]:
        return list(self.network.architecture_parameters())

    def _obstacle(self) -> str | None:
        """Why steps can no longer be recorded: their form depends on what memory allows."""
        return "batches are split, to fit into memory" if self.splitter.parts > 1 else None

    def architecture_step(self, batch: Batch) -> Tensor:
        """Move alpha and beta once; returns the loss (detached)."""
        return self.runner.run("architecture", self._move_architecture, self._inputs(batch))

    def weight_step(self, batch: Batch) -> Tensor:
        """Move the cells' weights once; returns the loss (detached)."""
        return self.runner.run("weights", self._move_weights, self._inputs(batch))

    def _inputs(self, batch: Batch) -> list[Tensor]:
        """What a step reads: the features and the labels."""
        return [*self._features(batch), batch.labels]

    def _features(self, batch: Batch) -> Features:
        """Encode a batch, in as many parts as memory asks for."""

        def encode() -> Features:
            parts = self.splitter.parts
            with autocast(self._device, self.settings.precision):
                encoded = [self._encoder(part) for part in split_batch(batch, parts)]
            if len(encoded) == 1:
                return encoded[0]
            return [torch.cat(feature) for feature in zip(*encoded, strict=True)]

        return self.splitter.persist(len(batch.rows), encode)

    def _move_architecture(self, *inputs: Tensor) -> Tensor:
        optimiser = self.architecture_optimiser
        return self._move(self._architecture_loss, inputs, self._architecture(), optimiser, None)

    def _move_weights(self, *inputs: Tensor) -> Tensor:
        optimiser, clip = self.weight_optimiser, self.settings.gradient_clip
        return self._move(self._segmentation_loss, inputs, self._weights(), optimiser, clip)

    def _architecture_loss(self, *inputs: Tensor) -> Tensor:
        loss = self._segmentation_loss(*inputs)
        if self.settings.beta_decay:
            loss = loss + self.settings.beta_decay * beta_decay(self.network.architecture)
        return loss

    def _segmentation_loss(self, *inputs: Tensor) -> Tensor:
        *features, labels = inputs
        with autocast(self._device, self.settings.precision):
            logits = self.network.decode(features)
        loss: Tensor = self._loss(logits, *self._coder.encode(labels))
        return loss

    def _move(
        self,
        loss_of: LossOf,
        inputs: Sequence[Tensor],
        parameters: Sequence[nn.Parameter],
        optimiser: torch.optim.Optimizer,
        clip: float | None,
    ) -> Tensor:
        loss, gradients = self.splitter.gradients(loss_of, inputs, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        if clip is not None:
            nn.utils.clip_grad_norm_(parameters, clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return loss

    def follow(self, growth: Sequence[Growth]) -> None:
        """Take over that the network was pruned or relaxed.

        Drops all optimiser state of what the network no longer has, and hands that of weights
        that grew to their successors.

        Args:
            growth: Weights that were replaced by larger ones.
        """
        inherit(self.weight_optimiser, growth)
        forget(self.weight_optimiser, self._weights())
        self.network.architecture.forget_dead(self.architecture_optimiser)
        self.runner.forget()

    def state_dict(self) -> dict[str, Any]:
        """Both optimisers."""
        return {
            "weights": optimiser_state(self.weight_optimiser),
            "architecture": optimiser_state(self.architecture_optimiser),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`; the network must already be pruned alike."""
        load_optimiser(self.weight_optimiser, state["weights"])
        load_optimiser(self.architecture_optimiser, state["architecture"])
        self.runner.forget()
