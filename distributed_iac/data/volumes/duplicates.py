"""Find images that occur twice, whatever their names.

::

    problems = duplicate_problems([(case, {"t1": fingerprint, ...}), ...])
    faults = channel_faults(case, {"t1": fingerprint, ...})

Fingerprints are taken of voxel values, whatever their order, so that a copy is found although it
was re-packed, renamed, turned into another orientation or given another header. Values that were
rounded, scaled or cropped are others, and are not found. One shared channel is enough: the same
brain in two patients is the same brain, even if three of its four channels were normalised anew. A
patient copied with all their cases is one fault, and one problem. A constant image identifies
nobody and has no fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, Problem
from distributed_iac.data.faults import Fault

Fingerprints = Mapping[str, str]
"""Channel name to fingerprint."""


class VoxelHash:
    """A fingerprint in the making: of the lengths of a volume's axes and its values, in any order.

    Two sums, modulo 2**64, of numbers that look random and follow from the bits of a value each.
    Volumes of other values with equal sums are as unlikely as equal 128-bit checksums; volumes of
    equal values in another order are turned, or rearranged on purpose.

    Args:
        shape: Of the volume.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = sorted(shape)
        self._sums = [0, 0]

    def add(self, values: NDArray[np.float32]) -> None:
        """Take the next voxels, 1-D and contiguous."""
        bits = (values + np.float32(0)).view(np.uint32)  # -0.0 equals 0.0 and gets its bits
        for place, start in enumerate(_STARTS):
            mixed = _mixed(bits.astype(np.uint64) + np.uint64(start))
            self._sums[place] += int(mixed.sum(dtype=np.uint64))

    def result(self) -> str:
        """Return the fingerprint of everything added so far."""
        sums = [one % 2**64 for one in self._sums]
        return hashlib.blake2b(repr((self._shape, sums)).encode(), digest_size=16).hexdigest()


_STARTS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The output function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


@dataclass(frozen=True, eq=False)
class Copy:
    """One case whose channel repeats that of an earlier case."""

    case: Case
    earlier: Case
    channel: str


def channel_faults(case: Case, prints: Fingerprints) -> list[Fault]:
    """Return a fault for each channel of a case that repeats an earlier one of it."""
    first: dict[str, str] = {}
    faults = []
    for channel in case.channels:
        fingerprint = prints.get(channel.name)
        if fingerprint is None:
            continue
        earlier = first.setdefault(fingerprint, channel.name)
        if earlier != channel.name:
            reason = f"{channel.name} holds the same voxels as {earlier}"
            faults.append(Fault("identical_channels", channel.path, reason))
    return faults


def duplicate_problems(cases: Iterable[tuple[Case, Fingerprints]]) -> list[Problem]:
    """Return one problem for each pair of patients that share images, and for each repeated case.

    Args:
        cases: All of them, in the order in which the first of two equals is to be kept.
    """
    problems = []
    between_patients: dict[tuple[str, str], list[Copy]] = {}
    for copy in find_copies(cases):
        pair = copy.case.patient_id, copy.earlier.patient_id
        if pair[0] == pair[1]:
            reason = f"{copy.channel} holds the same voxels as case {copy.earlier.case_id}"
            problems.append(_problem("duplicate_case", copy, reason))
        else:
            between_patients.setdefault(pair, []).append(copy)
    for (patient, earlier), copies in between_patients.items():
        pairs = ", ".join(f"{copy.case.case_id} = {copy.earlier.case_id}" for copy in copies)
        reason = f"patient id {patient} has images of patient id {earlier}: {pairs}"
        problems.append(_problem("duplicate_patient", copies[0], reason))
    return problems


def find_copies(cases: Iterable[tuple[Case, Fingerprints]]) -> Iterator[Copy]:
    """Yield each case that shares a channel with an earlier one, with the earliest such case."""
    owner: dict[str, Case] = {}
    for current, prints in cases:
        channel = next((name for name, fingerprint in prints.items() if fingerprint in owner), None)
        if channel is not None:
            yield Copy(current, owner[prints[channel]], channel)
        for fingerprint in prints.values():
            owner.setdefault(fingerprint, current)


def _problem(code: str, copy: Copy, reason: str) -> Problem:
    path = next(each.path for each in copy.case.channels if each.name == copy.channel)
    return Fault(code, path, reason).of(copy.case.case_id)
