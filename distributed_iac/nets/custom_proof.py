"""What a network of anyone's must keep before a cell is implanted: found out by running it.

::

    wiring = wiring_of(CustomSettings(import_="unet:UNet"), in_channels=1, out_channels=4)
    wiring.joins, wiring.multiple               # where it joins; what sizes it is at ease with
    wiring.structure                            # digest of what it computes

A copy is built once a process, every number is moved off its initial zero or one, and what
``Backbone`` promises is required of it: at step 0 the bare network's logits to the bit, in training
and in evaluation; every join called once; a gradient at every join of the frozen network; odd
sizes, padded to a multiple of a power of two where it needs that.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from distributed_iac.config.backbone import CustomSettings
from distributed_iac.data.store.identity import content_key
from distributed_iac.errors import did_you_mean, first_names
from distributed_iac.nets.contract import Tap, identity_implant
from distributed_iac.nets.custom_network import network_of, refused
from distributed_iac.nets.freeze import freeze
from distributed_iac.nets.opened import Kept, OpenedBackbone, Wiring
from distributed_iac.nets.wiring import Join, ModuleCall, Recorder
from distributed_iac.nets.wrapped import Wanted

PROBES = ((64, 96), (128, 192), (256, 384))
"""H and W of the images that a network is looked at with: the first that it takes."""

MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Of what heights and widths may have to be; the smallest that the network is at ease with."""


def wiring_of(settings: CustomSettings, in_channels: int, out_channels: int) -> Wiring:
    """Look at a network and prove that cells can be implanted; once a process.

    Raises:
        ConfigError: As :func:`build`.
    """
    only = settings.model_copy(
        update={"label": None, "weights": None, "channel_names": {}, "label_names": {}}
    )
    return _looked_at(only.model_dump_json(), in_channels, out_channels)


@cache
def _looked_at(settings: str, in_channels: int, out_channels: int) -> Wiring:
    chosen = CustomSettings.model_validate_json(settings)
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.default_generator.manual_seed(0)
        net = network_of(chosen, Wanted(in_channels, out_channels)).eval()
        with torch.no_grad():
            for name, tensor in net.state_dict().items():
                if tensor.is_floating_point():
                    noise = 0.05 * torch.randn(tensor.shape)
                    tensor.add_(noise.abs() if name.endswith("running_var") else noise)
        wiring = _wired(net, chosen, in_channels, out_channels)
        return _proven(net, wiring, in_channels, chosen)


def _wired(net: nn.Module, settings: CustomSettings, in_channels: int, out_channels: int) -> Wiring:
    """Find the joins, and where encoder and decoder part."""
    image = _probe(net, settings, in_channels, out_channels)
    record = Recorder(net, image)
    with torch.no_grad(), record:
        net(image)
    last_of_all = record.functions[-1].partition("[")[0]
    if "sigmoid" in last_of_all or "softmax" in last_of_all:
        raise refused(
            settings,
            "a network must return logits",
            f"what a {last_of_all} makes of them",
            "name a function that builds it without; losses and predictions have their own",
        )
    rows, columns = image.shape[2:]
    joins = sorted(_chosen(record, settings), key=lambda one: one.size[0] * one.size[1])
    inner = record.before(min(joins, key=lambda one: one.clock), finer=False)
    outside = record.used_outside(inner)
    last = record.before(max(joins, key=lambda one: one.clock), finer=True)
    convolutions = [
        call.name
        for call in record.modules
        if isinstance(net.get_submodule(call.name), nn.Conv2d | nn.ConvTranspose2d)
    ]
    taps = tuple(
        Tap(
            one.name,
            one.channels,
            one.decoder_channels,
            max(round(rows / one.size[0]), round(columns / one.size[1])),
        )
        for one in joins
    )
    multiple = _multiple(net, settings, in_channels, out_channels)
    tensors = [(name, list(one.shape)) for name, one in net.state_dict().items()]
    return Wiring(
        joins=tuple(joins),
        taps=taps,
        encoder=()
        if _runs_again(net, record, inner)
        else tuple(
            Kept(call.name, tuple(one in outside for one in call.outputs), call.kind)
            for call in inner
        ),
        before_last=tuple(dict.fromkeys(call.name for call in last)),
        head=convolutions[-1] if convolutions else "",
        multiple=multiple,
        least=_least(net, in_channels, out_channels, multiple, taps[0].stride),
        altered=False,
        structure=content_key(tensors, record.functions),
    )


