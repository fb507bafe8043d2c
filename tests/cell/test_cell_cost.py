"""Counted costs against the modules themselves and against torch's own counter."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from distributed_iac.cell.cost import Cost, derived_cell_cost, derived_network_cost
from distributed_iac.cell.derived import DerivedCell
from distributed_iac.cell.implant import DerivedNetwork
from distributed_iac.cell.random_genotype import random_genotype
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


def test_networks_are_counted_exactly(
    backbone: Backbone, settings: CellSettings, generator: torch.Generator
) -> None:
    x = torch.randn(1, 1, 16, 20)
    plain = measured([], lambda: backbone(x)).macs
    genotype = random_genotype(settings.topology, np.random.default_rng(0))
    network = DerivedNetwork(backbone, genotype, settings, generator)
    whole = measured(network.cell_parameters(), lambda: network(x))
    counted = derived_network_cost(backbone.taps, genotype, settings, (16, 20))
    assert counted == Cost(whole.parameters, whole.macs - plain)
