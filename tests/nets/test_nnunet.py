"""Trained nnU-Net folders, recorded from nnU-Net's own trainer (benchmarks/nnunet_parity.py)."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.expectation import Names, NetworkCard, agree
from distributed_iac.nets.nnunet_folder import read_nnunet_plan
from distributed_iac.nets.nnunet_network import NnUnetNetwork
from distributed_iac.nets.trained import card_of_backbone

KINDS = ["plain", "residual"]


@pytest.fixture
def model(nnunet_data: Path, tmp_path: Path) -> Path:
    """A copy of the plain model, free to be spoilt."""
    return Path(shutil.copytree(nnunet_data / "nnunet_plain", tmp_path / "model"))


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_that_nnunet_gave_at_every_scale(nnunet_data: Path, kind: str) -> None:
    folder = nnunet_data / f"nnunet_{kind}"
    backbone = build_backbone(NnUnetSettings(folder=folder), 2, 4).eval()
    reference = np.load(folder / "reference.npz")
    outputs = backbone.training_outputs(torch.from_numpy(reference["images"]))
    assert len(outputs) == 3
    for scale, output in enumerate(outputs):
        expected = torch.from_numpy(reference[f"output_{scale}"])
        # Rounding is another on every kind of processor: 2e-5 was seen.
        torch.testing.assert_close(output, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("kind", "listed", "kept"), [("plain", 188, 68), ("residual", 268, 82)])
def test_every_tensor_of_the_checkpoint_has_its_place(
    nnunet_data: Path, kind: str, listed: int, kept: int
) -> None:
    """The counts are those of nnU-Net's own networks of four stages, names repeated and once."""
    folder = nnunet_data / f"nnunet_{kind}"
    backbone: Any = build_backbone(NnUnetSettings(folder=folder), 2, 4)
    checkpoint = torch.load(folder / "fold_0" / "checkpoint_final.pth", weights_only=False)
    theirs = checkpoint["network_weights"]
    own = backbone.net.state_dict()
    assert (len(theirs), len(own)) == (listed, kept)
    assert len({tensor.data_ptr() for tensor in theirs.values()}) == kept
    assert all(torch.equal(own[name], theirs[name]) for name in own)


def test_the_plan_tells_what_the_model_expects(nnunet_data: Path) -> None:
    plan = read_nnunet_plan(nnunet_data / "nnunet_plain")
    assert (plan.in_channels, plan.out_channels, plan.output) == (2, 4, "softmax")
    assert plan.channel_names == ("T1", "T2")
    assert plan.labels == {"background": 0, "RV": 1, "MYO": 2, "LV": 3}
    assert (plan.patch_size, plan.spacing) == ((32, 20), (1.25, 1.5))
    assert plan.normalization == ("ZScoreNormalization", "ZScoreNormalization")
    assert plan.transpose == (2, 0, 1)
    assert plan.architecture.strides == ((1, 1), (2, 2), (2, 1), (2, 2))


def test_flat_plans_before_architecture_mean_the_same_network(model: Path) -> None:
    def modern(plans: Any) -> None:
        kwargs = plans["configurations"]["2d"]["architecture"]["arch_kwargs"]
        kwargs["features_per_stage"] = [4, 8, 16, 16]

    def flat(plans: Any) -> None:
        configuration = plans["configurations"]["2d"]
        kwargs = configuration.pop("architecture")["arch_kwargs"]
        configuration |= {
            "UNet_class_name": "PlainConvUNet",
            "UNet_base_num_features": 4,
            "unet_max_num_features": 16,
            "n_conv_per_stage_encoder": kwargs["n_conv_per_stage"],
            "n_conv_per_stage_decoder": kwargs["n_conv_per_stage_decoder"],
            "num_pool_per_axis": [3, 2],
            "pool_op_kernel_sizes": kwargs["strides"],
            "conv_kernel_sizes": kwargs["kernel_sizes"],
        }

    edit(model / "plans.json", modern)
    expected = read_nnunet_plan(model)
    edit(model / "plans.json", flat)
    assert read_nnunet_plan(model) == expected


def test_a_configuration_inherits_from_another(model: Path) -> None:
    expected = read_nnunet_plan(model)

    def inherit(plans: Any) -> None:
        plans["configurations"]["base"] = plans["configurations"].pop("2d")
        plans["configurations"]["2d"] = {"inherits_from": "base", "patch_size": [64, 40]}

    edit(model / "plans.json", inherit)
    plan = read_nnunet_plan(model)
    assert plan.patch_size == (64, 40)
    assert plan.architecture == expected.architecture


