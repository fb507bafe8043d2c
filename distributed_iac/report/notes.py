"""Sentences below a table: each said once, with the rows that it is about.

::

    notes = notes_of([(NotePlace("acdc/unet", "full"), [Remark("one seed", "seed 0")]), ...])
    notes[0].sentence                     # "one seed"
    notes[0].cases                        # ("everywhere: seed 0",)

A sweep over four data sets, several backbones and five controls has a hundred rows, and most
doubts are about many of them. Rows are named as briefly as they can be: a whole group by its name,
the same row of all groups by the row's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from distributed_iac.comparison.remark import Remark

FEW = 3
"""Cases that fit behind the sentence; more are folded away, or counted."""


class NotePlace(NamedTuple):
    """A row, or a field of one.

    Args:
        group: ``dataset/backbone``, or ``all groups``.
        part: What else tells it from the others of its group.
    """

    group: str
    part: str


@dataclass(frozen=True)
class Note:
    """A sentence and what it is about.

    Args:
        sentence: Without a final full stop.
        cases: Rows, each with what is particular there; empty where it is about the whole table.
        rows: How many of them there are, in words; empty where it is about the whole table.
    """

    sentence: str
    cases: tuple[str, ...] = ()
    rows: str = ""

    @property
    def is_long(self) -> bool:
        """Whether the cases do not fit behind the sentence."""
        return len(self.cases) > FEW

    @property
    def line(self) -> str:
        """In one line; many cases are only counted."""
        if not self.cases:
            return self.sentence
        return f"{self.sentence} ({self.rows if self.is_long else '; '.join(self.cases)})"


def notes_of(
    rows: Sequence[tuple[NotePlace, Sequence[Remark]]], unit: str = "rows"
) -> tuple[Note, ...]:
    """Gather what is said of single rows.

    Args:
        rows: All rows of a table, also those of which nothing is said.
        unit: What they are, in the plural.

    Returns:
        A note a reason, in order of first appearance.
    """
    every = [place for place, _ in rows]
    found: dict[str, dict[str, list[NotePlace]]] = {}
    for place, remarks in rows:
        for remark in remarks:
            found.setdefault(remark.reason, {}).setdefault(remark.detail, []).append(place)
    return tuple(_note(reason, details, every, unit) for reason, details in found.items())


def _note(
    reason: str, details: Mapping[str, Sequence[NotePlace]], every: Sequence[NotePlace], unit: str
) -> Note:
    cases = tuple(
        f"{name}: {detail}" if detail else name
        for detail, own in details.items()
        for name in _names(own, every)
    )
    some = {place for own in details.values() for place in own}
    return Note(reason, cases, f"{len(some)} of {len(every)} {unit}")


def _names(some: Sequence[NotePlace], every: Sequence[NotePlace]) -> list[str]:
    """Name places as a whole table, whole groups or whole parts where that is all of them."""
    if len(some) == len(every):
        return ["everywhere"]
    parts = _whole([one.part for one in some], [one.part for one in every])
    left = [one for one in some if one.part not in parts]
    groups = _whole([one.group for one in left], [one.group for one in every])
    rest: dict[str, list[str]] = {}
    for one in left:
        if one.group not in groups:
            rest.setdefault(one.group, []).append(one.part)
    return [
        *(f"{part} in every group" for part in parts),
        *groups,
        *(f"{group}, {' and '.join(own)}" for group, own in rest.items()),
    ]


def _whole(some: Sequence[str], every: Sequence[str]) -> list[str]:
    """Names that occur several times, and everywhere where they could."""
    there = Counter(every)
    return [name for name, count in Counter(some).items() if count == there[name] > 1]
