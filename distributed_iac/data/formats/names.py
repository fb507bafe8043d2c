"""What file, channel and case names mean, whatever the data set.

::

    split_nifti("amos_0001.nii.gz")     # ("amos_0001", ".nii.gz")
    is_hidden("._BRATS_001.nii.gz")     # True
    canonical_channel("T1Gd")           # "t1ce"
"""

from __future__ import annotations

from collections.abc import Sequence

NIFTI_ENDINGS = (".nii.gz", ".nii")
"""Preferred first: every data set here is published compressed, so a ``.nii`` beside its
``.nii.gz`` is somebody's unpacked copy."""

_HIDDEN_NAMES = frozenset({"__MACOSX", "lost+found"})

_CHANNEL_ALIASES = {
    "t1n": "t1",
    "t1w": "t1",
    "t1c": "t1ce",
    "t1gd": "t1ce",
    "t2w": "t2",
    "t2f": "flair",
}
"""Other names of the BraTS channels: 2023 and later write t1n, t1c, t2w, t2f; the Decathlon
writes T1w, t1gd, T2w."""

_FORBIDDEN_IN_CASE_ID = frozenset('/\\:*?"<>|')
_LONGEST_CASE_ID = 200
"""Leaves room for suffixes below the 255 bytes that common file systems allow."""


def is_hidden(name: str) -> bool:
    """Tell whether a name is left behind by a system rather than part of the data.

    Covers ``.DS_Store``, the ``._*`` twins that macOS puts beside every file of a tar (the
    Decathlon archives contain them) and the ``__MACOSX`` folder of its zips.
    """
    return name.startswith(".") or name in _HIDDEN_NAMES


def split_nifti(name: str) -> tuple[str, str] | None:
    """Split a NIfTI file name into stem and ending; None for any other name."""
    for ending in NIFTI_ENDINGS:
        if name.endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)], ending
    return None


def stem_of(name: str) -> str:
    """Return a name without its NIfTI ending, or unchanged when it has none."""
    parts = split_nifti(name)
    return name if parts is None else parts[0]


def canonical_channel(name: str) -> str:
    """Return the lower-case name under which a channel is known here."""
    lower = "_".join(name.casefold().split())
    return _CHANNEL_ALIASES.get(lower, lower)


def canonical_channels(names: Sequence[str]) -> tuple[str, ...]:
    """Return canonical names, numbered where a file gives one name to several channels.

    ``("MRI", "MRI")`` becomes ``("mri_0", "mri_1")``: in the formats that allow this, a channel
    is known by its position.
    """
    canonical = tuple(canonical_channel(name) for name in names)
    if len(set(canonical)) == len(canonical):
        return canonical
    return tuple(f"{name}_{position}" for position, name in enumerate(canonical))


def is_safe_case_id(text: str) -> bool:
    """Tell whether a case id may become a file name on any common system."""
    return (
        0 < len(text.encode(errors="replace")) <= _LONGEST_CASE_ID
        and text.isprintable()  # no control characters, no bytes that are not UTF-8
        and not _FORBIDDEN_IN_CASE_ID & set(text)
        and not text.startswith(".")
        and text == text.strip()
    )
