"""Intensity normalisation, decided once from training patients and then only applied.

::

    normaliser = CtNormaliser.fit(foreground_samples)        # training patients alone
    normaliser(image)                                        # (C, X, Y, Z) float32, in place
    ZScore("nonzero")(image)                                 # needs no fit

CT (nnU-Net's ``CTNormalization``): clip to the data set's foreground percentiles 0.5 and 99.5,
subtract the foreground mean, divide by the foreground standard deviation. MR (``ZScore
Normalization``): each volume and channel by its own mean and deviation; with ``nonzero`` inside
the mask of voxels where any channel is not 0, and 0 outside. Differs from nnU-Net in: 1. without
the mask a volume's statistics run over the whole volume, not over its non-zero box. 2. the mask's
holes are not filled. ``PerChannel`` is nnU-Net's own way, each channel by the rule of its plan,
and differs in neither where it is given the box alone (``preprocess.crop: box``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from distributed_iac.config.preprocess import ChannelNormalisation, Scheme
from distributed_iac.errors import DataError

Image = NDArray[np.float32]

PERCENTILES = (0.5, 99.5)
SMALLEST_DEVIATION = 1e-8
"""Both nnU-Net's; a constant image becomes 0 instead of NaN."""


@dataclass(frozen=True)
class ChannelStatistics:
    """Foreground intensities of one channel over the training patients, in the source's units."""

    lower: float
    upper: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class CtNormaliser:
    """Clip, shift and scale by the data set's foreground.

    Args:
        channels: In channel order.
    """

    channels: tuple[ChannelStatistics, ...]
    kind: Literal["ct"] = "ct"

    @classmethod
    def fit(cls, samples: Sequence[Image]) -> Self:
        """Take the statistics of foreground voxels.

        Args:
            samples: (C, N) from each training case; every case should bring as many, so that
                large structures do not outweigh others (nnU-Net's rule).

        Raises:
            DataError: No training case has any foreground.
        """
        voxels = np.concatenate(samples, axis=1) if samples else np.zeros((0, 0), np.float32)
        if not voxels.size:
            raise DataError(
                "CT normalisation needs foreground in at least one training volume",
                came="only background",
                remedy="check the label files, or set preprocess.normalisation: zscore",
            )
        lower, upper = np.percentile(voxels.astype(np.float64), PERCENTILES, axis=1)
        means, deviations = voxels.mean(1, dtype=np.float64), voxels.std(1, dtype=np.float64)
        columns = zip(lower, upper, means, deviations, strict=True)
        return cls(tuple(ChannelStatistics(*map(float, column)) for column in columns))

    def __call__(self, image: Image) -> None:
        """Normalise (C, X, Y, Z) in place."""
        for values, channel in zip(image, self.channels, strict=True):
            np.clip(values, channel.lower, channel.upper, out=values)
            _shift_and_scale(values, channel.mean, channel.deviation)


@dataclass(frozen=True)
class ZScore:
    """Each channel of each volume by its own mean and deviation.

    Args:
        where: ``all`` voxels, or the ``nonzero`` ones, outside of which the result is 0.
    """

    where: Literal["all", "nonzero"]
    kind: Literal["zscore"] = "zscore"

    def __call__(self, image: Image) -> None:
        """Normalise (C, X, Y, Z) in place."""
        mask = nonzero_mask(image) if self.where == "nonzero" else None
        for channel in image:
            _standardise(channel, channel if mask is None else channel[mask])
        if mask is not None:
            image *= mask


@dataclass(frozen=True)
class PerChannel:
    """Each channel by a rule of its own, as nnU-Net's plans say it.

    Args:
        schemes: In channel order; see :class:`ChannelNormalisation`.
        channels: Statistics where the scheme is ``ct``, else None.
    """

    schemes: tuple[Scheme, ...]
    channels: tuple[ChannelStatistics | None, ...]
    kind: Literal["per_channel"] = "per_channel"

    @classmethod
    def of(cls, rules: Sequence[ChannelNormalisation]) -> Self:
        """Take over settings."""
        statistics = (
            None if rule.ct is None else ChannelStatistics(**rule.ct.model_dump()) for rule in rules
        )
        return cls(tuple(rule.scheme for rule in rules), tuple(statistics))

    def __call__(self, image: Image) -> None:
        """Normalise (C, ...) in place.

        Raises:
            DataError: An ``rgb`` channel leaves [0, 255].
        """
        masked = "zscore_nonzero" in self.schemes
        mask = ndimage.binary_fill_holes(nonzero_mask(image)) if masked else None
        for values, scheme, known in zip(image, self.schemes, self.channels, strict=True):
            if scheme == "zscore_nonzero":
                assert mask is not None
                _standardise(values, values[mask])
                values *= mask
            elif scheme == "zscore":
                _standardise(values, values)
            elif scheme == "ct":
                assert known is not None
                np.clip(values, known.lower, known.upper, out=values)
                _shift_and_scale(values, known.mean, known.deviation)
            elif scheme == "unit":
                values -= values.min()
                values /= max(values.max(), np.float32(SMALLEST_DEVIATION))
            elif scheme == "rgb":
                _require_bytes(values)
                values /= np.float32(255)


Normaliser = CtNormaliser | ZScore | PerChannel
"""Called with an image (C, X, Y, Z) float32, which it normalises in place, because the largest CT
volumes fill a gigabyte. Law: what is finite stays finite. In JSON ``kind`` says which it is."""


def nonzero_mask(image: Image) -> NDArray[np.bool_]:
    """Voxels (...) where any channel of (C, ...) is not 0: the brain, skull-stripped."""
    return np.asarray(np.any(image, axis=0))


def _standardise(values: Image, known: Image) -> None:
    """Shift and scale by the mean and deviation of some of the values, if there are any."""
    if known.size:
        mean, deviation = known.mean(dtype=np.float64), known.std(dtype=np.float64)
        _shift_and_scale(values, float(mean), float(deviation))


def _require_bytes(values: Image) -> None:
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255:
        raise DataError(
            "an rgb channel lies within 0 and 255",
            came=f"{low:g} to {high:g}",
            remedy="correct preprocess.normalisation, or give the pictures that the network knows",
        )


def _shift_and_scale(values: Image, mean: float, deviation: float) -> None:
    values -= np.float32(mean)
    values /= np.float32(max(deviation, SMALLEST_DEVIATION))
