"""What AMOS, nnU-Net raw and the Decathlon share: a dataset.json beside imagesTr.

::

    family = family_of(list_folder(root))      # Family("msd", why="...") or None
    meta = load_json(root / "dataset.json", findings)
    entries = listed_entries(meta, where, findings)

The three look alike: same folder names, same keys. ``amos_0001.nii.gz`` even fits nnU-Net's
``<case>_<channel>`` pattern, and nnU-Net v1 kept the Decathlon's json while renaming the images.
So one function decides among them, and each reader claims what it decides for that reader: no
folder can be claimed twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from distributed_iac.data.contract import Detection, OfficialPart
from distributed_iac.data.formats.listing import Folder, find_root, peek
from distributed_iac.data.formats.names import canonical_channel, canonical_channels, stem_of
from distributed_iac.data.problems import Findings
from distributed_iac.files import parse_json
from distributed_iac.transient import may_pass, patiently

FamilyName = Literal["amos", "nnunet_raw", "msd"]

IMAGE_FOLDERS = ("imagesTr", "imagesVa", "imagesTs")
AMOS_FILE = re.compile(r"amos_(\d{4})")
TASK_FOLDER = re.compile(r"Task\d{2}_\w+")
JSON_NAMES = ("dataset.json", "task1_dataset.json", "task2_dataset.json")
"""AMOS's first release named its lists by task; everything else uses the first name."""

_WITH_CHANNEL = re.compile(r"(.+)_\d{4}")
_NNUNET_V2_KEYS = frozenset({"channel_names", "file_ending", "dataset"})
_PARTS: Mapping[str, OfficialPart] = {"training": "train", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Family:
    """Which of the three formats a folder is in, with the evidence."""

    name: FamilyName
    why: str


@dataclass(frozen=True)
class Entry:
    """One case as a dataset.json lists it; paths as written there."""

    part: OfficialPart
    image: str
    label: str | None

    @property
    def case_id(self) -> str:
        """Name of the image without folder and ending."""
        return stem_of(PurePosixPath(self.image).name)


def family_of(folder: Folder) -> Family | None:
    """Decide which of the three formats a folder is in, by names and dataset.json."""
    meta = _first_json(folder)
    stems = frozenset(_stems(folder, IMAGE_FOLDERS))
    has_images = any(name in folder.folders for name in IMAGE_FOLDERS)
    if not has_images and "dataset" not in meta:
        return None
    keys = sorted(_NNUNET_V2_KEYS & meta.keys())
    if keys:
        return Family("nnunet_raw", f"dataset.json with {', '.join(keys)}")
    entries = tuple(listed_entries(meta, folder.path, Findings()))
    listed = frozenset(entry.case_id for entry in entries)
    if any(AMOS_FILE.fullmatch(stem) for stem in stems or listed):
        return Family("amos", "images named amos_NNNN")
    labels = frozenset(_stems(folder, ("labelsTr",)))
    channelled = (_WITH_CHANNEL.fullmatch(stem) for stem in stems)
    cases = frozenset(found.group(1) for found in channelled if found is not None)
    if cases & (listed | labels):
        return Family("nnunet_raw", "images named <case>_NNNN with labels named <case>")
    if listed and {"modality", "labels"} & meta.keys():
        return Family("msd", "dataset.json with modality, labels and a training list")
    if not meta and TASK_FOLDER.fullmatch(folder.path.resolve().name) and stems & labels:
        return Family("msd", "a TaskNN_ folder with imagesTr and labelsTr")
    return None


def detect_family(path: Path, name: FamilyName) -> Detection | None:
    """The nearest folder of one of the three formats, called by its own name.

    Raises:
        SourceError: As :func:`~distributed_iac.data.formats.listing.find_root`.
    """
    whys: dict[Path, str] = {}

    def is_one(folder: Folder) -> bool:
        family = family_of(folder)
        if family is None or family.name != name:
            return False
        whys[folder.path] = family.why
        return True

    root = find_root(path, is_one, name)
    if root is None:
        return None
    return Detection(name, root.path.resolve().name, root.path, whys[root.path])


def numbered_names(content: object) -> list[str]:
    """The names of ``{"0": name, "1": name, ...}`` in order; none where it is anything else."""
    named = texts(content)
    positions = [str(position) for position in range(len(named))]
    return [named[one] for one in positions] if set(named) == set(positions) else []


def load_json(path: Path, findings: Findings) -> Mapping[str, object]:
    """Read a JSON object; anything else becomes a problem and an empty mapping."""
    try:
        content = parse_json(patiently(path.read_bytes))
    except (OSError, ValueError, RecursionError) as error:
        if may_pass(error):
            raise
        reason = f"it cannot be read as JSON ({error})"
    else:
        if isinstance(content, dict):
            return content
        reason = f"it must hold one JSON object, came {type(content).__name__}"
    findings.error("bad_metadata", path, reason, "Restore it from the archive")
    return {}


def listed_entries(meta: Mapping[str, object], where: Path, findings: Findings) -> Iterator[Entry]:
    """Yield the cases that a Decathlon-like dataset.json lists.

    An item is ``{"image": path, "label": path}`` or, for unlabelled cases, the path alone: the
    Decathlon and AMOS's first release write test cases that way.
    """
    for key, part in _PARTS.items():
        items = meta.get(key, [])
        if not isinstance(items, list):
            reason = f"{key} must be a list, came {type(items).__name__}"
            findings.error("bad_metadata", where, reason, "Correct dataset.json")
            continue
        for position, item in enumerate(items):
            entry = _entry(part, item)
            if entry is None:
                reason = f"{key}[{position}] must name an image, came {item!r:.80}"
                findings.error("bad_metadata", where, reason, "Correct dataset.json")
            else:
                yield entry


def texts(content: object) -> Mapping[str, str]:
    """Return the pairs of a JSON object whose values are text; others are left out."""
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str)}


def named_channels(names: Sequence[str], where: Path, findings: Findings) -> tuple[str, ...]:
    """Return canonical names; two that are told apart only by spelling become a warning.

    Args:
        names: As given, by position.
        where: The file that gives them.
        findings: Receives the warning.
    """
    canonical = canonical_channels(names)
    spelt: dict[str, str] = {}
    for name in names:
        other = spelt.setdefault(canonical_channel(name), name)
        if other != name:
            findings.warning(
                "bad_metadata",
                where,
                f"channels {other} and {name} are one name in two spellings; they are told apart "
                f"by position, as {', '.join(canonical)}",
                "Give each channel a name of its own, if they are different images",
            )
    return canonical


def licence_of(meta: Mapping[str, object]) -> str:
    """Return what dataset.json says of its licence; the key is spelt both ways."""
    said = texts(dict(meta))
    return said.get("licence") or said.get("license") or ""


def _entry(part: OfficialPart, item: object) -> Entry | None:
    if isinstance(item, str) and item:
        return Entry(part, item, None)
    named = texts(item)
    image = named.get("image")
    return Entry(part, image, named.get("label")) if image else None


def _first_json(folder: Folder) -> Mapping[str, object]:
    """The first readable list; a search does not report what is wrong with the others."""
    for name in JSON_NAMES:
        if name in folder.files:
            meta = load_json(folder.files[name], Findings())
            if meta:
                return meta
    return {}


def _stems(folder: Folder, subfolders: Iterable[str]) -> Iterator[str]:
    for name in subfolders:
        if name in folder.folders:
            inner = peek(folder.folders[name])
            yield from () if inner is None else (stem_of(file) for file in inner.nifti)
