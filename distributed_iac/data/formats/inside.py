"""Paths written in a source's own files, kept inside the source.

::

    resolve_inside(root, "./imagesTr/la_003.nii.gz")   # root/imagesTr/la_003.nii.gz
    resolve_inside(root, "../../etc/passwd")           # Refused("outside_root", ...)

Our choice: a path from a ``dataset.json`` must lead to a file below the data set's folder, after
links are followed, whether it is written relative or absolute. nnU-Net would follow it anywhere;
but data sets are passed from hand to hand, and a list in one of them should not decide which
files of the machine are opened. Links that a user puts in the place of ``imagesTr/x.nii.gz`` in
formats that are read by listing folders are followed as usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distributed_iac.transient import may_pass, patiently


@dataclass(frozen=True)
class Refused:
    """Why a path is not followed.

    Args:
        code: Code of the problem.
        reason: What is wrong with it.
        remedy: What the user can do.
    """

    code: str
    reason: str
    remedy: str


def resolve_inside(root: Path, text: str) -> Path | Refused:
    """Place a path from a source's file below the source's root.

    Args:
        root: Folder of the source; relative paths start here.
        text: Path as written. Environment variables are not expanded.

    Returns:
        The path below ``root`` without ``..`` and links (it need not exist), or the refusal.
    """
    if "$" in text:
        return Refused(
            "unexpanded_path",
            f"{text!r} contains an environment variable",
            "Write the path relative to dataset.json",
        )
    try:
        base = root.resolve()
        target = _followed(base / text)
        # Raises for what no file system would take, such as a name too long.
        patiently(target.is_file)
    except (OSError, RuntimeError, ValueError) as error:  # also loops of links, NUL characters
        if may_pass(error):
            raise
        return Refused("bad_metadata", f"{text!r} is not a path ({error})", "Correct dataset.json")
    if target == base or not target.is_relative_to(base):
        return Refused(
            "outside_root",
            f"{text!r} leads to {target}, outside the data set",
            "Move or copy the file into the data set's folder and write its relative path",
        )
    return root / target.relative_to(base)


def _followed(path: Path) -> Path:
    """Follow all links.

    Raises:
        OSError, RuntimeError: Links lead in a circle; some are noticed by ``Path.resolve``, others
            only make it leave the links behind them as they are written.
    """
    target = path.resolve()
    if target.resolve() != target:
        raise OSError("its links lead in a circle")
    return target
