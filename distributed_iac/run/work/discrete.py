"""What a found cell is worth before it is retrained.

::

    discrete_val_dice(group, stage.network, genotype)
"""

from __future__ import annotations

import copy

from distributed_iac.cell.implant import SearchNetwork
from distributed_iac.cell.structure import CellStructure
from distributed_iac.genotype import CellGenotype, Genotype
from distributed_iac.run.work.evaluate import val_dice
from distributed_iac.training.group import Group


def discrete_val_dice(group: Group, network: SearchNetwork, genotype: Genotype) -> float:
    """Val Dice of a searched network that is cut down to its genotype, without training.

    The supernet keeps its own weights and loses every edge and operation that the genotype does
    not have, as if a policy had pruned them: an operation that is left alone on its edge then
    weighs 1, and the kept edges of a node share their weight as softmax(beta) says. The partial
    channels stay as they were searched. Our choice: it is cheap, it needs no new weights, and it
    charges a search for the gap between its mixture and the cell that is cut from it, which
    the mixture's own Dice hides.

    Args:
        group: Data set and backbone.
        network: After the search; not changed.
        genotype: Cut from it.

    Returns:
        Mean over targets of the mean over ``val`` cases, in [0, 1]; NaN without any target.
    """
    cut = copy.deepcopy(network)
    cut.restrict([structure_of(cell) for cell in genotype.cells])
    return val_dice(group, cut)


def structure_of(cell: CellGenotype) -> CellStructure:
    """What is alive when only the genotype's operations are."""
    chosen = dict(cell.genes)
    edges = cell.topology.edges
    return CellStructure(
        cell.topology, tuple((chosen[edge],) if edge in chosen else () for edge in edges)
    )
