"""Medical Segmentation Decathlon: ten tasks in one layout, images with up to four channels.

::

    Task01_BrainTumour/  dataset.json
                         imagesTr/BRATS_001.nii.gz   4-D, channel last: FLAIR, T1w, t1gd, T2w
                         labelsTr/BRATS_001.nii.gz
                         imagesTs/BRATS_485.nii.gz   no labels

The number and names of the channels come from ``modality`` in dataset.json; with more than one,
each is a position on the fourth axis of one file. The archives contain a ``._`` twin of every
file, which is not an image.

Reference: Antonelli et al., "The Medical Segmentation Decathlon", Nature Communications 13, 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from distributed_iac.data.contract import (
    Case,
    Channel,
    Detection,
    LabelScheme,
    Modality,
    Region,
    SliceLayout,
    Source,
)
from distributed_iac.data.formats.decathlon import (
    Entry,
    detect_family,
    licence_of,
    listed_entries,
    load_json,
    named_channels,
    numbered_names,
)
from distributed_iac.data.formats.labels import numbered_labels
from distributed_iac.data.formats.listed import Placed, note_unlisted, place_entries
from distributed_iac.data.formats.listing import list_folder
from distributed_iac.data.formats.patients import patient_of
from distributed_iac.data.problems import Findings
from distributed_iac.errors import SourceError

NAME = "msd"
LOOK = "imagesTr/<case>.nii.gz with a dataset.json that has modality and a training list"

LAYOUT = SliceLayout("LPS", slice_axis=None)
BRAIN_LAYOUT = SliceLayout("LPS", slice_axis=2)
"""Task01 is BraTS: isotropic, so the largest spacing would not find the axial direction."""

BRAIN_CHANNELS = ("flair", "t1", "t1ce", "t2")
BRAIN_REGIONS = (Region("WT", (1, 2, 3)), Region("TC", (2, 3)), Region("ET", (3,)))
BRAIN_ORDER = (1, 2, 3)
"""Task01 numbers 1 edema, 2 non-enhancing, 3 enhancing: not the numbering of any BraTS release."""


def detect(path: Path) -> Detection | None:
    """Claim a folder whose dataset.json lists images that carry no channel suffix."""
    return detect_family(path, "msd")


def read(detection: Detection) -> Source:
    """List every case of dataset.json."""
    findings = Findings()
    root = list_folder(detection.root)
    where = root.path / "dataset.json"
    meta = load_json(where, findings)
    channel_names = _channel_names(meta, where, findings)
    labels = _labels(meta, detection.release, where, findings)
    entries = tuple(listed_entries(meta, where, findings))
    usable = entries if channel_names and labels is not None else ()
    placed = place_entries(root.path, usable, where, findings)
    if meta:
        note_unlisted(root, entries, findings)
        _note_counts(meta, entries, where, findings)
    brain = _is_brain(channel_names, labels)
    if labels is not None and brain:
        labels = replace(labels, regions=BRAIN_REGIONS, region_order=BRAIN_ORDER)
    layout = BRAIN_LAYOUT if brain else LAYOUT
    return Source(
        detection=detection,
        channel_names=channel_names,
        labels=labels or LabelScheme("unknown", {}),
        cases=tuple(_case(case, channel_names, layout) for case in placed),
        problems=findings.problems,
        licence=licence_of(meta),
    )


def _channel_names(meta: Mapping[str, object], where: Path, findings: Findings) -> tuple[str, ...]:
    """Canonical channel names in the order of their positions; empty when unknown."""
    named = numbered_names(meta.get("modality"))
    if meta and not named:
        reason = f"modality must name channels 0, 1, ..., came {meta.get('modality')!r:.80}"
        findings.error("bad_metadata", where, reason, "Restore it from the archive")
    return named_channels(named, where, findings)


def _labels(
    meta: Mapping[str, object], release: str, where: Path, findings: Findings
) -> LabelScheme | None:
    if not meta:
        return None
    try:
        return numbered_labels(meta.get("labels"), f"msd {release}")
    except SourceError as error:
        reason = f"{error.message}, came {error.came}"
        findings.error("bad_metadata", where, reason, "Restore it from the archive")
        return None


def _is_brain(channel_names: tuple[str, ...], labels: LabelScheme | None) -> bool:
    """Recognise Task01 by its channels and label names, whatever its folder is called."""
    if labels is None or channel_names != BRAIN_CHANNELS:
        return False
    names = [name.casefold() for name in labels.classes.values()]
    return tuple(labels.classes) == (1, 2, 3) and all(
        name.startswith(start)
        for name, start in zip(names, ("edema", "non-enhancing", "enhancing"), strict=True)
    )


def _note_counts(
    meta: Mapping[str, object], entries: tuple[Entry, ...], where: Path, findings: Findings
) -> None:
    for key, part in (("numTraining", "train"), ("numTest", "test")):
        listed = sum(entry.part == part for entry in entries)
        announced = meta.get(key, listed)
        if announced != listed:
            reason = f"{key} is {announced!r:.20}, but {listed} cases are listed"
            findings.warning("count_mismatch", where, reason, "Check that the list is complete")


def _case(placed: Placed, channel_names: tuple[str, ...], layout: SliceLayout) -> Case:
    modality: Modality = "CT" if channel_names == ("ct",) else "MR"
    one = len(channel_names) == 1
    return Case(
        case_id=placed.case_id,
        patient_id=patient_of(placed.case_id),
        channels=tuple(
            Channel(name, placed.image, None if one else position)
            for position, name in enumerate(channel_names)
        ),
        label=placed.label,
        modality=modality,
        layout=layout,
        part=placed.part,
    )
