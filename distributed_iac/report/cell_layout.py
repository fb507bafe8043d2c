"""Where the nodes of a drawn cell lie and how its edges run: geometry without any drawing.

::

    layout = CellLayout(CellTopology(2, 4))
    layout.nodes                                   # (nodes, 2) positions, left to right
    layout.curve(Edge(0, 5), offset=0.0)           # (P, 2) points from border to border

Intermediate nodes stand on a line. The skip feature enters from above and the decoder feature
from below, so that their edges run over and under the nodes in between; edges between
intermediate nodes that are not neighbours pass above or below by turns. An edge with several
operations is a bundle: its strands leave and arrive together and are apart in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from distributed_iac.genotype import CellTopology, Edge
from distributed_iac.importance.arrays import FloatArray

RADIUS = 0.24
"""Of a node, in units of the distance between neighbours (1.6)."""
STEP = 1.6
GAP = 0.04
"""Between an arrow's tip and the node that it points to."""
POINTS = 200


@dataclass(frozen=True)
class CellLayout:
    """Positions in data units; the line of intermediate nodes is y = 0.

    Args:
        topology: Graph of the cell.
    """

    topology: CellTopology

    @cached_property
    def nodes(self) -> FloatArray:
        """``(inputs + nodes, 2)`` centres."""
        inputs, count = self.topology.inputs, self.topology.nodes
        heights = np.linspace(1.1, -1.1, inputs) if inputs > 1 else np.array([1.1])
        left = np.stack([np.zeros(inputs), heights], axis=1)
        line = np.stack([STEP * np.arange(1, count + 1), np.zeros(count)], axis=1)
        return np.concatenate([left, line])

    @property
    def output(self) -> tuple[float, float]:
        """Centre of the output."""
        return STEP * (self.topology.nodes + 1) + 0.15, 0.0

    def curve(self, edge: Edge, offset: float = 0.0) -> FloatArray:
        """Points of a strand from the border of its source to that of its target.

        All strands of an edge meet at both borders.

        Args:
            edge: An edge of the topology.
            offset: Distance from the bundle's middle, at its widest.
        """
        t = np.linspace(0, 1, POINTS)[:, None]
        start, stop = self.nodes[edge.source], self.nodes[edge.target]
        first, second = self._controls(edge)
        points = (
            (1 - t) ** 3 * start
            + 3 * (1 - t) ** 2 * t * first
            + 3 * (1 - t) * t**2 * second
            + t**3 * stop
        )
        outside = np.linalg.norm(points - start, axis=1) >= RADIUS
        outside &= np.linalg.norm(points - stop, axis=1) >= RADIUS + GAP
        middle: FloatArray = points[outside]
        slope = np.gradient(middle, axis=0)
        normal = np.stack([-slope[:, 1], slope[:, 0]], axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        spread = np.sin(np.linspace(0, np.pi, len(middle)))[:, None] ** 0.6
        shift: FloatArray = offset * spread * normal
        return middle + shift

    def _controls(self, edge: Edge) -> tuple[FloatArray, FloatArray]:
        """The two inner control points of an edge's Bézier curve."""
        start, stop = self.nodes[edge.source], self.nodes[edge.target]
        run = stop[0] - start[0]
        if edge.source < self.topology.inputs:
            side = 1.0 if start[1] >= 0 else -1.0
            hops = edge.target - self.topology.inputs
            lift = side * (abs(start[1]) + 0.68 * hops)
            if hops == 0:
                return start + np.array([0.5 * run, 0.0]), stop - np.array([0.35 * run, 0.0])
            return np.array([start[0] + 0.22 * run, lift]), np.array([stop[0] - 0.12 * run, lift])
        hops = edge.target - edge.source - 1
        if hops == 0:
            return start + np.array([run / 3, 0.0]), stop - np.array([run / 3, 0.0])
        side = 1.0 if (edge.source - self.topology.inputs) % 2 == 0 else -1.0
        lift = side * (0.30 + 0.62 * hops)
        return np.array([start[0] + 0.16 * run, lift]), np.array([stop[0] - 0.16 * run, lift])
