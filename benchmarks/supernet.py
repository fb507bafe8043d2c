"""How fast is the supernet cell, and does pruning pay?

::

    OMP_NUM_THREADS=1 python -m benchmarks.supernet             # about four minutes
    OMP_NUM_THREADS=1 python -m benchmarks.supernet --widths 32 --partial-channels 4 2 1
    OMP_NUM_THREADS=1 python -m benchmarks.supernet --threads 2     # on an idle machine only

Cells: one step is a forward and a backward pass through a two-input cell of four nodes, with
gradients of inputs, weights, alpha and beta, at the stages of a search: 8, 5, 3, 2 and 1 live
operations on each of 14 edges, then one on each of 8. The supernet's rivals compute the same
numbers, which is checked before the clock starts: ``oracle`` edge by edge, in both memory layouts,
and ``plain PC-DARTS`` as research code computes it (``benchmarks.plain_pcdarts``).

Networks: loss and gradients of a whole implanted network, everything pruned, against training the
same discrete cell and against the frozen decoder alone (``benchmarks.pruned_step``).

The settings are those of ``configs/search_small.yaml`` (width 8, K 1) and PC-DARTS's K 4 on two
sizes; ``--widths`` and ``--partial-channels`` ask for others. On one thread the clock is the CPU
time of the process, which a busy machine disturbs less. On more threads it is wall-clock, and on a
busy machine it measures how long threads wait for each other. Written to
``results/supernet.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import Timing, as_json, measure, print_timings, slowdown, write_result
from benchmarks.oracle_cell import OracleCell
from benchmarks.plain_pcdarts import PlainPcDartsCell
from benchmarks.pruned_step import network_steps
from distributed_iac.cell.search_cell import SearchCell, SearchCellShape
from distributed_iac.cell.structure import CellStructure
from distributed_iac.cell.supernet import SupernetCell
from distributed_iac.config.cell import CellSettings
from distributed_iac.genotype import OPERATIONS, CellTopology

TOPOLOGY = CellTopology(inputs=2, nodes=4)
REFERENCE = "supernet"
TRAINING = "training the discrete cell"
TOLERANCE = 2e-3


@dataclass(frozen=True)
class Work:
    """What one step computes on.

    Args:
        width: Channels of the cell and of its inputs.
        partial_channels: K.
        batch: Images.
        side: Pixels along an image's side.
    """

    width: int
    partial_channels: int
    batch: int
    side: int

    def __str__(self) -> str:
        size = f"{self.batch} x {self.side} x {self.side}"
        return f"width {self.width}, K {self.partial_channels}, {size}"

    def inputs(self, layout: torch.memory_format) -> list[Tensor]:
        """Two random features."""
        generator = torch.Generator().manual_seed(0)
        size = (self.batch, self.width, self.side, self.side)
        return [
            torch.randn(size, generator=generator).contiguous(memory_format=layout).requires_grad_()
            for _ in range(TOPOLOGY.inputs)
        ]


WORKS = (Work(8, 1, 4, 48), Work(16, 4, 8, 48), Work(32, 4, 8, 64))


class Step:
    """A forward and backward pass through one implementation."""

    def __init__(self, cell: SearchCell, work: Work, layout: torch.memory_format) -> None:
        generator = torch.Generator().manual_seed(1)
        edges = len(TOPOLOGY.edges)
        self.cell = cell
        self.inputs = work.inputs(layout)
        self.weights = [
            torch.rand(edges, len(OPERATIONS), generator=generator).div_(8).requires_grad_(),
            torch.rand(edges, generator=generator).div_(4).requires_grad_(),
        ]
        size = (work.batch, cell.shape.out_channels, work.side, work.side)
        self.seed = torch.randn(size, generator=generator)
        self.variables = [*self.weights, *self.inputs, *cell.parameters()]

    def __call__(self) -> Tensor:
        """Compute the cell and all its gradients; return the output."""
        output: Tensor = self.cell(self.inputs, *self.weights)
        torch.autograd.grad(output, self.variables, self.seed)
        return output


STAYING = {
    8: OPERATIONS,
    5: ("max_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_5x5"),
    3: ("skip_connect", "sep_conv_3x3", "dil_conv_5x5"),
    2: ("sep_conv_3x3", "dil_conv_5x5"),
}
"""Operations of every edge at a stage. Our choice: large convolutions stay longest, so that what is
left is not cheap."""

LAST = ("skip_connect", "sep_conv_3x3", "dil_conv_5x5")
"""Operations of a single-operation stage, in turn over the edges."""


def stages() -> dict[str, CellStructure]:
    """A search from its beginning to its end."""
    edges = len(TOPOLOGY.edges)
    last = [(LAST[edge % len(LAST)],) for edge in range(edges)]
    kept = {edge for target in TOPOLOGY.targets for edge in TOPOLOGY.incoming(target)[-2:]}
    return {
        **{
            f"{count} operations, {edges} edges": CellStructure(TOPOLOGY, (names,) * edges)
            for count, names in STAYING.items()
        },
        f"1 operation, {edges} edges": CellStructure(TOPOLOGY, tuple(last)),
        f"1 operation, {len(kept)} edges": CellStructure(
            TOPOLOGY, tuple(one if edge in kept else () for edge, one in enumerate(last))
        ),
    }


def candidates(work: Work, structure: CellStructure) -> dict[str, Callable[[], Tensor]]:
    """The implementations, with the same weights."""
    shape = SearchCellShape(TOPOLOGY, (work.width,) * 2, work.width, work.partial_channels)
    fast = SupernetCell(shape, structure)

    def rival(cell: type[SearchCell], layout: torch.memory_format) -> Step:
        plain = cell(shape, structure)
        plain.load_state_dict(fast.state_dict())
        return Step(plain, work, layout)

    return {
        REFERENCE: Step(fast, work, torch.contiguous_format),
        "oracle": rival(OracleCell, torch.contiguous_format),
        "oracle channels_last": rival(OracleCell, torch.channels_last),
        "plain PC-DARTS": rival(PlainPcDartsCell, torch.contiguous_format),
    }


def check_equal_work(steps: dict[str, Callable[[], Tensor]]) -> None:
    """Make sure that all compute the same output, up to single precision."""
    reference = steps[REFERENCE]()
    for name, step in steps.items():
        worst = float((step() - reference).detach().abs().max())
        if worst > TOLERANCE:
            raise ValueError(f"{name} is off by {worst}")


def clock() -> Callable[[], float]:
    """CPU time of the process on one thread, wall-clock on more."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def time_cells(work: Work, stage: str, repetitions: int) -> dict[str, Any]:
    """Time the implementations of a cell at one stage."""
    structure = stages()[stage]
    steps = candidates(work, structure)
    check_equal_work(steps)
    timings = measure(steps, repetitions=repetitions, clock=clock())
    print_timings(f"{work}, {stage}", timings, reference=REFERENCE)
    return {
        "timings": as_json(timings, REFERENCE),
        "speed_up": {
            name: vars(slowdown(timing, timings[REFERENCE]))
            for name, timing in timings.items()
            if name != REFERENCE
        },
        "live_operations": structure.live_operations,
        "op_evaluations": structure.op_evaluations,
    }


