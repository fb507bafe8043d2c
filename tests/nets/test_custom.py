"""Anyone's network: its joins are found or named, and proven; what cannot serve is told why.

The laws of every backbone, step 0 to the bit and gradients at every tap among them, are held for
the networks of ``tests/foreign.py`` by ``test_backbone_laws.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from distributed_iac.config.backbone import BackboneSettings, CustomSettings
from distributed_iac.config.base import to_plain
from distributed_iac.errors import ConfigError
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.custom_proof import wiring_of
from distributed_iac.nets.freeze import freeze, train_only
from distributed_iac.nets.opened import OpenedBackbone
from tests.foreign import CroppingUNet

ADAPTER: TypeAdapter[BackboneSettings] = TypeAdapter(BackboneSettings)


def custom(name: str, **settings: Any) -> CustomSettings:
    return CustomSettings(import_=f"tests.foreign:{name}", **settings)


def test_concatenations_in_a_forward_are_named_and_counted_as_torch_fx_does() -> None:
    wiring = wiring_of(custom("FlatUNet"), 1, 2)
    assert [(tap.name, tap.stride) for tap in wiring.taps] == [
        ("cat", 4),
        ("cat_1", 2),
        ("cat_2", 1),
    ]
    assert [join.skips for join in wiring.joins] == [(1,)] * 3
    assert wiring.multiple == 1


def test_the_skip_is_told_from_the_decoders_feature_although_it_is_cropped() -> None:
    wiring = wiring_of(custom("CroppingUNet"), 1, 2)
    assert [tap.name for tap in wiring.taps] == ["ups.0.cat", "ups.1.cat", "ups.2.cat"]
    assert [(join.skips, join.decoder) for join in wiring.joins] == [((0,), 1)] * 3
    assert wiring.multiple == 8, "odd rows are lost, so that images are padded"


def test_sums_are_found_where_nothing_is_concatenated_and_residuals_are_none() -> None:
    wiring = wiring_of(custom("SumUNet"), 1, 2)
    assert [(tap.name, tap.stride) for tap in wiring.taps] == [("add_1", 2), ("add_2", 1)]


def test_joins_that_are_named_are_the_only_taps() -> None:
    backbone = build_backbone(custom("CroppingUNet", joins=("ups.2.cat", "ups.0.cat")), 1, 2)
    assert [tap.name for tap in backbone.taps] == ["ups.0.cat", "ups.2.cat"]


@pytest.mark.parametrize("name", ["FlatUNet", "CroppingUNet", "SumUNet"])
def test_encoder_and_decoder_can_be_trained_apart(name: str) -> None:
    backbone = build_backbone(custom(name), 1, 2)
    freeze(backbone, "encoder")
    last, all_of_it = (
        sum(p.numel() for p in part)
        for part in (
            [p for p in backbone.parameters() if p.requires_grad],
            list(backbone.parameters()),
        )
    )
    assert 0 < last < all_of_it
    train_only(backbone, "last_block")
    assert 0 < sum(p.numel() for p in backbone.parameters() if p.requires_grad) < last


def test_what_cannot_be_run_apart_is_run_as_a_whole_and_cannot_be_frozen_in_part() -> None:
    backbone = build_backbone(custom("SharedUNet"), 1, 2)
    assert len(backbone.encode(torch.zeros(1, 1, 64, 64))) == 2, "size and image"
    with pytest.raises(ConfigError, match="encoder_modules"):
        freeze(backbone, "encoder")


def test_usual_names_of_channels_and_classes_are_filled_in_where_settings_are_silent() -> None:
    backbone = build_backbone(custom("CroppingUNet", settings={"widths": [4, 6]}), 3, 5)
    assert backbone.eval()(torch.zeros(1, 3, 33, 40)).shape == (1, 5, 33, 40)
    with pytest.raises(ConfigError, match=r"images \(B, 3, H, W\)"):
        build_backbone(custom("CroppingUNet", settings={"in_channels": 1}), 3, 5)


@pytest.mark.parametrize(
    ("settings", "message", "came"),
    [
        (custom("FlatUNet", joins=("cat", "cat_3")), "cat, cat_1, cat_2", "did you mean cat_2"),
        (custom("SumUNet", joins=("add",)), "joins must be among add_1, add_2", "equally coarse"),
        (custom("Probabilities"), "must return logits", "what a softmax makes"),
        (custom("Detached"), "a gradient must reach", "none at cat\n"),
        (custom("Fickle"), "what it computes alone", "other logits"),
        (custom("several"), "what it computes alone", "a list in training"),
        (custom("number"), "must return a torch.nn.Module", "int"),
        (custom("nothing"), "MODULE:NAME", "no attribute 'nothing'"),
        (CustomSettings(import_="no_such_package.nets:UNet"), "MODULE:NAME", "every machine"),
        (custom("FlatUNet", settings={"depth": 3}), "must build a network", "depth"),
    ],
)
def test_what_cannot_serve_is_refused_with_the_join_and_the_reason(
    settings: CustomSettings, message: str, came: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_backbone(settings, 1, 2)
    assert message in str(caught.value)
    assert came in str(caught.value)
    assert "remedy" in str(caught.value)


def test_a_state_dict_of_the_network_itself_loads_and_gives_its_logits(tmp_path: Path) -> None:
    theirs = CroppingUNet(1, 3).eval()
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "w.pt")
    backbone = build_backbone(custom("CroppingUNet", weights=tmp_path / "w.pt"), 1, 3).eval()
    x = torch.randn(2, 1, 48, 64)
    assert torch.equal(backbone(x), theirs(x))
    with pytest.raises(ConfigError, match=r"of another shape: head\.weight"):
        build_backbone(custom("CroppingUNet", weights=tmp_path / "w.pt"), 1, 2)


def test_the_structure_follows_what_is_computed_not_the_names_alone() -> None:
    plain = wiring_of(custom("FlatUNet"), 1, 2).structure
    assert (
        plain == wiring_of(custom("FlatUNet", label="mine", weights=Path("w.pt")), 1, 2).structure
    )
    assert plain != wiring_of(custom("FlatUNet", settings={"width": 4}), 1, 2).structure
    assert plain != wiring_of(custom("SharperUNet"), 1, 2).structure, "the same tensors"


def test_settings_go_through_files_under_the_name_that_the_user_writes() -> None:
    given: Mapping[str, Any] = {"name": "custom", "import": "a.b:C", "settings": {"x": [1, None]}}
    settings = ADAPTER.validate_python(given)
    assert settings.key == "custom-a.b-C"
    for written in (to_plain(settings), settings.model_dump(mode="json")):
        assert written["import"] == "a.b:C"
        assert ADAPTER.validate_python(written) == settings
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({"name": "custom", "import": "just a name"})


def test_the_bare_network_is_left_as_it_was() -> None:
    backbone = build_backbone(custom("CroppingUNet"), 1, 2)
    assert isinstance(backbone, OpenedBackbone)
    backbone(torch.zeros(1, 1, 32, 32))
    assert not any("forward" in vars(module) for module in backbone.modules())
