"""Hand-made modules stand in a skip as a cell does: nothing at first, then what they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from distributed_iac.cell.cost import derived_network_cost
from distributed_iac.cell.implant import DerivedNetwork
from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.cell.skip_modules import SkipNetwork
from distributed_iac.config.backbone import BasicUnetSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.comparison import SKIP_MODULES, SkipModule
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.contract import Backbone

CELL = CellSettings(width=8, partial_channels=1)


@pytest.fixture
def backbone() -> Backbone:
    return build_backbone(BasicUnetSettings(features="tiny"), 1, 3).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def network_of(backbone: Backbone, module: SkipModule, cell: CellSettings = CELL) -> SkipNetwork:
    return SkipNetwork(backbone, module, cell, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("module", SKIP_MODULES)
def test_at_the_first_step_the_network_is_the_plain_one_to_the_bit(
    module: SkipModule, backbone: Backbone, images: Tensor
) -> None:
    assert torch.equal(network_of(backbone, module)(images), backbone(images))


@pytest.mark.parametrize("module", SKIP_MODULES)
def test_every_parameter_learns_once_the_projection_has_moved(
    module: SkipModule, backbone: Backbone, images: Tensor
) -> None:
    network = network_of(backbone, module)
    backbone.requires_grad_(False)
    for parameter in network.projections.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(2))
    network(images).square().mean().backward()
    still = [
        name
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]
    # A bias before a BatchNorm cannot matter.
    assert not [name for name in still if not name.endswith("conv.bias")]


@pytest.mark.parametrize("module", SKIP_MODULES)
def test_the_seed_decides_on_the_weights(module: SkipModule, backbone: Backbone) -> None:
    first, again = (network_of(backbone, module).cells.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = SkipNetwork(backbone, module, CELL, torch.Generator().manual_seed(1))
    assert any(
        not torch.equal(first[name], value) for name, value in other.cells.state_dict().items()
    )


@pytest.mark.parametrize("inputs", ["skip", "skip_and_decoder"])
@pytest.mark.parametrize("width", [4, 8, 16])
def test_the_convolution_has_the_parameters_of_a_mean_cell(
    inputs: str, width: int, backbone: Backbone
) -> None:
    cell = CellSettings.model_validate({"inputs": inputs, "width": width, "partial_channels": 1})
    own = sum(one.numel() for one in network_of(backbone, "convolution", cell).cell_parameters())
    generator = np.random.default_rng(0)
    cells = [
        derived_network_cost(
            backbone.taps, random_genotype(cell.topology, generator, "shared", 1), cell, (32, 32)
        ).parameters
        for _ in range(200)
    ]
    assert own == pytest.approx(sum(cells) / len(cells), rel=0.15)


def test_parameters_are_counted_as_the_real_cells_have_them(backbone: Backbone) -> None:
    genotype = random_genotype(CELL.topology, np.random.default_rng(0), "shared", 1)
    network = DerivedNetwork(backbone, genotype, CELL, torch.Generator().manual_seed(0))
    counted = derived_network_cost(backbone.taps, genotype, CELL, (32, 32)).parameters
    assert sum(one.numel() for one in network.cell_parameters()) == counted
