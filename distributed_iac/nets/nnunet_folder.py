"""Reading what nnU-Net v2 leaves behind after training, without nnU-Net.

::

    plan = read_nnunet_plan(Path("nnUNetTrainer__nnUNetPlans__2d"))
    plan.spacing, plan.patch_size, plan.normalization         # what the network expects
    weights = read_nnunet_weights(folder, fold=0, checkpoint="final")

A model folder holds ``plans.json``, ``dataset.json`` and ``fold_<k>/checkpoint_<which>.pth``.
Both shapes of plans are read: ``architecture: {network_class_name, arch_kwargs}`` (since 2.3) and
the flat ``UNet_class_name``, ``pool_op_kernel_sizes``, ... before it; both translations follow
nnunetv2's own ``ConfigurationManager`` and ``LabelManager``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.nets.planner import Pair, doubling
from distributed_iac.nets.weights import StateDict, is_state_dict, read_checkpoint

CONFIGURATION = "2d"
"""nnU-Net's name for the network on slices."""

_DTYPES = (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)
_SCALAR = np.float64(0).__reduce__()[0]

NNUNET_GLOBALS: tuple[Any, ...] = (
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (_SCALAR, "numpy.core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in _DTYPES),
)
"""All that nnU-Net's checkpoints name beside torch's safe list: the numpy numbers of its training
log, under numpy's module path of today and that before 2.0. None of it runs foreign code."""


@dataclass(frozen=True)
class NnUnetArchitecture:
    """The network of a plan.

    Args:
        kind: ``plain`` (PlainConvUNet) or ``residual`` (ResidualEncoderUNet).
        features: Channels per stage, finest first.
        strides: Stride per stage; the first is (1, 1).
        kernels: Convolution kernel per stage.
        encoder_depths: Convolutions (plain) or residual blocks per encoder stage.
        decoder_depths: Convolutions per decoder stage, deepest first.
        conv_bias: Whether convolutions carry a bias.
        norm: Normalisation layer, a class of ``torch.nn``, and its options.
        nonlinearity: Activation, a class of ``torch.nn``, and its options.
        dropout: Dropout layer and its options, if any.
        stem_channels: Channels of the stem of a residual encoder.
    """

    kind: Literal["plain", "residual"]
    features: tuple[int, ...]
    strides: tuple[Pair, ...]
    kernels: tuple[Pair, ...]
    encoder_depths: tuple[int, ...]
    decoder_depths: tuple[int, ...]
    conv_bias: bool
    norm: tuple[str, Mapping[str, Any]] | None
    nonlinearity: tuple[str, Mapping[str, Any]]
    dropout: tuple[str, Mapping[str, Any]] | None
    stem_channels: int


@dataclass(frozen=True)
class NnUnetPlan:
    """What a trained model expects and gives.

    Args:
        architecture: The network.
        in_channels: Image channels.
        out_channels: Classes, background included; or regions, to be read by a sigmoid.
        output: How the logits are to be read.
        labels: Name to value, or to the values of a region, as in ``dataset.json``.
        channel_names: What each image channel is.
        patch_size: Pixels that it was trained on.
        spacing: Millimetres per pixel that images were resampled to.
        normalization: nnU-Net's normalisation scheme per channel.
        transpose: Order of the image axes; the last two span the slices.
    """

    architecture: NnUnetArchitecture
    in_channels: int
    out_channels: int
    output: Literal["softmax", "sigmoid"]
    labels: Mapping[str, int | tuple[int, ...]]
    channel_names: tuple[str, ...]
    patch_size: Pair
    spacing: tuple[float, float]
    normalization: tuple[str, ...]
    transpose: tuple[int, ...]


def read_nnunet_plan(folder: Path) -> NnUnetPlan:
    """Read the 2-D plan of a trained model.

    Raises:
        ConfigError: If the folder is not such a model, or its network is of another class.
    """
    plans = _read_json(folder / "plans.json")
    dataset = _read_json(folder / "dataset.json")
    try:
        return _plan(plans, dataset, folder)
    except KeyError as error:
        raise ConfigError(
            "plans.json and dataset.json must be those of an nnU-Net v2 training",
            came=f"the key {error} is missing",
            remedy="copy both files from the trained model's folder again",
            where=folder,
        ) from error


def read_nnunet_weights(
    folder: Path, *, fold: int | Literal["all"], checkpoint: Literal["final", "best"]
) -> StateDict:
    """Read the network's tensors, under nnU-Net's names, from a fold's checkpoint.

    Raises:
        ConfigError: If there is no such checkpoint.
        CheckpointError: If it is damaged, names other code, or is of another configuration.
    """
    path = folder / f"fold_{fold}" / f"checkpoint_{checkpoint}.pth"
    if not path.is_file():
        found = sorted(str(p.relative_to(folder)) for p in folder.glob("fold_*/checkpoint_*.pth"))
        raise ConfigError(
            "the trained model must hold the checkpoint that fold and checkpoint name",
            came=f"no {path.relative_to(folder)}; there: {', '.join(found) or 'no checkpoint'}",
            remedy="set fold and checkpoint to one of those",
            where=folder,
        )
    payload = read_checkpoint(path, NNUNET_GLOBALS)
    weights = payload.get("network_weights") if isinstance(payload, Mapping) else None
    if not is_state_dict(weights):
        raise CheckpointError(
            "an nnU-Net checkpoint holds network_weights",
            came="none",
            remedy="copy the checkpoint again, or load a plain state_dict into dynunet",
            where=path,
        )
    configuration = payload.get("init_args", {}).get("configuration", CONFIGURATION)
    if configuration != CONFIGURATION:
        raise CheckpointError(
            f"the checkpoint must be of nnU-Net's configuration {CONFIGURATION}",
            came=configuration,
            remedy="give the folder of the 2-D training, named ...__2d",
            where=path,
        )
    return weights


def _plan(plans: Mapping[str, Any], dataset: Mapping[str, Any], folder: Path) -> NnUnetPlan:
    configuration = _configuration(plans, CONFIGURATION, folder)
    channels = dataset.get("channel_names") or dataset["modality"]
    labels = {
        name: tuple(value) if isinstance(value, list) else int(value)
        for name, value in dataset["labels"].items()
        if name != "ignore"
    }
    output, classes = _output(labels)
    return NnUnetPlan(
        architecture=_architecture(configuration, folder),
        in_channels=len(channels),
        out_channels=classes,
        output=output,
        labels=labels,
        channel_names=tuple(str(name) for name in channels.values()),
        patch_size=_pair(configuration["patch_size"]),
        spacing=(float(configuration["spacing"][0]), float(configuration["spacing"][1])),
        normalization=tuple(configuration["normalization_schemes"]),
        transpose=tuple(plans.get("transpose_forward", (0, 1, 2))),
    )


def _output(
    labels: Mapping[str, int | tuple[int, ...]],
) -> tuple[Literal["softmax", "sigmoid"], int]:
    """How many heads, and how they are read: regions when a label names several values."""
    values = [value if isinstance(value, tuple) else (value,) for value in labels.values()]
    if any(len(value) > 1 for value in values):
        return "sigmoid", sum(set(value) != {0} for value in values)
    return "softmax", len({number for value in values for number in value})


def _configuration(plans: Mapping[str, Any], name: str, folder: Path) -> dict[str, Any]:
    """Resolve a configuration and what it inherits."""
    known = plans["configurations"]
    if name not in known:
        raise ConfigError(
            f"the trained model must have the configuration {name}",
            came=", ".join(known) or "no configuration",
            remedy="give the folder of a 2-D training",
            where=folder / "plans.json",
        )
    own = dict(known[name])
    parent = own.pop("inherits_from", None)
    return own if parent is None else {**_configuration(plans, parent, folder), **own}


def _architecture(configuration: Mapping[str, Any], folder: Path) -> NnUnetArchitecture:
    if "architecture" in configuration:
        given = configuration["architecture"]
        return _from_kwargs(given["network_class_name"], given["arch_kwargs"], folder)
    strides = configuration["pool_op_kernel_sizes"]
    base, most = configuration["UNet_base_num_features"], configuration["unet_max_num_features"]
    depths = configuration["n_conv_per_stage_encoder"]
    kwargs = {
        "n_stages": len(depths),
        "features_per_stage": doubling(len(depths), base, most),
        "kernel_sizes": configuration["conv_kernel_sizes"],
        "strides": strides,
        "n_conv_per_stage": depths,
        "n_blocks_per_stage": depths,
        "n_conv_per_stage_decoder": configuration["n_conv_per_stage_decoder"],
        "conv_bias": True,
        "norm_op": "InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": "LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return _from_kwargs(configuration["UNet_class_name"], kwargs, folder)


_KINDS: Mapping[str, Literal["plain", "residual"]] = {
    "PlainConvUNet": "plain",
    "ResidualEncoderUNet": "residual",
}
_LAYERS: Mapping[str, tuple[str, ...]] = {
    "norm_op": ("InstanceNorm2d", "BatchNorm2d"),
    "nonlin": ("LeakyReLU", "ReLU"),
    "dropout_op": ("Dropout", "Dropout2d"),
}
_UNSUPPORTED = ("nonlin_first", "block", "bottleneck_channels")


def _from_kwargs(class_name: str, kwargs: Mapping[str, Any], folder: Path) -> NnUnetArchitecture:
    kind = _KINDS.get(class_name.rsplit(".", 1)[-1])
    odd = [name for name in _UNSUPPORTED if kwargs.get(name)]
    if kind is None or odd:
        raise ConfigError(
            "networks of nnU-Net's classes " + " and ".join(_KINDS) + " can be read",
            came=f"{class_name} with {', '.join(odd)}" if odd else class_name,
            remedy="train with one of nnU-Net's own planners, or load the weights into dynunet",
            where=folder / "plans.json",
        )
    stages = int(kwargs["n_stages"])
    depths = "n_conv_per_stage" if kind == "plain" else "n_blocks_per_stage"
    features = _per_stage(kwargs["features_per_stage"], stages)
    norm = _layer(kwargs, "norm_op", folder)
    nonlinearity = _layer(kwargs, "nonlin", folder)
    if nonlinearity is None:
        raise KeyError("nonlin")
    return NnUnetArchitecture(
        kind=kind,
        features=features,
        strides=_pairs(kwargs["strides"], stages),
        kernels=_pairs(kwargs["kernel_sizes"], stages),
        encoder_depths=_per_stage(kwargs[depths], stages),
        decoder_depths=_per_stage(kwargs["n_conv_per_stage_decoder"], stages - 1),
        conv_bias=bool(kwargs.get("conv_bias", False)),
        norm=norm,
        nonlinearity=nonlinearity,
        dropout=_layer(kwargs, "dropout_op", folder),
        stem_channels=int(kwargs.get("stem_channels") or features[0]),
    )


def _layer(
    kwargs: Mapping[str, Any], key: str, folder: Path
) -> tuple[str, Mapping[str, Any]] | None:
    path = kwargs.get(key)
    if path is None:
        return None
    name = str(path).rsplit(".", 1)[-1]
    if name not in _LAYERS[key]:
        raise ConfigError(
            f"{key} of an nnU-Net plan may be {' or '.join(_LAYERS[key])}",
            came=path,
            remedy="train with one of nnU-Net's own planners",
            where=folder / "plans.json",
        )
    return name, dict(kwargs.get(f"{key}_kwargs") or {})


def _per_stage(value: int | Sequence[int], stages: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * stages
    return tuple(int(number) for number in value)


def _pairs(value: int | Sequence[Any], stages: int) -> tuple[Pair, ...]:
    if isinstance(value, int):
        return ((value, value),) * stages
    return tuple(_pair(entry) for entry in value)


def _pair(value: int | Sequence[int]) -> Pair:
    if isinstance(value, int):
        return value, value
    if len(value) != 2:
        raise ConfigError(
            "a 2-D plan has two numbers per stage",
            came=list(value),
            remedy="give the folder of a 2-D training",
        )
    return int(value[0]), int(value[1])


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(
            "a trained nnU-Net model folder holds plans.json, dataset.json and fold_*",
            came=f"no {path.name}",
            remedy="give the folder named like nnUNetTrainer__nnUNetPlans__2d",
            where=path.parent,
        ) from error
    except ValueError as error:
        raise ConfigError(
            "plans.json and dataset.json must be JSON",
            came=str(error),
            remedy="copy the file from the trained model's folder again",
            where=path,
        ) from error
    return content
