"""The discrete cell that is retrained: two edges a node, one operation an edge.

::

    cell = DerivedCell(genotype.cell(tap), in_channels=(32, 64), width=32)
    nodes = cell([skip, decoder])                     # (B, nodes * C, H, W)

Differs from the cell of the search in: 1. operations see all channels (no partial channels, no
bypass, no shuffle); 2. BatchNorm has scale and shift, and poolings have none (DARTS); 3. a node is
the plain sum of its edges: alpha and beta chose them and are dropped (PC-DARTS).

Shapes: B batch, C width, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from distributed_iac.cell.operations import DERIVED, build_operation
from distributed_iac.cell.search_cell import edge_name, preprocess
from distributed_iac.genotype import CellGenotype


class DerivedCell(nn.Module):
    """One discrete cell.

    Args:
        genotype: Its edges and operations.
        in_channels: Channels of each of its inputs.
        width: Channels C of every node.
    """

    def __init__(self, genotype: CellGenotype, in_channels: Sequence[int], width: int) -> None:
        super().__init__()
        assert len(in_channels) == genotype.inputs
        self.genotype = genotype
        self.out_channels = width * len(genotype.nodes)
        used = {edge.source for edge, _ in genotype.genes}
        self.inputs = nn.ModuleDict(
            {
                str(index): preprocess(channels, width, DERIVED)
                for index, channels in enumerate(in_channels)
                if index in used
            }
        )
        self.edges = nn.ModuleDict(
            {
                edge_name(edge): build_operation(operation, width, DERIVED)
                for edge, operation in genotype.genes
            }
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the cell: one (B, in_channels[i], H, W) an input to (B, nodes * C, H, W)."""
        states: dict[int, Tensor] = {
            int(index): projection(inputs[int(index)]) for index, projection in self.inputs.items()
        }
        for target in self.genotype.topology.targets:
            parts = [
                self.edges[edge_name(edge)](states[edge.source])
                for edge, _ in self.genotype.genes
                if edge.target == target
            ]
            states[target] = torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
        return torch.cat([states[target] for target in self.genotype.topology.targets], 1)
