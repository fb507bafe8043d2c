from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.cell.structure import FULL_EDGE, CellStructure, full_epoch_equivalents
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS, CellTopology

TOPOLOGY = CellTopology(inputs=2, nodes=2)
FULL = CellStructure.full(TOPOLOGY)


@st.composite
def structures(draw: st.DrawFn) -> CellStructure:
    topology = CellTopology(draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    mask = np.zeros((len(topology.edges), len(OPERATIONS)), bool)
    for target in topology.targets:
        incoming = topology.incoming(target)
        kept = draw(st.sets(st.sampled_from(incoming), min_size=1))
        for edge in kept:
            live = draw(st.sets(st.integers(0, len(OPERATIONS) - 1), min_size=1))
            mask[edge, sorted(live)] = True
    return CellStructure.from_mask(topology, mask)


@given(structures())
def test_mask_and_structure_say_the_same(structure: CellStructure) -> None:
    assert CellStructure.from_mask(structure.topology, structure.mask) == structure
    assert structure.live_operations == structure.mask.sum()
    assert structure.op_evaluations == structure.mask[:, 1:].sum()
    assert structure.live_edges == structure.mask.any(1).sum()


@given(structures())
def test_incoming_and_outgoing_edges_are_the_live_edges(structure: CellStructure) -> None:
    topology = structure.topology
    nodes = range(topology.inputs + topology.nodes)
    incoming = [edge for node in topology.targets for edge in structure.incoming(node)]
    outgoing = [edge for node in nodes for edge in structure.outgoing(node)]
    assert sorted(incoming) == sorted(outgoing) == list(structure.edges)


@given(structures())
def test_everything_can_be_reached_from_the_full_structure_and_nothing_back(
    structure: CellStructure,
) -> None:
    full = CellStructure.full(structure.topology)
    assert full.contains(structure)
    assert structure.contains(full) == (structure == full)


def test_an_operation_is_removed_once() -> None:
    smaller = FULL.without_operation(1, "none")
    assert smaller.operations[1] == OPERATIONS[1:]
    assert smaller.live_operations == FULL.live_operations - 1
    with pytest.raises(ValueError, match="no live none"):
        smaller.without_operation(1, "none")


def test_the_last_operation_goes_only_with_its_edge() -> None:
    structure = FULL
    for name in OPERATIONS[1:]:
        structure = structure.without_operation(0, name)
    with pytest.raises(ValueError, match="remove the edge"):
        structure.without_operation(0, "none")
    assert structure.without_edge(0).operations[0] == ()


def test_a_node_keeps_its_last_edge() -> None:
    structure = FULL.without_edge(0)
    with pytest.raises(ValueError, match="already removed"):
        structure.without_edge(0)
    with pytest.raises(ValueError, match="at least one live edge"):
        structure.without_edge(1)


@pytest.mark.parametrize(
    "operations",
    [
        (OPERATIONS,) * 4,
        (("skip_connect", "none"),) * 5,
        (("none", "none"),) * 5,
        (("conv_1x1",),) * 5,
    ],
    ids=["too few edges", "out of order", "repeated", "unknown"],
)
def test_malformed_structures_are_refused(operations: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"edges, not 4|out of order"):
        CellStructure(TOPOLOGY, operations)


def test_a_full_epoch_is_one_full_epoch_equivalent() -> None:
    spent = 14 * FULL_EDGE * 30
    assert full_epoch_equivalents(spent, rows=14, steps_per_epoch=30) == 1
    assert full_epoch_equivalents(spent * 54, rows=14, steps_per_epoch=30) == 54
    with pytest.raises(ConfigError, match="at least one edge and one step"):
        full_epoch_equivalents(spent, rows=14, steps_per_epoch=0)
