"""What is asked of a phantom, and which of a tree's files belong to which case.

::

    plan = PhantomPlan(patients=8, seed=0, size="small", release="2021")
    rng = plan.rng(17)                # the same for patient 17, however many patients there are
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from distributed_iac.data.contract import Modality
from distributed_iac.errors import ConfigError

Size = Literal["tiny", "small", "real"]

SIZES: Mapping[Size, str] = {
    "tiny": "32 to 60 voxels in plane, 6 to 20 slices: for tests, a tenth of a second a patient",
    "small": "72 to 128 voxels in plane, 7 to 36 slices: for a first run, a second a patient",
    "real": "the matrices of the real data set, up to 512 x 796: half a minute a patient",
}
"""What each size is for. Whatever the size, a grid shows a whole patient and the headers state
the voxel sizes of the real data set: patients of small phantoms are miniatures."""


@dataclass(frozen=True)
class PhantomPlan:
    """One phantom.

    Args:
        patients: Number of labelled patients, at least 1.
        seed: Everything is drawn from it; not negative.
        size: Matrix size, see :data:`SIZES`.
        release: Release of the format whose layout is written.
        held_out: Share of the patients in the format's official second part, where it has one
            (ACDC ``testing``, AMOS ``imagesVa``).
    """

    patients: int
    seed: int
    size: Size
    release: str
    held_out: float = 1 / 3

    def __post_init__(self) -> None:
        """Refuse numbers that make no phantom.

        Raises:
            ConfigError: If one is out of its range.
        """
        if self.patients < 1 or self.seed < 0 or not 0 <= self.held_out < 1:
            raise ConfigError(
                "patients must be at least 1, seed at least 0, held_out from 0 to below 1",
                came=f"patients={self.patients}, seed={self.seed}, held_out={self.held_out}",
                remedy="correct the numbers",
            )
        if self.size not in SIZES:
            raise ConfigError(
                f"sizes are {', '.join(SIZES)}", came=self.size, remedy="name one of them"
            )

    def rng(self, *key: int) -> np.random.Generator:
        """Return a generator for one purpose, independent of every other key's."""
        return np.random.default_rng([self.seed, *key])

    def within(self, capacity: int) -> None:
        """Refuse more patients than the release has ids for.

        Raises:
            ConfigError: If more patients are asked for.
        """
        if self.patients > capacity:
            raise ConfigError(
                f"this release has ids for {capacity} patients",
                came=self.patients,
                remedy="ask for fewer patients",
            )

    def split(self, first_capacity: int, second_capacity: int) -> tuple[int, int]:
        """Divide the patients into the official parts.

        Args:
            first_capacity: Patients that the first part has in the real data set.
            second_capacity: The same for the second part.

        Raises:
            ConfigError: If the real data set has fewer patients, so that ids would run out.
        """
        second = round(self.patients * self.held_out)
        first = self.patients - second
        for count, capacity in ((first, first_capacity), (second, second_capacity)):
            if count > capacity:
                raise ConfigError(
                    f"this release has ids for {first_capacity} + {second_capacity} patients",
                    came=f"{first} + {second}",
                    remedy="ask for fewer patients or another held-out share",
                )
        return first, second


@dataclass(frozen=True)
class PlacedCase:
    """The files of one labelled case in a tree.

    Args:
        case_id: As the format's reader names it.
        patient_id: As the format's reader names it.
        images: Channel name to file, in channel order.
        label: Label file.
        modality: What the images were made as.
        values: Label values that the release defines, background included.
    """

    case_id: str
    patient_id: str
    images: Mapping[str, Path]
    label: Path
    modality: Modality
    values: frozenset[int]