def _runs_again(net: nn.Module, record: Recorder, encoder: Sequence[ModuleCall]) -> bool:
    """Whether weights of the encoder serve once more after it."""
    own = {p for call in encoder for p in net.get_submodule(call.name).parameters()}
    later = [one for one in record.modules if encoder and one.entered > encoder[-1].left]
    return any(p in own for one in later for p in net.get_submodule(one.name).parameters())


def _chosen(record: Recorder, settings: CustomSettings) -> list[Join]:
    """The joins that are named, or all that were found."""
    found = {name: one for name, one in record.joins.items() if one.skips}
    cats = [one for name, one in found.items() if name.rpartition(".")[2].startswith("cat")]
    if settings.joins is None:
        if not found:
            raise refused(
                settings,
                "a network needs a concatenation or a sum of an encoder's feature with a decoder's",
                f"none among {_names(record.joins)}",
                "name the joins; what they join must have the same H and W",
            )
        return cats or list(found.values())
    for name in settings.joins:
        if name not in found:
            known = "joins features that were equally coarse" if name in record.joins else "none"
            raise refused(
                settings,
                f"joins must be among {_names(found)}",
                f"{name}: {known}",
                did_you_mean(name, found) or "take names from this list, or leave joins out",
            )
    return [found[name] for name in dict.fromkeys(settings.joins)]


def _names(joins: Mapping[str, Join]) -> str:
    return first_names(list(joins), 20) or "no concatenation and no sum at all"


def _probe(net: nn.Module, settings: CustomSettings, channels: int, outputs: int) -> Tensor:
    """The first image that the network makes logits of."""
    whys = []
    for rows, columns in PROBES:
        image = torch.randn(2, channels, rows, columns)
        why = _objection(net, image, outputs)
        if why is None:
            return image
        whys.append(f"{rows} x {columns}: {why}")
    raise refused(
        settings,
        f"a network must turn images (B, {channels}, H, W) into logits (B, {outputs}, H, W), for "
        "any H and W that some power of two divides",
        "; ".join(dict.fromkeys(whys)),
        "name a function that builds it so: as many channels and outputs as the data set has "
        "channels and classes (with background), padded convolutions, one tensor returned",
    )


@torch.no_grad()
def _objection(net: nn.Module, image: Tensor, outputs: int) -> str | None:
    """Why what a network makes of an image are no logits of it; None if they are."""
    try:
        found = net(image)
    except Exception as error:  # of a program that is not ours
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if not isinstance(found, Tensor):
        return f"it returns a {type(found).__name__}"
    wanted = (image.shape[0], outputs, *image.shape[2:])
    return None if tuple(found.shape) == wanted else f"it returns {tuple(found.shape)}"


def _proven(net: nn.Module, wiring: Wiring, channels: int, settings: CustomSettings) -> Wiring:
    """Try whether encoder and decoder can be run apart, then require all promises."""
    images = [torch.randn(2, channels, *size) for size in _sizes(wiring.multiple)]
    for encoder in dict.fromkeys((wiring.encoder, ())):
        tried = replace(wiring, encoder=encoder)
        runs = ((image, training) for image in images for training in (False, True))
        why = next(filter(None, (_difference(net, tried, *run) for run in runs)), None)
        if why is None:
            break
    else:
        raise refused(
            settings,
            "with its joins open and nothing implanted a network must compute what it computes "
            "alone, in training and in evaluation",
            why,
            "leave this join out, or name a function that builds the network so that its forward "
            "returns one tensor and depends on nothing but the image",
        )
    _require_gradients(OpenedBackbone(copy.deepcopy(net), tried), images[0], settings)
    backbone = OpenedBackbone(net, tried)
    with torch.no_grad():
        features = backbone.encode(images[0])
        versions = [one._version for one in features]
        backbone.decode(features, identity_implant)
    altered = any(one._version != v for one, v in zip(features, versions, strict=True))
    return replace(tried, altered=altered)


