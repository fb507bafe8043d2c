"""What was done to every case of a store: frozen values, read back with it.

::

    recipe = store.fingerprint.recipe
    recipe.spacing, recipe.patch, recipe.crop, recipe.normalisers["CT"]

Deciding them is the preparation's work: ``decide_recipe`` in ``data/prepare/decide.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from distributed_iac.data.contract import Modality, Reorient, SliceLayout
from distributed_iac.data.volumes.intensity import Normaliser
from distributed_iac.data.volumes.plane import Size

Crop = Literal["image", "nonzero", "box"]


@dataclass(frozen=True)
class Recipe:
    """Frozen decisions of a preparation; equal recipes prepare equal slices.

    Args:
        spacing: Target pixel size (rows, columns) in mm.
        patch: Stored (H, W).
        crop: What the patch is centred on.
        slice_axes: Resolved slice axis for each reorientation that occurs.
        normalisers: For each modality that occurs among the training patients.
        slices: How slices of every case are cut; None: as each case's reader says.
    """

    spacing: tuple[float, float]
    patch: Size
    crop: Crop
    slice_axes: Mapping[Reorient, int]
    normalisers: Mapping[Modality, Normaliser]
    slices: SliceLayout | None = None

    @property
    def cuts(self) -> tuple[SliceLayout, ...]:
        """Every way in which slices of this recipe are cut; more than one for mixed sources."""
        if self.slices is not None:
            return (self.slices,)
        return tuple(SliceLayout(reorient, axis) for reorient, axis in self.slice_axes.items())

    def layout(self, layout: SliceLayout) -> SliceLayout:
        """How a case is cut: as decided for all, or its reader's way with the slice axis filled."""
        if self.slices is not None:
            return replace(self.slices, codes=layout.codes)
        if layout.slice_axis is not None:
            return layout
        return replace(layout, slice_axis=self.slice_axes[layout.reorient])

    def slice_bytes(self, channels: int) -> int:
        """Size of a stored slice: images of two bytes a pixel, labels of one."""
        height, width = self.patch
        return height * width * (2 * channels + 1)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as a fingerprint holds them."""
        plain = asdict(self)
        return (
            plain if self.slices is not None else {n: v for n, v in plain.items() if n != "slices"}
        )
