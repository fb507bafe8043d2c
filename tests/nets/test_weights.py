"""Weights from files: what loads, and how a misfit is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from distributed_iac.config.backbone import (
    AttentionUnetSettings,
    BasicUnetSettings,
    DynUnetSettings,
    FlexibleUnetSettings,
    UnetSettings,
)
from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.weights import (
    adapt_input_convolution,
    fill,
    load_encoder_weights,
    read_state_dict,
)

TINY = BasicUnetSettings(features="tiny")


@pytest.fixture
def network() -> nn.Module:
    return build_backbone(TINY, 1, 3, seed=5)


def states_equal(a: nn.Module, b: nn.Module) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_our_own_state_dict_loads(network: nn.Module, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    loaded = build_backbone(TINY.model_copy(update={"weights": path}), 1, 3, seed=6)
    assert states_equal(loaded, network)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod.", "_orig_mod.module.net."])
def test_wrappers_and_prefixes_of_other_scripts_are_seen_through(
    network: Any, tmp_path: Path, wrapper: str | None, prefix: str
) -> None:
    state = {prefix + name: tensor for name, tensor in network.net.state_dict().items()}
    path = tmp_path / "w.pt"
    torch.save(state if wrapper is None else {wrapper: state, "epoch": 7}, path)
    loaded = build_backbone(TINY.model_copy(update={"weights": path}), 1, 3, seed=6)
    assert states_equal(loaded, network)


def test_a_state_dict_of_monais_own_basic_unet_loads(tmp_path: Path) -> None:
    from monai.networks.nets.basic_unet import BasicUNet

    theirs = BasicUNet(2, 1, 3, features=(8, 8, 16, 32, 64, 8)).eval()
    torch.save(theirs.state_dict(), tmp_path / "monai.pt")
    settings = TINY.model_copy(update={"weights": tmp_path / "monai.pt"})
    ours = build_backbone(settings, 1, 3).eval()
    x = torch.randn(1, 1, 32, 48)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("units", [0, 2])
@pytest.mark.parametrize("size", [(32, 48), (37, 50)])
def test_a_checkpoint_of_monais_own_unet_loads_and_gives_its_logits(
    tmp_path: Path, units: int, size: tuple[int, int]
) -> None:
    from monai.networks.nets.unet import UNet

    channels, strides = (4, 8, 16), (2, 2)
    theirs = UNet(2, 1, 3, channels, strides, num_res_units=units, norm="batch").eval()
    torch.save({"model": theirs.state_dict(), "epoch": 7}, tmp_path / "monai.pt")
    settings = UnetSettings(channels=channels, num_res_units=units, norm="batch")
    settings = settings.model_copy(update={"weights": tmp_path / "monai.pt"})
    x = torch.randn(1, 1, *size)
    padded = nn.functional.pad(x, (0, -size[1] % 4, 0, -size[0] % 4), "replicate")
    expected = theirs(padded)[..., : size[0], : size[1]]
    assert torch.equal(build_backbone(settings, 1, 3).eval()(x), expected)
    other = settings.model_copy(update={"num_res_units": 2 - units})
    with pytest.raises(ConfigError, match=r"unexpected: model\.0\.conv"):
        build_backbone(other, 1, 3)


def test_a_state_dict_of_monais_own_dynunet_loads_although_it_holds_everything_twice(
    tmp_path: Path,
) -> None:
    from monai.networks.nets.dynunet import DynUNet

    strides = ((1, 1), (2, 2), (2, 2))
    theirs = DynUNet(2, 1, 3, [3] * 3, [1, 2, 2], [2, 2], filters=[4, 8, 16]).eval()
    state = theirs.state_dict()
    assert any(name.startswith("skip_layers.") for name in state)
    torch.save(state, tmp_path / "monai.pt")
    settings = DynUnetSettings(strides=strides, base_features=4, weights=tmp_path / "monai.pt")
    ours = build_backbone(settings, 1, 3).eval()
    x = torch.randn(1, 1, 32, 48)
    assert torch.equal(ours(x), theirs(x))


def test_own_names_that_look_like_prefixes_are_kept(tmp_path: Path) -> None:
    settings = AttentionUnetSettings(channels=(4, 4, 8, 8, 8))
    source: Any = build_backbone(settings, 1, 3, seed=5)
    assert all(name.startswith("model.") for name in source.net.state_dict())
    torch.save(source.net.state_dict(), tmp_path / "w.pt")
    loaded = build_backbone(settings.model_copy(update={"weights": tmp_path / "w.pt"}), 1, 3)
    assert states_equal(loaded, source)


def test_a_prefix_that_a_file_lacks_is_added(tmp_path: Path) -> None:
    settings = AttentionUnetSettings(channels=(4, 4, 8, 8, 8))
    source: Any = build_backbone(settings, 1, 3, seed=5)
    torch.save(source.net.model.state_dict(), tmp_path / "w.pt")
    loaded = build_backbone(settings.model_copy(update={"weights": tmp_path / "w.pt"}), 1, 3)
    assert states_equal(loaded, source)


def test_heads_of_deep_supervision_are_left_out_where_nothing_reads_them(tmp_path: Path) -> None:
    deep = DynUnetSettings(
        strides=((1, 1), (2, 2), (2, 2)), base_features=4, supervised_scales="all"
    )
    source = build_backbone(deep, 1, 3, seed=5).eval()
    torch.save(source.state_dict(), tmp_path / "w.pt")
    shallow = deep.model_copy(update={"weights": tmp_path / "w.pt", "supervised_scales": 1})
    x = torch.randn(1, 1, 32, 32)
    assert torch.equal(build_backbone(shallow, 1, 3).eval()(x), source(x))


def test_all_misfits_are_told_at_once(network: Any, tmp_path: Path) -> None:
    state = network.net.state_dict()
    del state["final_conv.bias"]
    state["extra.weight"] = torch.zeros(1)
    state["final_conv.weight"] = torch.zeros(5, 8, 1, 1)
    torch.save(state, tmp_path / "w.pt")
    before = build_backbone(TINY, 1, 3, seed=6)
    with pytest.raises(ConfigError) as caught:
        build_backbone(TINY.model_copy(update={"weights": tmp_path / "w.pt"}), 1, 3, seed=6)
    message = str(caught.value)
    assert "1 missing: final_conv.bias" in message
    assert "1 unexpected: extra.weight" in message
    assert "final_conv.weight (5, 8, 1, 1) instead of (3, 8, 1, 1)" in message
    assert str(tmp_path / "w.pt") in message
    assert "remedy" in message
    with pytest.raises(ConfigError):
        fill(before, state, where="w.pt")
    assert states_equal(before, build_backbone(TINY, 1, 3, seed=6)), "loaded in part"


def test_a_missing_file_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    settings = TINY.model_copy(update={"weights": tmp_path / "none.pt"})
    with pytest.raises(ConfigError, match="nothing is ever downloaded"):
        build_backbone(settings, 1, 3)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_damaged_file_is_told(network: nn.Module, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    torch.save(network.state_dict(), path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="safetensors or written by"):
        read_state_dict(path)


class Payload:
    """Code that a malicious file would run when unpickled."""

    ran = False

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _run, ()


def _run() -> None:
    Payload.ran = True


def test_pickled_code_is_named_and_never_run(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}, "extra": Payload()}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="never pickled code") as caught:
        read_state_dict(tmp_path / "w.pt")
    assert "_run" in str(caught.value)
    assert not Payload.ran


def test_a_file_without_tensors_by_name_is_told(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "score": [0.5]}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="tensors by name") as caught:
        read_state_dict(tmp_path / "w.pt")
    assert "epoch, score" in str(caught.value)


def test_weights_that_are_not_finite_are_refused(network: Any, tmp_path: Path) -> None:
    state = network.net.state_dict()
    state["final_conv.bias"] = torch.tensor([0.0, float("nan"), 0.0])
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="finite") as caught:
        build_backbone(TINY.model_copy(update={"weights": tmp_path / "w.pt"}), 1, 3)
    assert "final_conv.bias" in str(caught.value)


def test_colour_weights_of_an_encoder_serve_other_channels(tmp_path: Path) -> None:
    settings = FlexibleUnetSettings(encoder="resnet10", decoder_channels=(8, 8, 8, 8, 8))
    colour: Any = build_backbone(settings, 3, 2, seed=5)
    state = dict(colour.net.encoder.state_dict())
    state["fc.weight"] = torch.zeros(1000, 512)
    torch.save(state, tmp_path / "imagenet.pth")
    chosen = settings.model_copy(update={"encoder_weights": tmp_path / "imagenet.pth"})
    grey: Any = build_backbone(chosen, 1, 2, seed=6)
    image = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        expected = colour.eval().net.encoder(image.expand(-1, 3, -1, -1))
        found = grey.eval().net.encoder(image)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_encoder_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    settings = FlexibleUnetSettings(encoder="resnet10", decoder_channels=(8, 8, 8, 8, 8))
    source: Any = build_backbone(settings, 1, 2)
    torch.save(source.net.encoder.state_dict(), tmp_path / "r10.pth")
    with pytest.raises(ConfigError, match="one by one"):
        load_encoder_weights(nn.Conv2d(1, 1, 1), tmp_path / "r10.pth")


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_adapted_convolutions_answer_equal_channels_alike(channels: int) -> None:
    weight = torch.randn(5, 3, 3, 3)
    adapted = adapt_input_convolution(weight, (5, channels, 3, 3))
    assert adapted.shape == (5, channels, 3, 3)
    if channels in (1, 3):
        torch.testing.assert_close(adapted.sum(1), weight.sum(1))
    balanced = adapt_input_convolution(torch.ones(5, 3, 3, 3), (5, channels, 3, 3))
    torch.testing.assert_close(balanced.sum(1), torch.full((5, 3, 3), 3.0))


def test_other_tensors_are_not_adapted() -> None:
    for shape in ((5, 3), (6, 1, 3, 3), (5, 3, 3, 3), (5, 1, 7, 7)):
        weight = torch.randn(5, 3, 3, 3)
        assert adapt_input_convolution(weight, shape) is weight
