"""What file, channel and case names mean, whatever the data set.

::

    split_nifti("amos_0001.nii.gz")     # ("amos_0001", ".nii.gz")
    is_hidden("._BRATS_001.nii.gz")     # True
    canonical_channel("T1Gd")           # "t1ce"
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NIFTI_ENDINGS = (".nii.gz", ".nii")
"""Preferred first: every data set here is published compressed, so a ``.nii`` beside its
``.nii.gz`` is somebody's unpacked copy."""

_NIFTI = re.compile(r"(?P<stem>.+)(?P<ending>\.(?:nii|NII)(?:\.[gG][zZ])?)", re.DOTALL)
"""Scanners and Windows tools write large letters. nibabel does not find ``.Nii``."""

_PICTURE = re.compile(r"\.(?:png|jpe?g|tiff?|bmp|gif)$", re.IGNORECASE)
_UNREAD = re.compile(
    r".+?(?P<ending>\.nii(?:\.(?:gz|bz2|xz|zip|zst))?|\.(?:mha|mhd|nrrd|nhdr|dcm|ima|img|hdr|mgz|mgh"
    r"|mnc|gipl|npy|npz|h5|png|jpe?g|tiff?|bmp|gif)(?:\.gz)?)",
    re.IGNORECASE | re.DOTALL,
)
"""Names of images in other formats, and of NIfTI files compressed or spelt otherwise."""

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
    """Split a NIfTI file name into stem and ending, as written; None for any other name."""
    found = _NIFTI.fullmatch(name)
    return None if found is None else (found["stem"], found["ending"])


def unread_ending(name: str) -> str | None:
    """The ending of a name that looks like an image but is not read as one; else None."""
    found = None if split_nifti(name) else _UNREAD.fullmatch(name)
    return None if found is None else found["ending"]


def is_picture(name: str) -> bool:
    """Tell whether a name is that of a picture, which may as well be part of a description."""
    return _PICTURE.search(name) is not None


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
