"""First stage: what the training cases contribute to a data set's recipe.

::

    surveys, skipped = survey_stage(request, runner, cases)
    survey = survey_case(case, scheme)               # reads one case, keeps a few numbers
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme, Modality, SliceLayout
from distributed_iac.data.prepare.axes import fixed_layout
from distributed_iac.data.prepare.prepared_case import nonzero_box
from distributed_iac.data.prepare.request import StoreRequest
from distributed_iac.data.prepare.stage_runner import StageRunner, unless_unusable
from distributed_iac.data.prepare.work import storage_errors
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.data.store.fingerprint import labels_to_json
from distributed_iac.data.store.identity import PREPROCESS_VERSION, content_key
from distributed_iac.data.volumes.geometry import SliceGeometry, slice_geometry
from distributed_iac.data.volumes.plane import Box, Size
from distributed_iac.data.volumes.reading import read_case
from distributed_iac.data.volumes.volume import Volume
from distributed_iac.errors import DataError
from distributed_iac.files import write_atomically
from distributed_iac.transient import patiently

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


def survey_stage(
    request: StoreRequest, runner: StageRunner, cases: Sequence[Case]
) -> tuple[dict[str, CaseSurvey], list[Skipped]]:
    """Survey every training case that no earlier run has surveyed.

    Args:
        request: What is prepared.
        runner: Does it.
        cases: All cases, their slice axis fixed.

    Returns:
        Surveys by case id, in the order of the cases, and the cases that cannot be used.

    Raises:
        DataError: No training case can be used.
        StoreError: The disk is full.
    """
    scheme = request.source.labels
    training = [case for case in cases if request.is_training(case)]
    found: dict[str, CaseSurvey] = {}
    tasks = []
    for case in training:
        described = request.described[case.case_id]
        layout = fixed_layout(request.settings) or case.layout
        key = content_key(PREPROCESS_VERSION, described, asdict(layout), labels_to_json(scheme))
        path = runner.work.survey_file(case.case_id)
        earlier = read_survey(path, key)
        if earlier is None:
            tasks.append(SurveyTask(case, layout, scheme, key, path))
        else:
            found[case.case_id] = earlier
    surveyed, skipped = runner.run("survey", survey_task, tasks, len(training))
    found.update(surveyed)
    if not found:
        raise DataError(
            "at least one training case must be usable",
            came="\n    ".join(["none:", *map(str, skipped)]),
            where=request.source.detection.root,
            remedy="repair the files and run the same command again",
        )
    return {case.case_id: found[case.case_id] for case in cases if case.case_id in found}, skipped


@dataclass(frozen=True)
class SurveyTask:
    """Survey one training case."""

    case: Case
    layout: SliceLayout
    scheme: LabelScheme
    key: str
    path: Path


def survey_task(task: SurveyTask) -> tuple[str, CaseSurvey | Skipped]:
    """Survey a case in a worker and keep the result."""
    survey = unless_unusable(task.case, lambda: survey_case(task.case, task.scheme, task.layout))
    if not isinstance(survey, Skipped):
        with storage_errors(task.path.parent):
            write_survey(task.path, task.key, survey)
    return task.case.case_id, survey


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


def write_survey(path: Path, key: str, survey: CaseSurvey) -> None:
    """Keep a survey.

    Raises:
        OSError: It cannot be written.
    """
    facts = {name: value for name, value in vars(survey).items() if name != "foreground"}
    buffer = io.BytesIO()
    np.savez(buffer, facts=json.dumps({"key": key, **facts}), foreground=survey.foreground)
    write_atomically(path, buffer.getvalue())


def read_survey(path: Path, key: str) -> CaseSurvey | None:
    """Read a survey; None if there is none under this key."""
    if not path.exists():
        return None
    with np.load(io.BytesIO(patiently(path.read_bytes))) as content:
        facts = json.loads(str(content["facts"]))
        foreground = content["foreground"]
    if facts.pop("key") != key:
        return None
    return CaseSurvey(**{name: _tuples(one) for name, one in facts.items()}, foreground=foreground)


def _tuples(value: Any) -> Any:
    """JSON's lists, however deep, as the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
