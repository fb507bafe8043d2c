"""A searched cell as PC-DARTS describes it, step by step: what the supernet is compared with.

::

    cell = PlainPcDartsCell(shape)
    cell.load_state_dict(supernet.state_dict())
    cell(inputs, operation_weights, edge_weights)              # the supernet's numbers

Written from the paper (arXiv 1907.05737) in the way that research code computes it: every edge on
its own, all eight operations one after another, ``none`` as the input times zero, the bypass
concatenated and the channels shuffled on every edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distributed_iac.cell.search_cell import SearchCell
from distributed_iac.genotype import OPERATIONS


class PlainPcDartsCell(SearchCell):
    """A searched cell without any sharing between its edges."""

    def forward(
        self, inputs: Sequence[Tensor], operation_weights: Tensor, edge_weights: Tensor
    ) -> Tensor:
        """Compute the cell; see :meth:`SearchCell.forward`."""
        topology = self.shape.topology
        states = [x for x in self._project(inputs) if x is not None]
        assert len(states) == topology.inputs, "every input must be in use"
        for target in topology.targets:
            node: Tensor | int = 0
            for edge in self.structure.incoming(target):
                x = states[topology.edges[edge].source]
                node = node + edge_weights[edge] * self._mixed(edge, x, operation_weights[edge])
            assert isinstance(node, Tensor)
            states.append(node)
        return torch.cat(states[topology.inputs :], dim=1)

    def _mixed(self, edge: int, x: Tensor, weights: Tensor) -> Tensor:
        channels, groups = self.shape.operation_channels, self.shape.partial_channels
        partial, bypass = x[:, :channels], x[:, channels:]
        mixed: Tensor | int = 0
        for name in self.structure.operations[edge]:
            y = partial * 0.0 if name == "none" else self.operation(edge, name)(partial)
            mixed = mixed + weights[OPERATIONS.index(name)] * y
        assert isinstance(mixed, Tensor)
        joined = torch.cat([mixed, bypass], dim=1)
        batch, width, height, columns = joined.shape
        grouped = joined.view(batch, groups, width // groups, height, columns)
        return grouped.transpose(1, 2).contiguous().view(batch, width, height, columns)
