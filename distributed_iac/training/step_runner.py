"""Who executes the steps of a search: one operation after the other, or a recorded graph of them.

::

    runner = choose_runner(settings.cuda_graphs, device, obstacle)
    loss = runner.run("weights", step, [*features, labels])
    runner.forget()                     # after a pruning or a load: what was recorded is void

A step is a function of tensors alone that changes parameters, buffers and optimiser state in
place and returns its loss. :class:`GraphedRunner` executes the first steps as they are, which
creates optimiser state and lets libraries settle, then records one (nothing is executed while
recording) and replays it for every further batch. So every call is one step, whoever runs it.

On a GPU an unpruned supernet is thousands of small kernels a step, and starting them takes longer
than computing them; a replay starts them all at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from distributed_iac.config.training import CudaGraphs
from distributed_iac.errors import first_line
from distributed_iac.training.optimisers import Stepping

StepName = Literal["architecture", "weights"]
Step = Callable[..., Tensor]
Replay = Callable[[], Tensor]

WARM_UP = 3
"""Steps executed before one is recorded; torch's ``make_graphed_callables`` takes 3 as well."""


class StepRunner(Protocol):
    """Executes steps.

    Laws: a call of ``run`` is one execution of the step on these inputs, and its result belongs
    to the caller; after ``forget`` nothing that was recorded before is executed.
    """

    stepping: Stepping
    """How optimisers must be built for it."""

    def run(self, name: StepName, step: Step, inputs: Sequence[Tensor]) -> Tensor:
        """Execute a step.

        Args:
            name: Which; under one name always the same step.
            step: The tensors of a batch to the loss (a scalar, detached).
            inputs: The tensors of a batch.
        """

    def forget(self) -> None:
        """Learn that the tensors which steps work on may be others from now on."""


class EagerRunner:
    """Executes steps as they are written."""

    stepping: Stepping = "eager"

    def run(self, name: StepName, step: Step, inputs: Sequence[Tensor]) -> Tensor:
        """Execute a step; see :class:`StepRunner`."""
        del name
        return step(*inputs)

    def forget(self) -> None:
        """Nothing is remembered."""


class Capture(Protocol):
    """Records steps; :class:`CudaCapture` does it, tests have one that works on any device."""

    def warm(self, step: Step, inputs: Sequence[Tensor]) -> Tensor:
        """Execute a step in the surroundings in which one will be recorded."""

    def record(self, step: Step, inputs: Sequence[Tensor]) -> Replay:
        """Record a step on these very tensors, without executing it.

        Raises:
            RuntimeError: Something in the step cannot be recorded.
        """


class CudaCapture:
    """Records steps as CUDA graphs, on a stream of its own.

    Warm-up and recording use the same stream, because libraries keep handles and workspaces by
    stream.

    Written against torch's documentation (CUDA semantics, "CUDA Graphs", whole-network capture)
    and not yet run on a GPU. What a step must keep to be recorded: no waiting for the device, no
    branch on a tensor's value, all state at fixed addresses, optimiser state that exists already,
    optimisers that are capturable with their learning rate on the device, autocast entered inside
    the step.

    Graphs do not share their memory: torch allows that to graphs that are always replayed in the
    order of their recording, and a search's two steps are not. So a recorded search needs the
    memory of both steps at once.

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


@dataclass
class _Recording:
    """A step of one name, as far as it got.

    Args:
        warmed: Steps executed so far to warm up.
        buffers: What a replay reads its inputs from.
        replay: Executes the recorded step.
    """

    warmed: int = 0
    buffers: Sequence[Tensor] = ()
    replay: Replay | None = None

    def takes(self, inputs: Sequence[Tensor]) -> bool:
        """Whether inputs have the shapes and types that were recorded."""
        return [(x.shape, x.dtype) for x in inputs] == [(x.shape, x.dtype) for x in self.buffers]


class GraphedRunner:
    """Records every step once and replays it until something changes.

    Where it cannot record it goes on as :class:`EagerRunner` would, for good, and warns once.

    Args:
        capture: Does the recording.
        obstacle: Says why steps can no longer be recorded, or None.
    """

    stepping: Stepping = "recorded"

    def __init__(self, capture: Capture, obstacle: Callable[[], str | None]) -> None:
        self.stopped: str | None = None
        self._capture = capture
        self._obstacle = obstacle
        self._recordings: dict[StepName, _Recording] = {}

    def run(self, name: StepName, step: Step, inputs: Sequence[Tensor]) -> Tensor:
        """Execute a step; see :class:`StepRunner`."""
        if self._is_stopped():
            return step(*inputs)
        recording = self._recordings.setdefault(name, _Recording())
        if recording.warmed < WARM_UP:
            recording.warmed += 1
            return self._capture.warm(step, inputs)
        if recording.replay is None:
            self._record(recording, step, inputs)
        if recording.replay is None or not recording.takes(inputs):
            return step(*inputs)
        for buffer, tensor in zip(recording.buffers, inputs, strict=True):
            buffer.copy_(tensor, non_blocking=True)
        return recording.replay().clone()

    def _record(self, recording: _Recording, step: Step, inputs: Sequence[Tensor]) -> None:
        """Record a step, unless that turns out to be impossible."""
        try:
            recording.buffers = [torch.empty_like(tensor) for tensor in inputs]
            replay = self._capture.record(step, recording.buffers)
        except RuntimeError as error:
            self._stop(f"recording failed: {first_line(error)}")
            return
        if not self._is_stopped():
            recording.replay = replay

    def _is_stopped(self) -> bool:
        """Whether nothing is recorded any more; asks for an obstacle that may have come up."""
        if self.stopped is None:
            reason = self._obstacle()
            if reason is not None:
                self._stop(reason)
        return self.stopped is not None

    def _stop(self, reason: str) -> None:
        self.stopped = reason
        self.forget()
        _warn(reason)

    def forget(self) -> None:
        """Give up everything recorded, and its memory."""
        self._recordings.clear()


def choose_runner(
    setting: CudaGraphs, device: torch.device, obstacle: Callable[[], str | None]
) -> StepRunner:
    """Choose who executes the steps, warning where the wish cannot be met.

    Args:
        setting: ``off``, or ``auto``: record where it is possible.
        device: Where the steps compute.
        obstacle: Says why steps can no longer be recorded, or None.
    """
    if setting == "off":
        return EagerRunner()
    if device.type != "cuda":
        _warn(f"the device is {device.type}, not cuda")
        return EagerRunner()
    return GraphedRunner(CudaCapture(device), obstacle)


def _warn(reason: str) -> None:
    message = (
        f"search.cuda_graphs: steps are executed one operation after the other, because {reason}"
    )
    warnings.warn(message, RuntimeWarning, stacklevel=3)
