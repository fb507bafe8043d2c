"""How patients are divided into the four parts.

::

    split:
      seed: 7
      fractions: {weights: 0.5, architecture: 0.2, val: 0.1, test: 0.2}

Importing one instead of drawing it::

    split:
      file: my_split.json           # {"weights": ["patient001", ...], ..., "unused": [...]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, model_validator

from distributed_iac.config.base import Settings

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
SUM_TOLERANCE = 1e-6


class Fractions(Settings):
    """Shares of the patients; they add up to 1.

    Our choice: the weights need the most patients, the final test must carry the statistics.
    """

    weights: Fraction = 0.5
    """Train the networks' weights."""

    architecture: Fraction = 0.2
    """Train the architecture parameters of a search."""

    val: Fraction = 0.1
    """Choose epochs and cells."""

    test: Fraction = 0.2
    """Touched by the final evaluation only."""

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = self.weights + self.architecture + self.val + self.test
        if abs(total - 1.0) > SUM_TOLERANCE:
            raise ValueError(f"the four fractions must add up to 1, came {total:g}")
        return self


class SplitSettings(Settings):
    """Where the four parts come from: a file, the source's folds, its official test, or a draw."""

    seed: NonNegativeInt = 0
    """Changes which patients are drawn into which part."""

    fractions: Fractions = Fractions()
    """Shares of the four parts; what is already placed is taken out and the rest rescaled."""

    stratify: tuple[str, ...] = ("modality",)
    """What a draw spreads evenly over the parts: ``modality``, or names of case attributes (ACDC:
    ``group``). As evenly as whole patients allow."""

    test: Literal["draw", "official"] = "draw"
    """``official``: the published test patients with labels (ACDC ``testing``), or where those
    are hidden the published validation patients (AMOS), become ``test``."""

    file: Path | None = None
    """JSON: part to patient ids, with an optional ``unused`` list; or nnU-Net's
    ``splits_final.json``, for which ``fold`` says which entry; or ``validation/summary.json`` of
    a trained fold, whose patients become ``test``."""

    fold: NonNegativeInt | None = None
    """Fold of ``file``, or of the splits that come with the source: its ``val`` patients become
    ``test``, its ``train`` patients are divided into the other three parts. With an nnunet
    backbone and no ``file`` or ``test`` of its own, a split follows the backbone's fold, as far as
    ``splits_final.json`` or ``summary.json`` say who was held out."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.test == "official" and (self.file is not None or self.fold is not None):
            raise ValueError("test: official excludes file and fold; choose one origin of the test")
        return self
