"""A gauge of memory that works on any device: the bytes of all tensors that are alive.

::

    with LiveBytes(there=10**6) as gauge:
        gauge.forget()
        stage.step()
    gauge.peak()

What an operation needs inside itself is not seen, nor what was there before the gauge was on.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts what operations make and what is let go.

    Args:
        there: Bytes of the device; more is out of memory.
    """

    def __init__(self, there: int = 2**60) -> None:
        super().__init__()
        self.there = there
        self.failures = 0
        self._live = self._most = 0
        self._known: set[int] = set()

    def forget(self) -> None:
        """Let the peak begin anew, at what is held."""
        self._most = self._live

    def peak(self) -> int:
        """Most bytes held at once since then."""
        return self._most

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._hold(tensor.untyped_storage())
        self._most = max(self._most, self._live)
        if self._live > self.there:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return made

    def _hold(self, storage: torch.UntypedStorage) -> None:
        place = storage._cdata
        if place in self._known:
            return
        self._known.add(place)
        self._live += storage.nbytes()
        weakref.finalize(storage, self._release, place, storage.nbytes())

    def _release(self, place: int, nbytes: int) -> None:
        self._known.discard(place)
        self._live -= nbytes
