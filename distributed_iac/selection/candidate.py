"""One search's outcome, as far as choosing among outcomes needs it.

::

    Candidate(
        key="acdc/basic_unet-tiny/search/lth/seed0", arm="lth", seed=0, genotype=genotype,
        discrete_val_dice=0.81, confidence=0.97, parameters=12_000, cost=3_400_000,
    )
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import Genotype

CandidateState = Literal["running", "done"]


@dataclass(frozen=True)
class Candidate:
    """The cell of one search, finished or as it would be cut now.

    Args:
        key: Key of the search's job, ``dataset/backbone/search/arm/seed<k>``.
        arm: Way of the search.
        seed: Its seed.
        genotype: Its discrete cell.
        discrete_val_dice: Dice of the discretised cell on the val split without retraining, in
            [0, 1]; None (or NaN) if it was not measured.
        confidence: Mean confidence over the kept edges, in [0.5, 1]; None if unknown.
        parameters: Trainable numbers of the discrete cells; None if not counted.
        cost: Their multiply-accumulates of one forward pass; None if not counted.
        epoch: Epochs searched, which say the newer of two reports of one search.
        state: Whether the search has ended.

    Raises:
        ConfigError: A key of another form, or a Dice outside [0, 1].
    """

    key: str
    arm: str
    seed: int
    genotype: Genotype
    discrete_val_dice: float | None = None
    confidence: float | None = None
    parameters: int | None = None
    cost: int | None = None
    epoch: int = 0
    state: CandidateState = "done"

    def __post_init__(self) -> None:
        if self.key.count("/") < 2:
            raise ConfigError(
                "a search's key is dataset/backbone/search/arm/seed<k>", came=repr(self.key)
            )
        for name in ("discrete_val_dice", "confidence"):
            value = getattr(self, name)
            if value is not None and math.isnan(value):
                object.__setattr__(self, name, None)
        dice = self.discrete_val_dice
        if dice is not None and not 0 <= dice <= 1:
            raise ConfigError("discrete_val_dice lies in [0, 1]", came=dice, where=self.key)

    @property
    def group(self) -> str:
        """``dataset/backbone``."""
        return "/".join(self.key.split("/")[:2])

    @property
    def recency(self) -> tuple[object, ...]:
        """Order of reports of one search: later epochs last, the end after all of them.

        What follows the epoch only makes the order total, so that it does not depend on who
        was asked first which of two reports of one epoch stays.
        """
        numbers = (self.discrete_val_dice, self.confidence, self.parameters, self.cost)
        return (
            self.state == "done",
            self.epoch,
            self.genotype.to_json(),
            tuple((number is not None, number or 0) for number in numbers),
            (self.arm, self.seed),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; the genotype by its identifier."""
        return {
            "key": self.key,
            "arm": self.arm,
            "seed": self.seed,
            "genotype_id": self.genotype.id,
            "discrete_val_dice": self.discrete_val_dice,
            "confidence": self.confidence,
            "parameters": self.parameters,
            "cost": self.cost,
            "epoch": self.epoch,
            "state": self.state,
        }
