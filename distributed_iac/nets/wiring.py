"""Where a network of anyone's joins its encoder's features with its decoder's: found by running it.

::

    with Recorder(net, image) as record:        # one forward pass, watched
        net(image)
    record.joins["up1.cat"]                     # Join(skips=(0,), decoder=1, ...)

    with Joiner(net, {"up1.cat": (0, join)}, implant):
        net(image)                              # the same, with ``implant`` called before the join

Nothing of the network is changed. Concatenations and sums are seen as torch functions, wherever
they are written: in a module, or in a ``forward`` between paddings and crops. They are named after
the module whose ``forward`` calls them and counted within it, as torch.fx does: ``up1.cat``,
``cat``, ``cat_1``.

Which of the joined features is the encoder's follows from how coarse each has ever been: the
decoder's has passed the bottleneck, so that one of its ancestors has fewer pixels than any of the
skip's (our choice; it holds for cropped, padded, gated and convolved skips alike).

Shapes: B batch, C channels, H x W pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from distributed_iac.nets.contract import Implant

CATS, SUMS = ("cat", "concat", "concatenate"), ("add", "add_", "__add__", "__iadd__", "__radd__")
JOINING = {**dict.fromkeys(CATS, "cat"), **dict.fromkeys(SUMS, "add")}
"""What joins, by the name of the torch function."""


@dataclass(frozen=True)
class Join:
    """One concatenation or sum.

    Args:
        name: ``MODULE.cat`` or ``MODULE.add``.
        skips: Places of the encoder's features among what is joined; none where all of it has
            been equally coarse.
        decoder: Place of the decoder's.
        channels: Channels of the skips, one after the other.
        decoder_channels: Channels of the decoder's feature.
        size: H and W.
        clock: When it happened.
    """

    name: str
    skips: tuple[int, ...]
    decoder: int
    channels: int
    decoder_channels: int
    size: tuple[int, int]
    clock: int


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module.

    Args:
        name: Of the module.
        entered: When it began.
        left: When it was over.
        outputs: Identities of the tensors that it returned.
        kind: None for one tensor; list or tuple.
        pixels: Of the coarsest of them; None where none is like an image.
    """

    name: str
    entered: int
    left: int
    outputs: tuple[int, ...]
    kind: type | None
    pixels: int | None


