"""A device that is not the CPU: torch's ``meta``, shapes and devices without data.

::

    with OtherDevice() as device:
        stage.step()
    device.read                # {"training/supervised.py:step": 1, ...}

What a GPU would refuse is refused: a tensor made on the wrong device fails where it meets others.
What a GPU would have to be waited for is counted, by the line of the package that asked; the
values that come back are made up, or what a test answers for the place that asks.

Not seen here: what a GPU does asynchronously, and branches of the package on ``cuda`` itself
(memory layout, pinned batches, autocast, recorded steps).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import distributed_iac

META = torch.device("meta")
PACKAGE = str(Path(distributed_iac.__file__).parent)
MOVES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class OtherDevice(TorchDispatchMode):
    """Computes shapes on ``meta``, refuses mixed devices, counts what is read back.

    Args:
        answers: What a place, ``file:function``, gets instead of made-up values.
    """

    def __init__(self, answers: Mapping[str, Callable[[Tensor], Tensor]] = {}) -> None:
        super().__init__()
        self.read: Counter[str] = Counter()
        self._answers = answers

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        tensors = list(_tensors([*args, *kwargs.values()]))
        away = [tensor for tensor in tensors if tensor.device == META]
        if func is torch.ops.aten._local_scalar_dense.default and away:
            return self._fetch(away[0]).item()
        if func is torch.ops.aten._to_copy.default and away:
            target = torch.device(kwargs.get("device") or META)
            if target != META:
                found = self._fetch(away[0])
                return found.to(target, kwargs.get("dtype") or found.dtype)
        if func is torch.ops.aten.copy_.default and len(away) == 1 and args[0] is not away[0]:
            return func(args[0], self._fetch(away[0]))
        if away and func not in MOVES:
            # A number on the CPU may meet tensors anywhere.
            strangers = [tensor for tensor in tensors if tensor.device != META and tensor.dim()]
            if strangers:
                shapes = [(str(tensor.device), tuple(tensor.shape)) for tensor in tensors]
                raise AssertionError(f"{func} mixes devices at {_place()}: {shapes}")
        return func(*args, **kwargs)

    def _fetch(self, tensor: Tensor) -> Tensor:
        """Values for a tensor that has none: the device is waited for."""
        place = _place()
        self.read[place] += 1
        answer = self._answers.get(place)
        return torch.ones(tensor.shape, dtype=tensor.dtype) if answer is None else answer(tensor)


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Those among arguments, which operations take alone or in lists."""
    for one in values:
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, list | tuple):
            yield from _tensors(one)


def _place() -> str:
    """Innermost function of the package on the stack."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            return f"{Path(name).relative_to(PACKAGE)}:{frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return "outside"
