"""How a source becomes slices: spacing, patch, intensity.

::

    preprocess:
      spacing: [1.5625, 1.5625]     # or auto
      patch: [256, 224]             # or auto

    preprocess: from_backbone       # all of it as the trained network was given it
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from distributed_iac.config.base import Before, Settings

Spacing = Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=8, le=4096)]

ArrayAxis = Annotated[int, Field(ge=0, le=2)]
Scheme = Literal["zscore", "zscore_nonzero", "ct", "unit", "rgb", "none"]


class SliceSettings(Settings):
    """How slices are cut from the array of a file, where the reader's way is not wanted."""

    orientation: Literal["as_stored", "LPS", "RAS"] = "as_stored"
    """``LPS`` and ``RAS`` reverse and exchange axes to these nibabel axis codes first;
    ``as_stored`` takes the array as it lies in the file, whatever its header says."""

    axes: tuple[ArrayAxis, ArrayAxis, ArrayAxis] = (2, 1, 0)
    """Array axes that become slice, row and column; none is reversed."""

    @model_validator(mode="after")
    def _each_axis_once(self) -> Self:
        if len(set(self.axes)) != len(self.axes):
            raise ValueError(f"slices.axes must name each of 0, 1 and 2 once, came {self.axes}")
        return self


class CtStatistics(Settings):
    """Foreground intensities of a channel that a network was trained with, in the file's units."""

    lower: float
    """Everything below is raised to it (nnU-Net: ``percentile_00_5``)."""
    upper: float
    """Everything above is lowered to it (nnU-Net: ``percentile_99_5``)."""
    mean: float
    """Subtracted."""
    deviation: float
    """Divided by."""


class ChannelNormalisation(Settings):
    """What is done to one channel."""

    scheme: Scheme
    """``zscore`` and ``zscore_nonzero``: by its own mean and deviation, over all or inside the
    non-zero mask, holes filled; ``ct``: clip and scale by ``ct``; ``unit``: minimum to 0 and
    maximum to 1; ``rgb``: divide by 255; ``none``: leave as it is."""

    ct: CtStatistics | None = None
    """Only for ``ct``: fixed, not fitted to these patients."""

    @model_validator(mode="after")
    def _statistics_go_with_ct(self) -> Self:
        if (self.scheme == "ct") != (self.ct is not None):
            raise ValueError("a channel has statistics (ct:) exactly where its scheme is ct")
        return self


class PreprocessSettings(Settings):
    """Everything here but ``workers`` and ``on_bad_case`` is part of a store's identity."""

    follow: Annotated[Literal["auto", "data", "backbone"], Before("data")] = "auto"
    """Where spacing, patch, crop, normalisation and slices come from if they are ``auto``: the
    ``data``, or a trained ``backbone`` that says so (nnunet; an exported model). ``auto``: the
    backbone where there is such a one, for it is right on no other slices. ``backbone`` refuses to
    go on without one. Written short: ``preprocess: from_backbone``."""

    slices: Annotated[Literal["auto"] | SliceSettings, Before("auto")] = "auto"
    """How slices are cut; ``auto`` is what the format's reader knows."""

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

    crop: Literal["auto", "image", "nonzero", "box"] = "auto"
    """Where the patch is centred: on the image, or on the box around what is not zero (skull-
    stripped brains). ``box`` throws away what lies outside that box, in all three directions and
    before anything is measured (nnU-Net's way). ``auto`` takes ``nonzero`` where that box holds
    less than three quarters of the median volume (nnU-Net's rule for masked normalisation)."""

    normalisation: (
        Literal["auto", "ct", "zscore", "zscore_nonzero"] | tuple[ChannelNormalisation, ...]
    ) = "auto"
    """``ct``: clip to the training foreground's 0.5 and 99.5 percentiles, then its mean and
    deviation. ``zscore``: each volume and channel by its own. ``zscore_nonzero``: the same inside
    the non-zero mask, zero outside. ``auto``: ``ct`` for CT; for MR ``zscore_nonzero`` where the
    crop is ``nonzero``, else ``zscore``. A list gives each channel a rule of its own."""

    on_bad_case: Literal["refuse", "skip"] = "refuse"
    """A case that cannot be used is always listed, with its reason. ``refuse`` then leaves the
    store unfinished, so that no data set shrinks unseen; ``skip`` goes on without the case."""

    workers: Literal["auto"] | PositiveInt = "auto"
    """Processes; ``auto`` is one a processor core, at most 16. The store does not depend on it."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"follow": "backbone"} if value == "from_backbone" else value
