"""A control: a cell that nobody searched.

::

    genotype = random_genotype(CellTopology(2, 4), np.random.default_rng(0))

If a random cell does as well as a searched one, it was the cell that helped and not the search.
"""

from __future__ import annotations

import numpy as np

from distributed_iac.genotype import (
    OPERATIONS,
    CellGenotype,
    CellTopology,
    Gene,
    Genotype,
    GenotypeScope,
)


def random_genotype(
    topology: CellTopology,
    generator: np.random.Generator,
    scope: GenotypeScope = "shared",
    cells: int = 1,
) -> Genotype:
    """Draw edges and operations uniformly.

    Args:
        topology: Graph of every cell; nodes keep as many edges as a discrete cell does.
        generator: Source of the draw.
        scope: One cell for all taps or one a tap.
        cells: Number of cells; 1 for ``shared``.
    """
    return Genotype(scope, tuple(_cell(topology, generator) for _ in range(cells)))


def _cell(topology: CellTopology, generator: np.random.Generator) -> CellGenotype:
    candidates = [name for name in OPERATIONS if name != "none"]
    nodes = []
    for target in topology.targets:
        sources = generator.choice(target, size=topology.kept_per_node(target), replace=False)
        nodes.append(
            tuple(
                Gene(int(source), candidates[int(generator.integers(len(candidates)))])
                for source in sorted(sources)
            )
        )
    return CellGenotype(topology.inputs, tuple(nodes))
