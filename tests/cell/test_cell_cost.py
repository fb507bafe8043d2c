"""Counted costs against the modules themselves and against torch's own counter."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from distributed_iac.cell.cost import (
    Cost,
    derived_cell_cost,
    derived_network_cost,
    search_cell_cost,
    search_network_cost,
)
from distributed_iac.cell.derived import DerivedCell
from distributed_iac.cell.implant import DerivedNetwork, SearchNetwork
from distributed_iac.cell.oracle import OracleCell
from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.cell.search_cell import SearchCellShape
from distributed_iac.cell.structure import CellStructure
from distributed_iac.config.cell import CellSettings
from distributed_iac.genotype import CellTopology
from distributed_iac.nets.contract import Backbone

TOPOLOGY = CellTopology(2, 3)
CHANNELS = (6, 5)


def measured(parameters: Iterable[nn.Parameter], run: Callable[[], object]) -> Cost:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        run()
    return Cost(sum(p.numel() for p in parameters), counter.get_total_flops() // 2)


def images() -> list[torch.Tensor]:
    return [torch.randn(1, channels, 9, 10) for channels in CHANNELS]


@pytest.mark.parametrize("seed", range(4))
def test_discrete_cells_are_counted_exactly(seed: int) -> None:
    genotype = random_genotype(TOPOLOGY, np.random.default_rng(seed)).cell(0)
    cell = DerivedCell(genotype, CHANNELS, 8)
    counted = derived_cell_cost(genotype, CHANNELS, 8, pixels=90)
    assert counted == measured(cell.parameters(), lambda: cell(images()))


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("removals", [0, 20, 40])
def test_searched_cells_are_counted_exactly(
    k: int,
    removals: int,
    prune_once: Callable[[CellStructure, torch.Generator], CellStructure],
    generator: torch.Generator,
) -> None:
    structure = CellStructure.full(TOPOLOGY)
    for _ in range(removals):
        structure = prune_once(structure, generator)
    cell = OracleCell(SearchCellShape(TOPOLOGY, CHANNELS, 8, k), structure)
    weights = torch.rand(len(TOPOLOGY.edges), 8), torch.rand(len(TOPOLOGY.edges))
    counted = search_cell_cost(structure, CHANNELS, 8, k, pixels=90)
    assert counted == measured(cell.parameters(), lambda: cell(images(), *weights))


def test_networks_are_counted_exactly(
    backbone: Backbone, settings: CellSettings, generator: torch.Generator
) -> None:
    x = torch.randn(1, 1, 16, 20)
    plain = measured([], lambda: backbone(x)).macs
    searched = SearchNetwork(backbone, settings, generator, OracleCell)
    genotype = random_genotype(settings.topology, np.random.default_rng(0))
    discrete = DerivedNetwork(backbone, genotype, settings, generator)
    counted = (
        search_network_cost(backbone.taps, searched.architecture.structures, settings, (16, 20)),
        derived_network_cost(backbone.taps, genotype, settings, (16, 20)),
    )
    for network, cost in zip((searched, discrete), counted, strict=True):
        whole = measured(network.cell_parameters(), lambda net=network: net(x))
        assert cost == Cost(whole.parameters, whole.macs - plain)


def test_pruning_pays() -> None:
    full = CellStructure.full(TOPOLOGY)
    costs = [
        search_cell_cost(structure, CHANNELS, 8, 2, 90)
        for structure in (full, full.without_operation(0, "sep_conv_3x3"), full.without_edge(0))
    ]
    assert costs[0].macs > costs[1].macs > costs[2].macs
    assert costs[0].parameters > costs[1].parameters > costs[2].parameters
