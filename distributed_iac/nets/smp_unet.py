"""The U-Net of segmentation-models-pytorch, with any of its encoders (extra ``smp``).

::

    backbone = build(SmpUnetSettings(encoder="resnet34"), Wanted(1, 4))
    [tap.stride for tap in backbone.taps]       # [16, 8, 4, 2]; a ConvNeXt: [16, 8, 4]

Nothing is downloaded: ``encoder_weights=None`` is always passed on, weights come from local
files. Encoders without a feature at stride 2 (ConvNeXt, MiT) announce a skip of no channels there;
it is no tap. Inputs are padded to a multiple of the encoder's stride: the library's Unet takes
other sizes too, but not with every encoder.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distributed_iac.config.backbone import SmpUnetSettings
from distributed_iac.errors import ConfigError
from distributed_iac.nets.contract import Implant, Tap
from distributed_iac.nets.weights import load_encoder_weights
from distributed_iac.nets.wrapped import Parts, Wanted, WrappedBackbone

PROBE = 64
"""Side of the blank image that tells whether an encoder takes any size; twice the usual stride."""


class SmpUnetBackbone(WrappedBackbone):
    """``segmentation_models_pytorch.Unet`` with its skips open.

    Args:
        net: The network, without a classification head.
        decoder_channels: Channels of the decoder that it was built with, deepest first.
    """

    def __init__(self, net: Any, decoder_channels: Sequence[int]) -> None:
        stride = int(net.encoder.output_stride)
        channels = net.encoder.out_channels
        entering = (channels[-1], *decoder_channels)
        levels = tuple(
            level for level in reversed(range(1, len(channels) - 1)) if channels[level] > 0
        )
        deepest = len(channels) - 2
        taps = (
            Tap(f"feature_{level}", channels[level], entering[deepest - level], 2**level)
            for level in levels
        )
        super().__init__(net, taps, multiple=(stride, stride))
        self._levels = levels

    def _parts(self) -> Parts:
        net = self.net
        return Parts(
            (net.encoder,), tuple(net.decoder.blocks), (net.segmentation_head,), self._join
        )

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        image, *features = self.net.encoder(x)
        # The decoder reads the size of the image only, at its last block.
        return (image[:, :0], *features)

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        *skips, x = features
        return super()._decode([*skips, self.net.decoder.center(x)], implant)

    def _join(
        self, block: Any, place: int, deeper: Tensor, skip: Tensor, implant: Implant
    ) -> Tensor:
        """Join at a place, counted from the deepest; the last ones may have nothing to join."""
        level = len(self.net.decoder.blocks) - 1 - place
        x = F.interpolate(deeper, size=skip.shape[2:], mode=block.interpolation_mode)
        if level in self._levels:
            skip = implant(self._levels.index(level), skip, x)
        if level > 0:
            x = block.attention1(torch.cat([x, skip], dim=1))
        y: Tensor = block.attention2(block.conv2(block.conv1(x)))
        return y


def build(settings: SmpUnetSettings, wanted: Wanted) -> SmpUnetBackbone:
    """Build the network from its settings; only ``encoder_weights`` are read from disk.

    Raises:
        ConfigError: If the library is missing or unusable, or the encoder unknown or of one
            fixed image size.
    """
    library = _library()
    try:
        net = library.Unet(
            settings.encoder,
            encoder_weights=None,
            decoder_channels=settings.decoder_channels,
            in_channels=wanted.in_channels,
            classes=wanted.out_channels,
        )
    except (KeyError, RuntimeError) as error:
        raise _unknown_encoder(library, settings.encoder) from error
    _require_any_size(net.encoder, wanted.in_channels, settings.encoder)
    if settings.encoder_weights is not None:
        load_encoder_weights(net.encoder, settings.encoder_weights)
    return SmpUnetBackbone(net, settings.decoder_channels)


def _library() -> Any:
    try:
        with warnings.catch_warnings():
            # timm declares interfaces for TorchScript, which torch deprecates; neither is ours.
            warnings.filterwarnings("ignore", message=r"`torch\.jit", category=DeprecationWarning)
            import segmentation_models_pytorch as library
    except ImportError as error:
        raise ConfigError(
            "the smp_unet backbone needs the package segmentation-models-pytorch",
            came=str(error),
            remedy="pip install distributed-iac[smp]",
        ) from error
    except RuntimeError as error:
        raise ConfigError(
            "segmentation-models-pytorch needs the torchvision that belongs to the installed torch",
            came=f"{error} (torch {torch.__version__})",
            remedy="install torch and torchvision together, of one release and one build",
        ) from error
    return library


def _unknown_encoder(library: Any, encoder: str) -> ConfigError:
    known: list[str] = library.encoders.get_encoder_names()
    near = difflib.get_close_matches(encoder, known, n=3)
    return ConfigError(
        f"encoder must be one of the {len(known)} of segmentation-models-pytorch, "
        "or 'tu-' and the name of a timm model with features",
        came=encoder,
        remedy=f"did you mean {' or '.join(near)}?" if near else "take resnet34, for example",
    )


def _require_any_size(encoder: nn.Module, in_channels: int, name: str) -> None:
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            encoder(torch.zeros(1, in_channels, PROBE, PROBE))
    except (AssertionError, RuntimeError) as error:
        raise ConfigError(
            "an encoder must take images of any size that its stride divides",
            came=f"{name}: {error}",
            remedy="take a convolutional encoder, or MiT (mit_b0 to mit_b5)",
        ) from error
    finally:
        encoder.train(was_training)