def test_regions_are_read_by_a_sigmoid_and_ignored_labels_have_no_head(model: Path) -> None:
    regions = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
    edit(model / "dataset.json", lambda dataset: dataset.update(labels=regions))
    plan = read_nnunet_plan(model)
    assert (plan.output, plan.out_channels) == ("sigmoid", 3)
    labels = {"background": 0, "organ": 1, "ignore": 2}
    edit(model / "dataset.json", lambda dataset: dataset.update(labels=labels))
    assert read_nnunet_plan(model).out_channels == 2


def test_data_of_other_channels_or_classes_is_refused(model: Path) -> None:
    with pytest.raises(ConfigError, match="2 channels \\(T1, T2\\) and 4 classes") as caught:
        build_backbone(NnUnetSettings(folder=model), 1, 4)
    assert "1 channels and 4 classes" in str(caught.value)


def test_a_missing_checkpoint_names_those_that_are_there(model: Path) -> None:
    settings = NnUnetSettings(folder=model, fold=3, checkpoint="best")
    with pytest.raises(ConfigError) as caught:
        build_backbone(settings, 2, 4)
    assert "fold_3/checkpoint_best.pth" in str(caught.value)
    assert "fold_0/checkpoint_final.pth" in str(caught.value)


def test_a_checkpoint_of_another_configuration_is_refused(model: Path) -> None:
    path = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(path, weights_only=False)
    checkpoint["init_args"]["configuration"] = "3d_fullres"
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match="3d_fullres"):
        build_backbone(NnUnetSettings(folder=model), 2, 4)


def test_a_checkpoint_that_names_other_code_is_refused(model: Path) -> None:
    path = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(path, weights_only=False)
    checkpoint["logging"] = {"folder": Path("/tmp")}
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match="never pickled code") as caught:
        build_backbone(NnUnetSettings(folder=model), 2, 4)
    assert "pathlib" in str(caught.value)


def test_the_numbers_of_the_training_log_are_read_without_trusting_pickles(model: Path) -> None:
    path = model / "fold_0" / "checkpoint_final.pth"
    needed = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    assert set(needed) == {"numpy.dtype", "numpy._core.multiarray.scalar"}
    build_backbone(NnUnetSettings(folder=model), 2, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network_class_name": "x.PrimusM"}, "PlainConvUNet and ResidualEncoderUNet"),
        ({"arch_kwargs": {"nonlin_first": True}}, "nonlin_first"),
        ({"arch_kwargs": {"norm_op": "torch.nn.GroupNorm"}}, "InstanceNorm2d or BatchNorm2d"),
        ({"arch_kwargs": {"strides": [[1, 1, 1]] * 4}}, "two numbers per stage"),
    ],
)
def test_networks_that_cannot_be_rebuilt_are_refused(
    model: Path, change: dict[str, Any], message: str
) -> None:
    def spoil(plans: Any) -> None:
        architecture = plans["configurations"]["2d"]["architecture"]
        architecture["arch_kwargs"].update(change.get("arch_kwargs", {}))
        architecture.update({k: v for k, v in change.items() if k != "arch_kwargs"})

    edit(model / "plans.json", spoil)
    with pytest.raises(ConfigError, match=message):
        read_nnunet_plan(model)


def test_a_folder_that_is_no_model_is_told(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ConfigError, match=r"plans\.json, dataset\.json and fold_"):
        read_nnunet_plan(tmp_path / "nowhere")
    edit(model / "plans.json", lambda plans: plans["configurations"].pop("2d"))
    with pytest.raises(ConfigError, match="configuration 2d"):
        read_nnunet_plan(model)
    (model / "plans.json").write_text("{")
    with pytest.raises(ConfigError, match="must be JSON"):
        read_nnunet_plan(model)


def own(key: str, value: Any) -> Any:
    return lambda plans: plans["configurations"]["2d"].update({key: value})


def network(key: str, value: Any) -> Any:
    return lambda plans: plans["configurations"]["2d"]["architecture"]["arch_kwargs"].update(
        {key: value}
    )


