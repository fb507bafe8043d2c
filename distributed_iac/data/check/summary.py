"""Condense a check into the numbers that describe a source.

::

    summary = summarise(report)
    summary.spacing[0].median                       # mm between slices
    summary.labels[1].cases                         # how many cases hold the first class

Shapes and spacings are those of the slices as this project cuts them, not of the axes on disk:
only so can volumes of mixed orientation be compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distributed_iac.data.check.case import CaseFacts
from distributed_iac.data.check.report import CheckReport
from distributed_iac.data.contract import LabelScheme, Modality, SliceLayout
from distributed_iac.data.volumes.geometry import SliceGeometry, resolve_layout, slice_geometry
from distributed_iac.data.volumes.grid import Grid
from distributed_iac.data.volumes.image_scan import ImageStatistics
from distributed_iac.data.volumes.label_values import LabelStatistics

AXES = ("slice", "row", "column")
"""Order of every per-axis figure: along the stack, down a picture, across it."""


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of a quantity over the cases."""

    minimum: float
    median: float
    maximum: float


@dataclass(frozen=True)
class IntensitySummary:
    """Intensities of one channel in one modality.

    Args:
        channel: Channel name.
        modality: CT in Hounsfield units, MR in arbitrary ones.
        cases: How many volumes were read to their end.
        minimum: Over all voxels of all of them.
        percentiles: Medians over the volumes of :data:`.image_scan.PERCENTILES` of each.
        maximum: Over all voxels of all of them.
    """

    channel: str
    modality: Modality
    cases: int
    minimum: float
    percentiles: tuple[float, ...]
    maximum: float


@dataclass(frozen=True)
class LabelSummary:
    """One label value.

    Args:
        value: As stored.
        name: Its meaning; ``?`` where the source has none for it.
        cases: In how many label files it occurs.
        voxel_share: Of all voxels of all label files, 0 to 1.
    """

    value: int
    name: str
    cases: int
    voxel_share: float


@dataclass(frozen=True)
class Summary:
    """What a source holds.

    Args:
        cases: Cases with all their files.
        patients: Their owners.
        labelled: Cases with a label file.
        modalities, parts, phases, orientations: How many cases of each; parts and phases are
            empty where the format has none, orientations are nibabel axis codes as stored.
        size, spacing: Along :data:`AXES`, in voxels and mm; empty without a readable image.
        slices: In all readable volumes together.
        intensities: By channel, then modality.
        labels: By value, background included.
        label_files: How many label files the labels were counted in.
        problems: Number of problems by code.
    """

    cases: int
    patients: int
    labelled: int
    slices: int
    label_files: int
    modalities: Mapping[str, int]
    parts: Mapping[str, int]
    phases: Mapping[str, int]
    orientations: Mapping[str, int]
    problems: Mapping[str, int]
    size: tuple[Spread, ...]
    spacing: tuple[Spread, ...]
    intensities: tuple[IntensitySummary, ...]
    labels: tuple[LabelSummary, ...]


def summarise(report: CheckReport) -> Summary:
    """Condense a report."""
    cases = report.source.cases
    grids = [facts.grid for facts in report.facts if facts.grid is not None]
    geometries = _geometries(report.facts)
    labels = [facts.label for facts in report.facts if facts.label is not None]
    return Summary(
        cases=len(cases),
        patients=len(report.source.patients),
        labelled=sum(case.label is not None for case in cases),
        modalities=_tally(case.modality for case in cases),
        parts=_tally(case.part for case in cases),
        phases=_tally(case.phase for case in cases),
        orientations=_tally(grid.codes or "unknown" for grid in grids),
        size=_spreads([geometry.slices_shape for geometry in geometries]),
        spacing=_spreads([geometry.spacing for geometry in geometries]),
        slices=sum(geometry.slices_shape[0] for geometry in geometries),
        intensities=_intensities(report.facts, report.source.channel_names),
        labels=_labels(labels, report.source.labels),
        label_files=len(labels),
        problems=_tally(problem.code for problem in report.problems),
    )


def resolve_layouts(facts: Sequence[CaseFacts]) -> dict[SliceLayout, SliceLayout]:
    """Fix the slice axis of every layout of a source, over all its readable cases."""
    grids: dict[SliceLayout, list[Grid]] = defaultdict(list)
    for each in facts:
        if each.grid is not None:
            grids[each.case.layout].append(each.grid)
    return {layout: resolve_layout(layout, group) for layout, group in grids.items()}


def _geometries(facts: Sequence[CaseFacts]) -> list[SliceGeometry]:
    layouts = resolve_layouts(facts)
    return [
        slice_geometry(
            each.grid.affine, each.grid.shape, each.grid.zooms, layouts[each.case.layout]
        )
        for each in facts
        if each.grid is not None
    ]


def _tally(values: Iterable[str | None]) -> dict[str, int]:
    """Count what is given, the most frequent first."""
    counts = Counter(value for value in values if value is not None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _spreads(rows: Sequence[Sequence[float]]) -> tuple[Spread, ...]:
    columns = np.array(rows, dtype=float).reshape(-1, len(AXES)).T
    if not columns.size:
        return ()
    return tuple(
        Spread(float(column.min()), float(np.median(column)), float(column.max()))
        for column in columns
    )


def _intensities(
    facts: Sequence[CaseFacts], channel_names: Sequence[str]
) -> tuple[IntensitySummary, ...]:
    groups: dict[tuple[str, Modality], list[ImageStatistics]] = defaultdict(list)
    for each in facts:
        for name, image in each.images.items():
            groups[name, each.case.modality].append(image)
    order = {name: position for position, name in enumerate(channel_names)}
    return tuple(
        _intensity(channel, modality, groups[channel, modality])
        for channel, modality in sorted(
            groups, key=lambda key: (order.get(key[0], len(order)), key[1])
        )
    )


def _intensity(
    channel: str, modality: Modality, images: Sequence[ImageStatistics]
) -> IntensitySummary:
    # A volume without a finite voxel has NaN everywhere and describes nothing.
    finite = [image for image in images if image.minimum <= image.maximum]
    table = np.array([image.percentiles for image in finite])
    return IntensitySummary(
        channel=channel,
        modality=modality,
        cases=len(images),
        minimum=min((image.minimum for image in finite), default=float("nan")),
        percentiles=tuple(np.median(table, axis=0).tolist()) if finite else (),
        maximum=max((image.maximum for image in finite), default=float("nan")),
    )


def _labels(labels: Sequence[LabelStatistics], scheme: LabelScheme) -> tuple[LabelSummary, ...]:
    voxels: Counter[int] = Counter()
    cases: Counter[int] = Counter()
    for label in labels:
        voxels.update(label.voxels)
        cases.update(label.voxels.keys())
    total = voxels.total()
    return tuple(
        LabelSummary(value, _name(value, scheme), cases[value], voxels[value] / max(total, 1))
        for value in sorted(scheme.values | voxels.keys())
    )


def _name(value: int, scheme: LabelScheme) -> str:
    if value == 0:
        return "background"
    if value == scheme.ignore:
        return "ignore"
    return scheme.classes.get(value, "?")
