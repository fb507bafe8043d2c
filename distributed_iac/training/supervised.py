"""Train a segmentation network on labels: the loop behind pre-training and retraining.

::

    stage = SupervisedStage(
        network, groups, store, scheme, settings, batches, seed=0, device=device
    )
    while not stage.done:
        report = stage.step()
    stage.best.state                     # of the epoch with the best val Dice

All training patients are used (parts ``weights`` and ``architecture``) unless parts are named;
``val`` picks the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.training import TRAINING_PARTS, SupervisedSettings, TrainingPart
from distributed_iac.data.batches.loader import Batch, Batches, CaseSource
from distributed_iac.data.contract import LabelScheme
from distributed_iac.training.device import autocast
from distributed_iac.training.epoch_stage import EpochStage
from distributed_iac.training.epochs import Ending
from distributed_iac.training.foresight import foresight_of
from distributed_iac.training.loss import SegmentationLoss, deep_supervision_loss
from distributed_iac.training.memory import LARGEST_SPLIT, BatchSplitter, split_batch
from distributed_iac.training.optimisers import (
    build_optimiser,
    schedule_factor,
    set_rate_factor,
)
from distributed_iac.training.stage import StepReport


class SegmentationNetwork(Protocol):
    """What the loop needs of a network: a backbone, plain or implanted."""

    def training_outputs(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits at every supervised scale, finest first."""


class SupervisedStage(EpochStage):
    """Supervised training, one epoch a step.

    Args:
        network: A module that is a :class:`SegmentationNetwork`; trained in place.
        groups: Its parameters to train, with the factor on the learning rate that they get.
        source: Prepared slices.
        scheme: Meaning of their label values.
        settings: Epochs, optimiser, schedule, loss.
        batches: Batch size, steps an epoch, augmentation.
        seed: Of the batches' order and augmentation.
        device: Where to train; the network is moved there.
        parts: Of the split, those whose slices it learns from.
    """

    def __init__(
        self,
        network: nn.Module,
        groups: Sequence[tuple[Sequence[nn.Parameter], float]],
        source: CaseSource,
        scheme: LabelScheme,
        settings: SupervisedSettings,
        batches: BatchSettings,
        *,
        seed: int,
        device: torch.device,
        parts: Sequence[TrainingPart] = TRAINING_PARTS,
    ) -> None:
        super().__init__(network, source, scheme, settings, batches, seed=seed, device=device)
        self._supervised = cast(SegmentationNetwork, network).training_outputs
        self.settings = settings
        self._loss = SegmentationLoss(settings.loss, self._coder.activation)
        self._batches = Batches(source, parts, batches, seed=seed, device=device)
        self._optimiser = build_optimiser(settings.optimiser, groups, batches.batch_size)
        self._trained = [parameter for parameters, _ in groups for parameter in parameters]
        self.splitter = BatchSplitter(LARGEST_SPLIT, foresight=foresight_of(network, device))

    def step(self) -> StepReport:
        """Train one epoch and score it."""
        self._require_open()
        factor = schedule_factor(self.settings.schedule, self._epoch, self.epochs)
        set_rate_factor(self._optimiser, factor)
        self.network.train()
        total = torch.zeros((), device=self._device)
        steps = self._batches.steps_per_epoch
        with self._randomness():
            for _ in range(steps):
                total += self._train_step()
        loss = float(total) / steps
        self._epoch += 1
        dice = self._validate() if self._validates() else None
        self.ending = self._ending(loss)
        return StepReport(
            {
                "epoch": self._epoch,
                "loss": loss,
                "val_dice": dice,
                "best_val_dice": self.best.score if self.best.state else None,
                "best_epoch": self.best.epoch,
                "learning_rate": self._optimiser.param_groups[0]["lr"],
                "batch_parts": self.splitter.parts,
                "done": self.done,
                "reason": self.reason,
            }
        )

    def _train_step(self) -> Tensor:
        batch = next(self._batches)
        self.splitter.foresee(len(batch.rows), lambda slices: self._gradients(batch.first(slices)))
        loss = self.splitter.persist(len(batch.rows), lambda: self._gradients(batch))
        nn.utils.clip_grad_norm_(self._trained, self.settings.gradient_clip)
        self._optimiser.step()
        return loss

    def _gradients(self, batch: Batch) -> Tensor:
        """Set the gradients of a batch, taken in as many parts as memory asks for.

        Returns:
            The loss (a scalar, detached).
        """
        self._optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._device)
        for part in split_batch(batch, self.splitter.parts):
            target, known = self._coder.encode(part.labels)
            with autocast(self._device, self.settings.precision):
                outputs = self._supervised(part.images)
            loss = deep_supervision_loss(self._loss, outputs, target, known)
            loss = loss * (len(part.rows) / len(batch.rows))
            loss.backward()
            total += loss.detach()
        return total

    def _validate(self) -> float:
        dice = self._dice(lambda batch: self.network(batch.images))
        self.best.offer(dice, self._epoch, self.network.state_dict())
        return dice

    def _ending(self, loss: float) -> Ending | None:
        if not math.isfinite(loss):
            return Ending("diverged", f"the training loss is {loss}")
        patience = self.settings.patience
        if patience is not None and self.best.waited >= patience:
            return Ending("patience", f"no better val Dice for {patience} validations")
        if self._epoch >= self.epochs:
            return Ending("all_epochs", f"all {self.epochs} epochs")
        return None

    def state_dict(self) -> dict[str, Any]:
        """Network, optimiser, batches and their parts, best epoch."""
        return {
            **self._standing(),
            "batch_parts": self.splitter.parts,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "batches": self._batches.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._batches.load_state_dict(state["batches"])
        self.splitter.parts = int(state.get("batch_parts", 1))  # those of before have none
        self._stand(state)
