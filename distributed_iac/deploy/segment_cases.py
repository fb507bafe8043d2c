"""Segment many cases: each written when it is done, each refusal by itself.

::

    for outcome in predict_images(model, found, Path("out")):
        outcome.status          # "written", "present" or "refused"

One damaged file does not cost the others; a second start continues where the first stopped. What
lies under a label map's name and is not the one that would be made is refused, never kept for one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from distributed_iac.data.contract import Case
from distributed_iac.data.faults import Fault
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.deploy.images import Images
from distributed_iac.deploy.label_image import LabelDtype, label_image, write_image
from distributed_iac.deploy.model import Model
from distributed_iac.deploy.predictions import RECORD, Predictions, origin_of
from distributed_iac.errors import ConfigError, DataError, RunError, SourceError, raised_as
from distributed_iac.nets.card import CARD

Existing = Literal["keep", "replace"]
Status = Literal["written", "present", "refused"]


@dataclass(frozen=True)
class CaseOutcome:
    """What became of one case.

    Args:
        case_id: The case.
        status: ``present`` where this label map was there already and is kept.
        path: The label map; of a refused case, where it would have been.
        refusal: Why, for a refused case.
        faults: What the images of a written case were used with nevertheless.
    """

    case_id: str
    status: Status
    path: Path
    refusal: Skipped | None = None
    faults: tuple[Fault, ...] = ()


def predict_images(
    model: Model,
    images: Images,
    out: Path,
    *,
    existing: Existing = "keep",
    dtype: LabelDtype = "source",
) -> Iterator[CaseOutcome]:
    """Segment every case into ``out/<case>.nii.gz``.

    Args:
        model: The network.
        images: Cases, and what is unusable already; that comes out first.
        out: Folder; created if need be.
        existing: Whether label maps that are there are kept, if this model made them of these
            images and they are as they were written, or made again whatever they are.
        dtype: Data type of the label maps.

    Raises:
        ConfigError: A label map would overwrite an image, the folder cannot be created, or a
            directory has the name of a file that belongs there.
        RunError: A label map cannot be written.
    """
    _make(out)
    _require_apart(images, out)
    _require_files(images, out)
    return _outcomes(model, images, out, existing, dtype)


def _make(out: Path) -> None:
    """Fail before the long work rather than after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "label maps go to a folder that can be created",
            came="a link that leads nowhere" if out.is_symlink() else error.strerror or str(error),
            remedy="name another folder",
            where=out,
        ) from error


def _require_files(images: Images, out: Path) -> None:
    if (out / CARD).exists():
        raise ConfigError(
            "label maps go to a folder of their own",
            came="the folder of an exported model",
            remedy="name another folder",
            where=out,
        )
    wanted = {out / RECORD, *(_path(out, case.case_id) for case in images.cases)}
    for path in sorted(out.iterdir()):
        if path in wanted and path.is_dir():
            raise ConfigError(
                "label maps and their record are files",
                came="a directory of that name",
                remedy="move it away, or name another folder",
                where=path,
            )


def _outcomes(
    model: Model,
    images: Images,
    out: Path,
    existing: Existing,
    dtype: LabelDtype,
) -> Iterator[CaseOutcome]:
    for unusable in images.unusable:
        yield CaseOutcome(unusable.case_id, "refused", _path(out, unusable.case_id), unusable)
    record = Predictions(out)
    for case in images.cases:
        path = _path(out, case.case_id)
        try:
            _require_name(path)
            origin = origin_of(model.card, case, dtype)
            if existing == "keep" and path.exists():
                _require_own(record, case, origin, path)
                yield CaseOutcome(case.case_id, "present", path)
            else:
                yield _predict_one(model, case, path, dtype, record, origin)
        except DataError as error:
            refusal = Skipped.from_error(case.case_id, case.channels[0].path, error)
            yield CaseOutcome(case.case_id, "refused", path, refusal)


def _require_name(path: Path) -> None:
    """Refuse a case whose label map cannot be called after it.

    Raises:
        SourceError: The name is longer than the disk takes.
    """
    length, limit = len(os.fsencode(path.name)), os.pathconf(path.parent, "PC_NAME_MAX")
    if length > limit:
        raise SourceError(
            f"a label map is called after its image, in at most {limit} bytes",
            came=f"{length} bytes",
            remedy="Give the image a shorter name",
            where=path,
        )


def _require_own(record: Predictions, case: Case, origin: str, path: Path) -> None:
    """Refuse to take another file for the label map of a case.

    Raises:
        SourceError: It is not the label map that would be made.
    """
    try:
        reason = record.refusal(case.case_id, origin, path)
    except OSError as error:
        reason = error.strerror or str(error)
    if reason is not None:
        raise SourceError(
            f"another file lies where its label map belongs: {reason}",
            remedy="Move it away, name another folder, or give --overwrite to write over it",
            where=path,
        )


def _predict_one(
    model: Model, case: Case, path: Path, dtype: LabelDtype, record: Predictions, origin: str
) -> CaseOutcome:
    """Segment a case; a refusal is raised."""
    found = model.segment(case)
    image = label_image(found.labels, case.channels[0].path, dtype)
    message = "the label map must be written completely"
    remedy = (
        "see that the folder can be written to and has space, or name another one, and run the "
        "same command again: it continues"
    )
    with raised_as(RunError, message, remedy=remedy, where=path):
        write_image(image, path, lambda whole: record.add(case.case_id, origin, whole))
    return CaseOutcome(case.case_id, "written", path, faults=found.faults)


def _path(out: Path, case_id: str) -> Path:
    return out / f"{case_id}.nii.gz"


def _require_apart(images: Images, out: Path) -> None:
    inputs = {path.resolve() for case in images.cases for path in case.files}
    for case in images.cases:
        path = _path(out, case.case_id)
        if path.resolve() in inputs:
            raise ConfigError(
                "label maps and images lie in different folders",
                came=f"{path}, which is an image",
                remedy="name another output folder",
            )