def time_networks(work: Work, repetitions: int) -> dict[str, Any]:
    """Time steps of whole networks; the cells' width is the work's."""
    *_, discrete = stages().values()
    steps = network_steps(
        batch=work.batch,
        side=work.side,
        cell=CellSettings(width=work.width, partial_channels=work.partial_channels),
        discrete=discrete,
    )
    timings: dict[str, Timing] = measure(steps, repetitions=repetitions, clock=clock())
    print_timings(f"network: {work}", timings, reference=TRAINING)
    return as_json(timings, TRAINING)


def run(works: list[Work], repetitions: int) -> dict[str, Any]:
    """Measure everything; returns JSON-able results."""
    return {
        "cells": {
            str(work): {stage: time_cells(work, stage, repetitions) for stage in stages()}
            for work in works
        },
        "networks": {str(work): time_networks(work, repetitions) for work in works},
    }


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--widths", type=int, nargs="+")
    parser.add_argument("--partial-channels", type=int, nargs="+", default=[4])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    works = [
        Work(width, k, chosen.batch, chosen.side)
        for width in chosen.widths or ()
        for k in chosen.partial_channels
    ]
    settings = {
        "works": [str(work) for work in works or WORKS],
        "repetitions": chosen.repetitions,
        "threads": chosen.threads,
    }
    results = run(works or list(WORKS), chosen.repetitions)
    name = "supernet" if chosen.threads == 1 else f"supernet_{chosen.threads}_threads"
    print(write_result(name, settings=settings, results=results, packages=("torch",)))


if __name__ == "__main__":
    main()
