"""The backbone branch of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from distributed_iac.config.backbone import (
    BackboneSettings,
    BasicUnetSettings,
    DynUnetSettings,
    NnUnetSettings,
)

ADAPTER: TypeAdapter[BackboneSettings] = TypeAdapter(BackboneSettings)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"name": "basic_unet"}, "basic_unet-medium"),
        ({"name": "basic_unet", "features": [4, 4, 8, 8, 8, 4]}, "basic_unet-4-4-8-8-8-4"),
        ({"name": "basic_unet", "label": "mine"}, "mine"),
        ({"name": "unet"}, "unet-16-32-64-128-256"),
        ({"name": "unet", "channels": [4, 8, 8], "num_res_units": 2}, "unet-4-8-8-r2"),
        ({"name": "dynunet"}, "dynunet"),
        ({"name": "dynunet", "base_features": 16, "max_stages": 5}, "dynunet-w16-s5"),
        ({"name": "flexible_unet", "encoder": "resnet34"}, "flexible_unet-resnet34"),
        ({"name": "swin_unetr"}, "swin_unetr-24"),
        ({"name": "smp_unet", "encoder": "tu-a/b"}, "smp_unet-tu-a-b"),
        ({"name": "nnunet", "folder": "x/model"}, "nnunet-model-fold_0"),
        ({"name": "attention_unet"}, "attention_unet-32-512"),
        ({"name": "basic_unetplusplus", "features": "tiny"}, "basic_unetplusplus-tiny"),
    ],
)
def test_networks_that_differ_have_keys_that_differ(given: dict[str, Any], key: str) -> None:
    assert ADAPTER.validate_python(given).key == key


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "vnet"}, "basic_unet"),
        ({"name": "unet", "channels": [8, 8]}, "channels"),
        ({"name": "unet", "channels": [8, 8, 8], "strides": [2]}, "one less than channels, 2"),
        ({"name": "basic_unet", "features": [8, 8]}, "features"),
        ({"name": "swin_unetr", "feature_size": 20}, "multiple of 12"),
        ({"name": "dynunet", "strides": [[1, 1], [2, 2]]}, "three or more stages"),
        ({"name": "dynunet", "strides": [[2, 2], [2, 2], [2, 2]]}, "first with stride"),
        ({"name": "dynunet", "strides": [[1, 1], [1, 1], [2, 2]]}, "stride of 2"),
        ({"name": "dynunet", "kernels": [[3, 3]]}, "together with strides"),
        (
            {"name": "dynunet", "strides": [[1, 1], [2, 2], [2, 2]], "kernels": [[3, 3]]},
            "as many as strides",
        ),
        ({"name": "nnunet", "folder": "x", "weights": "y.pt"}, "come from its folder"),
        ({"name": "basic_unet", "label": "a b"}, "label"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ADAPTER.validate_python(given)


def test_trained_networks_are_told_from_untrained() -> None:
    assert not BasicUnetSettings().is_trained
    assert BasicUnetSettings(weights=Path("w.pt")).is_trained
    assert NnUnetSettings(folder=Path("x")).is_trained
    assert not DynUnetSettings().is_trained


def test_names_of_a_network_need_a_network_that_has_them() -> None:
    for field in ("channel_names", "label_names"):
        with pytest.raises(ValueError, match="those of a network with weights"):
            BasicUnetSettings.model_validate({field: {"t1": "T1"}})
        BasicUnetSettings.model_validate({field: {"t1": "T1"}, "weights": "unet.pt"})
