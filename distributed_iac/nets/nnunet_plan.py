"""What nnU-Net v2 writes into ``plans.json`` and ``dataset.json``, as frozen values.

::

    plan = parse_plan(plans, dataset, where=folder)
    plan.architecture.strides           # ((1, 1), (2, 2), ...)
    plan.out_channels, plan.output      # 4, "softmax"

Both shapes of plans are understood: ``architecture: {network_class_name, arch_kwargs}``, and the
flat ``UNet_class_name``, ``pool_op_kernel_sizes``, ... of earlier releases. The translations
follow nnunetv2's own ``ConfigurationManager`` and ``LabelManager``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass

from distributed_iac.errors import ConfigError
from distributed_iac.nets.planner import Pair, doubling

CONFIGURATION = "2d"
"""nnU-Net's name for the network on slices."""


CT = "CTNormalization"
CT_STATISTICS = ("percentile_00_5", "percentile_99_5", "mean", "std")

Stride = tuple[PositiveInt, PositiveInt]
Millimetres = Annotated[float, Field(gt=0, allow_inf_nan=False)]

STEPS = ("preprocessor_name", "resampling_fn_data", "resampling_fn_probabilities")
"""Keys of a plan that name code which prepares a case or brings a prediction back."""


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
    features: tuple[PositiveInt, ...]
    strides: tuple[Stride, ...]
    kernels: tuple[Stride, ...]
    encoder_depths: tuple[PositiveInt, ...]
    decoder_depths: tuple[PositiveInt, ...]
    conv_bias: bool
    norm: tuple[str, Mapping[str, Any]] | None
    nonlinearity: tuple[str, Mapping[str, Any]]
    dropout: tuple[str, Mapping[str, Any]] | None
    stem_channels: PositiveInt

    def __post_init__(self) -> None:
        """Refuse lists of other lengths.

        Raises:
            ValueError: The stages are not counted alike.
        """
        stages = len(self.features)
        lists = (self.strides, self.kernels, self.encoder_depths, (*self.decoder_depths, 0))
        if any(len(values) != stages for values in lists):
            raise ValueError(
                f"a network of {stages} stages has as many strides, kernels and encoder depths, "
                f"and {stages - 1} decoder depths (came {len(self.strides)}, {len(self.kernels)}, "
                f"{len(self.encoder_depths)} and {len(self.decoder_depths)})"
            )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> NnUnetArchitecture:
        """Rebuild one from the plain values of ``dataclasses.asdict``, as an exported model has.

        Raises:
            ValueError: It is not one.
        """
        return cls(**value)


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
        masked: Whether a channel is normalised inside the non-zero mask.
        intensities: Foreground statistics of each channel, as nnU-Net names them.
        transpose: Order of the image axes (of an array read as z, y, x); the last two span the
            slices.
        reader: nnU-Net's class that reads the files.
        steps: Its classes and functions that prepare a case, by key of the plan; empty where the
            plan names none.
    """

    architecture: NnUnetArchitecture
    in_channels: PositiveInt
    out_channels: PositiveInt
    output: Literal["softmax", "sigmoid"]
    labels: Mapping[str, int | tuple[int, ...]]
    channel_names: tuple[str, ...]
    patch_size: Stride
    spacing: tuple[Millimetres, Millimetres]
    normalization: tuple[str, ...]
    masked: tuple[bool, ...]
    intensities: tuple[Mapping[str, float], ...]
    transpose: tuple[int, ...]
    reader: str
    steps: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ValueError: Axes, channels or labels are not counted as nnU-Net counts them.
        """
        if sorted(self.transpose) != [0, 1, 2]:
            raise ValueError(f"transpose_forward names each of 0, 1, 2 (came {self.transpose})")
        counts = (len(self.channel_names), len(self.normalization), len(self.masked))
        if set(counts) != {self.in_channels}:
            raise ValueError(
                "channel_names, normalization_schemes and use_mask_for_norm are of the same "
                f"channels (came {', '.join(map(str, counts))})"
            )
        for scheme, known in zip(self.normalization, self.intensities, strict=True):
            if scheme == CT and not _says_how_ct_is_scaled(known):
                raise ValueError(
                    f"{CT} goes by foreground intensities: {', '.join(CT_STATISTICS)}, with "
                    f"percentiles that ascend and a std above 0 (came {dict(known) or 'none'})"
                )
        values = [v for value in self.labels.values() for v in _values(value)]
        if self.output == "softmax" and sorted(values) != [*range(len(self.labels))]:
            raise ValueError(
                "labels are numbered from 0 on, each once (came "
                f"{', '.join(f'{name}: {value}' for name, value in self.labels.items())})"
            )


