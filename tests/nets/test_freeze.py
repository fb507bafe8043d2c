"""Frozen parts learn nothing, and stay frozen."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from distributed_iac.config.backbone import AttentionUnetSettings, BasicUnetSettings
from distributed_iac.errors import ConfigError
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.contract import Backbone, Features, Implant, Tap
from distributed_iac.nets.freeze import (
    NORMALISATIONS,
    Trained,
    freeze,
    train_only,
    trainable,
    unfreeze,
)
from tests.backbones import INSTALLED

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
    with pytest.raises(ConfigError, match="modules_before_last_block"):
        train_only(Whole(), "last_block")
    whole = Whole()
    freeze(whole)
    assert trainable(whole) == 0


def test_the_contract_alone_is_enough_for_a_forward_pass() -> None:
    whole = Whole()
    x = torch.randn(1, 1, 8, 8)
    assert torch.equal(whole(x), whole.conv(x))
    assert torch.equal(whole.training_outputs(x)[0], whole(x))
    assert whole.minimum_size == 4


def trained_names(backbone: Backbone) -> set[str]:
    return {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_a_part_trains_what_it_says_and_nothing_else(name: str) -> None:
    settings = INSTALLED[name]
    if name == "unet":  # whose normalisation has no scale and shift by default, as MONAI's
        settings = settings.model_copy(update={"norm": "batch"})
    network = build_backbone(settings, 1, 2)
    everything = {one for one, _ in network.named_parameters()}
    found = {}
    for part in get_args(Trained):
        train_only(network, part)
        found[part] = trained_names(network)
    assert found["network"] == everything
    assert set() < found["last_block"] < found["decoder"] < everything
    head = [one for one, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    assert any(one.startswith(tuple(head)) for one in found["last_block"])
    layers = dict(network.named_modules())
    owners = {one.rpartition(".")[0] for one in found["normalisation"]}
    assert owners
    assert all(isinstance(layers[owner], NORMALISATIONS) for owner in owners)


@pytest.mark.parametrize("part", ["normalisation", "last_block", "decoder"])
def test_what_is_not_trained_keeps_its_statistics_and_weights(part: Trained, network: Any) -> None:
    train_only(network, part)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network(torch.randn(2, 1, 32, 32)).square().sum().backward()
    optimiser.step()
    after = network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    owners = {name.rpartition(".")[0] for name in trained_names(network)}
    assert {name.rpartition(".")[0] for name in moved} <= owners


def test_a_network_without_normalisation_to_train_is_refused() -> None:
    network = build_backbone(AttentionUnetSettings(channels=(4, 4, 4, 4, 4)), 1, 2)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight = layer.bias = None
    with pytest.raises(ConfigError, match="trainable parameters there"):
        train_only(network, "normalisation")
