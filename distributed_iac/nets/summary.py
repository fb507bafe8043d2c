"""What a network costs: parameters, multiply-adds, sizes of its taps; for planning a sweep.

::

    summary = summarise(backbone, in_channels=1, size=(256, 256))
    summary.parameters, summary.encode_flops, summary.decode_flops
    [(tap.name, tap.height, tap.width) for tap in summary.taps]

Nothing is computed: the network is copied to torch's ``meta`` device, where tensors have shapes
only, so that a large network takes as long as a small one and no memory.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from distributed_iac.errors import ConfigError
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.freeze import trainable


@dataclass(frozen=True)
class TapSize:
    """One tap at a given image size.

    Args:
        name: The tap's name.
        channels: Channels of the skip.
        decoder_channels: Channels of the decoder feature.
        height: Rows of both, in feature pixels.
        width: Columns of both, in feature pixels.
    """

    name: str
    channels: int
    decoder_channels: int
    height: int
    width: int


@dataclass(frozen=True)
class NetworkSummary:
    """The cost of one image through a network.

    Args:
        parameters: Number of parameters.
        trainable_parameters: Those that are not frozen.
        encode_flops: Floating-point operations of ``encode``, forward, two per multiply-add;
            convolutions and matrix products only, as torch counts them.
        decode_flops: The same of ``decode``.
        feature_values: Numbers in the features of one image: what caching them costs.
        taps: Sizes at the taps, deepest first.
    """

    parameters: int
    trainable_parameters: int
    encode_flops: int
    decode_flops: int
    feature_values: int
    taps: tuple[TapSize, ...]


def summarise(backbone: Backbone, in_channels: int, size: tuple[int, int]) -> NetworkSummary:
    """Summarise a network at an image size, without computing anything.

    Args:
        backbone: The network; left as it is.
        in_channels: Channels of an image.
        size: Height and width in pixels.

    Raises:
        ConfigError: If the size is below the network's ``minimum_size``.
    """
    if min(size) < backbone.minimum_size:
        raise ConfigError(
            f"this network takes images from {backbone.minimum_size} x {backbone.minimum_size} on",
            came=f"{size[0]} x {size[1]}",
            remedy="prepare larger slices, or take a network with fewer levels",
        )
    ghost = copy.deepcopy(backbone).to("meta").eval()
    seen: dict[int, tuple[int, int]] = {}

    def look(tap: int, skip: Tensor, _decoder: Tensor) -> Tensor:
        seen[tap] = (skip.shape[-2], skip.shape[-1])
        return skip

    with torch.no_grad():
        with FlopCounterMode(display=False) as encoding:
            features = ghost.encode(torch.empty((1, in_channels, *size), device="meta"))
        with FlopCounterMode(display=False) as decoding:
            ghost.decode(features, look)
    return NetworkSummary(
        parameters=sum(parameter.numel() for parameter in backbone.parameters()),
        trainable_parameters=trainable(backbone),
        encode_flops=encoding.get_total_flops(),
        decode_flops=decoding.get_total_flops(),
        feature_values=sum(feature.numel() for feature in features),
        taps=tuple(
            TapSize(tap.name, tap.channels, tap.decoder_channels, *seen[index])
            for index, tap in enumerate(backbone.taps)
        ),
    )