def ct(statistics: dict[str, dict[str, float]]) -> Any:
    def change(plans: Any) -> None:
        own("normalization_schemes", ["CTNormalization"] * 2)(plans)
        plans["foreground_intensity_properties_per_channel"] = statistics

    return change


SOUND_CT = {"percentile_00_5": -100.0, "percentile_99_5": 100.0, "mean": 1.0, "std": 9.0}
PLANS = {
    "of itself": (own("inherits_from", "2d"), "from itself"),
    "no patch": (own("patch_size", None), "NoneType"),
    "patch of 0": (own("patch_size", [0, 24]), "patch_size.0: Input should be greater than 0"),
    "spacing of 0": (own("spacing", [0, 1]), "spacing.0: Input should be greater than 0"),
    "spacing of NaN": (own("spacing", [float("nan"), 1]), "spacing.0"),
    "one spacing": (own("spacing", [1.0]), "spacing.1: Field required"),
    "three spacings": (own("spacing", [4.0, 1.0, 1.0]), "spacing"),
    "two axes": (lambda plans: plans.update(transpose_forward=[0, 1]), "each of 0, 1, 2"),
    "an axis twice": (lambda plans: plans.update(transpose_forward=[0, 1, 1]), "each of 0, 1, 2"),
    "masks of fewer": (own("use_mask_for_norm", [True]), "same channels"),
    "schemes of fewer": (own("normalization_schemes", ["NoNormalization"]), "same channels"),
    "fewer features": (network("features_per_stage", [6, 8]), "a network of 2 stages"),
    "fewer kernels": (network("kernel_sizes", [[3, 3]]), "and 3 decoder depths"),
    "stride of 0": (network("strides", [[1, 1], [2, 2], [2, 1], [0, 2]]), "strides.3.0"),
    "unknown option": (network("norm_op_kwargs", {"epz": 1}), "epz"),
    "CT of nothing": (ct({}), "foreground intensities"),
    "CT of one channel": (ct({"0": SOUND_CT}), "foreground intensities"),
    "CT that descends": (
        ct({"0": SOUND_CT, "1": SOUND_CT | {"percentile_00_5": 101.0}}),
        "percentiles that ascend",
    ),
    "CT of no width": (ct({"0": SOUND_CT, "1": SOUND_CT | {"std": 0.0}}), "std above 0"),
}
DATASETS = {
    "labels from 1": (lambda d: d["labels"].pop("background"), "numbered from 0 on"),
    "a label twice": (lambda d: d["labels"].update(LV=2), "numbered from 0 on"),
    "a gap": (lambda d: d["labels"].update(LV=7), "numbered from 0 on"),
    "half a label": (lambda d: d["labels"].update(LV=1.6), "labels.LV"),
    "labels in a list": (lambda d: d.update(labels=["background", "LV"]), "items"),
    "channels in a list": (lambda d: d.update(channel_names=["T1", "T2"]), "items"),
    "channels from 1": (lambda d: d.update(channel_names={"1": "T1", "2": "T2"}), "from 0 on"),
    "channels by name": (lambda d: d.update(channel_names={"T1": 0, "T2": 1}), "T1"),
}


@pytest.mark.parametrize("name", [*PLANS, *DATASETS])
def test_plans_that_contradict_themselves_are_refused_with_the_reason(
    model: Path, name: str
) -> None:
    change, said = {**PLANS, **DATASETS}[name]
    edit(model / ("plans.json" if name in PLANS else "dataset.json"), change)
    with pytest.raises(ConfigError, match="nnU-Net v2 training") as caught:
        read_nnunet_plan(model)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
def test_a_list_in_a_file_s_place_is_refused(model: Path, name: str) -> None:
    (model / name).write_text("[{}]")
    with pytest.raises(ConfigError, match="nnU-Net v2 training"):
        read_nnunet_plan(model)


def test_channels_are_known_by_their_number_and_not_their_place(model: Path) -> None:
    edit(model / "dataset.json", lambda d: d.update(channel_names={"1": "T2", "0": "T1"}))
    assert read_nnunet_plan(model).channel_names == ("T1", "T2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda said: said.update(fold=3), "one of fold 3, as it says itself"),
        (lambda said: said["plans"]["configurations"]["2d"].update(spacing=[3, 3]), "spacing"),
        (lambda said: said["plans"].update(transpose_forward=[0, 1, 2]), "transpose"),
        (lambda said: said["dataset_json"]["labels"].update(RV=2, MYO=1), "labels"),
        (lambda said: said["plans"].pop("configurations"), "configurations"),
    ],
)
def test_a_checkpoint_of_another_fold_or_plan_is_refused(
    model: Path, change: Any, said: str
) -> None:
    path = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(path, weights_only=False)
    change(checkpoint["init_args"])
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError) as caught:
        build_backbone(NnUnetSettings(folder=model), 2, 4)
    assert said in str(caught.value)


