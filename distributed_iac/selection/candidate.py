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

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import Genotype


@dataclass(frozen=True)
class Candidate:
    """The cell of one finished search.

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
