"""How much faster is the grouped supernet cell than the same cell edge by edge?

::

    OMP_NUM_THREADS=1 python -m benchmarks.supernet             # about four minutes
    OMP_NUM_THREADS=1 python -m benchmarks.supernet --widths 16 --repetitions 3

One step is a forward and a backward pass through a two-input cell of four nodes, with gradients of
inputs, weights, alpha and beta. The plain cell is timed in both memory layouts, ``oracle`` in
torch's default one. Three stages of a search are timed: everything alive, three operations an
edge, and two edges a node with one operation each. Both cells compute the same numbers; that is
checked before the clock starts. Written to ``results/supernet.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import as_json, measure, print_timings, slowdown, write_result
from distributed_iac.cell.oracle import OracleCell
from distributed_iac.cell.search_cell import SearchCell, SearchCellShape
from distributed_iac.cell.structure import CellStructure
from distributed_iac.cell.supernet import SupernetCell
from distributed_iac.genotype import OPERATIONS, CellTopology

TOPOLOGY = CellTopology(inputs=2, nodes=4)
REFERENCE = "supernet"
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


def stages() -> dict[str, CellStructure]:
    """A search at its beginning, in its middle and at its end."""
    full = CellStructure.full(TOPOLOGY)
    kept = ("skip_connect", "sep_conv_3x3", "dil_conv_5x5")
    middle = CellStructure(TOPOLOGY, (kept,) * len(TOPOLOGY.edges))
    discrete = [
        (kept[edge % 3],) if edge in TOPOLOGY.incoming(target)[-2:] else ()
        for edge, (_, target) in enumerate(TOPOLOGY.edges)
    ]
    return {
        "8 operations": full,
        "3 operations": middle,
        "discrete": CellStructure(TOPOLOGY, tuple(discrete)),
    }


def candidates(work: Work, structure: CellStructure) -> dict[str, Callable[[], Tensor]]:
    """The implementations, with the same weights."""
    shape = SearchCellShape(TOPOLOGY, (work.width,) * 2, work.width, work.partial_channels)
    fast = SupernetCell(shape, structure)
    plain = [OracleCell(shape, structure) for _ in range(2)]
    for cell in plain:
        cell.load_state_dict(fast.state_dict())
    return {
        REFERENCE: Step(fast, work, torch.contiguous_format),
        "oracle": Step(plain[0], work, torch.contiguous_format),
        "oracle channels_last": Step(plain[1], work, torch.channels_last),
    }


def check_equal_work(steps: dict[str, Callable[[], Tensor]]) -> None:
    """Make sure that all compute the same output, up to single precision."""
    reference = steps[REFERENCE]()
    for name, step in steps.items():
        worst = float((step() - reference).detach().abs().max())
        if worst > TOLERANCE:
            raise ValueError(f"{name} is off by {worst}")


def run(works: list[Work], repetitions: int) -> dict[str, Any]:
    """Measure everything; returns JSON-able results."""
    results: dict[str, Any] = {}
    for work in works:
        for stage, structure in stages().items():
            steps = candidates(work, structure)
            check_equal_work(steps)
            timings = measure(steps, repetitions=repetitions)
            title = f"{work}, {stage}"
            print_timings(title, timings, REFERENCE)
            results[title] = {
                "timings": as_json(timings, REFERENCE),
                "speed_up": vars(slowdown(timings["oracle"], timings[REFERENCE])),
                "op_evaluations": structure.op_evaluations,
            }
    return results


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--partial-channels", type=int, nargs="+", default=[4, 1])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=7)
    chosen = parser.parse_args(arguments)
    works = [
        Work(width, k, chosen.batch, chosen.side)
        for width in chosen.widths
        for k in chosen.partial_channels
    ]
    results = run(works, chosen.repetitions)
    print(write_result("supernet", settings=vars(chosen), results=results, packages=("torch",)))


if __name__ == "__main__":
    main()
