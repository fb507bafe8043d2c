"""How a source becomes slices: spacing, patch, intensity.

::

    preprocess:
      spacing: [1.5625, 1.5625]     # or auto
      patch: [256, 224]             # or auto
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from distributed_iac.config.base import Settings

Spacing = Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=8, le=4096)]


class PreprocessSettings(Settings):
    """Everything here but ``workers`` and ``on_bad_case`` is part of a store's identity."""

    spacing: Literal["auto"] | tuple[Spacing, Spacing] = "auto"
    """Pixel size (rows, columns) in mm to resample to; ``auto`` is the median over the training
    patients' volumes (nnU-Net's rule). Slices are never resampled along their stack."""

    patch: Literal["auto"] | tuple[Side, Side] = "auto"
    """Stored height and width in pixels; ``auto`` is the median size after resampling, or
    what shows all foreground of every training case if that is more, rounded up to
    ``patch_multiple`` and at most ``patch_limit``."""

    patch_multiple: PositiveInt = 32
    """What an automatic patch is divisible by: 32 lets a U-Net halve five times."""

    patch_limit: Side = 512
    """Largest side of an automatic patch."""

    crop: Literal["auto", "image", "nonzero"] = "auto"
    """Where the patch is centred: on the image, or on the box around what is not zero (skull-
    stripped brains). ``auto`` takes ``nonzero`` where that box holds less than three quarters of
    the median volume (nnU-Net's rule for masked normalisation)."""

    normalisation: Literal["auto", "ct", "zscore", "zscore_nonzero"] = "auto"
    """``ct``: clip to the training foreground's 0.5 and 99.5 percentiles, then its mean and
    deviation. ``zscore``: each volume and channel by its own. ``zscore_nonzero``: the same inside
    the non-zero mask, zero outside. ``auto``: ``ct`` for CT; for MR ``zscore_nonzero`` where the
    crop is ``nonzero``, else ``zscore``."""

    on_bad_case: Literal["refuse", "skip"] = "refuse"
    """A case that cannot be used is always listed, with its reason. ``refuse`` then leaves the
    store unfinished, so that no data set shrinks unseen; ``skip`` goes on without the case."""

    workers: Literal["auto"] | PositiveInt = "auto"
    """Processes; ``auto`` is one a processor core, at most 16. The store does not depend on it."""
