"""What MONAI does not promise is as it was in the release that the adapter was written against.

That the joins compute what MONAI's own blocks do is held by ``test_backbone_laws.py``.
"""

from __future__ import annotations

from importlib.metadata import requires, version
from typing import Any

import pytest
import torch
from torch import nn

from distributed_iac.nets.monai_internals import attention_gate
from tests.backbones import COMPACT, REQUIRES

FAMILIES = sorted(set(COMPACT) - set(REQUIRES) - {"custom"})


def test_the_installed_release_is_the_one_that_the_adapter_knows() -> None:
    bounds = next(one for one in requires("distributed_iac") or () if one.startswith("monai"))
    assert {"<1.7", ">=1.6"} == set(bounds.removeprefix("monai").split(","))
    assert version("monai").startswith("1.6"), "look through nets/monai_internals.py first"


@pytest.mark.parametrize("name", FAMILIES)
def test_every_module_that_is_reached_for_is_there(name: str, make_case: Any) -> None:
    try:
        backbone = make_case(name).build()
        parts = backbone._parts()
    except AttributeError as error:
        pytest.fail(f"MONAI {version('monai')} has changed its {name}: {error}")
    assert len(parts.joins) == len(backbone.taps)
    assert all(isinstance(one, nn.Module) for one in (*parts.encoder, *parts.joins, *parts.heads))


@pytest.mark.parametrize("name", FAMILIES)
def test_no_tensor_of_the_network_is_left_out(name: str, make_case: Any) -> None:
    """A new module in between would be skipped in silence."""
    backbone = make_case(name).build()
    parts = backbone._parts()
    reached = {
        id(p) for one in (*parts.encoder, *parts.joins, *parts.heads) for p in one.parameters()
    }
    last = {"flexible_unet": "decoder.blocks.4."}.get(name, "-")
    left = [n for n, p in backbone.net.named_parameters() if id(p) not in reached]
    assert [n for n in left if not n.startswith(last)] == []


def test_an_attention_gate_weights_the_pixels_of_its_second_feature() -> None:
    gate = attention_gate(2, 3, 4).eval()
    gating, gated = torch.randn(1, 3, 8, 8), torch.randn(1, 4, 8, 8)
    weights = gate(gating, gated) / gated
    assert ((weights > 0) & (weights < 1)).all()
    torch.testing.assert_close(weights, weights[:, :1].expand_as(weights))
