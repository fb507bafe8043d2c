"""Which network is searched in: one settings class a family, told apart by ``name``.

::

    backbone:
      name: basic_unet
      features: small
      weights: acdc_unet.pt        # a state_dict; without it the network is pretrained first

In Python::

    settings = TypeAdapter(BackboneSettings).validate_python({"name": "dynunet"})
    settings.key                                            # "dynunet"
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, PositiveInt, field_validator, model_validator

from distributed_iac.config.base import Before, Settings

Features = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt]
"""Channels of the five levels of an encoder, and of the last decoder level."""

Width = Literal["tiny", "small", "medium", "large"]

WIDTHS: dict[Width, Features] = {
    "tiny": (8, 8, 16, 32, 64, 8),
    "small": (16, 16, 32, 64, 128, 16),
    "medium": (32, 32, 64, 128, 256, 32),
    "large": (32, 64, 128, 256, 512, 32),
}
"""``medium`` is MONAI's default, ``large`` doubles from 32 as nnU-Net does; the two smaller ones
are our choice: ``tiny`` for a processor and for tests, ``small`` for quick studies."""

Norm = Literal["instance", "batch"]
Dropout = Annotated[float, Field(ge=0.0, lt=1.0)]
Stride = tuple[Literal[1, 2], Literal[1, 2]]
Kernel = tuple[Literal[1, 3, 5], Literal[1, 3, 5]]
SupervisedScales = PositiveInt | Literal["all"]
FiveChannels = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt]
DECODER: FiveChannels = (256, 128, 64, 32, 16)
"""MONAI's and segmentation-models-pytorch's own default."""


class BackboneBase(Settings):
    """What all families share."""

    label: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name in tables and run folders; default: made of the family and what sets it apart."""

    weights: Path | None = None
    """A folder that ``distributed-iac export`` wrote, whose card says what its channels and labels
    are; or a ``state_dict`` of the whole network (.pt, .pth or .safetensors), with our key names
    or with those of the wrapped network, which says nothing of them. Without weights the backbone
    is pretrained first."""

    channel_names: Annotated[Mapping[str, str], Before({})] = {}
    """Of a trained network: name of a channel in the store to its name in the network, where
    they are called differently. Others are matched by name, whatever their order."""

    label_names: Annotated[Mapping[str, str], Before({})] = {}
    """Of a trained network: name of a class or region in the store to its name in the network."""

    @model_validator(mode="after")
    def _names_belong_to_a_trained_network(self) -> Self:
        if (self.channel_names or self.label_names) and not self.is_trained:
            raise ValueError("channel_names and label_names are those of a network with weights")
        return self

    @property
    def key(self) -> str:
        """The label, or a name made of the family and what sets these settings apart."""
        return self.label or re.sub(r"[^A-Za-z0-9_.-]", "-", self._default_key())

    @property
    def is_trained(self) -> bool:
        """Whether weights of the whole network are at hand, so that no pretraining is needed."""
        return self.weights is not None

    @abstractmethod
    def _default_key(self) -> str: ...


class BasicUnetSettings(BackboneBase):
    """MONAI's BasicUNet: five levels, max pooling, skips at strides 1, 2, 4 and 8."""

    name: Literal["basic_unet"] = "basic_unet"

    features: Width | Features = "medium"
    """``tiny``, ``small``, ``medium``, ``large``, or six channel counts."""

    norm: Norm = "instance"
    """Normalisation after each convolution; instance is MONAI's default."""

    dropout: Dropout = 0.0
    """Dropout probability after each convolution."""

    upsample: Literal["deconv", "nontrainable", "pixelshuffle"] = "deconv"
    """How the decoder doubles its resolution."""

    @property
    def widths(self) -> Features:
        """The six channel counts."""
        return WIDTHS[self.features] if isinstance(self.features, str) else self.features

    def _default_key(self) -> str:
        return f"{self.name}-{_width_key(self.features)}"


