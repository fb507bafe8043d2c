"""The cost of a network, without running it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from distributed_iac.config.backbone import BasicUnetSettings
from distributed_iac.errors import ConfigError
from distributed_iac.nets.freeze import freeze
from distributed_iac.nets.registry import build_backbone
from distributed_iac.nets.summary import summarise


def test_every_network_can_be_summarised(backbone: Any, case: Any) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    summary = summarise(backbone, case.in_channels, (64, 96))
    assert summary.parameters == sum(parameter.numel() for parameter in backbone.parameters())
    assert summary.encode_flops > 0
    assert summary.decode_flops > 0
    sizes: dict[int, tuple[int, ...]] = {}

    def look(tap: int, skip: torch.Tensor, _decoder: torch.Tensor) -> torch.Tensor:
        sizes[tap] = tuple(skip.shape[1:])
        return skip

    features = backbone.encode(case.images(batch=1))
    backbone.decode(features, look)
    expected = [sizes[index] for index in range(len(backbone.taps))]
    assert [(tap.channels, tap.height, tap.width) for tap in summary.taps] == expected
    assert summary.feature_values == sum(feature.numel() for feature in features)
    after = backbone.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_flops_are_those_of_the_convolutions() -> None:
    backbone: Any = build_backbone(BasicUnetSettings(features=(4,) * 6), 1, 2)
    encode = summarise(backbone, 1, (32, 32)).encode_flops
    # Two per multiply-add, 3 x 3: 1 -> 4 and 4 -> 4 at each of the five sizes.
    per_level = [32 * 32 // 4**level for level in range(5)]
    first = 2 * 9 * (1 * 4 + 4 * 4) * per_level[0]
    rest = sum(2 * 9 * (4 * 4 + 4 * 4) * pixels for pixels in per_level[1:])
    assert encode == first + rest


def test_frozen_parameters_are_told_apart() -> None:
    backbone = build_backbone(BasicUnetSettings(features="tiny"), 1, 2)
    freeze(backbone)
    summary = summarise(backbone, 1, (32, 32))
    assert summary.trainable_parameters == 0 < summary.parameters


def test_images_below_the_minimum_are_refused() -> None:
    backbone = build_backbone(BasicUnetSettings(features="tiny"), 1, 2)
    with pytest.raises(ConfigError, match="32 x 32"):
        summarise(backbone, 1, (31, 64))
