"""When memory runs out: compute the batch in parts instead of failing.

::

    splitter = BatchSplitter(largest=8)
    loss, gradients = splitter.gradients(loss_of, (images, labels), parameters)
    splitter.parts                      # 1, or 2, 4, 8 after memory ran out

Splitting keeps the sampled batch, its order and the learning rate; only batch statistics are
taken over smaller parts, and the Dice term is a mean of the parts'. Hence it is recorded.

On a GPU the first batch is not tried whole where that cannot fit: see
:mod:`distributed_iac.training.foresight`.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from distributed_iac.data.batches.loader import Batch
from distributed_iac.errors import RunError, first_line
from distributed_iac.training.foresight import Foresight
from distributed_iac.training.memory_model import doubled

Result = TypeVar("Result")
LossOf = Callable[..., Tensor]
"""The tensors of a batch, or of a part of it, to a scalar loss."""

LARGEST_SPLIT = 8
"""Most parts of a training batch where no setting says otherwise: as ``search.largest_split``."""

SMALLER = "use a smaller batches.batch_size or patch, a smaller network, or a larger device"

ONE_SLICE = "use a smaller patch or network, or a larger device (device: cpu is slow but large)"

_SIGNS = (
    "out of memory",  # CUDA's runtime and Apple's MPS
    "can't allocate memory",  # torch on a CPU
    "not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""What libraries say that have no exception of their own for it."""


class OutOfMemoryError(RunError):
    """A batch does not fit into memory even in the smallest allowed parts."""


class BatchSplitter:
    """Computes gradients over a batch in as many parts as memory asks for.

    Args:
        largest: Most parts a batch may be split into.
        relief: Gives memory back that is only nice to have, and returns whether there was any;
            asked before a batch is split.
        remedy: What the user can do where parts are not small enough.
        foresight: Chooses the parts of the first batch; None: it is tried whole.
    """

    def __init__(
        self,
        largest: int,
        relief: Callable[[], bool] = lambda: False,
        remedy: str = SMALLER,
        foresight: Foresight | None = None,
    ) -> None:
        self.largest = largest
        self.parts = 1
        self.foresight = foresight
        self._relief, self._remedy = relief, remedy

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
        self.foresee(
            len(batch[0]),
            lambda slices: self._attempt(loss_of, [one[:slices] for one in batch], parameters),
        )
        return self.persist(len(batch[0]), lambda: self._attempt(loss_of, batch, parameters))

    def foresee(self, slices: int, compute: Callable[[int], object]) -> None:
        """Choose ``parts`` before the first batch is computed, where there is foresight.

        Args:
            slices: B.
            compute: Computes the gradients over the first n slices of the batch.
        """
        foresight, self.foresight = self.foresight, None
        if foresight is None or self.parts > 1:  # a resumed job knows its parts
            return
        try:
            self.parts = foresight.parts(slices, self.largest, compute)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise  # else not even a trial fits, and the batch itself will tell

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
            except (RuntimeError, MemoryError) as error:
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

    def _split_further(self, batch: int, error: BaseException) -> None:
        most = min(self.largest, batch)
        if self.parts >= most:
            raise OutOfMemoryError(
                f"a batch of {batch} slices does not fit into memory in {self.parts} parts",
                came=first_line(error),
                remedy=self._remedy,
            ) from error
        self.parts = doubled(self.parts, most)


def split_batch(batch: Batch, parts: int) -> list[Batch]:
    """Cut a batch into parts, as tensors are cut into chunks."""
    if parts == 1:
        return [batch]
    images = batch.images.chunk(parts)
    ends = np.cumsum([len(part) for part in images])
    rows = np.split(batch.rows, ends[:-1])
    return [Batch(*part) for part in zip(images, batch.labels.chunk(parts), rows, strict=True)]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a computation failed for lack of memory, on a GPU or on a CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


@contextlib.contextmanager
def lack_of_memory_named() -> Iterator[None]:
    """Say what to do where no batch can be split: networks, optimisers, and all that they hold.

    Raises:
        OutOfMemoryError: In place of what a library raises.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            "a job has the memory that it needs", came=first_line(error), remedy=SMALLER
        ) from error


def peak_memory() -> int:
    """Most bytes held at once since :func:`forget_peak`: of the GPU if it was used, else of RAM.

    Of a GPU what torch's allocator reserved counts, which nobody else can have, not the smaller
    part of it that tensors lay in.
    """
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_reserved()
    return peak_main_memory()


def peak_main_memory() -> int:
    """Most bytes of main memory held at once since :func:`forget_peak`, libraries included."""
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Let the peak begin anew: a process may have carried out other jobs before.

    What the process still holds counts. macOS keeps the peak of main memory all the same, and so do
    sandboxes without that file of Linux's, or where it may not be written.
    """
    gc.collect()  # what lies in circles would count as held
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # what torch keeps of the job before counts as reserved
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): the peak of RAM
