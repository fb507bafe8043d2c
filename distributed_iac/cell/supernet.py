"""The searched cell, computed source by source: exact, and a multiple faster than edge by edge.

::

    cell = SupernetCell(shape)
    nodes = cell([skip, decoder], operation_weights, edge_weights)      # (B, nodes * C, H, W)

It is held to :class:`~distributed_iac.cell.oracle.OracleCell` by tests, gradients included, at
every stage of pruning. What it does differently:

1. Poolings and skips depend on an edge's source alone: once for all edges that leave a node.
2. Convolutions of one kind that leave a node are one grouped convolution, and their BatchNorms are
   one, which also applies the weights ``softmax(beta)_e softmax(alpha_e)_o``.
3. The bypass is summed per node and shuffled once: shuffling is linear.
4. ``none`` is not computed.

Groups are made of what is alive: after a pruning the next pass is smaller by what was removed.
Shapes are those of :mod:`distributed_iac.cell.search_cell`; tensors inside are (B, H, W, C) in
memory, because depthwise convolutions want them so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distributed_iac.cell.grouped import (
    channels_first,
    fan_out,
    pixels_last,
    shared_norm,
    side_by_side,
    stacked_norm,
)
from distributed_iac.cell.operations import CONVOLUTIONS, POOLINGS, Pool, SeparableUnit
from distributed_iac.cell.search_cell import SearchCell
from distributed_iac.genotype import OPERATIONS

Edges = tuple[int, ...]


class SupernetCell(SearchCell):
    """A searched cell that computes together what leaves the same node."""

    def forward(
        self, inputs: Sequence[Tensor], operation_weights: Tensor, edge_weights: Tensor
    ) -> Tensor:
        """Compute the cell; see :meth:`SearchCell.forward`."""
        images = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
        weights = _Weights.of(operation_weights, edge_weights)
        topology = self.shape.topology
        states = [None if x is None else pixels_last(x) for x in self._project(images)]
        like = next(state for state in states if state is not None)
        nodes = _Nodes(like, self.shape.partial_channels)
        for source in range(topology.inputs + topology.nodes):
            if source >= topology.inputs:
                states.append(nodes.finish(source))
            state = states[source]
            if state is not None and self.structure.outgoing(source):
                self._leave(source, state, weights, nodes)
        finished = [state for state in states[topology.inputs :] if state is not None]
        return channels_first(torch.cat(finished, dim=-1))

    def _leave(self, source: int, state: Tensor, weights: _Weights, nodes: _Nodes) -> None:
        """Add what a node (B, H, W, C) sends along its live edges to the nodes at their ends."""
        edges = self.structure.outgoing(source)
        targets = [self.shape.topology.edges[edge].target for edge in edges]
        channels = self.shape.operation_channels
        if channels < self.shape.width:
            for target, part in zip(
                targets, self._bypass(state[..., channels:], edges, weights), strict=True
            ):
                nodes.bypassed[target].append(part)
        partial = state[..., :channels].contiguous()
        for members, parts in self._operations(partial, edges, weights):
            for edge, part in zip(members, parts, strict=True):
                nodes.mixed[self.shape.topology.edges[edge].target].append(part)

    def _bypass(self, bypass: Tensor, edges: Edges, weights: _Weights) -> Sequence[Tensor]:
        """Weigh the channels (B, H, W, C - P) that pass no operation, for every edge."""
        factors = torch.stack([weights.edges[edge] for edge in edges])
        weighted = torch.mm(factors.unsqueeze(1), bypass.reshape(1, -1))
        return weighted.view(-1, *bypass.shape).unbind()

    def _operations(
        self, x: Tensor, edges: Edges, weights: _Weights
    ) -> list[tuple[Edges, Sequence[Tensor]]]:
        """Weighted results (B, H, W, P) of all operations, with the edges that they belong to."""
        return self._shared(x, edges, weights) + self._convolved(x, edges, weights)

    def _shared(
        self, x: Tensor, edges: Edges, weights: _Weights
    ) -> list[tuple[Edges, Sequence[Tensor]]]:
        """Skip and poolings of (B, H, W, P), computed once, weighted for every edge."""
        features, columns = [], []
        for name in ("skip_connect", *POOLINGS):
            members = self._alive(edges, name)
            if members:
                features.append(x if name == "skip_connect" else self._pooled(x, members, name))
                columns.append(weights.column(edges, members, name))
        if not features:
            return []
        weighted = torch.mm(torch.stack(columns, dim=1), torch.stack(features).flatten(1))
        return [(edges, weighted.view(-1, *x.shape).unbind())]

    def _pooled(self, x: Tensor, members: Edges, name: str) -> Tensor:
        norms = []
        for edge in members:
            pool = self.operation(edge, name)
            assert isinstance(pool, Pool)
            norms.append(_batch_norm(pool.norm))
        return pixels_last(shared_norm(POOLINGS[name](channels_first(x)), norms))

    def _convolved(
        self, x: Tensor, edges: Edges, weights: _Weights
    ) -> list[tuple[Edges, Sequence[Tensor]]]:
        """Convolve (B, H, W, P), weighted, for every edge; kinds alive on equal edges are summed.

        Summing them while their edges still lie side by side is cheaper than edge by edge.
        """
        image = F.relu(channels_first(x))
        sums: dict[Edges, list[Tensor]] = defaultdict(list)
        for name in CONVOLUTIONS:
            members = self._alive(edges, name)
            if members:
                sums[members].append(self._convolution(image, members, name, weights))
        return [
            (members, pixels_last(_sum(parts)).unflatten(-1, (len(members), -1)).unbind(-2))
            for members, parts in sums.items()
        ]

    def _convolution(self, x: Tensor, members: Edges, name: str, weights: _Weights) -> Tensor:
        """One kind of convolution on m edges: (B, P, H, W) to (B, m P, H, W)."""
        modules = [self.operation(edge, name) for edge in members]
        scale = weights.column(members, members, name)
        for step in range(CONVOLUTIONS[name].repeats):
            units = [_unit(module, step) for module in modules]
            x = fan_out(x, units) if step == 0 else side_by_side(F.relu(x), units)
            last = step == CONVOLUTIONS[name].repeats - 1
            x = stacked_norm(x, [unit.norm for unit in units], scale if last else None)
        return x

    def _alive(self, edges: Edges, name: str) -> Edges:
        return tuple(edge for edge in edges if name in self.structure.operations[edge])


@dataclass(frozen=True)
class _Weights:
    """The weights of edges, and of their operations times the edges', as scalars.

    One ``unbind`` of each tensor, so that going back is one ``stack``.
    """

    edges: Sequence[Tensor]
    operations: Sequence[Tensor]

    @classmethod
    def of(cls, operation_weights: Tensor, edge_weights: Tensor) -> _Weights:
        product = edge_weights.unsqueeze(1) * operation_weights
        return cls(edge_weights.unbind(), product.flatten().unbind())

    def column(self, edges: Edges, alive: Edges, name: str) -> Tensor:
        """Weights of one operation on the given edges, zero where it is not alive."""
        offset = OPERATIONS.index(name)
        zero = self.operations[0].new_zeros(())
        return torch.stack(
            [
                self.operations[edge * len(OPERATIONS) + offset] if edge in alive else zero
                for edge in edges
            ]
        )


@dataclass
class _Nodes:
    """What has arrived at every node so far.

    Args:
        like: A node's tensor (B, H, W, C).
        groups: K.
        mixed: Weighted outputs of operations, each (B, H, W, P), by node.
        bypassed: Weighted bypasses, each (B, H, W, C - P), by node.
    """

    like: Tensor
    groups: int
    mixed: dict[int, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    bypassed: dict[int, list[Tensor]] = field(default_factory=lambda: defaultdict(list))

    def finish(self, node: int) -> Tensor:
        """Sum, concatenate and shuffle: (B, H, W, C)."""
        *pixels, width = self.like.shape
        channels = width // self.groups
        arrived = self.mixed[node]
        mixed = _sum(arrived) if arrived else self.like.new_zeros(*pixels, channels)
        if self.groups == 1:
            return mixed
        joined = torch.cat([mixed, _sum(self.bypassed[node])], dim=-1)
        shuffled: Tensor = joined.unflatten(-1, (self.groups, channels)).transpose(-1, -2)
        return shuffled.flatten(-2)


def _sum(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _unit(module: nn.Module, step: int) -> SeparableUnit:
    assert isinstance(module, nn.Sequential)
    unit = module[step]
    assert isinstance(unit, SeparableUnit)
    return unit


def _batch_norm(module: nn.Module) -> nn.BatchNorm2d:
    assert isinstance(module, nn.BatchNorm2d)
    return module
