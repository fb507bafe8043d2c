"""How the images of a model are cut: as its training images were, wherever their axes lie.

::

    case = as_trained(case, model.card.fingerprint)

A model that was trained on slices cut as stored knows one arrangement of array axes; its card
records their axis codes, and an image of other codes is brought to them exactly. The label map
goes the same way back, into the image's own orientation.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from distributed_iac.data.contract import Case, SliceLayout
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.volumes.geometry import slice_geometry
from distributed_iac.data.volumes.volume import read_grid_of
from distributed_iac.errors import SourceError

ACROSS = 2.0
"""A pixel longer than this many times the distance of slices shows that a stack of thick slices is
cut across: a scan in an oblique plane, whose axis codes name other directions than the array's
order. Our choice."""

UNKNOWN_AXES = (
    "this model does not say in which array axes its slices were cut (it was exported by an older "
    "release, or its training images did not tell): images are cut as they are stored"
)


def trained_layout(fingerprint: Fingerprint) -> SliceLayout:
    """Return how slices were cut for the training."""
    (cut,) = fingerprint.recipe.cuts  # every reader cuts all cases of its source one way
    codes = fingerprint.axis_codes if cut.reorient == "as_stored" else None
    return replace(cut, codes=codes)


def has_unknown_axes(fingerprint: Fingerprint) -> bool:
    """Whether :data:`UNKNOWN_AXES` has to be said."""
    layout = trained_layout(fingerprint)
    return layout.reorient == "as_stored" and layout.codes is None


def as_trained(case: Case, fingerprint: Fingerprint) -> Case:
    """Cut a case as the training images were, whatever its own reader would do.

    Raises:
        SourceError: The image does not tell where its axes lie and the model needs to know, or
            the model does not tell and the case is known to be cut otherwise.
    """
    layout = trained_layout(fingerprint)
    if layout.codes is not None:
        _require_likeness(case.channels[0].path, layout)
    elif layout.reorient == "as_stored" and case.layout.reorient != "as_stored":
        raise SourceError(
            "this model was trained on slices cut as stored, in array axes that it does not name",
            came=f"a data set whose slices are cut {case.layout.reorient}",
            where=case.channels[0].path,
            remedy="export the model again from a store that this release has prepared",
        )
    return replace(case, layout=layout)


def _require_likeness(path: Path, layout: SliceLayout) -> None:
    """Refuse what cannot be brought to the training's axes: no axes, or slices cut across."""
    grid = read_grid_of(path)
    came = None
    if grid.codes is None:
        came = "a header that does not say where its axes lie (sform_code = qform_code = 0)"
    else:
        cut = slice_geometry(grid.affine, grid.shape, grid.zooms, layout)
        depth, *pixel = cut.spacing
        if cut.slices_shape[0] > 1 and max(pixel) > ACROSS * depth:
            came = f"axes {grid.codes} that would be cut across its slices of {max(pixel):g} mm"
    if came is not None:
        raise SourceError(
            f"this model was trained on slices of arrays with the axes {layout.codes}",
            came=came,
            where=path,
            remedy=f"if the image is stored as the training images are, set sform in its header "
            f"to the axes {layout.codes}",
        )
