"""A network of another library behind the contract: owned once, fed sizes that it accepts.

::

    class MyNet(WrappedBackbone):
        def __init__(self) -> None:
            super().__init__(net, taps, multiple=(32, 32), supervised_scales=1)

    backbone.net                                    # the library's network, its own key names
    backbone.decode(backbone.encode(x), implant)    # H x W in, H x W out, whatever H and W

Shapes: B batch, C channels, H x W pixels, K output channels.

Inputs are padded at the bottom and on the right to the next multiple of the network's total
stride, by repeating the border: a background of constant intensity then goes on, whereas zeros
would add an edge wherever the background is not zero (our choice). Logits are cropped back. The
size of the input travels with the features, as the shape of a tensor without elements, so that
features stay tensors and can be cached, stacked and moved.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distributed_iac.errors import ConfigError
from distributed_iac.nets.contract import Backbone, Features, Implant, Tap, identity_implant
from distributed_iac.nets.planner import Fingerprint2d, Pair, total_stride

Join = Callable[[Any, int, Tensor, Tensor, Implant], Tensor]
"""``(block, tap, deeper, skip, implant) -> decoder feature``: what a decoder block computes, with
``implant`` called between its upsampling and its concatenation. Shapes: deeper (B, D, h, w), skip
(B, C, H, W) with H, W about 2h, 2w; result (B, O, H, W)."""


@dataclass(frozen=True)
class Wanted:
    """What a network is built for.

    Args:
        in_channels: Channels of an image.
        out_channels: Outputs K.
        fingerprint: Patch size and spacing of the store, for planned families.
    """

    in_channels: int
    out_channels: int
    fingerprint: Fingerprint2d | None = None


class Parts(NamedTuple):
    """A network's modules by what they do.

    Args:
        encoder: In the order in which they run.
        joins: Decoder blocks in the order of the taps.
        heads: From decoder features to logits, finest first.
        join: What each of the decoder blocks computes.
    """

    encoder: tuple[nn.Module, ...]
    joins: tuple[Any, ...]
    heads: tuple[nn.Module, ...]
    join: Join


def joins_itself(
    _block: Any, _tap: int, _deeper: Tensor, _skip: Tensor, _implant: Implant
) -> Tensor:
    """Join of a network that is run as a whole, so that nobody asks for it."""
    raise AssertionError("this network walks through its own decoder")


class WrappedBackbone(Backbone):
    """Base of all families: pads, crops, walks encoder and decoder, applies the output heads.

    Args:
        net: The wrapped network; the only child module, so that its tensors are owned once.
        taps: Its skips, deepest first.
        multiple: What padded heights and widths are multiples of.
        supervised_scales: Outputs in training, counted from the finest; ``all`` for every head.

    Raises:
        ConfigError: If more scales are asked for than the network has heads.
    """

    redundant_keys: ClassVar[tuple[str, ...]] = ()
    """Regular expressions of keys in the library's own ``state_dict`` that this network can do
    without: tensors held once more under another name, heads that serve training only."""

    net: Any

    def __init__(
        self,
        net: nn.Module,
        taps: Iterable[Tap],
        *,
        multiple: Pair = (1, 1),
        supervised_scales: int | Literal["all"] = 1,
    ) -> None:
        super().__init__()
        self.net = net
        self._taps = tuple(taps)
        self.multiple = multiple
        heads = len(self._heads())
        if supervised_scales != "all" and supervised_scales > heads:
            raise ConfigError(
                f"supervised_scales must be 'all' or 1 to {heads}, the heads of this network",
                came=supervised_scales,
                remedy="use 'all' to supervise every scale",
            )
        self.supervised_scales = heads if supervised_scales == "all" else supervised_scales
        self._known_outputs: int | None = None
        self._spare_is_background = False

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The skips, deepest first."""
        return self._taps

    @property
    def encoder_modules(self) -> tuple[nn.Module, ...]:
        """The modules that ``encode`` runs."""
        return self._parts().encoder

    @property
    def modules_before_last_block(self) -> tuple[nn.Module, ...]:
        """Encoder, all decoder blocks but the last, and all heads but the finest."""
        parts = self._parts()
        blocks = [one if isinstance(one, tuple) else (one,) for one in parts.joins[:-1]]
        return (*parts.encoder, *(module for block in blocks for module in block), *parts.heads[1:])

    @property
    def minimum_size(self) -> int:
        """Smallest accepted H and W: just enough for two pixels at the bottleneck."""
        largest = max(self.multiple)
        return super().minimum_size if largest == 1 else largest + 1

    def encode(self, x: Tensor) -> Features:
        """Encode (B, C, H, W); the first feature, (B, 0, H, W), remembers the size only."""
        return (x.new_empty((x.shape[0], 0, *x.shape[2:])), *self._encode(self._padded(x)))

    def decode(self, features: Features, implant: Implant) -> Tensor:
        """Decode to logits (B, K, H, W), joining through ``implant``."""
        size, *encoded = features
        finest = self._decode(encoded, implant)[0]
        logits: Tensor = self._heads()[0](finest)
        return self._known(logits)[..., : size.shape[-2], : size.shape[-1]]

    def training_outputs(
        self, x: Tensor, implant: Implant = identity_implant
    ) -> tuple[Tensor, ...]:
        """Return logits at every supervised scale, finest first.

        A scale of stride s is cropped to ceil(H / s) x ceil(W / s).
        """
        _, *encoded = self.encode(x)
        decoded = self._decode(encoded, implant)[: self.supervised_scales]
        height, width = decoded[0].shape[-2:]
        outputs = []
        for feature, head in zip(decoded, self._heads(), strict=False):
            rows = -(-x.shape[-2] * feature.shape[-2] // height)
            columns = -(-x.shape[-1] * feature.shape[-1] // width)
            outputs.append(self._known(head(feature))[..., :rows, :columns])
        return tuple(outputs)

    def keep_outputs(self, count: int | None, activation: Literal["softmax", "sigmoid"]) -> None:
        """Leave the first ``count`` outputs, None all of them; the network itself keeps them all.

        Classes (``softmax``) that are left out become background: its logit is then the logarithm
        of the summed exponentials of its own and theirs, so that probabilities add up (the
        marginal loss of partially labelled data, Shi et al., Medical Image Analysis 2021). Regions
        (``sigmoid``) are left away.
        """
        self._known_outputs = count
        self._spare_is_background = activation == "softmax"

    def _known(self, logits: Tensor) -> Tensor:
        count = self._known_outputs
        if count is None or logits.shape[1] == count:
            return logits
        if not self._spare_is_background:
            return logits[:, :count]
        background = torch.cat((logits[:, :1], logits[:, count:]), 1).logsumexp(1, keepdim=True)
        return torch.cat((background, logits[:, 1:count]), 1)

    @torch.no_grad()
    def reorder(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Change the order of input channels and outputs, in the weights.

        Afterwards channel i is what channel ``inputs[i]`` was, and output k what ``outputs[k]``
        was: the same logits, up to the order in which a convolution sums its channels.

        Raises:
            ConfigError: The network does not read its channels by convolutions alone.
        """
        if list(inputs) == sorted(inputs) and list(outputs) == sorted(outputs):
            return
        training, order = self.training, list(inputs)
        self.eval()
        side = max(self.multiple) * -(-self.minimum_size // max(self.multiple))
        # Constant planes stay recognisable behind a padding.
        planes = torch.arange(1.0, len(order) + 1).view(1, -1, 1, 1).expand(1, -1, side, side)
        noise = torch.randn(1, len(order), side, side, generator=torch.Generator().manual_seed(0))
        expected = self(noise)[:, list(outputs)]
        for convolution in self._readers(planes):
            convolution.weight.copy_(convolution.weight[:, order])
        self._order_outputs(list(outputs))
        rounding = max(1e-3, 1e-5 * float(expected.abs().max()))
        same = torch.allclose(self(noise[:, order]), expected, rtol=1e-3, atol=rounding)
        self.train(training)
        if not same:
            raise ConfigError(
                "channels and labels of this network can only be used in its own order",
                came=f"channels {list(inputs)} and outputs {list(outputs)} of it",
                remedy="bring the data set's channels and labels into the order of the network",
            )

    def _order_outputs(self, order: list[int]) -> None:
        for head in self._heads():
            last = [layer for layer in head.modules() if isinstance(layer, nn.Conv2d)][-1]
            last.weight.copy_(last.weight[order])
            if last.bias is not None:
                last.bias.copy_(last.bias[order])

    def _readers(self, planes: Tensor) -> list[nn.Conv2d]:
        """The convolutions that see the image itself, padded at the most."""
        readers = []

        def note(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            x = arguments[0]
            values = planes[:, :, :1, :1]
            if x.shape[1] == planes.shape[1]:
                seen = x == values
                if bool((seen | (x == 0)).all()) and bool(seen.any((0, 2, 3)).all()):
                    readers.append(module)

        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d)]
        hooks = [layer.register_forward_pre_hook(note) for layer in layers]
        self(planes)
        for hook in hooks:
            hook.remove()
        return [layer for layer in layers if layer in readers]

    @abstractmethod
    def _parts(self) -> Parts:
        """Name the network's modules by what they do."""

    def _heads(self) -> tuple[nn.Module, ...]:
        return self._parts().heads

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        """Encode a padded batch; the default: one feature after each module of the encoder."""
        features = []
        for module in self._parts().encoder:
            x = module(x)
            features.append(x)
        return features

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        """Return the decoder features that the heads read, finest first.

        The default: one join after the other, from the deepest feature upwards.
        """
        *skips, x = features
        parts = self._parts()
        decoded = []
        for tap, (block, skip) in enumerate(zip(parts.joins, reversed(skips), strict=True)):
            x = parts.join(block, tap, x, skip, implant)
            decoded.append(x)
        return decoded[::-1]

    def _padded(self, x: Tensor) -> Tensor:
        bottom = -x.shape[-2] % self.multiple[0]
        right = -x.shape[-1] % self.multiple[1]
        return F.pad(x, (0, right, 0, bottom), "replicate") if bottom or right else x


def stage_taps(strides: tuple[Pair, ...], features: Sequence[int]) -> tuple[Tap, ...]:
    """Return the taps of a network whose decoder has the encoder's channels at each stage."""
    return tuple(
        Tap(
            name=f"stage_{stage}",
            channels=features[stage],
            decoder_channels=features[stage],
            stride=max(total_stride(strides[: stage + 1])),
        )
        for stage in reversed(range(len(strides) - 1))
    )