class Watcher(TorchFunctionMode):
    """Knows at every torch function which module calls it.

    Args:
        net: The network that is run while the mode is entered.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._names = {module: name for name, module in net.named_modules()}
        self._within: list[str] = []
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._hooks = (
            register_module_forward_pre_hook(self._enters),
            register_module_forward_hook(self._leaves),
        )
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()

    def _enters(self, module: nn.Module, _arguments: Any) -> None:
        if module in self._names:  # what is implanted is called while the network runs
            self._within.append(self._names[module])

    def _leaves(self, module: nn.Module, _arguments: Any, _output: Any) -> None:
        if module in self._names:
            self._within.pop()

    def _named(self, operation: str) -> str:
        where = self._within[-1] if self._within else ""
        name = f"{where}.{operation}" if where else operation
        self._counts[name] += 1
        earlier = self._counts[name] - 1
        return f"{name}_{earlier}" if earlier else name


class Recorder(Watcher):
    """Notes joins, calls of modules, and who uses what.

    Args:
        net: The network.
        image: What it is called with, (B, C, H, W); H and W apart, so that they are not confused.
    """

    def __init__(self, net: nn.Module, image: Tensor) -> None:
        super().__init__(net)
        self.joins: dict[str, Join] = {}
        self.modules: list[ModuleCall] = []
        self.functions: list[str] = []
        self._clock = 0
        self._image = image
        self._coarsest = {id(image): image.shape[2] * image.shape[3]}
        self._alive: list[Tensor] = []  # so that no identity is given twice
        self._entered: list[int] = []
        self._uses: list[tuple[int, int]] = []

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        shapes = [tuple(one.shape) for one in tensors((args, kwargs))]  # before it works in place
        result = func(*args, **kwargs)
        self._clock += 1
        used = list(tensors((args, kwargs)))
        self._uses += [(self._clock, id(one)) for one in used]
        made = list(tensors(result)) if isinstance(result, Tensor | list | tuple) else []
        known = [(one, s) for one, s in zip(used, shapes, strict=True) if id(one) in self._coarsest]
        operation = JOINING.get(func.__name__)
        if operation is not None:
            self._note_join(self._named(operation), joined(operation, args, kwargs))
        for one in made if known else ():
            # What is broadcast weights a feature and carries none: the gate of an attention.
            whole = [other for other, shape in known if shape == tuple(one.shape)]
            passed = [self._coarsest[id(o)] for o in whole or [other for other, _ in known]]
            self._coarsest[id(one)] = min((*passed, *self._pixels(one)))
            self._alive.append(one)
        if made:
            self.functions.append(described(func.__name__, args, kwargs, made))
        return result

    def _pixels(self, one: Tensor) -> tuple[int, ...]:
        """H * W of what is like the image, in another resolution; else nothing."""
        if one.ndim != 4 or one.shape[0] != self._image.shape[0]:
            return ()
        (height, width), (rows, columns) = one.shape[2:], self._image.shape[2:]
        alike = abs(height * columns - width * rows) <= max(rows, columns)  # to a pixel
        return (height * width,) if alike else ()

    def _note_join(self, name: str, operands: Sequence[Any]) -> None:
        if len(operands) < 2 or not all(
            isinstance(one, Tensor) and one.ndim == 4 and id(one) in self._coarsest
            for one in operands
        ):
            return
        passed = [self._coarsest[id(one)] for one in operands]
        decoder = passed.index(min(passed))
        skips = tuple(
            place
            for place, one in enumerate(operands)
            if passed[place] > min(passed) and one is not self._image
        )
        self.joins[name] = Join(
            name,
            skips,
            decoder,
            sum(operands[place].shape[1] for place in skips),
            operands[decoder].shape[1],
            (operands[0].shape[2], operands[0].shape[3]),
            self._clock,
        )

    def _enters(self, module: nn.Module, _arguments: Any) -> None:
        super()._enters(module, _arguments)
        self._clock += 1
        self._entered.append(self._clock)

    def _leaves(self, module: nn.Module, _arguments: Any, output: Any) -> None:
        super()._leaves(module, _arguments, output)
        self._clock += 1
        entered, found = self._entered.pop(), listed(output)
        kind = None if isinstance(output, Tensor) else type(output)
        if kind not in (None, list, tuple) or not all(isinstance(one, Tensor) for one in found):
            return
        self._alive += found
        pixels = min((size for one in found for size in self._pixels(one)), default=None)
        identities, name = tuple(map(id, found)), self._names[module]
        self.modules.append(ModuleCall(name, entered, self._clock, identities, kind, pixels))

    def before(self, join: Join, *, finer: bool) -> list[ModuleCall]:
        """The outermost modules that were over before a join, to the last of low resolution.

        Args:
            join: The join.
            finer: Whether all that is coarser than the join counts, or the coarsest alone: so that
                what brings the decoder's feature to the size of the skip belongs to the join.
        """
        over: list[ModuleCall] = []
        for call in sorted(self.modules, key=lambda one: one.entered):
            if call.left < join.clock and (not over or call.entered > over[-1].left):
                over.append(call)
        sizes = [call.pixels for call in over if call.pixels is not None]
        most = join.size[0] * join.size[1] - 1 if finer else min(sizes, default=0)
        low = [place for place, one in enumerate(over) if one.pixels and one.pixels <= most]
        return over[: low[-1] + 1] if low else []

    def used_outside(self, calls: Sequence[ModuleCall]) -> frozenset[int]:
        """Identities of the tensors that are used while none of these calls is at work."""
        spans = [(call.entered, call.left) for call in calls]
        return frozenset(
            identity
            for clock, identity in self._uses
            if not any(begin < clock < end for begin, end in spans)
        )


class Joiner(Watcher):
    """Calls an implant right before every join.

    Args:
        net: The network.
        joins: By name: the number of the tap, and the join.
        implant: What is called.
    """

    def __init__(
        self, net: nn.Module, joins: Mapping[str, tuple[int, Join]], implant: Implant
    ) -> None:
        super().__init__(net)
        self._joins, self._implant = joins, implant

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operation = JOINING.get(func.__name__)
        if operation is not None:
            found = self._joins.get(self._named(operation))
            if found is not None:
                args, kwargs = self._implanted(*found, operation, args, kwargs)
        return func(*args, **kwargs)

    def _implanted(
        self, tap: int, join: Join, operation: str, args: Any, kwargs: Any
    ) -> tuple[Any, Any]:
        operands = list(joined(operation, args, kwargs))
        skips = [operands[place] for place in join.skips]
        skip = skips[0] if len(skips) == 1 else torch.cat(skips, 1)
        changed = self._implant(tap, skip, operands[join.decoder])
        parts = changed.split([one.shape[1] for one in skips], 1) if len(skips) > 1 else [changed]
        for place, part in zip(join.skips, parts, strict=True):
            operands[place] = part
        if operation == "add":
            return (*operands, *args[2:]), {k: v for k, v in kwargs.items() if k != "other"}
        return (operands, *args[1:]), {k: v for k, v in kwargs.items() if k != "tensors"}


def joined(operation: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
    """What a concatenation along the channels, or a sum, joins; nothing for other axes."""
    if operation == "add":
        return (*args[:2], *([kwargs["other"]] if "other" in kwargs else ()))
    operands = args[0] if args else kwargs.get("tensors", ())
    axis = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))
    return operands if axis in (1, -3) else ()


def described(name: str, args: Any, kwargs: Any, made: Sequence[Tensor]) -> str:
    """A call of a torch function as text: its plain arguments, and the shapes of what it makes."""
    plain = [one for one in (*args, *kwargs.values()) if _is_plain(one)]
    return f"{name}{plain} -> {[tuple(one.shape) for one in made]}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors(one)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def listed(output: Any) -> list[Any]:
    """What a module returned, one or several."""
    return list(output) if isinstance(output, list | tuple) else [output]
