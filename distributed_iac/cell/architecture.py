"""What a search learns about operations and edges: alpha, beta, and what is still alive.

::

    architecture = ArchitectureParameters(topology, cells=1, generator=generator)
    architecture.operation_weights()            # (cells, E, O), softmax over live operations
    architecture.edge_weights()                 # (cells, E), softmax over a node's live edges
    architecture.restrict(0, structure.without_operation(3, "none"))
    architecture.forget_dead(optimiser)         # after every removal

Shapes: E edges, O operations, in the orders of ``CellTopology.edges`` and ``OPERATIONS``. All of
it, the live mask included, is in ``state_dict``, so a saved search can be continued.

Dead entries are a fixed point of every optimiser: a removal sets alpha (or beta) to exactly 0,
its gradient is exactly 0 from then on, and :meth:`ArchitectureParameters.forget_dead` clears the
moments. With parameter, gradient and moments at 0, neither momentum nor weight decay moves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distributed_iac.cell.structure import CellStructure
from distributed_iac.errors import CheckpointError
from distributed_iac.genotype import OPERATIONS, CellTopology

INITIAL_SCALE = 1e-3
"""Standard deviation of alpha and beta at the start (DARTS and PC-DARTS code)."""


class ArchitectureParameters(nn.Module):
    """Alpha and beta of one or several cells, and the masks of what is alive.

    Args:
        topology: The graph of every cell.
        cells: Number of cells with an architecture of their own: 1 when all taps share one.
        generator: Source of the initial values.
    """

    live: Tensor

    def __init__(self, topology: CellTopology, cells: int, generator: torch.Generator) -> None:
        super().__init__()
        self.topology = topology
        edges = len(topology.edges)
        self.alpha = nn.Parameter(
            INITIAL_SCALE * torch.randn(cells, edges, len(OPERATIONS), generator=generator)
        )
        self.beta = nn.Parameter(INITIAL_SCALE * torch.randn(cells, edges, generator=generator))
        self.register_buffer("live", torch.ones(cells, edges, len(OPERATIONS), dtype=torch.bool))
        ends_in = [
            [edge.target == target for edge in topology.edges] for target in topology.targets
        ]
        self.register_buffer("_ends_in", torch.tensor(ends_in), persistent=False)
        self._ends_in: Tensor

    @property
    def cells(self) -> int:
        """Number of cells with an architecture of their own."""
        return self.alpha.shape[0]

    @property
    def structures(self) -> tuple[CellStructure, ...]:
        """What is alive, a value for each cell."""
        masks = self.live.cpu().numpy()
        return tuple(CellStructure.from_mask(self.topology, mask) for mask in masks)

    def operation_weights(self) -> Tensor:
        """Softmax of alpha over the live operations of each edge.

        Returns:
            Shape (cells, E, O). Dead operations weigh exactly 0, and so does all of a removed
            edge; no gradient reaches them.
        """
        removed = ~self.live.any(dim=-1, keepdim=True)
        scores = self.alpha.masked_fill(~(self.live | removed), -torch.inf)
        return torch.softmax(scores, dim=-1).masked_fill(removed, 0.0)

    def edge_weights(self) -> Tensor:
        """Softmax of beta over the live incoming edges of each node.

        Returns:
            Shape (cells, E); removed edges weigh exactly 0 and get no gradient.
        """
        live = self.live.any(dim=-1).unsqueeze(1) & self._ends_in
        scores = self.beta.unsqueeze(1).masked_fill(~live, -torch.inf)
        return torch.softmax(scores, dim=-1).sum(dim=1)

    @contextmanager
    def masked(self, cell: int, edge: int, operation: str) -> Iterator[None]:
        """Leave one live operation out for a while; the others' weights are renormalised.

        Raises:
            ValueError: It is not alive, or it is the edge's last.
        """
        self.structures[cell].without_operation(edge, operation)
        column = OPERATIONS.index(operation)
        self.live[cell, edge, column] = False
        try:
            yield
        finally:
            self.live[cell, edge, column] = True

    @torch.no_grad()
    def restrict(self, cell: int, structure: CellStructure) -> None:
        """Remove everything that ``structure`` no longer has.

        Raises:
            CheckpointError: It has something that was already removed here.
        """
        if not self.structures[cell].contains(structure):
            raise CheckpointError(
                "removed operations do not come back",
                came=f"a structure of cell {cell} that is not a part of the present one",
                remedy="load it into a freshly built search",
            )
        live = torch.from_numpy(structure.mask).to(self.live.device)
        self.live[cell] = live
        self.alpha[cell].masked_fill_(~live, 0.0)
        self.beta[cell].masked_fill_(~live.any(dim=-1), 0.0)

    @torch.no_grad()
    def forget_dead(self, optimiser: torch.optim.Optimizer) -> None:
        """Clear an optimiser's moments of dead entries, so that they stay where they are.

        Every state tensor of alpha's or beta's shape is cleared; step counters are left alone.
        """
        dead = {self.alpha: ~self.live, self.beta: ~self.live.any(dim=-1)}
        for parameter, mask in dead.items():
            for value in optimiser.state.get(parameter, {}).values():
                if isinstance(value, Tensor) and value.shape == mask.shape:
                    value.masked_fill_(mask, 0.0)


def beta_decay(architecture: ArchitectureParameters) -> Tensor:
    """Regularise alpha: the mean of ``logsumexp(alpha_e)`` over edges.

    From beta-DARTS (arXiv 2203.01665). Edges with a single live operation are left out: their
    softmax is 1 whatever alpha is. This is our extension, since beta-DARTS does not prune.

    Returns:
        A scalar; 0 when no edge has two live operations.
    """
    live = architecture.live
    open_edges = live.sum(dim=-1) > 1
    # Other edges are masked, not left out: how many are left would have to be waited for.
    scores = architecture.alpha.masked_fill(~live, -torch.inf)
    scores = scores.masked_fill(~open_edges.unsqueeze(-1), 0.0)
    decays = torch.logsumexp(scores, dim=-1).masked_fill(~open_edges, 0.0)
    return decays.sum() / open_edges.sum().clamp(min=1)
