"""The searched cell written down edge by edge, as in PC-DARTS: slow, and plainly right.

::

    oracle = OracleCell(shape)
    oracle.load_state_dict(supernet_cell.state_dict())         # the names are the same
    oracle(inputs, operation_weights, edge_weights)

Searches use :class:`~distributed_iac.cell.supernet.SupernetCell`; tests hold it to this one.
Shapes are those of :mod:`distributed_iac.cell.search_cell`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distributed_iac.cell.search_cell import SearchCell, channel_shuffle
from distributed_iac.genotype import OPERATIONS


class OracleCell(SearchCell):
    """A searched cell that computes every operation of every edge on its own."""

    def forward(
        self, inputs: Sequence[Tensor], operation_weights: Tensor, edge_weights: Tensor
    ) -> Tensor:
        """Compute the cell; see :meth:`SearchCell.forward`."""
        states = self._project(inputs)
        topology = self.shape.topology
        for target in topology.targets:
            parts: list[Tensor] = []
            for index in self.structure.incoming(target):
                state = states[topology.edges[index].source]
                assert state is not None
                parts.append(
                    edge_weights[index] * self._mixed(index, state, operation_weights[index])
                )
            states.append(torch.stack(parts).sum(dim=0))
        return torch.cat([state for state in states[topology.inputs :] if state is not None], 1)

    def _mixed(self, edge: int, x: Tensor, weights: Tensor) -> Tensor:
        """Compute one edge: (B, C, H, W) to the same."""
        channels = self.shape.operation_channels
        partial, bypass = x[:, :channels], x[:, channels:]
        outputs = [
            weights[OPERATIONS.index(name)] * self.operation(edge, name)(partial)
            for name in self.structure.operations[edge]
        ]
        mixed = torch.cat([torch.stack(outputs).sum(dim=0), bypass], dim=1)
        return channel_shuffle(mixed, self.shape.partial_channels)
