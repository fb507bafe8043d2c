"""Virtual GPUs (or CPU cores), whole and in fractions.

::

    slots = Slots(2)
    half = slots.take(0.5)       # Grant; None if it does not fit now
    slots.give_back(half)

Ray's rules: a share below one lies on one GPU, more than one is whole GPUs, and shares are counted
in ten-thousandths. A share fills the GPU that is left with the least room, which keeps whole ones
free; Ray promises no order, so this is our choice. Where a slot is a CPU core, shares such as 1.5
are allowed: one core and half of another.
"""

from __future__ import annotations

from dataclasses import dataclass

WHOLE = 10_000


@dataclass(frozen=True)
class Grant:
    """What a job holds: slots and how much of each, in ten-thousandths."""

    parts: tuple[tuple[int, int], ...]


class Slots:
    """A number of slots of which shares are taken.

    Args:
        count: At least 1.
    """

    def __init__(self, count: int) -> None:
        self._free = [WHOLE] * count

    def take(self, share: float) -> Grant | None:
        """Hold a share until it is given back; None if there is no room for it now.

        Args:
            share: At least 0; 0 always fits.
        """
        count, fraction = divmod(round(share * WHOLE), WHOLE)
        empty = [slot for slot, free in enumerate(self._free) if free == WHOLE]
        if len(empty) < count:
            return None
        parts = [(slot, WHOLE) for slot in empty[:count]]
        if fraction:
            taken = set(empty[:count])
            room = [
                (free, slot)
                for slot, free in enumerate(self._free)
                if free >= fraction and slot not in taken
            ]
            if not room:
                return None
            parts.append((min(room)[1], fraction))
        for slot, amount in parts:
            self._free[slot] -= amount
        return Grant(tuple(parts))

    def give_back(self, grant: Grant) -> None:
        """Free what a job held."""
        for slot, amount in grant.parts:
            self._free[slot] += amount
