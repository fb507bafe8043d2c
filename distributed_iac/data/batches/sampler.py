"""Which slices make the next batch: foreground guaranteed, resumable, pure numpy.

::

    sampler = SliceSampler(rows, foreground, BatchSettings(), np.random.default_rng(0))
    sampler.steps_per_epoch                     # batches in an epoch
    rows = sampler.draw()                       # (B,) row ids; pass slots first, foreground last
    state = sampler.state_dict()                # plain ints and strings
    SliceSampler(rows, foreground, BatchSettings(), np.random.default_rng()).load_state_dict(state)

A batch has two kinds of slots. *Pass slots* walk through a shuffled order of all slices, empty
ones included, without replacement. *Foreground slots* first choose a class, every class of the
part being equally likely, and then a slice that contains it, with replacement.

The reserved share and its rounding are nnU-Net's (``nnUNetDataLoader``: the last
``B - round(B * (1 - 0.33))`` samples of a batch). Differs from nnU-Net in: 1. the class is chosen
among the classes of the whole part, where nnU-Net first chooses a case and then a class of that
case: a class that few cases have is not rarer for it; 2. the other slots are drawn without
replacement, so that an epoch of one pass misses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.config.batches import BatchSettings
from distributed_iac.errors import CheckpointError, DataError

IntArray = NDArray[np.int64]


class SliceSampler:
    """Endless, seeded sequence of batches of row ids.

    Laws: every id drawn is one of ``rows``; ``foreground_slots`` of every batch hold foreground;
    with ``steps_per_epoch="pass"`` every row is drawn in every epoch; a sampler that loads a
    state continues the very sequence that the state was taken from.

    Args:
        rows: (n,) distinct row ids of the part.
        foreground: (n,) bit masks of the classes present, bit v for label value v; bit 0
            (background) is ignored.
        settings: Batch size, share of foreground, steps of an epoch.
        generator: Source of all randomness; owned by the sampler from here on.

    Raises:
        DataError: There are no rows, or foreground is asked for and no row has any.
    """

    def __init__(
        self,
        rows: IntArray,
        foreground: IntArray,
        settings: BatchSettings,
        generator: np.random.Generator,
    ) -> None:
        if rows.size == 0:
            raise DataError(
                "a part to train on has at least one slice",
                came="no slices",
                remedy="give the part more patients in the split",
            )
        self._rows = np.asarray(rows, dtype=np.int64)
        self._settings = settings
        self._generator = generator
        self._members, self._counts = _rows_by_class(self._rows, foreground)
        if settings.foreground_slots and not self._counts.size:
            raise DataError(
                "foreground_fraction above 0 needs slices with foreground in the part",
                came=f"{rows.size} slices, all of them background",
                remedy="check the labels, or set batches.foreground_fraction to 0",
            )
        self._starts = np.cumsum(self._counts) - self._counts
        self._identity = hashlib.sha256(self._rows.tobytes() + foreground.tobytes()).hexdigest()
        self._step = 0
        self._begin_pass()

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        if self._settings.steps_per_epoch == "pass":
            return -(-self._rows.size // self._settings.pass_slots)
        return self._settings.steps_per_epoch

    def draw(self) -> IntArray:
        """Return the (B,) row ids of the next batch; a row may occur twice."""
        if self._settings.steps_per_epoch == "pass" and self._step % self.steps_per_epoch == 0:
            self._begin_pass()
        self._step += 1
        return np.concatenate([self._from_pass(), self._with_foreground()])

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next draws depend on, as plain ints and strings.

        The order of the current pass is not stored but shuffled again from the generator's state
        at its beginning: the size does not grow with the data set.
        """
        return {
            "slices": self._identity,
            "step": self._step,
            "cursor": self._cursor,
            "pass_began_at": deepcopy(self._pass_began_at),
            "generator": deepcopy(dict(self._generator.bit_generator.state)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where ``state`` was taken.

        Raises:
            CheckpointError: The state is of other slices.
        """
        if state["slices"] != self._identity:
            raise CheckpointError(
                "a sampler continues on the slices that it was saved with (same ids, same classes)",
                came=f"slices {state['slices'][:12]} in the checkpoint, {self._identity[:12]} here",
                remedy="continue with the same store and split, or start the run anew",
            )
        self._generator.bit_generator.state = state["pass_began_at"]
        self._begin_pass()
        self._generator.bit_generator.state = state["generator"]
        self._cursor = state["cursor"]
        self._step = state["step"]

    def _begin_pass(self) -> None:
        self._pass_began_at = dict(self._generator.bit_generator.state)
        self._order = self._generator.permutation(self._rows)
        self._cursor = 0

    def _from_pass(self) -> IntArray:
        """Take the next rows of the shuffled order, beginning anew as often as it runs out."""
        taken = [self._rows[:0]]
        missing = self._settings.pass_slots
        while missing:
            if self._cursor == self._order.size:
                self._begin_pass()
            chunk = self._order[self._cursor : self._cursor + missing]
            self._cursor += chunk.size
            missing -= chunk.size
            taken.append(chunk)
        return np.concatenate(taken)

    def _with_foreground(self) -> IntArray:
        """Choose a class, then one of its rows, for every foreground slot."""
        slots = self._settings.foreground_slots
        if not slots:
            return self._rows[:0]
        classes = self._generator.integers(self._counts.size, size=slots)
        places = self._starts[classes] + self._generator.integers(self._counts[classes])
        return np.take(self._members, places)


def _rows_by_class(rows: IntArray, foreground: IntArray) -> tuple[IntArray, IntArray]:
    """Group rows by the classes they contain.

    Returns:
        The rows of the first class present, then of the second, and so on; and their counts.
    """
    present = int(np.bitwise_or.reduce(foreground)) if foreground.size else 0
    groups = [rows[(foreground >> bit) & 1 == 1] for bit in range(1, 63) if present >> bit & 1]
    counts = np.array([group.size for group in groups], dtype=np.int64)
    return np.concatenate([rows[:0], *groups]), counts