def test_plans_with_a_hole_name_the_missing_key(model: Path) -> None:
    edit(model / "plans.json", lambda plans: plans["configurations"]["2d"].pop("spacing"))
    with pytest.raises(ConfigError, match="nnU-Net v2") as caught:
        read_nnunet_plan(model)
    assert "'spacing'" in str(caught.value)


def test_dropout_and_batch_norm_of_a_plan_are_built(model: Path) -> None:
    def change(plans: Any) -> None:
        plans["configurations"]["2d"]["architecture"]["arch_kwargs"].update(
            norm_op="torch.nn.modules.batchnorm.BatchNorm2d",
            dropout_op="torch.nn.modules.dropout.Dropout2d",
            dropout_op_kwargs={"p": 0.5, "inplace": True},
            n_conv_per_stage=3,
            strides=2,
        )

    edit(model / "plans.json", change)
    architecture = read_nnunet_plan(model).architecture
    assert architecture.encoder_depths == (3, 3, 3, 3)
    assert architecture.strides == ((2, 2),) * 4
    net = NnUnetNetwork(architecture, 2, 4)
    kinds = [type(layer).__name__ for layer in net.encoder.stages[0][0].convs[0].children()]
    assert kinds == ["Conv2d", "Dropout2d", "BatchNorm2d", "LeakyReLU"]


T2_FIRST = NetworkCard(("t2", "t1"), ("background", "LV", "RV", "MYO"), "softmax")


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_store_of_another_order_gets_the_same_logits(nnunet_data: Path, kind: str) -> None:
    settings = NnUnetSettings(folder=nnunet_data / f"nnunet_{kind}")
    plain = build_backbone(settings, 2, 4)
    swapped = build_backbone(settings, 2, 4, store=T2_FIRST)
    images = torch.randn(2, 2, 64, 40, generator=torch.Generator().manual_seed(1))
    expected = plain.training_outputs(images)
    for output, wanted in zip(swapped.training_outputs(images[:, [1, 0]]), expected, strict=True):
        torch.testing.assert_close(output, wanted[:, [0, 3, 1, 2]], atol=1e-5, rtol=1e-5)


def test_regions_are_matched_in_the_order_of_dataset_json(model: Path) -> None:
    regions = {
        "background": 0,
        "enhancing tumor": 3,
        "ignore": 4,
        "tumor core": [2, 3],
        "WT": [1, 2, 3],
    }
    edit(model / "dataset.json", lambda dataset: dataset.update(labels=regions))
    card = card_of_backbone(NnUnetSettings(folder=model))
    assert card is not None
    assert (card.outputs, card.activation) == (("enhancing tumor", "tumor core", "WT"), "sigmoid")
    store = replace(card, outputs=("WT", "TC", "ET"))
    assert agree(card, store, Names(), model).outputs == (2, 1, 0)


@pytest.mark.parametrize("labels", [{"LV": 3, "background": 0, "MYO": [2], "RV": 1, "ignore": 4}])
def test_classes_are_matched_in_the_order_of_their_values(model: Path, labels: Any) -> None:
    edit(model / "dataset.json", lambda dataset: dataset.update(labels=labels))
    card = card_of_backbone(NnUnetSettings(folder=model))
    assert card is not None
    assert card.outputs == ("background", "RV", "MYO", "LV")
    assert card.channels == ("T1", "T2")


def test_channels_of_another_name_are_refused_until_they_are_named(model: Path) -> None:
    store = replace(T2_FIRST, channels=("sag", "t1"))
    with pytest.raises(ConfigError, match=r"channel_names: \{sag: T2\}"):
        build_backbone(NnUnetSettings(folder=model), 2, 4, store=store)
    settings = NnUnetSettings(folder=model, channel_names={"sag": "T2"})
    build_backbone(settings, 2, 4, store=store)
