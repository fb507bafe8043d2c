"""How strongly a batch is varied: probabilities and ranges, as frozen values.

::

    STRENGTHS["strong"].rotation                    # Chance(probability=0.2, low=-180, high=180)
    replace(STRONG, rotation=Chance(0.2, -15, 15))  # patients always lie the same way up

``STRONG`` has the numbers of nnU-Net's ``get_training_transforms`` for 2-D configurations (v2,
read from its source and that of batchgeneratorsv2). ``LIGHT`` is our choice: what a scanner and
a table change from one patient to the next, with no picture that a reader would find odd.

The strong augmentation differs from nnU-Net's in:

1. Only the allowed axes are mirrored; nnU-Net mirrors both.
2. A long narrow picture is turned as far as any other; nnU-Net turns pictures whose sides differ
   by more than 1.5 by 15 degrees at most.
3. Labels are resampled by nearest neighbour, and outside the picture lies the image's own border
   level instead of 0 (see ``spatial.warp``).
4. Each channel gets noise of its own; batchgeneratorsv2 adds one and the same to all channels.
5. What lies outside the brain of a skull-stripped image is varied with the rest and not reset to
   0 afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from distributed_iac.errors import ConfigError


@dataclass(frozen=True)
class Chance:
    """A change that happens with some probability, by a uniformly drawn amount.

    Args:
        probability: That a sample is changed.
        low: Smallest amount.
        high: Largest amount.
        balance: ``even`` draws uniformly from [low, high]; ``around_one`` first decides with a
            coin whether the amount lies below or above 1 (nnU-Net's ``BGContrast``), so that
            (0.7, 1.5) does not brighten more often than it darkens.
        channel_probability: That a channel of a changed sample takes part.

    Raises:
        ConfigError: The numbers contradict one another.
    """

    probability: float
    low: float
    high: float
    balance: Literal["even", "around_one"] = "even"
    channel_probability: float = 1.0

    def __post_init__(self) -> None:
        probabilities = 0 <= self.probability <= 1 and 0 <= self.channel_probability <= 1
        around_one = self.balance == "even" or self.low < 1 < self.high
        if not (probabilities and self.low <= self.high and around_one):
            raise ConfigError(
                "probabilities lie in [0, 1], low is at most high, and a range balanced around "
                "one has 1 inside",
                came=self,
            )


@dataclass(frozen=True)
class AugmentationStrength:
    """Everything an augmentation may do, in the order in which it is done.

    Args:
        rotation: Degrees.
        scale: Input pixels per output pixel; above 1 shrinks the picture.
        shift: Share of the picture's height and width.
        mirror: Probability of mirroring, for each allowed axis.
        noise: Standard deviation of white noise, in units of the normalised image. nnU-Net calls
            its range (0, 0.1) a variance but uses it as a standard deviation; so do we.
        blur: Standard deviation in pixels, drawn for each channel and axis.
        brightness: Factor.
        contrast: Factor on the distance to the mean; the range of values is kept.
        low_resolution: Remaining share of the pixels along each axis.
        gamma_inverted: Exponent on the inverted image; mean and deviation are kept.
        gamma: Exponent on the image scaled to [0, 1]; mean and deviation are kept.
    """

    rotation: Chance
    scale: Chance
    shift: Chance
    mirror: float
    noise: Chance
    blur: Chance
    brightness: Chance
    contrast: Chance
    low_resolution: Chance
    gamma_inverted: Chance
    gamma: Chance


_NEVER = Chance(0.0, 1.0, 1.0)

LIGHT = AugmentationStrength(
    rotation=Chance(0.5, -15, 15),
    scale=Chance(0.5, 0.9, 1.1),
    shift=Chance(0.5, -0.05, 0.05),
    mirror=0.5,
    noise=Chance(0.15, 0, 0.05),
    blur=_NEVER,
    brightness=Chance(0.15, 0.9, 1.1),
    contrast=Chance(0.15, 0.9, 1.1),
    low_resolution=_NEVER,
    gamma_inverted=_NEVER,
    gamma=Chance(0.15, 0.8, 1.25, "around_one"),
)

STRONG = AugmentationStrength(
    rotation=Chance(0.2, -180, 180),
    scale=Chance(0.2, 0.7, 1.4),
    shift=_NEVER,
    mirror=0.5,
    noise=Chance(0.1, 0, 0.1),
    blur=Chance(0.2, 0.5, 1.0, channel_probability=0.5),
    brightness=Chance(0.15, 0.75, 1.25, "around_one"),
    contrast=Chance(0.15, 0.75, 1.25, "around_one"),
    low_resolution=Chance(0.25, 0.5, 1.0, channel_probability=0.5),
    gamma_inverted=Chance(0.1, 0.7, 1.5, "around_one"),
    gamma=Chance(0.3, 0.7, 1.5, "around_one"),
)

STRENGTHS: Mapping[Literal["light", "strong"], AugmentationStrength] = {
    "light": LIGHT,
    "strong": STRONG,
}