def parse_plan(
    plans: Mapping[str, Any], dataset: Mapping[str, Any], *, where: object
) -> NnUnetPlan:
    """Translate the contents of ``plans.json`` and ``dataset.json``.

    Args:
        plans: The plans, of either shape.
        dataset: The description of the data set.
        where: The model folder, for messages.

    Raises:
        ConfigError: If the configuration is missing, or its network is of another class.
        LookupError, TypeError, AttributeError, ValueError: If they are no plans.
    """
    configuration = _configuration(plans, CONFIGURATION, where)
    channels = _channels(dataset.get("channel_names") or dataset["modality"])
    labels = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in dataset["labels"].items()
        if name != "ignore"
    }
    output, classes = _output(labels)
    spacing = configuration["spacing"]
    return NnUnetPlan(
        architecture=_architecture(configuration, where),
        in_channels=len(channels),
        out_channels=classes,
        output=output,
        labels=labels,
        channel_names=channels,
        patch_size=_pair(configuration["patch_size"]),
        spacing=tuple(spacing),
        normalization=tuple(configuration["normalization_schemes"]),
        masked=tuple(configuration.get("use_mask_for_norm", [False] * len(channels))),
        intensities=tuple(
            plans.get("foreground_intensity_properties_per_channel", {}).get(str(number), {})
            for number in range(len(channels))
        ),
        transpose=tuple(plans.get("transpose_forward", (0, 1, 2))),
        reader=str(plans.get("image_reader_writer", "SimpleITKIO")),
        steps={key: str(configuration[key]) for key in STEPS if key in configuration},
    )


def _channels(given: Mapping[str, str]) -> tuple[str, ...]:
    """Names in the order of their numbers, by which nnU-Net finds the files of channels."""
    numbered = {int(number): str(name) for number, name in given.items()}
    if sorted(numbered) != [*range(len(given))]:
        raise ValueError(f"channels are numbered from 0 on (came {', '.join(map(str, given))})")
    return tuple(numbered[number] for number in range(len(given)))


def _says_how_ct_is_scaled(known: Mapping[str, float]) -> bool:
    if not set(CT_STATISTICS) <= set(known):
        return False
    return known["percentile_00_5"] < known["percentile_99_5"] and known["std"] > 0


def _values(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _output(
    labels: Mapping[str, int | tuple[int, ...]],
) -> tuple[Literal["softmax", "sigmoid"], int]:
    """How many heads, and how they are read: regions when a label names several values."""
    values = [_values(value) for value in labels.values()]
    if any(len(value) > 1 for value in values):
        return "sigmoid", sum(set(value) != {0} for value in values)
    return "softmax", len({number for value in values for number in value})


def _configuration(
    plans: Mapping[str, Any], name: str, where: object, heirs: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Resolve a configuration and what it inherits."""
    known = plans["configurations"]
    if name in heirs:
        raise ValueError(f"a configuration inherits from another (came {name}, from itself)")
    if name not in known:
        raise ConfigError(
            f"the trained model must have the configuration {name}",
            came=", ".join(known) or "no configuration",
            remedy="give the folder of a 2-D training",
            where=where,
        )
    own = dict(known[name])
    parent = own.pop("inherits_from", None)
    return (
        own
        if parent is None
        else {
            **_configuration(plans, parent, where, (*heirs, name)),
            **own,
        }
    )


def _architecture(configuration: Mapping[str, Any], where: object) -> NnUnetArchitecture:
    if "architecture" in configuration:
        given = configuration["architecture"]
        return _from_kwargs(given["network_class_name"], given["arch_kwargs"], where)
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
    return _from_kwargs(configuration["UNet_class_name"], kwargs, where)


_KINDS: Mapping[str, Literal["plain", "residual"]] = {
    "PlainConvUNet": "plain",
    "ResidualEncoderUNet": "residual",
}
_LAYERS: Mapping[str, tuple[str, ...]] = {
    "norm_op": ("InstanceNorm2d", "BatchNorm2d"),
    "nonlin": ("LeakyReLU", "ReLU"),
    "dropout_op": ("Dropout", "Dropout2d"),
}
_OPTIONS: Mapping[str, Collection[str]] = {
    "norm_op": ("eps", "momentum", "affine", "track_running_stats"),
    "nonlin": ("inplace", "negative_slope"),
    "dropout_op": ("p", "inplace"),
}
_UNSUPPORTED = ("nonlin_first", "block", "bottleneck_channels")


def _from_kwargs(class_name: str, kwargs: Mapping[str, Any], where: object) -> NnUnetArchitecture:
    kind = _KINDS.get(class_name.rsplit(".", 1)[-1])
    odd = [name for name in _UNSUPPORTED if kwargs.get(name)]
    if kind is None or odd:
        raise ConfigError(
            "networks of nnU-Net's classes " + " and ".join(_KINDS) + " can be read",
            came=f"{class_name} with {', '.join(odd)}" if odd else class_name,
            remedy="train with one of nnU-Net's own planners, or load the weights into dynunet",
            where=where,
        )
    stages = int(kwargs["n_stages"])
    depths = "n_conv_per_stage" if kind == "plain" else "n_blocks_per_stage"
    features = _per_stage(kwargs["features_per_stage"], stages)
    norm = _layer(kwargs, "norm_op", where)
    nonlinearity = _layer(kwargs, "nonlin", where)
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
        dropout=_layer(kwargs, "dropout_op", where),
        stem_channels=int(kwargs.get("stem_channels") or features[0]),
    )


def _layer(
    kwargs: Mapping[str, Any], key: str, where: object
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
            where=where,
        )
    options = dict(kwargs.get(f"{key}_kwargs") or {})
    odd = set(options) - set(_OPTIONS[key])
    if odd:
        raise ValueError(f"{key}_kwargs are {', '.join(_OPTIONS[key])} (came {', '.join(odd)})")
    return name, options


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
