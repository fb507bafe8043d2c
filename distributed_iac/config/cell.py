"""How the searched cell looks and how it is implanted.

::

    cell:
      inputs: skip_and_decoder
      nodes: 4
      width: match               # or a channel count (16), or a fraction of the skip (0.5)
      partial_channels: 4
      relax_partial_channels:    # 4 -> 2 -> 1 as operations die; [] leaves K as it is
        - {alive: 0.5, partial_channels: 2}
        - {alive: 0.25, partial_channels: 1}
      genotype_scope: shared
      residual: add

In Python::

    settings = CellSettings(width=0.5, partial_channels=2)
    settings.width_for(96)                                   # 48
    settings.topology                                        # CellTopology(inputs=2, nodes=4)
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from distributed_iac.config.base import Settings
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS, CellTopology, GenotypeScope

CellInputs = Literal["skip", "skip_and_decoder"]
Residual = Literal["add", "replace"]
SkipFraction = Annotated[float, Field(gt=0.0, lt=1.0)]


class Relaxation(Settings):
    """One step of K as operations die."""

    alive: Annotated[float, Field(gt=0, lt=1)]
    """Taken when at most this share of the operations that a cell began with is alive. A removed
    edge counts with all its operations, so that a search that ends with 8 of 14 edges and one of
    8 operations on each ends at 0.07."""

    partial_channels: PositiveInt
    """K from then on."""


class CellSettings(Settings):
    """The cell, in the search and after it."""

    inputs: CellInputs = "skip_and_decoder"
    """What a cell sees: the encoder's skip feature, or also the decoder feature it will meet."""

    nodes: PositiveInt = 4
    """Intermediate nodes (DARTS and PC-DARTS: 4)."""

    width: PositiveInt | SkipFraction | Literal["match"] = "match"
    """Channels of every node: a number, a fraction of the skip's channels (rounded to a multiple
    of ``partial_channels``), or ``match``: as many as the skip. The default is our choice."""

    partial_channels: PositiveInt = 4
    """K: one channel in K passes through the operations, the others bypass them. PC-DARTS: 4 on
    CIFAR, 2 on ImageNet; 1 is plain DARTS. On thin networks a large K leaves the operations
    almost no channels. Only the search uses it."""

    relax_partial_channels: tuple[Relaxation, ...] = ()
    """K as operations die: those that are left see more channels (our extension of PC-DARTS).
    It is for the choice, not for speed: a step takes about 1.6 times as long after K went from 4
    to 2, and 2.6 times after 2 to 1 (a CPU thread, width 32; the benchmark ``supernet`` takes
    ``--partial-channels 4 2 1``). Each step has a smaller ``alive`` and a K that divides the one
    before. ``op_evaluations`` counts operations, not channels: compare relaxed searches in
    seconds."""

    none: Literal["candidate", "left_out"] = "candidate"
    """Whether ``none`` is searched over. PC-DARTS has it among its candidates, though it can never
    be chosen. In a residual cell of a trained network it may take the weight of every edge
    (measured on phantoms: the search would rather add nothing), and then says nothing about the
    order of the others; ``left_out`` asks only which operation is best."""

    genotype_scope: GenotypeScope = "shared"
    """One architecture for all skips, or one for each."""

    residual: Residual = "add"
    """``add``: the cell's output, zero at first, is added to the skip, so that implanting changes
    nothing before the first step. ``replace``: the output takes the skip's place."""

    @model_validator(mode="after")
    def _partial_channels_divide_a_fixed_width(self) -> Self:
        if isinstance(self.width, int) and self.width % self.partial_channels:
            raise ValueError(
                f"partial_channels must divide width {self.width}: {_divisors(self.width)} do"
            )
        return self

    @model_validator(mode="after")
    def _relaxation_goes_down(self) -> Self:
        alive, partial = 1.0, self.partial_channels
        for step in self.relax_partial_channels:
            if step.alive >= alive or step.partial_channels >= partial:
                raise ValueError(
                    "relax_partial_channels goes down, in alive and in partial_channels "
                    f"({step.alive} and {step.partial_channels} after {alive} and {partial})"
                )
            if partial % step.partial_channels:
                raise ValueError(
                    f"relax_partial_channels: {step.partial_channels} does not divide the K "
                    f"before it, {partial}: {_divisors(partial)} do"
                )
            alive, partial = step.alive, step.partial_channels
        return self

    @property
    def candidates(self) -> tuple[str, ...]:
        """Operations that are searched over, in the order of ``OPERATIONS``."""
        return tuple(o for o in OPERATIONS if o != "none" or self.none == "candidate")

    @property
    def topology(self) -> CellTopology:
        """The graph that is searched."""
        return CellTopology(1 if self.inputs == "skip" else 2, self.nodes)

    def partial_channels_at(self, live_operations: int) -> int:
        """K of a cell in the search.

        It never rises while operations die.

        Args:
            live_operations: Of all its edges, ``none`` among them.
        """
        alive = live_operations / (len(self.topology.edges) * len(self.candidates))
        reached = [step for step in self.relax_partial_channels if alive <= step.alive]
        return reached[-1].partial_channels if reached else self.partial_channels

    def width_for(self, skip_channels: int) -> int:
        """Channels of a node of the cell at a skip connection.

        Args:
            skip_channels: Channels of the skip, at least 1.

        Raises:
            ConfigError: ``width`` is ``match`` and ``partial_channels`` does not divide the skip's
                channels.
        """
        if isinstance(self.width, float):
            share = skip_channels * self.width / self.partial_channels
            return self.partial_channels * max(1, round(share))
        width = skip_channels if self.width == "match" else self.width
        check_partial_channels(width, self.partial_channels)
        return width


def check_partial_channels(width: int, partial_channels: int) -> None:
    """Refuse a K that does not divide the channels of a node.

    Raises:
        ConfigError: It does not; the message names those that do.
    """
    if width % partial_channels:
        raise ConfigError(
            f"cell.partial_channels must divide the cell's width {width}",
            came=partial_channels,
            remedy=f"use {_divisors(width)}, or another cell.width",
        )


def _divisors(number: int) -> str:
    divisors = [str(k) for k in range(1, number + 1) if number % k == 0]
    return divisors[0] if len(divisors) == 1 else f"{', '.join(divisors[:-1])} or {divisors[-1]}"
