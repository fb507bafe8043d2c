"""What every result is compared with, and how arms and controls are compared.

::

    controls: [plain, plain_extra, random]
    baselines:
      - {name: attention_unet}
      - {name: basic_unetplusplus}
    comparison: {dice_margin: 0.02}

A cell that is retrained has had more training than the backbone it sits in, and a searched cell
is a cell: without ``plain_extra`` and ``random`` a gain may be the training's or any cell's.

All defaults are our choice, except the epoch whose reason is given.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from distributed_iac.config.base import Before, Settings

Adapted = Literal["normalisation", "last_block", "decoder", "network"]
"""The backbone trained on in one part: its normalisation layers, its last decoder block with the
output layer, its decoder, or all of it, whatever ``retrain.unfreeze`` is."""

SkipModule = Literal["squeeze_excitation", "attention_gate", "spatial_channel", "convolution"]
"""What people put into a skip by hand, in the cells' place and trained as they are."""

Control = Literal["plain", "plain_extra", "random", "random_search", "given", Adapted, SkipModule]
"""``plain``: the pre-trained backbone as it is. ``plain_extra``: the same, trained on as the one
around a cell is. ``random``: a cell that nobody searched, retrained like the others.
``random_search``: the best on val of several such cells. ``given``: the cell written out under
``given``. Then the other ways to adapt a trained network."""

CONTROLS: tuple[Control, ...] = ("plain", "plain_extra", "random")
"""Those of every run that names none."""

ADAPTED: tuple[Adapted, ...] = get_args(Adapted)
SKIP_MODULES: tuple[SkipModule, ...] = get_args(SkipModule)
ALL_CONTROLS: tuple[Control, ...] = (*CONTROLS, "random_search", "given", *ADAPTED, *SKIP_MODULES)


def skip_module_named(model: str) -> SkipModule | None:
    """The hand-made module that a model of this name has in its skips; None if it has none."""
    return next((one for one in SKIP_MODULES if one == model), None)


ResampledUnits = Literal["patients", "patients_and_seeds"]


class ComparisonSettings(Settings):
    """What is compared with what, and how sure a statement must be."""

    candidate: str = "lth"
    """Arm that is to be shown as good as the reference, and better than the controls."""
    reference: str = "full"
    """Arm of the full-length searches: denominator of every speed-up."""
    dice_margin: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Largest difference of patient-level Dice that counts as none. One Dice point: a fifth of
    the mean gain that the original IAC reports (arXiv 2405.03420)."""
    hd95_margin: Annotated[float, Field(gt=0)] = 1.0
    """The same for HD95, in mm. About the in-plane width of a voxel."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of intervals. Equivalence is tested at one minus it, one-sided."""
    resamples: Annotated[int, Field(ge=200)] = 5000
    """Bootstrap draws."""
    resample: ResampledUnits = "patients_and_seeds"
    """What the intervals of patient metrics generalise over. A statement about a way to search
    must allow for other searches as well as for other patients."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the bootstrap's draws."""
    top: Annotated[int, Field(ge=1, le=7)] = 3
    """Strongest operations of an edge among which the final one is looked for (top 3 in IAC-LTH,
    arXiv 2604.14849)."""
    epoch: Annotated[int, Field(ge=0)] = 45
    """Epoch at which that is read off: the paper's."""
    random_cells: Annotated[int, Field(ge=2, le=1000), Before(4)] = 4
    """Random cells that ``random_search`` retrains with each seed. Set it so that they cost what a
    search and its retraining do: the report's table of costs has both. 4 is our choice because
    more bring ever less: the best of 4 is expected 1.0 standard deviations above the mean, the
    best of 8 1.4, of 16 1.8."""

    @model_validator(mode="after")
    def _two_arms(self) -> Self:
        if self.candidate == self.reference:
            raise ValueError(
                f"candidate and reference are two different arms (both are {self.candidate!r})"
            )
        return self
