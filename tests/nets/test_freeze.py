"""Frozen parts learn nothing, and stay frozen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distributed_iac.config.backbone import BasicUnetSettings
from distributed_iac.errors import ConfigError
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.contract import Backbone, Features, Implant, Tap
from distributed_iac.nets.freeze import freeze, trainable, unfreeze

SETTINGS = BasicUnetSettings(features=(4, 4, 4, 4, 4, 4), norm="batch", dropout=0.1)


@pytest.fixture
def network() -> Any:
    return build_backbone(SETTINGS, 1, 2)


def modes(modules: Any) -> set[bool]:
    return {module.training for part in modules for module in part.modules()}


def test_all_of_it_can_be_frozen(network: Any) -> None:
    freeze(network)
    nn.ModuleList([network]).train()
    assert trainable(network) == 0
    assert modes(network.children()) == {False}


def test_the_encoder_alone_can_be_frozen(network: Any) -> None:
    freeze(network, part="encoder")
    network.train()
    assert modes(network.encoder_modules) == {False}
    assert modes([network.net.upcat_1, network.net.final_conv]) == {True}
    frozen = sum(p.numel() for module in network.encoder_modules for p in module.parameters())
    everything = sum(p.numel() for p in network.parameters())
    assert trainable(network) == everything - frozen > 0
    network.eval()
    assert modes([network]) == {False}


def test_the_last_word_counts(network: Any) -> None:
    network.train()
    freeze(network)
    freeze(network, part="encoder")
    assert network.net.final_conv.weight.requires_grad
    assert modes([network.net.upcat_1]) == {True}
    unfreeze(network)
    assert modes([network]) == {True}
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_unfreezing_follows_the_mode_of_the_owner(network: Any) -> None:
    network.eval()
    freeze(network)
    unfreeze(network)
    assert modes([network]) == {False}


class Whole(Backbone):
    """A backbone that does not tell its encoder from its decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (Tap("only", 1, 1, 1),)

    def encode(self, x: Tensor) -> Features:
        return (self.conv(x),)

    def decode(self, features: Features, implant: Implant) -> Tensor:
        return implant(0, features[0], features[0])


def test_an_unnamed_encoder_cannot_be_frozen_alone() -> None:
    with pytest.raises(ConfigError, match="encoder_modules"):
        freeze(Whole(), part="encoder")
    whole = Whole()
    freeze(whole)
    assert trainable(whole) == 0


def test_the_contract_alone_is_enough_for_a_forward_pass() -> None:
    whole = Whole()
    x = torch.randn(1, 1, 8, 8)
    assert torch.equal(whole(x), whole.conv(x))
    assert torch.equal(whole.training_outputs(x)[0], whole(x))
    assert whole.minimum_size == 4
