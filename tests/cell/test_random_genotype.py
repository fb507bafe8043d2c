from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS, CellTopology

TOPOLOGY = CellTopology(2, 4)


def test_equal_generators_draw_equal_genotypes() -> None:
    one, same, other = (random_genotype(TOPOLOGY, np.random.default_rng(s)) for s in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize("topology", [CellTopology(1, 1), CellTopology(1, 3), TOPOLOGY])
def test_nodes_keep_as_many_edges_as_a_discrete_cell_does(topology: CellTopology) -> None:
    cell = random_genotype(topology, np.random.default_rng(0)).cell(0)
    kept = [topology.kept_per_node(target) for target in topology.targets]
    assert cell.topology == topology
    assert [len(genes) for genes in cell.nodes] == kept


def test_operations_and_sources_are_uniform_and_never_none() -> None:
    generator = np.random.default_rng(0)
    draws = 700
    genes = [
        gene for _ in range(draws) for gene in random_genotype(TOPOLOGY, generator).cell(0).nodes[3]
    ]
    operations = Counter(gene.operation for gene in genes)
    sources = Counter(gene.source for gene in genes)
    assert set(operations) == set(OPERATIONS) - {"none"}
    for counts, kinds in ((operations, 7), (sources, 5)):
        expected = 2 * draws / kinds
        assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())


def test_every_skip_may_draw_its_own() -> None:
    genotype = random_genotype(TOPOLOGY, np.random.default_rng(0), "per_skip", cells=3)
    assert len(set(genotype.cells)) == 3
    with pytest.raises(ConfigError, match="exactly one cell"):
        random_genotype(TOPOLOGY, np.random.default_rng(0), "shared", cells=3)