class UnetSettings(BackboneBase):
    """MONAI's UNet, the class of most small checkpoints that are published.

    Its skips lie behind the first stride: at 1/2, 1/4, ... of the image, none at full resolution.
    """

    name: Literal["unet"] = "unet"

    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=3)] = (16, 32, 64, 128, 256)
    """Channels per level, finest first; the last is the bottom, at the resolution of the one
    before it. The default is that of MONAI's tutorials."""

    strides: tuple[PositiveInt, ...] | None = None
    """Of every level but the bottom; default: 2 each."""

    kernel_size: Literal[1, 3, 5, 7] = 3
    """Side of the convolutions."""

    up_kernel_size: Literal[1, 3, 5, 7] = 3
    """Side of the transposed convolutions."""

    num_res_units: Annotated[int, Field(ge=0)] = 0
    """Convolutions of a level's residual unit; 0: one convolution, no residual (MONAI's default;
    its tutorials have 2)."""

    act: Literal["prelu", "relu", "leakyrelu"] = "prelu"
    """Activation; prelu is MONAI's default."""

    norm: Norm = "instance"
    """Normalisation; instance is MONAI's default, here without scale and shift, as in its class."""

    dropout: Dropout = 0.0
    """Dropout probability after each convolution."""

    bias: bool = True
    """Whether convolutions carry a bias."""

    adn_ordering: Literal["NDA", "ADN", "AND", "DAN", "DNA", "NAD"] = "NDA"
    """Order of activation, dropout and normalisation; NDA is MONAI's default."""

    @property
    def all_strides(self) -> tuple[int, ...]:
        """Strides of every level but the bottom."""
        return (2,) * (len(self.channels) - 1) if self.strides is None else self.strides

    @model_validator(mode="after")
    def _a_stride_for_every_level(self) -> Self:
        if len(self.all_strides) != len(self.channels) - 1:
            raise ValueError(f"strides must be one less than channels, {len(self.channels) - 1}")
        return self

    def _default_key(self) -> str:
        units = f"-r{self.num_res_units}" if self.num_res_units else ""
        return f"{self.name}-{'-'.join(map(str, self.channels))}{units}"


class DynUnetSettings(BackboneBase):
    """MONAI's DynUNet, planned by nnU-Net's 2-D rules from the store's fingerprint."""

    name: Literal["dynunet"] = "dynunet"

    base_features: PositiveInt = 32
    """Channels at full resolution, doubled at each stage; 32 is nnU-Net's."""

    max_features: PositiveInt = 512
    """Limit to the doubling; 512 is nnU-Net's for 2-D."""

    max_stages: Annotated[int, Field(ge=3)] | None = None
    """Upper limit to the planned number of resolutions; default: as planned."""

    strides: tuple[Stride, ...] | None = None
    """Strides per stage instead of the plan, the first (1, 1); at least three stages."""

    kernels: tuple[Kernel, ...] | None = None
    """Convolution kernels per stage; only together with ``strides``; default 3 x 3."""

    supervised_scales: SupervisedScales = 1
    """Decoder scales with an output of their own in training (deep supervision), finest first;
    1 supervises the full resolution only, ``all`` every scale but the bottleneck, as nnU-Net."""

    @model_validator(mode="after")
    def _strides_and_kernels_agree(self) -> Self:
        if self.strides is None:
            if self.kernels is not None:
                raise ValueError("kernels are only used together with strides")
            return self
        if len(self.strides) < 3 or self.strides[0] != (1, 1):
            raise ValueError("strides must name three or more stages, the first with stride [1, 1]")
        if any(stride == (1, 1) for stride in self.strides[1:]):
            raise ValueError("every stage but the first must have a stride of 2 along some axis")
        if self.kernels is not None and len(self.kernels) != len(self.strides):
            raise ValueError(f"kernels must be as many as strides, {len(self.strides)}")
        return self

    def _default_key(self) -> str:
        parts = [self.name, f"w{self.base_features}" if self.base_features != 32 else ""]
        depth = len(self.strides) if self.strides is not None else self.max_stages
        parts.append(f"s{depth}" if depth is not None else "")
        return "-".join(part for part in parts if part)


