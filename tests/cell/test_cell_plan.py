"""The plan of a cell: complete, without what is dead, and remade when it must be."""

from __future__ import annotations

import copy

import torch

from distributed_iac.cell.cell_plan import CellPlan
from distributed_iac.cell.search_cell import SearchCellShape
from distributed_iac.cell.structure import CellStructure
from distributed_iac.cell.supernet import SupernetCell
from distributed_iac.genotype import CellTopology

TOPOLOGY = CellTopology(inputs=2, nodes=2)
LIKE = torch.ones(len(TOPOLOGY.edges))


def cell(structure: CellStructure | None = None) -> SupernetCell:
    return SupernetCell(SearchCellShape(TOPOLOGY, (6, 5), 8, 2), structure)


def weights(plan: CellPlan) -> list[list[float]]:
    operations = torch.arange(40.0).view(5, 8)
    return [piece.tolist() for piece in plan.weights(operations, LIKE)]


def test_every_operation_is_planned_once_and_with_its_own_weight() -> None:
    whole = cell()
    plan = CellPlan.of(whole, LIKE)
    shared, *kinds = weights(plan)[:5]
    assert shared == [3.0, 1.0, 2.0, 19.0, 17.0, 18.0]
    assert [kind[::4] for kind in kinds] == [[4.0, 20.0], [5.0, 21.0], [6.0, 22.0], [7.0, 23.0]]
    units = [
        unit
        for departure in plan.departures
        for group in departure.convolutions.values()
        for kind in group
        for step in kind.steps
        for unit in step
    ]
    assert len(units) == len(set(units)) == 5 * 6


def test_dead_operations_weigh_nothing_and_dead_kinds_are_not_planned() -> None:
    structure = CellStructure.full(TOPOLOGY)
    for edge in structure.outgoing(0):
        structure = structure.without_operation(edge, "sep_conv_5x5")
    structure = structure.without_operation(0, "skip_connect").without_edge(1)
    plan = CellPlan.of(cell(structure), LIKE)
    assert weights(plan)[0][:3] == [0.0, 1.0, 2.0]
    first, second, *_ = plan.departures
    kinds = [kind.name for group in first.convolutions.values() for kind in group]
    assert kinds == ["sep_conv_3x3", "dil_conv_3x3", "dil_conv_5x5"]
    assert second.targets == (3,)


def test_a_plan_is_remade_after_pruning_relaxing_and_a_change_of_precision() -> None:
    one = cell()
    plan = CellPlan.of(one, LIKE)
    assert plan.fits(one, LIKE)
    assert not plan.fits(one, LIKE.double())
    one.restrict(one.structure.without_edge(0))
    assert not plan.fits(one, LIKE)
    plan = CellPlan.of(one, LIKE)
    one.relax(1)
    assert not plan.fits(one, LIKE)


def test_a_copy_of_a_cell_computes_with_its_own_modules() -> None:
    one = cell().eval()
    inputs = [torch.randn(1, 6, 4, 4), torch.randn(1, 5, 4, 4)]
    before = one(inputs, torch.ones(5, 8), LIKE)
    other = copy.deepcopy(one)
    for parameter in other.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(one(inputs, torch.ones(5, 8), LIKE), before)
    assert not torch.equal(other(inputs, torch.ones(5, 8), LIKE), before)
