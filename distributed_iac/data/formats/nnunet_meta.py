"""What an nnU-Net dataset.json says: channels, labels, file ending; v1 leftovers included.

::

    described = describe(load_json(root / "dataset.json", findings), where, findings)
    described.channel_names, described.labels, described.ending

Format: ``documentation/dataset_format.md`` of nnU-Net v2. A v1 file (``modality`` for
``channel_names``, labels from number to name, no ``file_ending``) is read with its old meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distributed_iac.data.contract import LabelScheme, Modality
from distributed_iac.data.formats.decathlon import named_channels, numbered_names, texts
from distributed_iac.data.formats.labels import is_numbered, named_labels, numbered_labels
from distributed_iac.data.formats.names import NIFTI_ENDINGS
from distributed_iac.data.problems import Findings
from distributed_iac.errors import SourceError

_CORRECT = "Correct dataset.json"
_OTHER_NORMALISATIONS = frozenset({"nonorm", "rescale_to_0_1", "rgb_to_0_1"})
"""nnU-Net's normalisations other than CT and z-score (explanation_normalization.md)."""


@dataclass(frozen=True)
class Described:
    """A usable dataset.json.

    Args:
        channel_names: Canonical names by channel number.
        modality: CT when every channel is called CT, else MR (z-score, nnU-Net's default).
        labels: Meaning of the label values.
        ending: ``.nii.gz`` or ``.nii``.
    """

    channel_names: tuple[str, ...]
    modality: Modality
    labels: LabelScheme
    ending: str


def describe(meta: Mapping[str, object], where: Path, findings: Findings) -> Described | None:
    """Read what the cases need; None, with the problems noted, when it cannot be read."""
    if not meta:
        return None
    _note_v1(meta, where, findings)
    channels = _channels(meta, where, findings)
    labels = _labels(meta, where, findings)
    ending = _ending(meta, where, findings)
    if channels is None or labels is None or ending is None:
        return None
    return Described(channels, _modality(channels, where, findings), labels, ending)


def _note_v1(meta: Mapping[str, object], where: Path, findings: Findings) -> None:
    signs = {
        "modality instead of channel_names": "channel_names" not in meta and "modality" in meta,
        "labels from number to name": is_numbered(meta.get("labels")),
    }
    shown = [sign for sign, found in signs.items() if found]
    if shown:
        findings.warning(
            "v1_layout",
            where,
            f"it is an nnU-Net v1 file ({', '.join(shown)})",
            "It is read with that meaning; nnUNetv2_convert_old_nnUNet_dataset brings it up to "
            "date",
        )


def _channels(
    meta: Mapping[str, object], where: Path, findings: Findings
) -> tuple[str, ...] | None:
    given = meta.get("channel_names", meta.get("modality"))
    named = numbered_names(given)
    if not named or texts(given) != given:
        reason = f"channel_names must name channels 0, 1, ..., came {given!r:.80}"
        findings.error("bad_metadata", where, reason, _CORRECT)
        return None
    return named_channels(named, where, findings)


def _labels(meta: Mapping[str, object], where: Path, findings: Findings) -> LabelScheme | None:
    labels, convention = meta.get("labels"), f"nnU-Net {where.parent.resolve().name}"
    try:
        if is_numbered(labels):
            return numbered_labels(labels, convention)
        return named_labels(labels, meta.get("regions_class_order"), convention)
    except SourceError as error:
        reason = f"{error.message}, came {error.came}"
        findings.error("bad_metadata", where, reason, _CORRECT)
        return None


def _ending(meta: Mapping[str, object], where: Path, findings: Findings) -> str | None:
    default = NIFTI_ENDINGS[0]  # the only one that nnU-Net v1 knew
    ending = meta.get("file_ending", default)
    if isinstance(ending, str) and ending.casefold() in NIFTI_ENDINGS:
        return ending.casefold()
    findings.error(
        "unsupported_ending",
        where,
        f"file_ending is {ending!r:.20}; images are read as NIfTI, {' or '.join(NIFTI_ENDINGS)}",
        "Convert the images and labels to NIfTI and change file_ending",
    )
    return None


def _modality(named: tuple[str, ...], where: Path, findings: Findings) -> Modality:
    # Channels of one name are numbered: two called CT are CT as well.
    channels = [re.sub(rf"_{position}$", "", name) for position, name in enumerate(named)]
    others = sorted(_OTHER_NORMALISATIONS & set(channels))
    if all(channel == "ct" for channel in channels):
        return "CT"
    if "ct" in channels:
        others.append("ct beside other channels")
    if others:
        findings.warning(
            "normalisation_ignored",
            where,
            f"channels called {', '.join(others)} are normalised by z-score like all others",
            "Nothing to do, unless their absolute values matter to the task",
        )
    return "MR"