class FlexibleUnetSettings(BackboneBase):
    """MONAI's FlexibleUNet: a residual or efficient encoder, skips at strides 2, 4, 8 and 16."""

    name: Literal["flexible_unet"] = "flexible_unet"

    encoder: Literal[
        "resnet10",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "efficientnet-b0",
        "efficientnet-b1",
        "efficientnet-b2",
        "efficientnet-b3",
        "efficientnet-b4",
        "efficientnet-b5",
    ] = "resnet18"
    """The encoder; its weights are never downloaded."""

    encoder_weights: Path | None = None
    """A ``state_dict`` of the encoder alone, as a local file. torchvision's ImageNet files fit
    resnet50 and deeper; MONAI's shallower ones have shortcuts without weights, as MedicalNet."""

    decoder_channels: FiveChannels = DECODER
    """Channels of the decoder, deepest level first."""

    dropout: Dropout = 0.0
    """Dropout probability in the decoder."""

    def _default_key(self) -> str:
        return f"{self.name}-{self.encoder}"


class SwinUnetrSettings(BackboneBase):
    """MONAI's SwinUNETR in 2-D: a shifted-window transformer, skips at strides 1 to 16."""

    name: Literal["swin_unetr"] = "swin_unetr"

    feature_size: Annotated[int, Field(gt=0, multiple_of=12)] = 24
    """Channels at full resolution; a multiple of 12."""

    depths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (2, 2, 2, 2)
    """Transformer blocks per stage."""

    window_size: Annotated[int, Field(ge=2)] = 7
    """Side of an attention window, in tokens (of 2 x 2 pixels at the first stage)."""

    drop_path: Dropout = 0.0
    """Stochastic depth rate of the last block."""

    def _default_key(self) -> str:
        return f"{self.name}-{self.feature_size}"


class SmpUnetSettings(BackboneBase):
    """The U-Net of segmentation-models-pytorch (extra ``smp``), with any of its encoders."""

    name: Literal["smp_unet"] = "smp_unet"

    encoder: str = Field(default="resnet34", min_length=1)
    """An encoder of segmentation-models-pytorch, or ``tu-`` and a timm model."""

    encoder_weights: Path | None = None
    """A ``state_dict`` of the encoder alone, as a local file; nothing is ever downloaded.
    torchvision's ImageNet files fit the ResNets; for a ``tu-`` encoder save its own."""

    decoder_channels: FiveChannels = DECODER
    """Channels of the decoder, deepest level first."""

    def _default_key(self) -> str:
        return f"{self.name}-{self.encoder}"


class NnUnetSettings(BackboneBase):
    """A 2-D network trained by nnU-Net v2, from its model folder."""

    name: Literal["nnunet"] = "nnunet"

    folder: Path
    """The trained model: ``.../nnUNetTrainer__nnUNetPlans__2d`` with ``plans.json``,
    ``dataset.json`` and ``fold_*``."""

    fold: Annotated[int, Field(ge=0)] | Literal["all"] = 0
    """Which fold's checkpoint to take."""

    checkpoint: Literal["final", "best"] = "final"
    """``checkpoint_final.pth`` or ``checkpoint_best.pth``."""

    supervised_scales: SupervisedScales = "all"
    """Scales supervised in further training, finest first; nnU-Net supervises all."""

    seen_test: Annotated[Literal["refuse", "allow"], Before("allow")] = "refuse"
    """Test patients that the fold was trained on: refused, or scored all the same."""

    parity: Annotated[Literal["require", "report"], Before("report")] = "require"
    """Where the plain network's Dice is not the one in nnU-Net's ``validation/summary.json``:
    ``require`` runs nothing that builds upon it, ``report`` says so and goes on."""

    parity_tolerance: Annotated[float, Field(ge=0.0, lt=1.0), Before(0.002)] = 0.002
    """By how much the mean foreground Dice of the same cases may differ; a label of a case by ten
    times as much and what ten voxels are worth. Our choice: the same network on the same input
    differs by 0.0003, the smallest fault of geometry that was measured by 0.0022."""

    @field_validator("weights")
    @classmethod
    def _weights_come_from_the_folder(cls, weights: Path | None) -> None:
        if weights is not None:
            raise ValueError("the weights of an nnunet backbone come from its folder")

    @property
    def is_trained(self) -> bool:
        """Always true: the folder holds the weights."""
        return True

    def _default_key(self) -> str:
        return f"{self.name}-{self.folder.name}-fold_{self.fold}"


