"""The networks of nnU-Net v2 under nnU-Net's own tensor names: PlainConvUNet, ResidualEncoderUNet.

::

    net = NnUnetNetwork(read_nnunet_plan(folder).architecture, in_channels=1, out_channels=4)
    features = net.encoder(x)                     # one per stage, finest first
    "encoder.stages.0.0.convs.0.conv.weight" in net.state_dict()

The modules repeat the structure of ``dynamic_network_architectures``, the package that nnU-Net
builds its networks with, so that its checkpoints load strictly without it. Names under which that
package keeps the same tensor once more (``all_modules``, ``decoder.encoder``) have no counterpart.

Shapes: B batch, I input and O output channels, H x W pixels.
"""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from distributed_iac.nets.nnunet_plan import NnUnetArchitecture
from distributed_iac.nets.planner import Pair

UNIT: Pair = (1, 1)


class ConvUnit(nn.Module):
    """Convolution, dropout, normalisation, activation; nnU-Net's ConvDropoutNormReLU.

    Args:
        plan: The network that it belongs to: layers and their options.
        channels: Input and output channels.
        kernel: Kernel, padded to keep the size.
        stride: Stride of the convolution.
        role: ``full``; ``linear`` without dropout and activation; ``projection`` without
            bias as well.
    """

    def __init__(
        self,
        plan: NnUnetArchitecture,
        channels: Pair,
        kernel: Pair,
        stride: Pair = UNIT,
        role: Literal["full", "linear", "projection"] = "full",
    ) -> None:
        super().__init__()
        padding = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
        bias = plan.conv_bias and role != "projection"
        self.conv = nn.Conv2d(*channels, kernel, stride, padding, bias=bias)
        if plan.dropout is not None and role == "full":
            self.dropout = _make(plan.dropout)
        if plan.norm is not None:
            self.norm = _make(plan.norm, channels[1])
        if role == "full":
            self.nonlin = _make(plan.nonlinearity)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers in nnU-Net's order, which is that of their registration."""
        for layer in self.children():
            x = layer(x)
        return x


class ResidualBlock(nn.Module):
    """Two convolutions beside a pooled, projected shortcut (ResNet-D); nnU-Net's BasicBlockD."""

    def __init__(
        self, plan: NnUnetArchitecture, channels: Pair, kernel: Pair, stride: Pair
    ) -> None:
        super().__init__()
        self.conv1 = ConvUnit(plan, channels, kernel, stride)
        self.conv2 = ConvUnit(plan, (channels[1], channels[1]), kernel, role="linear")
        self.nonlin2 = _make(plan.nonlinearity)
        shortcut: list[nn.Module] = []
        if stride != UNIT:
            shortcut.append(nn.AvgPool2d(stride, stride))
        if channels[0] != channels[1]:
            shortcut.append(ConvUnit(plan, channels, UNIT, role="projection"))
        self.skip = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, O, H / stride, W / stride)."""
        y: Tensor = self.nonlin2(self.conv2(self.conv1(x)) + self.skip(x))
        return y


class _Stack(nn.Module):
    """Blocks in a row, the first one strided, under the name that nnU-Net gives them."""

    name: str
    block: type[ConvUnit | ResidualBlock]

    def __init__(
        self, plan: NnUnetArchitecture, depth: int, channels: Pair, kernel: Pair, stride: Pair
    ) -> None:
        super().__init__()
        later = (channels[1], channels[1])
        blocks = [self.block(plan, channels, kernel, stride)]
        blocks += [self.block(plan, later, kernel, UNIT) for _ in range(depth - 1)]
        self.add_module(self.name, nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, O, H / stride, W / stride)."""
        y: Tensor = self.get_submodule(self.name)(x)
        return y


class ConvStack(_Stack):
    """Convolutions in a row; nnU-Net's StackedConvBlocks."""

    name, block = "convs", ConvUnit


class ResidualStack(_Stack):
    """Residual blocks in a row; nnU-Net's StackedResidualBlocks."""

    name, block = "blocks", ResidualBlock


class NnUnetEncoder(nn.Module):
    """The stages of an encoder, after a stem if it is a residual one."""

    def __init__(self, plan: NnUnetArchitecture, in_channels: int) -> None:
        super().__init__()
        if plan.kind == "residual":
            widths = (in_channels, plan.stem_channels)
            self.stem = ConvStack(plan, 1, widths, plan.kernels[0], UNIT)
            in_channels = plan.stem_channels
        stages: list[nn.Module] = []
        for depth, width, kernel, stride in zip(
            plan.encoder_depths, plan.features, plan.kernels, plan.strides, strict=True
        ):
            if plan.kind == "plain":
                stack = ConvStack(plan, depth, (in_channels, width), kernel, stride)
                stages.append(nn.Sequential(stack))
            else:
                stages.append(ResidualStack(plan, depth, (in_channels, width), kernel, stride))
            in_channels = width
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of every stage, finest first."""
        if hasattr(self, "stem"):
            x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class NnUnetDecoder(nn.Module):
    """Transposed convolutions, convolutions and output heads per stage, deepest first."""

    def __init__(self, plan: NnUnetArchitecture, out_channels: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        self.transpconvs = nn.ModuleList()
        self.seg_layers = nn.ModuleList()
        for depth, stage in zip(
            plan.decoder_depths, reversed(range(len(plan.features) - 1)), strict=True
        ):
            width, stride = plan.features[stage], plan.strides[stage + 1]
            below = plan.features[stage + 1]
            up = nn.ConvTranspose2d(below, width, stride, stride, bias=plan.conv_bias)
            self.transpconvs.append(up)
            widths = (2 * width, width)
            self.stages.append(ConvStack(plan, depth, widths, plan.kernels[stage], UNIT))
            self.seg_layers.append(nn.Conv2d(width, out_channels, 1))


class NnUnetNetwork(nn.Module):
    """Encoder and decoder under nnU-Net's names; run by :class:`NnUnetBackbone`."""

    def __init__(self, plan: NnUnetArchitecture, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.encoder = NnUnetEncoder(plan, in_channels)
        self.decoder = NnUnetDecoder(plan, out_channels)


def _make(layer: tuple[str, Any], *channels: int) -> nn.Module:
    """Make a layer of ``torch.nn`` from its name and options."""
    name, options = layer
    module: nn.Module = getattr(nn, name)(*channels, **options)
    return module
