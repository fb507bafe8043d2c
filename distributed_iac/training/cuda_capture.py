"""Recording a training step as a CUDA graph.

::

    capture = CudaCapture(torch.device("cuda"))
    for inputs in first_batches:
        loss = capture.warm(step, inputs)
    replay = capture.record(step, buffers)      # recorded, not executed
    loss = replay()                             # executed once more for every call

Written against torch's documentation (CUDA semantics, "CUDA Graphs", whole-network capture) and
not yet run on a GPU. What a step must keep to be recorded: no waiting for the device, no branch
on a tensor's value, all state at fixed addresses, optimiser state that exists already, optimisers
that are capturable with their learning rate on the device, autocast entered inside the step.

Graphs do not share their memory: torch allows that to graphs that are always replayed in the
order of their recording, and a search's two steps are not. So a recorded search needs the memory
of both steps at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class CudaCapture:
    """Records steps on a stream of its own.

    Warm-up and recording use the same stream, because libraries keep handles and workspaces by
    stream.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)

    def warm(self, step: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """Execute a step on the stream that will record it."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with warnings.catch_warnings(), torch.cuda.stream(self._stream):
            # Capturable optimisers warn when they step outside a recording, as a warm-up must.
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
            loss = step(*inputs)
        current.wait_stream(self._stream)
        return loss

    def record(self, step: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Callable[[], Tensor]:
        """Record a step that reads ``inputs``; returns what executes it.

        The result of a replay is overwritten by the next one.

        Raises:
            RuntimeError: CUDA refused to record something in it.
        """
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            loss = step(*inputs)

        def replay() -> Tensor:
            graph.replay()
            return loss

        return replay
