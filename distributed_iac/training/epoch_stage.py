"""What stages that train a network epoch by epoch have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.training import SearchSettings, SupervisedSettings
from distributed_iac.data.batches.loader import Batch, CaseSource
from distributed_iac.data.contract import LabelScheme
from distributed_iac.errors import RunError
from distributed_iac.seeds import derive_seed
from distributed_iac.training.best import Best
from distributed_iac.training.device import autocast
from distributed_iac.training.epochs import Ended, Ending
from distributed_iac.training.score import validation_dice
from distributed_iac.training.targets import TargetCoder


class EpochStage(Ended):
    """Counts epochs, knows when and how to validate, and remembers the best epoch and the ending.

    Args:
        network: Trained in place; moved to the device.
        source: Prepared slices.
        scheme: Meaning of their label values.
        settings: Epochs at the most, and between validations; the last one is always validated.
        batches: Batch size.
        seed: Of every epoch's randomness.
        device: Where to train.
    """

    network: nn.Module

    def __init__(
        self,
        network: nn.Module,
        source: CaseSource,
        scheme: LabelScheme,
        settings: SupervisedSettings | SearchSettings,
        batches: BatchSettings,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.network = network.to(device)
        self.best = Best()
        self.epochs = settings.epochs
        self._epoch = 0
        self._validate_every, self._precision = settings.validate_every, settings.precision
        self._source, self._seed, self._device = source, seed, device
        self._coder = TargetCoder(scheme).to(device)
        self._batch_size = batches.batch_size

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return self._epoch

    def _require_open(self) -> None:
        if self.done:
            raise RunError("this stage is done", came=self.reason)

    @contextmanager
    def _randomness(self) -> Iterator[None]:
        """Run an epoch under torch's global generator, seeded for this epoch.

        Dropout and stochastic depth draw from the global generator and offer no other door.
        Seeding it inside a fork makes a resumed epoch equal to an undisturbed one without saving
        generator states, and leaves the caller's own randomness alone.
        """
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(derive_seed(self._seed, "epoch", self._epoch))
            yield

    def _validates(self) -> bool:
        """Whether the epoch just finished is scored."""
        return self._epoch % self._validate_every == 0 or self._epoch == self.epochs

    def _dice(self, predict: Callable[[Batch], Tensor]) -> float:
        """Dice of the val patients."""
        self.network.eval()
        with autocast(self._device, self._precision):
            return validation_dice(
                predict, self._source, "val", self._coder, self._device, self._batch_size
            )

    def _standing(self) -> dict[str, Any]:
        """What of the state every stage has."""
        ending = None if self.ending is None else self.ending.to_state()
        return {"epoch": self._epoch, "ending": ending, "best": self.best.state_dict()}

    def _stand(self, state: Mapping[str, Any]) -> None:
        """Take over :meth:`_standing`."""
        self.best = Best.from_state(state["best"])
        self._epoch, self.ending = int(state["epoch"]), Ending.from_state(state)