@torch.no_grad()
def _difference(net: nn.Module, wiring: Wiring, image: Tensor, training: bool) -> str | None:
    """In what a network with its joins open is not itself; None if it is, to the bit."""
    plain = copy.deepcopy(net).train(training)
    mine = OpenedBackbone(copy.deepcopy(net), wiring).train(training)
    called: list[int] = []

    def note(tap: int, skip: Tensor, _decoder: Tensor) -> Tensor:
        called.append(tap)
        return skip

    try:
        torch.default_generator.manual_seed(1)  # for its dropout
        expected = plain(image)
        if not isinstance(expected, Tensor):
            return f"it returns a {type(expected).__name__}{' in training' * training}"
        torch.default_generator.manual_seed(1)
        found = mine.decode(mine.encode(image), note)
    except Exception as error:  # of a program that is not ours
        return f"{type(error).__name__}: {error}"
    for tap, join in enumerate(wiring.joins):
        if called.count(tap) != 1:
            return f"{join.name} happens {called.count(tap)} times{' in training' * training}"
    return None if torch.equal(expected, found) else f"other logits{' in training' * training}"


def _require_gradients(backbone: OpenedBackbone, image: Tensor, settings: CustomSettings) -> None:
    freeze(backbone)
    gains = torch.zeros(len(backbone.taps), requires_grad=True)

    def implant(tap: int, skip: Tensor, decoder: Tensor) -> Tensor:
        return skip + gains[tap] * (skip.abs() + decoder.mean())

    logits = backbone.decode(backbone.encode(image), implant)
    if logits.requires_grad:
        logits.square().mean().backward()
    reached = torch.zeros_like(gains) if gains.grad is None else gains.grad
    for tap, gradient in zip(backbone.taps, reached, strict=True):
        if not (torch.isfinite(gradient) and gradient != 0):
            raise refused(
                settings,
                "a gradient must reach what is implanted at every join",
                f"none at {tap.name}",
                "leave this join out of joins: what it makes is detached, checkpointed or not "
                "used for the logits",
            )


def _multiple(net: nn.Module, settings: CustomSettings, channels: int, outputs: int) -> int:
    """The smallest power of two that heights and widths have to be multiples of."""
    why: str | None = None
    for multiple in MULTIPLES:
        images = (torch.randn(2, channels, *size) for size in _sizes(multiple))
        why = next(filter(None, (_objection(net, one, outputs) for one in images)), None)
        if why is None:
            return multiple
    raise refused(
        settings,
        f"a network must take images whose sides are multiples of {MULTIPLES[-1]}",
        str(why),
        "name a function that builds the network for images of any size",
    )


def _least(net: nn.Module, channels: int, outputs: int, multiple: int, stride: int) -> int:
    """Smallest sides: two pixels below the deepest join, as far as rounding leaves them."""
    if multiple >= 2 * stride:
        return multiple + 1
    small = torch.randn(1, channels, 2 * stride + 1, 2 * stride + 1)
    trained = copy.deepcopy(net).train()  # where one pixel alone cannot be normalised
    taken = multiple == 1 and _objection(trained, small, outputs) is None
    return 2 * stride + 1 if taken else 4 * stride


def _sizes(multiple: int) -> tuple[tuple[int, int], ...]:
    """Two H and W that are odd multiples."""
    side, more = 64 // multiple | 1, 6 if multiple < 8 else 2
    return (side * multiple, (96 // multiple | 1) * multiple), (
        (side + more) * multiple,
        side * multiple,
    )
