"""All of MONAI 1.6 that its public interface does not promise: the only module that knows it.

::

    parts = basic_unet_parts(net)               # encoder, joins, heads of a MONAI network
    x = parts.join(parts.joins[0], 0, deeper, skip, implant)

``pyproject.toml`` holds MONAI to this version; ``tests/nets/test_monai_internals.py`` says what
another one has changed.

A join does what the block's own ``forward`` does, in the same order, with ``implant`` called
between the upsampling and the concatenation: the results are equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from monai.networks.nets.attentionunet import AttentionBlock
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import Tensor, nn

from distributed_iac.nets.contract import Implant
from distributed_iac.nets.wrapped import Parts


def attention_gate(inner: int, gating: int, gated: int) -> nn.Module:
    """The gate of an ``AttentionUnet``, called with the gating feature first.

    Args:
        inner: Channels that both are brought to.
        gating: Channels of the feature that says what counts.
        gated: Channels of the feature whose pixels are weighted.
    """
    gate: nn.Module = AttentionBlock(2, f_int=inner, f_g=gating, f_l=gated)
    return gate


def basic_unet_parts(net: Any) -> Parts:
    """Of a ``BasicUNet``: joined in ``upcat_4`` to ``upcat_1``."""
    return Parts(
        (net.conv_0, net.down_1, net.down_2, net.down_3, net.down_4),
        (net.upcat_4, net.upcat_3, net.upcat_2, net.upcat_1),
        (net.final_conv,),
        join_upcat,
    )


def unet_parts(net: Any) -> Parts:
    """Of a ``UNet``, which MONAI builds as nested (down, ``SkipConnection``, up), finest first.

    Its finest block gives the logits, so that the head does nothing.
    """
    downs, ups = [], []
    inner: Any = net.model
    while type(inner) is nn.Sequential:  # the blocks themselves are of classes derived from it
        down, skip, up = inner
        downs.append(down)
        ups.append(up)
        inner = skip.submodule
    return Parts((*downs, inner), tuple(reversed(ups)), (nn.Identity(),), join_before)


def order_unet_outputs(net: Any, order: Sequence[int]) -> None:
    """Bring the outputs of a ``UNet`` into another order, in the weights."""
    finest: Any = net.model[-1]
    blocks: list[Any] = list(finest) if type(finest) is nn.Sequential else [finest]
    upsample, units = blocks[0], blocks[1:]
    up = upsample.conv
    up.weight.copy_(up.weight[:, order])
    vectors = [up.bias, *(v for one in upsample.modules() for v in _of_batch_norm(one))]
    for unit in units:  # adds a convolution of the logits to themselves
        convolution = unit.conv.unit0.conv
        convolution.weight.copy_(convolution.weight[order][:, order])
        vectors.append(convolution.bias)
    for vector in vectors:
        if vector is not None:
            vector.copy_(vector[order])


def _of_batch_norm(layer: nn.Module) -> tuple[Tensor | None, ...]:
    if not isinstance(layer, nn.BatchNorm2d):
        return ()
    return layer.weight, layer.bias, layer.running_mean, layer.running_var


def basic_unetplusplus_parts(net: Any, nodes: Iterable[tuple[int, int]], levels: int) -> Parts:
    """Of a ``BasicUNetPlusPlus``.

    Args:
        net: The network.
        nodes: (row, column) of every join, in the order of the taps.
        levels: Rows with joins.
    """
    return Parts(
        tuple(getattr(net, f"conv_{row}_0") for row in range(levels + 1)),
        tuple(getattr(net, f"upcat_{row}_{column}") for row, column in nodes),
        tuple(getattr(net, f"final_conv_0_{column}") for column in range(levels, 0, -1)),
        join_upcat,
    )


def flexible_unet_parts(net: Any) -> Parts:
    """Of a ``FlexibleUNet``, without the last decoder block: :func:`flexible_unet_finish`."""
    return Parts(
        (net.encoder,), tuple(net.decoder.blocks)[:-1], (net.segmentation_head,), join_upcat
    )


def flexible_unet_finish(net: Any, x: Tensor) -> Tensor:
    """Pass a ``FlexibleUNet``'s last decoder block, which joins nothing."""
    last: Tensor = net.decoder.blocks[-1](x, None)
    return last