class AttentionUnetSettings(BackboneBase):
    """Baseline: MONAI's AttentionUnet (arXiv 1804.03999), gates on skips at strides 1 to 8."""

    name: Literal["attention_unet"] = "attention_unet"

    channels: FiveChannels = (32, 64, 128, 256, 512)
    """Channels per level, finest first; the default matches ``basic_unet`` with ``large``."""

    dropout: Dropout = 0.0
    """Dropout probability after each convolution."""

    def _default_key(self) -> str:
        return f"{self.name}-{self.channels[0]}-{self.channels[-1]}"


class BasicUnetPlusPlusSettings(BackboneBase):
    """Baseline: MONAI's BasicUNetPlusPlus (arXiv 1807.10165), ten nodes of dense skips."""

    name: Literal["basic_unetplusplus"] = "basic_unetplusplus"

    features: Width | Features = "medium"
    """``tiny``, ``small``, ``medium``, ``large``, or six channel counts."""

    norm: Norm = "instance"
    """Normalisation after each convolution; instance is MONAI's default."""

    dropout: Dropout = 0.0
    """Dropout probability after each convolution."""

    supervised_scales: Annotated[int, Field(ge=1, le=4)] | Literal["all"] = 1
    """Outputs supervised in training, of the four nodes at full resolution, deepest net first."""

    @property
    def widths(self) -> Features:
        """The six channel counts."""
        return WIDTHS[self.features] if isinstance(self.features, str) else self.features

    def _default_key(self) -> str:
        return f"{self.name}-{_width_key(self.features)}"


class CustomSettings(BackboneBase):
    """Any 2-D U-Net that Python can build: where it joins its skips is found, and proven."""

    model_config = ConfigDict(
        validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    name: Literal["custom"] = "custom"

    import_: str = Field(alias="import", pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")
    """``MODULE:NAME`` of a class or function that returns the network, a ``torch.nn.Module`` from
    images (B, C, H, W) to logits (B, K, H, W). A module beside where the command is started, or an
    installed one; on a cluster on every machine. It is given the data set's channels and classes
    as ``in_channels`` and ``out_channels``, or whatever usual name it has for them (``n_channels``,
    ``classes``, ``num_classes``, ...), and ``settings``."""

    settings: Mapping[str, JsonValue] = {}
    """Further keyword arguments; one that names the channels or classes has the last word."""

    joins: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Concatenations and sums of an encoder's feature with a decoder's, named after the module
    whose ``forward`` calls ``torch.cat`` or adds: ``up1.cat``, ``up1.cat_1`` the second one there,
    ``cat`` in the network's own ``forward``. Left out, all concatenations of the kind are found, or
    else all sums; ``plan`` names them."""

    def _default_key(self) -> str:
        return f"{self.name}-{self.import_}"


BackboneSettings = Annotated[
    BasicUnetSettings
    | UnetSettings
    | DynUnetSettings
    | FlexibleUnetSettings
    | SwinUnetrSettings
    | SmpUnetSettings
    | NnUnetSettings
    | AttentionUnetSettings
    | BasicUnetPlusPlusSettings
    | CustomSettings,
    Field(discriminator="name"),
]


def _width_key(features: Width | Features) -> str:
    return features if isinstance(features, str) else "-".join(map(str, features))
