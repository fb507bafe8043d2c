"""Networks from their settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from distributed_iac.config.backbone import (
    BackboneSettings,
    BasicUnetPlusPlusSettings,
    BasicUnetSettings,
    DynUnetSettings,
    FlexibleUnetSettings,
    SmpUnetSettings,
)
from distributed_iac.errors import ConfigError
from distributed_iac.nets import build, smp_unet
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.planner import Fingerprint2d
from tests.backbones import COMPACT, NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_family_has_a_module_of_its_own(name: str) -> None:
    assert Path(build.__file__).with_name(f"{name}.py").is_file()


def test_every_family_but_nnunet_has_compact_settings() -> None:
    assert {*COMPACT, "nnunet"} == set(NAMES)


@pytest.mark.parametrize("name", COMPACT)
def test_compact_settings_survive_a_config_file_and_stay_small(name: str, make_case: Any) -> None:
    settings = COMPACT[name]
    adapter: TypeAdapter[BackboneSettings] = TypeAdapter(BackboneSettings)
    assert adapter.validate_python(settings.model_dump(mode="json")) == settings
    backbone = make_case(name).build()
    assert sum(parameter.numel() for parameter in backbone.parameters()) < 15_000_000


def test_importing_it_imports_no_network_library() -> None:
    code = (
        "import sys, distributed_iac.nets.build;"
        "print([m for m in ('monai', 'timm', 'segmentation_models_pytorch') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_dynunet_needs_a_fingerprint_or_strides() -> None:
    with pytest.raises(ConfigError, match="patch size and spacing"):
        build_backbone(DynUnetSettings(), 1, 4)
    planned = build_backbone(
        DynUnetSettings(base_features=2), 1, 4, Fingerprint2d((256, 224), (1.5, 1.5))
    )
    assert [tap.stride for tap in planned.taps] == [16, 8, 4, 2, 1]
    assert [tap.channels for tap in planned.taps] == [32, 16, 8, 4, 2]


@pytest.mark.parametrize(
    "settings",
    [
        DynUnetSettings(strides=((1, 1), (2, 2), (2, 2)), base_features=2, supervised_scales=5),
        DynUnetSettings(strides=((1, 1), (2, 2), (2, 2)), base_features=2, supervised_scales=3),
    ],
)
def test_more_scales_than_heads_are_refused(settings: DynUnetSettings) -> None:
    with pytest.raises(ConfigError, match="'all' or 1 to 2"):
        build_backbone(settings, 1, 4)


def test_unetplusplus_supervises_its_nested_networks() -> None:
    settings = BasicUnetPlusPlusSettings(features="tiny", supervised_scales="all")
    backbone = build_backbone(settings, 1, 3)
    outputs = backbone.training_outputs(torch.zeros(1, 1, 32, 32))
    assert [output.shape for output in outputs] == [(1, 3, 32, 32)] * 4


def test_building_leaves_monais_shared_register_as_it_was() -> None:
    from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE

    before = dict(FLEXUNET_BACKBONE.register_dict["resnet10"]["parameter"])
    build_backbone(FlexibleUnetSettings(encoder="resnet10"), 2, 4)
    assert FLEXUNET_BACKBONE.register_dict["resnet10"]["parameter"] == before


def test_smp_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ConfigError) as caught:
        build_backbone(SmpUnetSettings(), 1, 2)
    assert "pip install distributed-iac[smp]" in str(caught.value)


def test_an_unknown_smp_encoder_names_its_neighbours(make_case: Any) -> None:
    make_case("smp_unet")
    with pytest.raises(ConfigError, match="encoder must be one of") as caught:
        build_backbone(SmpUnetSettings(encoder="resnet35"), 1, 2)
    assert "resnet34" in str(caught.value)
    with pytest.raises(ConfigError, match="timm model"):
        build_backbone(SmpUnetSettings(encoder="tu-no_such_model"), 1, 2)


def test_an_smp_encoder_of_one_fixed_size_is_refused(make_case: Any) -> None:
    make_case("smp_unet")
    with pytest.raises(ConfigError, match="any size"):
        build_backbone(SmpUnetSettings(encoder="tu-swin_tiny_patch4_window7_224"), 1, 2)


def test_an_smp_encoder_without_a_fine_feature_has_a_tap_less(make_case: Any) -> None:
    taps = make_case("smp_unet-mit").build().taps
    assert [tap.stride for tap in taps] == [16, 8, 4]
    assert [tap.stride for tap in make_case("smp_unet").build().taps] == [16, 8, 4, 2]


def test_smp_never_asks_for_a_download(make_case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_case("smp_unet")
    library: Any = smp_unet._library()
    asked: list[Any] = []
    unet = library.Unet

    def watched(*args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs["encoder_weights"])
        return unet(*args, **kwargs)

    monkeypatch.setattr(library, "Unet", watched)
    build_backbone(SmpUnetSettings(encoder="resnet18"), 1, 2)
    assert asked == [None]


def test_basic_unet_widths_are_what_they_are_called() -> None:
    small = build_backbone(BasicUnetSettings(features="small"), 1, 2)
    assert [tap.channels for tap in small.taps] == [64, 32, 16, 16]
    assert [tap.decoder_channels for tap in small.taps] == [64, 32, 16, 16]
