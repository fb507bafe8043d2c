"""The searched cell, computed node by node: exact, and a multiple faster than edge by edge.

::

    cell = SupernetCell(shape)
    nodes = cell([skip, decoder], operation_weights, edge_weights)      # (B, nodes * C, H, W)

Tests hold it to the cell written edge by edge (``benchmarks.oracle_cell``), gradients included, at
every stage of pruning. What it does differently:

1. Poolings and skips depend on an edge's source alone: once for all edges that leave a node.
2. Convolutions of one kind that leave a node are one convolution, dense where that is faster, and
   their BatchNorms are one, which also applies the weights
   ``softmax(beta)_e softmax(alpha_e)_o``.
3. Bypass and shuffle are linear: one product with a C x C matrix for each edge, summed on the way.
4. ``none`` is not computed.
5. Weights are gathered, and running statistics moved, once a pass.

What is computed together is planned when the structure changes
(:class:`~distributed_iac.cell.cell_plan.CellPlan`), from what is alive: after a pruning the next
pass is smaller by what was removed. Shapes are those of
:mod:`distributed_iac.cell.search_cell`; tensors inside are (B, H, W, C) in memory, because the
kernels for few channels want them so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from distributed_iac.cell.cell_plan import CellPlan, Convolutions, Departure
from distributed_iac.cell.grouped import channels_first, fan_out, pixels_last, side_by_side
from distributed_iac.cell.operations import POOLINGS
from distributed_iac.cell.search_cell import SearchCell
from distributed_iac.cell.statistics import Statistics


class SupernetCell(SearchCell):
    """A searched cell that computes together what leaves the same node."""

    _plan: CellPlan | None = None

    def forward(
        self, inputs: Sequence[Tensor], operation_weights: Tensor, edge_weights: Tensor
    ) -> Tensor:
        """Compute the cell; see :meth:`SearchCell.forward`."""
        images = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
        states = [None if x is None else pixels_last(x) for x in self._project(images)]
        run = _Pass(self, self._planned(edge_weights), operation_weights, edge_weights)
        return channels_first(torch.cat(run.nodes(states), dim=-1))

    def _planned(self, like: Tensor) -> CellPlan:
        if self._plan is None or not self._plan.fits(self, like):
            # Also made for later passes, which may need gradients.
            with torch.inference_mode(mode=False):
                self._plan = CellPlan.of(self, like)
        return self._plan


class _Pass:
    """One pass through a cell.

    Args:
        cell: The cell.
        plan: Its plan.
        operation_weights: Shape (E, O).
        edge_weights: Shape (E,).
    """

    def __init__(
        self, cell: SearchCell, plan: CellPlan, operation_weights: Tensor, edge_weights: Tensor
    ) -> None:
        self._plan = plan
        self._channels = cell.shape.operation_channels
        self._bypassing = cell.shape.partial_channels > 1
        self._bypasses = (edge_weights.view(-1, 1, 1) * plan.bypass).unbind()
        self._weights = iter(plan.weights(operation_weights, edge_weights))
        self._statistics = Statistics(plan.norms, self._channels)
        self._mixed: dict[int, list[Tensor]] = defaultdict(list)
        self._bypassed: dict[int, Tensor] = {}

    def nodes(self, inputs: Sequence[Tensor | None]) -> list[Tensor]:
        """Compute all nodes (B, H, W, C) from the inputs that are in use, alike."""
        states = list(inputs)
        like = next(x for x in inputs if x is not None)
        for node, departure in enumerate(self._plan.departures):
            if node >= len(inputs):
                states.append(self._finish(node, like))
            state = states[node]
            if state is not None and departure.edges:
                self._leave(departure, state)
        self._statistics.move()
        return [state for state in states[len(inputs) :] if state is not None]

    def _finish(self, node: int, like: Tensor) -> Tensor:
        """Sum what has arrived at a node: (B, H, W, C)."""
        arrived = self._mixed[node]
        if not self._bypassing:
            return _sum(arrived) if arrived else torch.zeros_like(like)
        rows = self._bypassed[node]
        if arrived:
            mixed = _sum(arrived).reshape(-1, self._channels)
            rows = torch.addmm(rows, mixed, self._plan.place)
        return rows.view_as(like)

    def _leave(self, departure: Departure, state: Tensor) -> None:
        """Add what a node (B, H, W, C) sends along its live edges to the nodes at their ends."""
        if self._bypassing:
            self._bypass(departure, state.reshape(-1, state.shape[-1]))
        partial = state[..., : self._channels].contiguous()
        if departure.shared:
            for target, part in zip(
                departure.targets, self._shared(departure, partial), strict=True
            ):
                self._mixed[target].append(part)
        image = F.relu(channels_first(partial))
        for targets, kinds in departure.convolutions.items():
            for target, part in zip(targets, self._convolved(image, kinds), strict=True):
                self._mixed[target].append(part)

    def _bypass(self, departure: Departure, rows: Tensor) -> None:
        """Send the channels that pass no operation, weighted and shuffled, from rows (BHW, C)."""
        for edge, target in zip(departure.edges, departure.targets, strict=True):
            arrived = self._bypassed.get(target)
            matrix = self._bypasses[edge]
            self._bypassed[target] = (
                torch.mm(rows, matrix) if arrived is None else torch.addmm(arrived, rows, matrix)
            )

    def _shared(self, departure: Departure, x: Tensor) -> Sequence[Tensor]:
        """Skip and poolings of (B, H, W, P), computed once, weighted and summed for every edge."""
        features = [self._feature(name, x, departure) for name in departure.shared]
        weights = next(self._weights).view(len(departure.edges), -1)
        weighted = torch.mm(weights, torch.stack(features).flatten(1))
        return weighted.view(-1, *x.shape).unbind()

    def _feature(self, name: str, x: Tensor, departure: Departure) -> Tensor:
        if name not in departure.pooled:
            return x
        pooled = POOLINGS[name](channels_first(x))
        return pixels_last(self._statistics.norm(pooled, [departure.pooled[name]]))

    def _convolved(self, x: Tensor, kinds: Sequence[Convolutions]) -> Sequence[Tensor]:
        """Convolutions of (B, P, H, W) on equal edges, weighted, summed over kinds for each edge.

        Summing them while their edges still lie side by side is cheaper than edge by edge.
        """
        total = pixels_last(_sum([self._convolution(x, kind) for kind in kinds]))
        parts: Sequence[Tensor] = total.unflatten(-1, (-1, self._channels)).unbind(-2)
        return parts

    def _convolution(self, x: Tensor, kind: Convolutions) -> Tensor:
        """One kind of convolution on m edges, weighted: (B, P, H, W) to (B, m P, H, W)."""
        weights = next(self._weights)
        first, *others = kind.steps
        x = fan_out(x, first)
        for before, units in zip(kind.steps, others, strict=False):
            x = F.relu(self._statistics.norm(x, [(unit.norm,) for unit in before]))
            x = side_by_side(x, units)
        return self._statistics.norm(x, [(unit.norm,) for unit in kind.steps[-1]], weights)


def _sum(parts: Sequence[Tensor]) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    total = parts[0] + parts[1]
    for part in parts[2:]:
        total += part
    return total
