"""How many parts a batch will need, before memory runs out over it.

::

    foresight = foresight_of(network, device)      # None on a CPU
    splitter = BatchSplitter(8, foresight=foresight)

The first batch of a job is tried with two small parts of it. What they took at the most
(:class:`~distributed_iac.training.memory_model.MemoryModel`) says what larger parts will take, and
the splitter begins with the fewest that can fit. Measured where the job runs, not taken from
``plan``: cards differ, a job is told nothing but its settings, and two small parts cost less than
half a step.

A forecast changes no result that a job would have had without it. It counts the bytes of tensors
alone, neither what torch reserves besides nor optimiser state that does not exist yet, and holds
them against the whole card, whatever else lies there: so what is split could not have fitted, and
the same card gives the same parts. Where it says too little, memory runs out and the batch is split
as ever. It also leaves no trace, which an attempt that fails does: that has drawn dropout's numbers
and moved batch statistics for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import nn

from distributed_iac.training.memory_model import MemoryModel, fewest_parts


class MemoryGauge(Protocol):
    """Says what tensors take on a device; reading it waits for nothing."""

    there: int
    """Bytes of the device."""

    def forget(self) -> None:
        """Let the peak begin anew, at what is held."""

    def peak(self) -> int:
        """Most bytes of tensors held at once since then."""


class CudaGauge:
    """What torch counts on a GPU.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.there = torch.cuda.get_device_properties(device).total_memory

    def forget(self) -> None:
        """Let the peak begin anew, at what is held."""
        torch.cuda.reset_peak_memory_stats(self._device)

    def peak(self) -> int:
        """Most bytes of tensors held at once since then."""
        return torch.cuda.max_memory_allocated(self._device)


class Foresight:
    """Tries small parts of a batch, and says how many parts the whole needs.

    Args:
        network: What is computed; its buffers are put back after each trial.
        gauge: Of the device that it is on.
    """

    def __init__(self, network: nn.Module, gauge: MemoryGauge) -> None:
        self._network, self._gauge = network, gauge

    def parts(self, slices: int, largest: int, compute: Callable[[int], object]) -> int:
        """The fewest parts of a batch that can fit.

        Args:
            slices: B.
            largest: Most parts.
            compute: Computes the gradients over the first n slices of the batch.
        """
        # As small as parts may become, so that the trial fits where anything does; but two, because
        # batch statistics over a single pixel of a single slice are an error of torch.
        few = max(2, math.ceil(slices / largest))
        if 2 * few >= slices:
            return 1
        smaller, larger = ((n, self._taken(compute, n)) for n in (few, 2 * few))
        model = MemoryModel.fit(smaller, larger)
        return fewest_parts(model, slices, self._gauge.there, largest)

    def _taken(self, compute: Callable[[int], object], slices: int) -> int:
        self._gauge.forget()
        with _traceless(self._network):
            compute(slices)
        return self._gauge.peak()


@contextmanager
def _traceless(network: nn.Module) -> Iterator[None]:
    """Put random numbers and the network's buffers back as they were."""
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    places = {parameter.device for parameter in network.parameters()}
    with torch.random.fork_rng([place for place in places if place.type == "cuda"]):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in kept:
                    buffer.copy_(before)


def foresight_of(network: nn.Module, device: torch.device) -> Foresight | None:
    """Foresight on a GPU, whose memory torch counts; None elsewhere."""
    return Foresight(network, CudaGauge(device)) if device.type == "cuda" else None
