"""Every reader in one table; which of them a folder belongs to.

::

    detect(Path("database"))                         # Detection(format="acdc", ...)
    source = read_source(Path("database"))           # format decided by the folder
    source = read_source(Path("amos22"), format="amos", modality="ct")
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from distributed_iac.config.dataset import DatasetSettings, PatientSettings
from distributed_iac.data.contract import Detection, Modality, Reader, Source
from distributed_iac.data.formats import acdc, amos, brats, kits, msd, nnunet_raw
from distributed_iac.data.formats.listing import ROOT_DEPTH, list_folder
from distributed_iac.data.formats.owners import owned
from distributed_iac.data.formats.unused import with_unused
from distributed_iac.errors import ConfigError, SourceError, first_names

READERS: Mapping[str, Reader] = {
    reader.NAME: reader for reader in (acdc, brats, kits, amos, nnunet_raw, msd)
}
"""Name of each format to its reader."""

LOOKS = {name: reader.LOOK for name, reader in READERS.items()}
"""What each format looks like on disk, for messages."""

ModalityFilter = Literal["all", "ct", "mr"]
_SHOWN = 12
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")


def detect(path: Path) -> Detection:
    """Decide which format a folder is in.

    Where folders of two formats lie below ``path``, the nearer one is meant; equally near ones
    are refused.

    Raises:
        SourceError: If ``path`` is no folder, if no format or more than one claims it, or if one
            format finds several data sets below it.
    """
    _require_folder(path)
    claims: list[Detection] = []
    refusals: list[SourceError] = []
    for reader in READERS.values():
        try:
            claim = reader.detect(path)
        except SourceError as refusal:
            if refusal.retriable:
                raise
            refusals.append(refusal)
            continue
        claims.extend([] if claim is None else [claim])
    nearest = min((_distance(path, claim) for claim in claims), default=ROOT_DEPTH)
    if refusals and nearest > 0:  # what a reader cannot choose among lies below path itself
        raise refusals[0]
    claims = [claim for claim in claims if _distance(path, claim) == nearest]
    if not claims:
        raise SourceError(
            "a source is in one of the known formats, at most two folders below the path\n"
            + "\n".join(f"    {name}: {look}" for name, look in LOOKS.items()),
            where=path,
            came=_shown(path),
            remedy="give the folder that was unpacked, or bring the data into nnU-Net's raw format",
        )
    if len(claims) > 1:
        raise SourceError(
            "a folder holds one data set",
            where=path,
            came="; ".join(f"{claim.format} at {claim.root} ({claim.why})" for claim in claims),
            remedy="give the folder of the one you mean, or name the format",
        )
    return claims[0]


def read_source(
    path: Path,
    format: str = "auto",
    modality: ModalityFilter = "all",
    patients: PatientSettings | None = None,
) -> Source:
    """List the cases of a raw data set and what is wrong with its structure.

    Args:
        path: Data root, or a folder at most two levels above it.
        format: Name of a format, or ``auto`` to decide by names and structure.
        modality: Keep only CT or only MR cases. Problems of cases that could not be listed stay,
            whatever their modality.
        patients: Whose the cases are; None to go by their names.

    Raises:
        ConfigError: If there is no such format, or the table of patients cannot be read.
        SourceError: If the folder is not of that format, cannot be listed, or has cases but none
            of the modality asked for.
        DataError: If the patients of some cases cannot be told from what was given.
    """
    claim = _claim(format, path)
    source = owned(with_unused(READERS[claim.format].read(claim)), patients)
    return source if modality == "all" else _only(source, "CT" if modality == "ct" else "MR")


def read_dataset(dataset: DatasetSettings) -> Source:
    """:func:`read_source` as a configuration says it; raises the same."""
    return read_source(dataset.source, dataset.format, dataset.modality, dataset.patients)


def source_root(dataset: DatasetSettings) -> Path:
    """The folder that holds the cases, found as :func:`read_dataset` finds it.

    Raises:
        ConfigError: As there.
        SourceError: As there.
    """
    return _claim(dataset.format, dataset.source).root


def _claim(name: str, path: Path) -> Detection:
    if name == "auto":
        return detect(path)
    if name not in READERS:
        near = difflib.get_close_matches(name.casefold(), READERS, n=1, cutoff=0.4)
        raise ConfigError(
            f"format must be one of auto, {', '.join(READERS)}",
            came=name,
            remedy=f"did you mean {near[0]}?" if near else "use auto to let the folder decide",
        )
    _require_folder(path)
    claim = READERS[name].detect(path)
    if claim is None:
        raise SourceError(
            f"{name} data are {LOOKS[name]}",
            where=path,
            came=_shown(path),
            remedy=_instead(name, path),
        )
    return claim


def _instead(name: str, path: Path) -> str:
    others = [other for other in READERS if other != name and _recognises(other, path)]
    return f"it looks like {others[0]}" if others else "check the path"


def _recognises(name: str, path: Path) -> bool:
    try:
        return READERS[name].detect(path) is not None
    except SourceError:  # several of its data sets: recognised, though not to be chosen among
        return True


def _only(source: Source, modality: Modality) -> Source:
    cases = tuple(case for case in source.cases if case.modality == modality)
    if source.cases and not cases:
        counts = Counter(case.modality for case in source.cases)
        raise SourceError(
            f"the source must have cases of the modality asked for, {modality}",
            where=source.detection.root,
            came=", ".join(f"{count} {name}" for name, count in counts.items()),
            remedy="use modality: all",
        )
    return replace(source, cases=cases)


def _distance(path: Path, claim: Detection) -> int:
    return len(claim.root.relative_to(path).parts)


def _require_folder(path: Path) -> None:
    if path.is_dir():
        return
    archive = path.name.endswith(_ARCHIVES)
    raise SourceError(
        "a source is a folder",
        where=path,
        came="a file" if path.exists() else "nothing of that name",
        remedy="unpack it and give the folder" if archive else "check the path",
    )


def _shown(path: Path) -> str:
    folder = list_folder(path)
    names: Sequence[str] = [*(f"{name}/" for name in folder.folders), *folder.files]
    if not names:
        return "an empty folder"
    return first_names(names, _SHOWN)
