"""What a raw data set is, whatever its format: cases, channels, labels, problems.

::

    source = read_source(Path("database"))          # data/formats/registry.py
    source.format, source.release                   # "acdc", "2017"
    for case in source.cases:
        case.patient_id, case.channels, case.label
    for problem in source.problems:                 # what the folder structure alone shows
        print(problem)

Nothing here opens an image: a reader looks at names, folders and small text files only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Modality = Literal["CT", "MR"]
Phase = Literal["ED", "ES"]
Severity = Literal["error", "warning"]
OfficialPart = Literal["train", "val", "test"]
Reorient = Literal["as_stored", "LPS", "RAS"]
Axes = tuple[int, int, int]


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a source, with the file it is about and the way out.

    Args:
        code: Stable short name, such as ``missing_image``; the same on every format.
        severity: ``error`` excludes the case from preparation; ``warning`` does not.
        path: File or folder that the problem is about.
        reason: What is wrong, with the numbers that show it.
        remedy: What the user can do.
        case_id: The case concerned, if it is one.
    """

    code: str
    severity: Severity
    path: Path
    reason: str
    remedy: str
    case_id: str | None = None

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.reason}. {self.remedy}"


@dataclass(frozen=True)
class Channel:
    """One image channel of a case.

    Args:
        name: Canonical lower-case name: ``cine``, ``t1``, ``t1ce``, ``t2``, ``flair``, ``ct``...
        path: NIfTI file.
        index: Position on the fourth (last) axis of a 4-D file; None for a 3-D file.
    """

    name: str
    path: Path
    index: int | None = None


@dataclass(frozen=True)
class SliceLayout:
    """How 2-D slices are cut from a case's array.

    A stored slice has rows running to the patient's posterior and columns to the patient's left
    (the radiological axial view), so that pictures of every data set are the right way up.

    Args:
        reorient: ``LPS`` brings the array to nibabel axis codes LPS first, and ``RAS`` to RAS
            (nnU-Net's readers that reorient); ``as_stored`` leaves it alone, where the affine is
            known not to carry the anatomy (ACDC) or was published wrong (KiTS19).
        slice_axis: Array axis (after ``reorient``) along which slices are stacked; None means
            the axis of the largest spacing (nnU-Net's rule), decided once for a source.
        axes: Array axes (after ``reorient``) that become slice, row and column, none reversed: how
            another program cuts. None: the radiological view along ``slice_axis``.
        codes: For ``as_stored``: nibabel axis codes that the array is brought to first, those of
            the images that a model was trained on; None takes the array as it is on disk.
    """

    reorient: Reorient
    slice_axis: int | None
    axes: Axes | None = None
    codes: str | None = None


@dataclass(frozen=True)
class Case:
    """One labelled (or, for prediction, unlabelled) volume.

    Args:
        case_id: Unique within the source; safe as a file name.
        patient_id: Owner of the case; splits are by patient.
        channels: In the source's channel order.
        label: NIfTI label file, None when the case has none.
        modality: Decides the intensity normalisation.
        layout: How slices are cut.
        phase: Cardiac phase, for ACDC.
        part: Side of the official split, where one is published.
        unannotated: Label values that this case's annotation never contains although the source
            has them (AMOS MR: bladder, prostate/uterus): metrics for them are undefined.
        attributes: Further facts worth keeping (ACDC: diagnosis group), as plain text.
    """

    case_id: str
    patient_id: str
    channels: tuple[Channel, ...]
    label: Path | None
    modality: Modality
    layout: SliceLayout
    phase: Phase | None = None
    part: OfficialPart | None = None
    unannotated: frozenset[int] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every distinct file of the case, images first."""
        paths = dict.fromkeys(channel.path for channel in self.channels)
        if self.label is not None:
            paths[self.label] = None
        return tuple(paths)


@dataclass(frozen=True)
class Region:
    """A union of label values that is segmented and scored as one (BraTS WT, KiTS HEC)."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class LabelScheme:
    """What the label values of a source mean.

    Args:
        convention: Name of the numbering, such as ``brats<=2022 (1,2,4)``.
        classes: Foreground value to name, ascending; background 0 is implied.
        regions: Overlapping targets; empty when the classes themselves are the targets.
        region_order: Label values to paint when regions are turned back into labels, in painting
            order (nnU-Net's ``regions_class_order``); as long as ``regions``.
        ignore: Label value excluded from loss and metrics, or None.
    """

    convention: str
    classes: Mapping[int, str]
    regions: tuple[Region, ...] = ()
    region_order: tuple[int, ...] = ()
    ignore: int | None = None

    @property
    def values(self) -> frozenset[int]:
        """Every value that a label file may contain, background included."""
        extra = () if self.ignore is None else (self.ignore,)
        return frozenset((0, *self.classes, *extra))

    @property
    def targets(self) -> tuple[Region, ...]:
        """What is scored: the regions, or each class as a region of one value."""
        if self.regions:
            return self.regions
        return tuple(Region(name, (value,)) for value, name in self.classes.items())


@dataclass(frozen=True)
class Detection:
    """A reader's claim on a folder.

    Args:
        format: Name of the reader, such as ``acdc``.
        release: Release that the names and structure show, such as ``2023-GLI``.
        root: Folder that holds the cases; may lie below the folder that was asked about.
        why: The evidence, for people.
    """

    format: str
    release: str
    root: Path
    why: str


@dataclass(frozen=True)
class Source:
    """A raw data set as its folder structure shows it.

    Args:
        detection: Where it is and how it was recognised.
        channel_names: Canonical channel names, in the order of every case's ``channels``.
        labels: Meaning of the label values.
        cases: Ordered by ``case_id``. A case with a missing image or label file is not listed
            here but among ``problems``.
        problems: What the structure alone shows; voxel-level checks come later.
        splits: Published or supplied splits: for each fold, part name to patient ids.
        licence: Terms as published, for the user to read.
    """

    detection: Detection
    channel_names: tuple[str, ...]
    labels: LabelScheme
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...] = ()
    splits: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    licence: str = ""

    @property
    def format(self) -> str:
        """Name of the format."""
        return self.detection.format

    @property
    def release(self) -> str:
        """Name of the release."""
        return self.detection.release

    @property
    def patients(self) -> tuple[str, ...]:
        """Distinct patient ids, sorted."""
        return tuple(sorted({case.patient_id for case in self.cases}))


class Reader(Protocol):
    """One format of raw data: what a module of ``data/formats/`` offers.

    Laws, held by one conformance test over the registry:

    1. ``detect`` decides from names and structure, never from voxel values; it returns None for
       every other format's tree, and for an empty or unrelated folder.
    2. ``read`` never raises for damaged content: damage becomes a :class:`Problem`. It raises
       SourceError only when the folder itself cannot be listed.
    3. Cases are unique, ordered by id, and have one channel per ``channel_names``.
    4. Hidden files (``.DS_Store``, ``._*``) are never taken for data.
    """

    NAME: str
    LOOK: str
    """What the format looks like on disk, for messages."""

    def detect(self, path: Path) -> Detection | None:
        """Claim ``path``, or a data root at most two folders below it, or decline.

        Raises:
            SourceError: If several data sets of this format are equally near, so that which one
                is meant cannot be told, or if ``path`` cannot be listed.
        """

    def read(self, detection: Detection) -> Source:
        """List everything found under a claimed root."""
