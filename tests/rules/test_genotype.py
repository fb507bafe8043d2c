from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import (
    FAMILY,
    OPERATIONS,
    CellGenotype,
    CellTopology,
    Gene,
    Genotype,
    node_name,
)


@st.composite
def cells(draw, inputs: int | None = None, nodes: int | None = None) -> CellGenotype:
    inputs = inputs or draw(st.integers(1, 3))
    count = nodes or draw(st.integers(1, 5))
    genes = []
    for target in range(inputs, inputs + count):
        sources = draw(
            st.lists(st.integers(0, target - 1), min_size=1, max_size=target, unique=True)
        )
        genes.append(tuple(Gene(s, draw(st.sampled_from(OPERATIONS))) for s in sources))
    return CellGenotype(inputs, tuple(genes))


@st.composite
def genotypes(draw) -> Genotype:
    if draw(st.booleans()):
        return Genotype("shared", (draw(cells()),))
    return Genotype("per_skip", tuple(draw(st.lists(cells(), min_size=1, max_size=4))))


@given(genotypes())
def test_json_round_trip_is_the_identity(genotype) -> None:
    loaded = Genotype.from_json(genotype.to_json())
    assert loaded == genotype
    assert hash(loaded) == hash(genotype)
    assert loaded.id == genotype.id
    assert loaded.to_json() == genotype.to_json()


@given(genotypes(), st.randoms())
def test_the_order_of_genes_does_not_matter(genotype, random) -> None:
    shuffled = []
    for cell in genotype.cells:
        nodes = [random.sample(genes, len(genes)) for genes in cell.nodes]
        shuffled.append(CellGenotype(cell.inputs, nodes))
    other = Genotype(genotype.scope, shuffled)
    assert other == genotype
    assert other.id == genotype.id


@given(genotypes(), genotypes())
def test_genotypes_are_equal_exactly_when_their_ids_are(one, other) -> None:
    assert (one == other) == (one.id == other.id)


def test_the_identifier_is_stable_across_releases() -> None:
    genotype = Genotype.shared(2, [[(1, "skip_connect"), (0, "sep_conv_3x3")]])
    assert genotype.to_json() == (
        '{"cells":[{"inputs":2,"nodes":[[[0,"sep_conv_3x3"],[1,"skip_connect"]]]}],'
        '"scope":"shared"}'
    )
    assert genotype.id == "314b2ee983e91ed1"


@given(st.integers(1, 3), st.integers(1, 6))
def test_edges_are_in_canonical_order_and_complete(inputs, nodes) -> None:
    topology = CellTopology(inputs, nodes)
    edges = topology.edges
    assert list(edges) == sorted(edges, key=lambda edge: (edge.target, edge.source))
    assert len(edges) == nodes * inputs + nodes * (nodes - 1) // 2
    assert all(edge.source < edge.target for edge in edges)
    incoming = [row for target in topology.targets for row in topology.incoming(target)]
    assert incoming == list(range(len(edges)))
    for target in topology.targets:
        assert topology.kept_per_node(target) == min(2, target)


@given(cells())
def test_genes_are_edges_of_the_cells_own_topology_in_order(cell) -> None:
    edges = [edge for edge, _ in cell.genes]
    rows = [cell.topology.edges.index(edge) for edge in edges]
    assert rows == sorted(set(rows))
    free = all(FAMILY[operation] in ("skip", "pool", "none") for _, operation in cell.genes)
    assert cell.is_parameter_free == free


@pytest.mark.parametrize(
    ("inputs", "nodes", "message"),
    [
        (2, [[(0, "conv_7x7")]], "operations are none, max_pool_3x3"),
        (2, [[(2, "skip_connect")]], "node 2 can only take edges from nodes 0 to 1"),
        (2, [[(-1, "skip_connect")]], "can only take edges"),
        (2, [[(0, "skip_connect"), (0, "sep_conv_3x3")]], "each source at most once"),
        (2, [[(0, "skip_connect")], []], "needs at least one incoming edge"),
        (0, [[(0, "skip_connect")]], "at least one input"),
        (2, [], "at least one input and one intermediate node"),
    ],
)
def test_an_impossible_cell_is_refused_with_its_rule(inputs, nodes, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Genotype.shared(inputs, nodes)


@pytest.mark.parametrize("shape", [(0, 4), (2, 0)])
def test_an_empty_topology_is_refused(shape) -> None:
    with pytest.raises(ConfigError, match="the usual cell has 2 inputs and 4 nodes"):
        CellTopology(*shape)


def test_scopes_are_checked_against_their_cells() -> None:
    cell = Genotype.shared(1, [[(0, "skip_connect")]]).cells[0]
    with pytest.raises(ConfigError, match="exactly one cell"):
        Genotype("shared", (cell, cell))
    with pytest.raises(ConfigError, match="at least one cell"):
        Genotype("per_skip", ())
    with pytest.raises(ConfigError, match="shared or per_skip"):
        Genotype("mixed", (cell,))


CELL = {"inputs": 1, "nodes": [[[0, "skip_connect"]]]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "holds JSON"),
        ("[]", "a genotype is"),
        ("null", "a genotype is"),
        ('{"cells": []}', "a genotype is"),
        ('{"scope": "shared", "cells": [{"inputs": 1}]}', "a genotype is"),
        ('{"scope": "shared", "cells": [{"inputs": Infinity, "nodes": []}]}', "a genotype is"),
        (json.dumps({"scope": "shared", "cells": [{**CELL, "inputs": 1.5}]}), "a genotype is"),
        (json.dumps({"scope": "shared", "cells": [{**CELL, "inputs": True}]}), "a genotype is"),
        (json.dumps({"scope": "shared", "cells": [{**CELL, "nodes": [[[0]]]}]}), "a genotype is"),
        (json.dumps({"scope": "each", "cells": [CELL]}), "shared or per_skip"),
        (json.dumps({"scope": "shared", "cells": [CELL, CELL]}), "exactly one cell"),
    ],
)
def test_what_is_not_a_genotype_is_refused(text, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Genotype.from_json(text)


def test_sources_from_arrays_become_plain_numbers() -> None:
    genotype = Genotype.shared(2, [[(np.int64(0), np.str_("skip_connect"))]])
    assert genotype == Genotype.shared(2, [[(0, "skip_connect")]])
    assert Genotype.from_json(genotype.to_json()) == genotype


def test_taps_share_a_cell_or_have_their_own() -> None:
    one = Genotype.shared(1, [[(0, "skip_connect")]]).cells[0]
    two = Genotype.shared(1, [[(0, "sep_conv_3x3")]]).cells[0]
    assert Genotype("shared", (one,)).cell(3) is one
    assert Genotype("per_skip", (one, two)).cell(1) is two


def test_a_person_can_read_it() -> None:
    cell = Genotype.shared(2, [[(0, "skip_connect"), (1, "sep_conv_3x3")], [(2, "max_pool_3x3")]])
    assert cell.describe() == (
        "  node 0 = skip_connect(skip), sep_conv_3x3(decoder)\n  node 1 = max_pool_3x3(node 0)"
    )
    assert Genotype("per_skip", cell.cells * 2).describe().count("tap ") == 2
    assert [node_name(i, 1) for i in range(3)] == ["skip", "node 0", "node 1"]
