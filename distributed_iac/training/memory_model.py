"""Memory of a computation over a batch: a line through what two batch sizes took.

::

    model = MemoryModel.fit((8, 3_000_000_000), (16, 5_000_000_000))
    model.fixed, model.each          # 1e9 bytes whatever the batch, 0.25e9 a slice
    model.forecast(32)               # 9_000_000_000
    fewest_parts(model, slices=32, there=6_000_000_000, largest=8)      # 2

What is fixed are weights, optimiser state and workspaces; activations and their gradients grow with
each slice. Pure, and free of torch: ``plan`` and jobs on a GPU both fit it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from distributed_iac.errors import NumericalError


@dataclass(frozen=True)
class MemoryModel:
    """Bytes at the most, by the slices that are computed at once.

    Args:
        fixed: Bytes of no slices.
        each: Bytes of every slice more, at least 0.
    """

    fixed: float
    each: float

    @classmethod
    def fit(cls, smaller: tuple[int, int], larger: tuple[int, int]) -> MemoryModel:
        """The line through two measurements.

        A larger batch that took less memory, as rounded allocations of small networks do, shows no
        growth: the line is then flat, at what took more.

        Args:
            smaller: Slices at once, at least 1, and the bytes that they took, above 0.
            larger: The same of more slices.

        Raises:
            NumericalError: These are not two sizes, or nothing was measured.
        """
        (few, low), (many, high) = smaller, larger
        if not 1 <= few < many or min(low, high) < 1:
            raise NumericalError(
                "memory is fitted to two batch sizes, the smaller first, each with bytes above 0",
                came=f"{few} slices of {low} bytes and {many} slices of {high} bytes",
                remedy="measure a batch of at least one slice, and a larger one",
            )
        if high <= low:
            return cls(float(low), 0.0)
        each = (high - low) / (many - few)
        return cls(low - each * few, each)

    def forecast(self, slices: int) -> int:
        """Bytes that so many slices at once take at the most."""
        return round(self.fixed + self.each * slices)


def fewest_parts(model: MemoryModel, slices: int, there: int, largest: int) -> int:
    """Into how many parts a batch must be split at the least: 1, 2, 4, as splitting doubles.

    Args:
        model: Of the computation.
        slices: B, at least 1.
        there: Bytes of the device.
        largest: Most parts that are allowed; given where even those do not fit.
    """
    parts, most = 1, min(largest, slices)
    while parts < most and model.forecast(math.ceil(slices / parts)) > there:
        parts = doubled(parts, most)
    return parts


def doubled(parts: int, most: int) -> int:
    """The next larger number of parts."""
    return min(2 * parts, most)