def encoder_entry(name: str) -> dict[str, Any]:
    """MONAI's own entry of a ``FlexibleUNet`` encoder: ``parameter`` and ``feature_channel``."""
    entry: dict[str, Any] = FLEXUNET_BACKBONE.register_dict[name]
    return entry


def dynunet_parts(net: Any) -> Parts:
    """Of a ``DynUNet``: joined in its ``upsamples``."""
    return Parts(
        (net.input_block, *net.downsamples, net.bottleneck),
        tuple(net.upsamples),
        (net.output_block, *getattr(net, "deep_supervision_heads", ())),
        join_up_block,
    )


def drop_second_tree(net: Any) -> None:
    """Remove the recursive tree that holds every block of a ``DynUNet`` once more."""
    del net.skip_layers


def swin_unetr_parts(net: Any) -> Parts:
    """Of a ``SwinUNETR``: joined in ``decoder5`` to ``decoder1``.

    The encoder is the transformer and the blocks between its hidden states and the decoder.
    """
    return Parts(
        (net.swinViT, net.encoder1, net.encoder2, net.encoder3, net.encoder4, net.encoder10),
        (net.decoder5, net.decoder4, net.decoder3, net.decoder2, net.decoder1),
        (net.out,),
        join_up_block,
    )


def swin_unetr_features(net: Any, x: Tensor) -> Sequence[Tensor]:
    """Encode images (B, C, H, W) by a ``SwinUNETR``, finest first."""
    hidden: Sequence[Tensor] = net.swinViT(x, net.normalize)
    return (
        net.encoder1(x),
        net.encoder2(hidden[0]),
        net.encoder3(hidden[1]),
        net.encoder4(hidden[2]),
        hidden[3],
        net.encoder10(hidden[4]),
    )


def attention_unet_parts(net: Any) -> Parts:
    """Of an ``AttentionUnet``, which MONAI builds as nested layers, each with its own gate."""
    head, outermost, output = net.model
    layers = [outermost]
    while isinstance(layers[-1].submodule, nn.Sequential):
        layers.append(layers[-1].submodule[1])
    encoder = (head, *(_convolution_below(layer) for layer in layers))
    return Parts(encoder, tuple(reversed(layers)), (output,), join_gated)


def _convolution_below(layer: Any) -> nn.Module:
    """The convolution that leads one level down: alone at the bottom, else before a layer."""
    below: nn.Module = layer.submodule
    return below[0] if isinstance(below, nn.Sequential) else below


def join_upcat(block: Any, tap: int, deeper: Tensor, skip: Tensor, implant: Implant) -> Tensor:
    """Join by ``UpCat``: upsample, pad to odd sizes, concatenate (skip, up), convolve."""
    up: Tensor = block.upsample(deeper)
    down, right = (int(skip.shape[axis] != up.shape[axis]) for axis in (-2, -1))
    if down or right:
        up = F.pad(up, (0, right, 0, down), "replicate")
    joined: Tensor = block.convs(torch.cat([implant(tap, skip, up), up], dim=1))
    return joined


def join_before(block: Any, tap: int, deeper: Tensor, skip: Tensor, implant: Implant) -> Tensor:
    """Join by ``SkipConnection``: concatenate (skip, deeper), upsample and convolve behind it."""
    joined: Tensor = block(torch.cat([implant(tap, skip, deeper), deeper], dim=1))
    return joined


def join_up_block(block: Any, tap: int, deeper: Tensor, skip: Tensor, implant: Implant) -> Tensor:
    """Join by ``UnetUpBlock`` or ``UnetrUpBlock``: upsample, concatenate (up, skip), convolve."""
    up: Tensor = block.transp_conv(deeper)
    joined: Tensor = block.conv_block(torch.cat((up, implant(tap, skip, up)), dim=1))
    return joined


def join_gated(block: Any, tap: int, deeper: Tensor, skip: Tensor, implant: Implant) -> Tensor:
    """Join by ``AttentionLayer``: upsample, gate the skip, concatenate (skip, up), merge."""
    up: Tensor = block.upconv(deeper)
    gated = block.attention(g=up, x=skip)
    joined: Tensor = block.merge(torch.cat((implant(tap, gated, up), up), dim=1))
    return joined
