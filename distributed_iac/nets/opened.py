"""A network of anyone's, run as it is, with its joins open.

::

    backbone = OpenedBackbone(net, wiring)      # wiring_of(settings, 1, 4): custom_proof.py
    logits = backbone.decode(backbone.encode(x), implant)

The network is never edited. ``encode`` runs it until its encoder is through and keeps what the
encoder's modules returned; ``decode`` runs it again with these modules answering from what was
kept, and :class:`~distributed_iac.nets.wiring.Joiner` calling the implant. Where the two cannot be
run apart, ``encode`` hands on the image and ``decode`` runs all of it: slower, and the encoder
cannot be frozen alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from distributed_iac.nets.contract import Implant, Tap
from distributed_iac.nets.wiring import Join, Joiner, listed
from distributed_iac.nets.wrapped import Parts, WrappedBackbone, joins_itself


@dataclass(frozen=True)
class Kept:
    """One call of an encoder's module, and what of its outputs is needed afterwards.

    Args:
        module: Its name.
        needed: Of each output, whether anything but the encoder looks at it.
        kind: None for one tensor, else list or tuple.
    """

    module: str
    needed: tuple[bool, ...]
    kind: type | None


@dataclass(frozen=True)
class Wiring:
    """What is known of a network that was looked at.

    Args:
        joins: Deepest first.
        taps: The same, as taps.
        encoder: Calls of its modules in their order; none to run the network as a whole.
        before_last: Modules that run before the last decoder block.
        head: The convolution that gives the logits.
        multiple: What heights and widths are multiples of.
        least: Smallest H and W.
        altered: Whether the decoder works in place on what the encoder hands it.
        structure: Digest of names and shapes of all tensors and of all that is computed of them.
    """

    joins: tuple[Join, ...]
    taps: tuple[Tap, ...]
    encoder: tuple[Kept, ...]
    before_last: tuple[str, ...]
    head: str
    multiple: int
    least: int
    altered: bool
    structure: str


class _Encoded(BaseException):
    """The encoder is through; nothing of the network may take it for an error of its own."""


class OpenedBackbone(WrappedBackbone):
    """A network of anyone's with its joins open.

    Args:
        net: The network.
        wiring: What is known of it.
    """

    def __init__(self, net: nn.Module, wiring: Wiring) -> None:
        self.wiring = wiring
        super().__init__(net, wiring.taps, multiple=(wiring.multiple, wiring.multiple))

    @property
    def minimum_size(self) -> int:
        """Smallest accepted H and W: about two pixels at the bottleneck."""
        return self.wiring.least

    @property
    def modules_before_last_block(self) -> tuple[nn.Module, ...]:
        """The modules that run before the last decoder block."""
        return self._by_name(self.wiring.before_last)

    def _parts(self) -> Parts:
        encoder = self._by_name(call.module for call in self.wiring.encoder)
        return Parts(encoder, (), (nn.Identity(),), joins_itself)

    def _by_name(self, names: Iterable[str]) -> tuple[nn.Module, ...]:
        return tuple(self.net.get_submodule(name) for name in dict.fromkeys(names))

    def _order_outputs(self, order: list[int]) -> None:
        head = self.net.get_submodule(self.wiring.head)
        for tensor in head.parameters():  # weight and bias
            tensor.copy_(tensor[order])

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        if not self.wiring.encoder:
            return (x.clone(),)  # features belong to who asked for them, the image does not
        run = _EncoderRun(self.net, self.wiring)
        with run.in_place(run.record):
            try:
                self.net(x)
            except _Encoded:
                return [one.clone() if one is x else one for one in (x, *run.features)]
        raise AssertionError("the network is another one than the one that was looked at")

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        image, *kept = features
        run = _EncoderRun(self.net, self.wiring, kept)
        joins = {join.name: (tap, join) for tap, join in enumerate(self.wiring.joins)}
        with run.in_place(run.replay), Joiner(self.net, joins, implant):
            return (self.net(image),)


class _EncoderRun:
    """The encoder's modules of one forward pass, called for their features or answering with them.

    Args:
        net: The network.
        wiring: What is known of it.
        features: What they answer with.
    """

    def __init__(self, net: nn.Module, wiring: Wiring, features: Sequence[Tensor] = ()) -> None:
        self.features = list(features)
        self._calls = [(net.get_submodule(one.module), one) for one in wiring.encoder]
        self._altered = wiring.altered
        self._next, self._within = 0, False

    @contextmanager
    def in_place(self, call: Callable[..., Any]) -> Iterator[None]:
        """Put ``call`` in the place of their ``forward``, for a while."""
        modules = list(dict.fromkeys(module for module, _ in self._calls))
        own = [module.__dict__.get("forward") for module in modules]
        for module in modules:
            module.forward = partial(self._called, call, module, module.forward)
        try:
            yield
        finally:
            for module, before in zip(modules, own, strict=True):
                del module.forward
                if before is not None:
                    module.forward = before

    def _called(
        self, call: Callable[..., Any], module: nn.Module, forward: Any, *args: Any, **kwargs: Any
    ) -> Any:
        if self._within or self._next == len(self._calls):
            return forward(*args, **kwargs)
        expected, kept = self._calls[self._next]
        assert module is expected, "the encoder runs in the order in which it was looked at"
        self._next += 1
        return call(kept, forward, args, kwargs)

    def record(self, kept: Kept, forward: Any, args: Any, kwargs: Any) -> Any:
        """Run a module and keep what is needed; the last one ends the pass."""
        self._within = True
        output = forward(*args, **kwargs)
        self._within = False
        pairs = zip(listed(output), kept.needed, strict=True)
        self.features += [one for one, needed in pairs if needed]
        if self._next == len(self._calls):
            raise _Encoded
        return output

    def replay(self, kept: Kept, _forward: Any, _args: Any, _kwargs: Any) -> Any:
        """Answer as the module did; what nobody looks at is empty."""
        given = [self._take() if needed else torch.empty(0) for needed in kept.needed]
        return given[0] if kept.kind is None else kept.kind(given)

    def _take(self) -> Tensor:
        feature = self.features.pop(0)
        return feature.clone() if self._altered else feature
