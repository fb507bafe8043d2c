"""The formats that phantoms come in, and their releases.

::

    FORMATS["kits"].releases                  # ("2023", "2021", "2019"), the default first
    resolve_release("brats", "2023")          # "2023-GLI"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from distributed_iac.errors import ConfigError
from distributed_iac.phantom import acdc, amos, brats, kits
from distributed_iac.phantom.phantom_plan import PhantomPlan, PlacedCase

FormatName = Literal["acdc", "brats", "kits", "amos"]


@dataclass(frozen=True)
class PhantomFormat:
    """One format of phantoms.

    Args:
        releases: Release names as the format's reader gives them; the first is the default.
        write: Writes a tree into a folder.
        find: Lists the labelled cases of a tree that ``write`` made and nobody damaged.
    """

    releases: tuple[str, ...]
    write: Callable[[Path, PhantomPlan], None]
    find: Callable[[Path], tuple[PlacedCase, ...]]


FORMATS: Mapping[FormatName, PhantomFormat] = MappingProxyType(
    {
        "acdc": PhantomFormat(acdc.RELEASES, acdc.write, acdc.find),
        "brats": PhantomFormat(brats.RELEASES, brats.write, brats.find),
        "kits": PhantomFormat(kits.RELEASES, kits.write, kits.find),
        "amos": PhantomFormat(amos.RELEASES, amos.write, amos.find),
    }
)
"""Every format by the name of its reader."""


def resolve_release(format: FormatName, text: str | None) -> str:
    """Return the release that a user means.

    Args:
        format: A key of :data:`FORMATS`.
        text: A release or a part of one's name that no other has, such as ``19``; None for the
            default.

    Raises:
        ConfigError: If there is no such format, or if no release or several are meant.
    """
    if format not in FORMATS:
        raise ConfigError(
            f"phantoms are of {', '.join(FORMATS)}", came=format, remedy="name one of them"
        )
    releases = FORMATS[format].releases
    if text is None:
        return releases[0]
    meant = [release for release in releases if text and text in release]
    if len(meant) != 1:
        raise ConfigError(
            f"releases of {format} phantoms are {', '.join(releases)}",
            came=repr(text),
            remedy=f"name one of them; without a name it is {releases[0]}",
        )
    return meant[0]
