"""Write a phantom, whole or not at all.

::

    phantom = make_phantom("acdc", Path("phantoms/acdc"), patients=8, seed=0, size="tiny")
    phantom.cases, phantom.planted
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from distributed_iac.files import new_folder
from distributed_iac.phantom.catalogue import FORMATS, FormatName, resolve_release
from distributed_iac.phantom.defects import PlantedDefect, plant
from distributed_iac.phantom.phantom_plan import PhantomPlan, PlacedCase, Size


@dataclass(frozen=True)
class Phantom:
    """A phantom on disk.

    Args:
        format: Its format.
        release: Its release.
        out: Folder that holds the release's top folder.
        cases: Labelled cases, as they were before any defect was planted.
        planted: Defects in it.
    """

    format: FormatName
    release: str
    out: Path
    cases: tuple[PlacedCase, ...]
    planted: tuple[PlantedDefect, ...]


def make_phantom(
    format: FormatName,
    out: Path,
    *,
    patients: int = 8,
    seed: int = 0,
    size: Size = "small",
    release: str | None = None,
    held_out: float = 1 / 3,
    defects: Sequence[str] = (),
) -> Phantom:
    """Write a small synthetic data set in the exact on-disk layout of a real one.

    The same arguments give the same bytes, with the same versions of NumPy and SciPy on the same
    kind of processor. A patient is the same however many others are written.

    Args:
        format: ``acdc``, ``brats``, ``kits`` or ``amos``.
        out: Folder to write; it must not exist or be empty. It will hold the folder that the
            real download unpacks to, such as ``database`` or ``amos22``.
        patients: Number of labelled patients.
        seed: Everything is drawn from it; not negative.
        size: See :data:`~distributed_iac.phantom.phantom_plan.SIZES`.
        release: See :func:`~distributed_iac.phantom.catalogue.resolve_release`.
        held_out: Share of the patients in the format's official second part, where it has one.
        defects: Codes of defects to plant; see
            :data:`~distributed_iac.phantom.defects.DEFECTS`.

    Raises:
        ConfigError: An argument is out of its range, ``out`` is in use, or the defects do not
            fit. Nothing is left behind then.
        OSError: The folder cannot be written.
    """
    plan = PhantomPlan(patients, seed, size, resolve_release(format, release), held_out)
    with new_folder(out, "a phantom") as unfinished:
        FORMATS[format].write(unfinished, plan)
        intact = _moved(FORMATS[format].find(unfinished), unfinished, out)
        planted = plant(unfinished, format, defects, seed)
    planted = tuple(replace(each, path=_below(each.path, unfinished, out)) for each in planted)
    return Phantom(format, plan.release, out, intact, planted)


def _below(path: Path, old: Path, new: Path) -> Path:
    return new / path.relative_to(old)


def _moved(cases: Sequence[PlacedCase], old: Path, new: Path) -> tuple[PlacedCase, ...]:
    return tuple(
        replace(
            case,
            images={name: _below(path, old, new) for name, path in case.images.items()},
            label=_below(case.label, old, new),
        )
        for case in cases
    )
