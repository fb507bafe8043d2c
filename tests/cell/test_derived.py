from __future__ import annotations

import pytest
import torch
from torch import nn

from distributed_iac.cell.derived import DerivedCell
from distributed_iac.genotype import CellGenotype, Gene

GENOTYPE = CellGenotype(
    2,
    (
        (Gene(0, "sep_conv_5x5"), Gene(1, "skip_connect")),
        (Gene(0, "avg_pool_3x3"), Gene(2, "dil_conv_3x3")),
    ),
)


@pytest.fixture
def inputs() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels, 7, 6, generator=generator) for channels in (6, 5)]


def test_a_node_is_the_plain_sum_of_its_two_operations(inputs: list[torch.Tensor]) -> None:
    cell = DerivedCell(GENOTYPE, (6, 5), 8).eval()
    first, second = (cell.inputs[key](x) for key, x in zip("01", inputs, strict=True))
    third = cell.edges["0_2"](first) + second
    fourth = cell.edges["0_3"](first) + cell.edges["2_3"](third)
    torch.testing.assert_close(cell(inputs), torch.cat([third, fourth], 1))
    assert cell.out_channels == 16


def test_operations_see_all_channels_and_learn_scale_and_shift() -> None:
    cell = DerivedCell(GENOTYPE, (6, 5), 8)
    convolutions = [m for m in cell.edges.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in cell.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {conv.in_channels for conv in convolutions} == {8}
    assert len(norms) == 2 + 2 + 1
    assert all(norm.affine for norm in norms)


def test_an_unused_input_costs_nothing(inputs: list[torch.Tensor]) -> None:
    genotype = CellGenotype(2, ((Gene(0, "skip_connect"),), (Gene(2, "skip_connect"),)))
    cell = DerivedCell(genotype, (6, 5), 8)
    assert list(cell.inputs) == ["0"]
    assert cell(inputs).shape == (2, 16, 7, 6)


def test_none_in_a_genotype_is_zero(inputs: list[torch.Tensor]) -> None:
    genotype = CellGenotype(2, ((Gene(0, "none"), Gene(1, "skip_connect")),))
    cell = DerivedCell(genotype, (6, 5), 8).eval()
    torch.testing.assert_close(cell(inputs), cell.inputs["1"](inputs[1]))
