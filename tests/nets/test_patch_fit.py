"""A patch that a network cannot be trained on is refused before it is; any other one is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch

from distributed_iac.config.backbone import BackboneSettings, BasicUnetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.patch_fit import (
    LARGE,
    require_given_patches,
    require_networks,
    require_patch,
)
from tests.backbones import COMPACT, INSTALLED, NAMES

NNUNET = Path(__file__).parent / "data" / "nnunet_plain"
EVERY = [
    *(settings.model_dump(mode="json") for settings in INSTALLED.values()),
    {"name": "nnunet", "folder": str(NNUNET)},
]


def run_with(
    backbone: dict[str, Any], asked: Mapping[str, Any] = MappingProxyType({}), **values: Any
) -> RunConfig:
    data = [{"name": "d", "source": "raw", "preprocess": values}]
    usual = {"name": "r", "data": data, "backbones": [backbone], "batches": {"batch_size": 1}}
    return RunConfig.model_validate(usual | dict(asked))


def trained_on(backbone: Backbone, *batch: int) -> torch.Tensor:
    with torch.no_grad():
        return backbone.train().training_outputs(torch.zeros(*batch))[0]


def built(settings: BackboneSettings) -> Backbone:
    return build_backbone(settings, 1, 2)


@pytest.mark.parametrize("backbone", EVERY, ids=lambda one: one["name"])
def test_the_refusal_of_every_family_names_a_patch_that_is_accepted(
    backbone: dict[str, Any],
) -> None:
    config = run_with(backbone)
    (dataset,) = config.data
    with pytest.raises(ConfigError, match=r"patches of (\d+) x \1 pixels or more") as caught:
        require_networks(config, dataset, (2, 2))
    least = int(caught.value.message.split()[7])
    assert 2 < least <= 33
    require_networks(config, dataset, (least, least))


@pytest.mark.parametrize("patch", [64, 2 * LARGE])
def test_a_given_cell_for_each_skip_of_another_network_is_refused(patch: int) -> None:
    genes = ((0, "skip_connect"), (1, "skip_connect"))
    given = {"scope": "per_skip", "cells": [{"inputs": 2, "nodes": [genes]}] * 3}
    cell = {"nodes": 1, "genotype_scope": "per_skip"}
    asked = {"given": given, "controls": ["given"], "cell": cell}
    config = run_with({"name": "basic_unet", "features": "tiny"}, asked, patch=[patch, patch])
    with pytest.raises(ConfigError, match="skips, which are 4") as caught:
        require_given_patches(config)
    assert caught.value.came == "3 cells"


def test_every_family_is_asked() -> None:
    assert {*COMPACT, "nnunet"} == set(NAMES)


@pytest.mark.parametrize("settings", INSTALLED.values(), ids=list(INSTALLED))
@pytest.mark.parametrize("size", [(8, 8), (8, 64), (16, 24), (17, 17), (31, 64), (32, 32)])
@pytest.mark.parametrize("slices", [1, 4])
def test_what_is_refused_cannot_be_trained_on_and_the_rest_can(
    settings: BackboneSettings, size: tuple[int, int], slices: int
) -> None:
    backbone = built(settings)
    batch = (slices, 1, *size)
    try:
        require_patch(backbone, batch)
    except ConfigError:
        with pytest.raises((ValueError, RuntimeError)):
            trained_on(backbone, *batch)
    else:
        assert trained_on(backbone, *batch).shape[-2:] == size


@pytest.mark.parametrize("settings", INSTALLED.values(), ids=list(INSTALLED))
def test_a_network_that_was_tried_is_as_it_was(settings: BackboneSettings) -> None:
    backbone = built(settings).eval()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    drawn = torch.get_rng_state()
    require_patch(backbone, (2, 1, 16, 64))
    assert not backbone.training
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(before[name], one) for name, one in backbone.state_dict().items())


def test_every_data_set_and_network_is_named_with_its_own_patch() -> None:
    tiny = BasicUnetSettings(features="tiny").model_dump(mode="json")
    require_given_patches(run_with(tiny, patch="auto"))
    require_given_patches(run_with(tiny, patch=[32, 32]))
    with pytest.raises(ConfigError, match=r"d, basic_unet-tiny: [\s\S]*16 x 16"):
        require_given_patches(run_with(tiny, patch=[16, 16]))


def test_networks_of_large_patches_are_not_even_built() -> None:
    config = run_with({"name": "nnunet", "folder": "absent"})
    require_networks(config, config.data[0], (LARGE, LARGE))
    with pytest.raises(ConfigError, match="absent"):
        require_networks(config, config.data[0], (LARGE, LARGE - 1))
