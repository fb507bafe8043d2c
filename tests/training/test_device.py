"""The layout of a frozen network: another one on a GPU, with the same results."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from distributed_iac.cell.implant import SearchNetwork
from distributed_iac.config.cell import CellSettings
from distributed_iac.nets.build import build_backbone
from distributed_iac.training.device import lay_out
from tests.backbones import INSTALLED

CELL = CellSettings(nodes=1, width=4, partial_channels=2)


def network(name: str) -> SearchNetwork:
    searched = SearchNetwork(
        build_backbone(INSTALLED[name], 1, 3), CELL, torch.Generator().manual_seed(0)
    )
    for parameter in searched.projections.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    return searched


def gradients(searched: SearchNetwork, images: Tensor) -> tuple[Tensor, ...]:
    logits = searched(images)
    loss = (logits * torch.linspace(-1, 1, logits.shape[-1])).mean()
    return logits.detach(), *torch.autograd.grad(loss, list(searched.projections.parameters()))


@pytest.mark.parametrize("name", INSTALLED)
def test_every_backbone_computes_the_same_in_the_layout_of_a_gpu(name: str) -> None:
    # In double: some gradients are so small that float32's rounding, another on every processor,
    # would be a large part of them.
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(2, 1, 64, 64, generator=generator, dtype=torch.float64)
    plain, laid_out = network(name).double(), network(name).double()
    lay_out(laid_out.backbone, torch.device("cuda"))
    large = [p for p in laid_out.backbone.parameters() if p.dim() == 4 and min(p.shape) > 1]
    assert large
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in large)
    for ours, theirs in zip(gradients(laid_out, images), gradients(plain, images), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8 * float(theirs.abs().max()))


def test_on_a_cpu_nothing_is_changed() -> None:
    searched = network("basic_unet")
    before = [parameter.stride() for parameter in searched.backbone.parameters()]
    lay_out(searched.backbone, torch.device("cpu"))
    assert [parameter.stride() for parameter in searched.backbone.parameters()] == before
