"""A cell that was found elsewhere, written out: what the control ``given`` retrains.

::

    controls: [plain, random, given]
    given:                              # as under "genotype" in a cell's JSON
      scope: shared
      cells:
        - inputs: 2
          nodes:
            - [[0, sep_conv_3x3], [1, skip_connect]]
            - [[0, max_pool_3x3], [2, dil_conv_5x5]]

The value and not a file's name, so that a run's configuration says by itself what was trained.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from distributed_iac.config.base import Settings
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import Genotype, GenotypeScope

Place = Annotated[int, Field(ge=0)]


class GivenCell(Settings):
    """One cell."""

    inputs: Annotated[int, Field(ge=1)]
    """Its input nodes, as many as ``cell.inputs`` has."""
    nodes: Annotated[tuple[tuple[tuple[Place, str], ...], ...], Field(min_length=1)]
    """For every node its edges: source node and operation."""


class GivenGenotype(Settings):
    """A whole genotype."""

    scope: GenotypeScope = "shared"
    """``shared``: one cell for all skips; ``per_skip``: one a skip, the deepest first."""
    cells: Annotated[tuple[GivenCell, ...], Field(min_length=1)]

    @property
    def genotype(self) -> Genotype:
        """The genotype that these settings write out."""
        return Genotype.from_dict(self.model_dump())

    @model_validator(mode="after")
    def _is_a_genotype(self) -> Self:
        try:
            _ = self.genotype
        except ConfigError as error:
            raise ValueError(f"{error.message} (came {error.came})") from error
        return self
