"""When memory runs out: compute the batch in parts instead of failing.

::

    splitter = BatchSplitter(largest=8)
    loss, gradients = splitter.gradients(loss_of, (images, labels), parameters)
    splitter.parts                      # 1, or 2, 4, 8 after memory ran out

Splitting keeps the sampled batch, its order and the learning rate; only batch statistics are
taken over smaller parts, and the Dice term is a mean of the parts'. Hence it is recorded.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from distributed_iac.errors import RunError

Result = TypeVar("Result")
LossOf = Callable[..., Tensor]
"""The tensors of a batch, or of a part of it, to a scalar loss."""


class OutOfMemoryError(RunError):
    """A batch does not fit into memory even in the smallest allowed parts."""


class BatchSplitter:
    """Computes gradients over a batch in as many parts as memory asks for.

    Args:
        largest: Most parts a batch may be split into.
        relief: Gives memory back that is only nice to have, and returns whether there was any;
            asked before a batch is split.
    """

    def __init__(self, largest: int, relief: Callable[[], bool] = lambda: False) -> None:
        self.largest = largest
        self.parts = 1
        self._relief = relief

    def gradients(
        self,
        loss_of: LossOf,
        batch: Sequence[Tensor],
        parameters: Sequence[nn.Parameter],
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the mean loss (detached) and its gradients; doubles ``parts`` when it must.

        Args:
            loss_of: The tensors of a batch, as positional arguments, to a scalar loss.
            batch: Each (B, ...).
            parameters: What to differentiate for; nothing else gets a gradient.

        Raises:
            OutOfMemoryError: It does not fit in ``largest`` parts, or in single slices.
        """
        return self.persist(len(batch[0]), lambda: self._attempt(loss_of, batch, parameters))

    def persist(self, slices: int, compute: Callable[[], Result]) -> Result:
        """Repeat what needs memory until it succeeds, with more relief or ``parts`` each time.

        Args:
            slices: B.
            compute: Computes over a batch in ``parts`` parts.

        Raises:
            OutOfMemoryError: It does not fit in ``largest`` parts, or in single slices.
        """
        while True:
            try:
                return compute()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if not self._relief():
                    self._split_further(slices, error)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _attempt(
        self, loss_of: LossOf, batch: Sequence[Tensor], parameters: Sequence[nn.Parameter]
    ) -> tuple[Tensor, list[Tensor]]:
        slices = len(batch[0])
        total = torch.zeros((), device=batch[0].device)
        gradients = [torch.zeros_like(parameter) for parameter in parameters]
        for inputs in zip(*(tensor.chunk(self.parts) for tensor in batch), strict=True):
            loss = loss_of(*inputs) * (len(inputs[0]) / slices)
            found = torch.autograd.grad(loss, parameters, allow_unused=True)
            for gradient, part in zip(gradients, found, strict=True):
                if part is not None:
                    gradient += part
            total += loss.detach()
        return total, gradients

    def _split_further(self, batch: int, error: RuntimeError) -> None:
        following = self.parts * 2
        if following > min(self.largest, batch):
            raise OutOfMemoryError(
                f"a batch of {batch} slices does not fit into memory in {self.parts} parts",
                came=str(error).splitlines()[0],
                remedy="use a smaller batches.batch_size, patch, cell.width or a larger "
                "cell.partial_channels",
            ) from error
        self.parts = following


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed for lack of memory, on a GPU or (told by its text only) on a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def peak_memory() -> int:
    """Most bytes that this process has held at once: of the GPU if it used one, else of RAM."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
