"""When memory runs out: compute the batch in parts instead of failing.

::

    splitter = BatchSplitter(largest=8)
    gradients = splitter.gradients(loss_of, images, labels, parameters)
    splitter.parts                      # 1, or 2, 4, 8 after memory ran out

Splitting keeps the sampled batch, its order and the learning rate; only batch statistics are
taken over smaller parts, and the Dice term is a mean of the parts'. Hence it is recorded.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from distributed_iac.errors import RunError

LossOf = Callable[[Tensor, Tensor], Tensor]


class OutOfMemoryError(RunError):
    """A batch does not fit into memory even in the smallest allowed parts."""


class BatchSplitter:
    """Computes gradients over a batch in as many parts as memory asks for.

    Args:
        largest: Most parts a batch may be split into.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.parts = 1

    def gradients(
        self,
        loss_of: LossOf,
        images: Tensor,
        labels: Tensor,
        parameters: Sequence[nn.Parameter],
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the mean loss (detached) and its gradients; doubles ``parts`` when it must.

        Args:
            loss_of: Images and labels to a scalar loss.
            images: (B, C, H, W).
            labels: (B, H, W).
            parameters: What to differentiate for; nothing else gets a gradient.

        Raises:
            OutOfMemoryError: It does not fit in ``largest`` parts, or in single slices.
        """
        while True:
            try:
                return self._attempt(loss_of, images, labels, parameters)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._split_further(len(images), error)

    def _attempt(
        self, loss_of: LossOf, images: Tensor, labels: Tensor, parameters: Sequence[nn.Parameter]
    ) -> tuple[Tensor, list[Tensor]]:
        total = torch.zeros((), device=images.device)
        gradients = [torch.zeros_like(parameter) for parameter in parameters]
        chunks = zip(images.chunk(self.parts), labels.chunk(self.parts), strict=True)
        for image_part, label_part in chunks:
            loss = loss_of(image_part, label_part) * (len(image_part) / len(images))
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
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


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
