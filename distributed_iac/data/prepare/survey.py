"""What one training case contributes to a data set's recipe.

::

    survey = survey_case(case, scheme)               # reads the case, keeps a few numbers
    box, share = nonzero_box(image, geometry)        # where anything is, without the label
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme, Modality, SliceLayout
from distributed_iac.data.volumes.geometry import SliceGeometry, slice_geometry
from distributed_iac.data.volumes.intensity import nonzero_mask
from distributed_iac.data.volumes.plane import Box, Size
from distributed_iac.data.volumes.reading import read_case
from distributed_iac.data.volumes.volume import Volume

Span = tuple[int, int]

SAMPLE = 20_000
"""Foreground voxels taken from each case, with replacement, so that every case weighs the same
(nnU-Net's way; its 10 million over all cases are about this many in a data set of 500)."""


@dataclass(frozen=True, eq=False)
class CaseSurvey:
    """What a training case contributes to the recipe.

    Args:
        modality: Of the case.
        depth: Number of slices.
        size: (h, w) of a slice in pixels.
        spacing: (dy, dx) in mm.
        box: Rows and columns [start, stop) of the non-zero voxels over all slices.
        nonzero_share: Share of the volume that the non-zero voxels' three-dimensional box fills.
        labelled: The same of the foreground; None if there is none.
        foreground: Intensities of foreground voxels, (C, SAMPLE) or (C, 0).
    """

    modality: Modality
    depth: int
    size: Size
    spacing: tuple[float, float]
    box: Box
    nonzero_share: float
    labelled: Box | None
    foreground: NDArray[np.float32]


def survey_case(case: Case, scheme: LabelScheme, layout: SliceLayout | None = None) -> CaseSurvey:
    """Read a labelled training case and take what the recipe needs.

    The sample is drawn by a generator seeded from the case's name, so that it depends on nothing
    but the case.

    Args:
        case: Its layout must have its slice axis, unless another layout is given.
        scheme: Meaning of the label values.
        layout: How slices are cut; None: as the case's reader says.

    Raises:
        SourceError: The case cannot be used.
        GeometryError: Its affine does not say where its axes point.
    """
    volume = read_case(case, scheme)
    geometry = slice_geometry(volume.affine, volume.shape, volume.zooms, layout or case.layout)
    geometry.require_pictures(case.channels[0].path)
    depth, height, width = geometry.slices_shape
    box, share = nonzero_box(volume.image, geometry)
    return CaseSurvey(
        modality=case.modality,
        depth=depth,
        size=(height, width),
        spacing=(geometry.spacing[1], geometry.spacing[2]),
        box=box,
        nonzero_share=share,
        labelled=_labelled_box(volume, geometry, scheme),
        foreground=_foreground_sample(case, volume, scheme),
    )


def nonzero_box(image: NDArray[np.float32], geometry: SliceGeometry) -> tuple[Box, float]:
    """Find the non-zero voxels' rows and columns, and their box's share of the volume.

    Args:
        image: (C, X, Y, Z) as on disk.
        geometry: Of the case.

    Returns:
        The whole slice and 1.0 for an image of zeros.
    """
    mask = geometry.to_slices(nonzero_mask(image))
    spans = nonzero_spans(mask)
    share = float(np.prod([stop - start for start, stop in spans]) / mask.size)
    return (spans[1], spans[2]), share


def nonzero_spans(mask: NDArray[np.bool_]) -> tuple[Span, Span, Span]:
    """Find where along each axis [start, stop) a mask (Z, h, w) is set; all of it if nowhere."""
    spans = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        positions = np.flatnonzero(mask.any(axis=others))
        if not positions.size:
            depth, height, width = mask.shape
            return (0, depth), (0, height), (0, width)
        spans.append((int(positions[0]), int(positions[-1]) + 1))
    return spans[0], spans[1], spans[2]


def _labelled_box(volume: Volume, geometry: SliceGeometry, scheme: LabelScheme) -> Box | None:
    if volume.label is None:
        return None
    foreground = geometry.to_slices(_foreground(volume.label, scheme))
    mask: NDArray[np.bool_] = np.any(foreground, axis=0)
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)


def _foreground(label: NDArray[np.integer[Any]], scheme: LabelScheme) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = label != 0
    return known if scheme.ignore is None else known & (label != scheme.ignore)


def _foreground_sample(case: Case, volume: Volume, scheme: LabelScheme) -> NDArray[np.float32]:
    if volume.label is None:
        return np.zeros((len(volume.image), 0), dtype=np.float32)
    known = _foreground(volume.label, scheme)
    # In Fortran order, as volumes lie in memory: the flat arrays below are views.
    (positions,) = known.ravel(order="F").nonzero()
    if positions.size:
        generator = np.random.default_rng(zlib.crc32(case.case_id.encode()))
        positions = positions[generator.integers(positions.size, size=SAMPLE)]
    return np.stack([channel.ravel(order="F")[positions] for channel in volume.image])
