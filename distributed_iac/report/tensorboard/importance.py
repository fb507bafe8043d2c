"""What a search found important, as histograms and pictures.

::

    list(epoch_importance(layout, dated))       # what the last epoch adds

* Every edge has a histogram whose bars are its operations, every node one whose bars are its
  incoming edges: in TensorBoard's offset view a choice is a ridge that rises.
* ``importance/over_time`` is the whole search as one heat-map.
* ``cell/supernet`` draws what is alive each time a further tenth of all operations is gone.

What is shown after an epoch depends on that epoch and those before it alone, so that a search
that goes on only adds to what was shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from distributed_iac.genotype import OPERATIONS, CellTopology, node_name
from distributed_iac.importance.history import EpochImportance
from distributed_iac.importance.layout import Layout
from distributed_iac.report.cell_drawing import draw_supernet
from distributed_iac.report.tensorboard.pictures import PAPER, edge_name, heat_map, rasterise
from distributed_iac.report.tensorboard.record import Record, digest, image, shares, text

EVERY_EPOCH_UNTIL, THEN_EVERY = 20, 5
"""Epochs with histograms: most happens early, and a search has 15 histograms or more."""
FIRST_MAP = 5
"""Epoch of the first heat-map; the next ones follow each time that has doubled."""
OPERATION_NUMBERS = "Bars of the histograms of operations: " + ", ".join(
    f"{i} {name}" for i, name in enumerate(OPERATIONS)
)


@dataclass(frozen=True, eq=False)
class Dated:
    """The importance of an epoch.

    Args:
        importance: Mean weights.
        at: When the epoch was over.
    """

    importance: EpochImportance
    at: float


def layout_for(importance: EpochImportance, inputs: int, nodes: int) -> Layout | None:
    """The layout of a search whose importance is all that is known of it.

    Args:
        importance: Of any epoch.
        inputs: Input nodes of a cell.
        nodes: Intermediate nodes of a cell.

    Returns:
        None if the rows do not make up whole cells.
    """
    topology = CellTopology(inputs, nodes)
    cells, rest = divmod(len(importance.edges), len(topology.edges))
    return Layout(topology, cells) if cells and not rest else None


def epoch_importance(layout: Layout, dated: Sequence[Dated]) -> Iterator[Record]:
    """Records that the last of some epochs adds to those of the epochs before.

    Args:
        layout: Of the search.
        dated: All epochs so far, at least one.
    """
    last = dated[-1]
    epoch = last.importance.epoch
    if len(dated) == 1:
        yield text("importance/bars", epoch, last.at, OPERATION_NUMBERS)
    if epoch <= EVERY_EPOCH_UNTIL or epoch % THEN_EVERY == 0:
        yield from _histograms(layout, last)
    if _doubled(epoch):
        yield map_record(layout, dated)
    if _is_drawn(dated):
        yield cell_record(layout, last)


def closing_importance(layout: Layout, dated: Sequence[Dated]) -> Iterator[Record]:
    """What is still to be shown once no epoch follows: the whole heat-map, and the last cell."""
    if not _doubled(dated[-1].importance.epoch):
        yield map_record(layout, dated)
    if not _is_drawn(dated):
        yield cell_record(layout, dated[-1])


def map_record(layout: Layout, dated: Sequence[Dated]) -> Record:
    """The heat-map of all epochs so far."""
    content = digest(*(_bytes(one) for one in dated))
    epochs = [one.importance for one in dated]

    def draw() -> bytes:
        return rasterise(heat_map(layout, epochs))

    return image("importance/over_time", epochs[-1].epoch, dated[-1].at, content, draw)


def cell_record(layout: Layout, dated: Dated) -> Record:
    """The cell as it was in an epoch."""
    weights, epoch = dated.importance.operations, dated.importance.epoch

    def draw() -> bytes:
        return rasterise(draw_supernet(layout, weights, f"in epoch {epoch}", paper=PAPER))

    return image("cell/supernet", epoch, dated.at, digest(_bytes(dated)), draw)


def _histograms(layout: Layout, dated: Dated) -> Iterator[Record]:
    importance, at = dated.importance, dated.at
    for row in range(layout.rows):
        cell, edge = layout.place(row)
        place = f"cell {cell} " if layout.cells > 1 else ""
        tag = f"operations/{place}edge {edge:02d} {edge_name(layout, edge)}"
        weights = importance.operations[row].tolist()
        yield shares(tag, importance.epoch, at, weights, OPERATION_NUMBERS)
    by_node = layout.gather(importance.edges)
    for node, (weights, real) in enumerate(zip(by_node, layout.real, strict=True)):
        cell, number = divmod(node, layout.topology.nodes)
        place = f"cell {cell} " if layout.cells > 1 else ""
        sources = range(int(real.sum()))
        names = (f"{s} {node_name(s, layout.topology.inputs)}" for s in sources)
        tag = f"edges/{place}into node {number}"
        note = f"Bars: incoming edges: {', '.join(names)}"
        yield shares(tag, importance.epoch, at, weights[real].tolist(), note)


def _doubled(epoch: int) -> bool:
    """Whether the epoch is 5, 10, 20, 40, ..."""
    ratio, rest = divmod(epoch, FIRST_MAP)
    return rest == 0 and ratio > 0 and ratio & (ratio - 1) == 0


def _is_drawn(dated: Sequence[Dated]) -> bool:
    """Whether the last epoch's cell is drawn: the first one's, and with every tenth that goes."""
    first = dated[0]
    return len(dated) == 1 or _tenths(dated[-1], first) < _tenths(dated[-2], first)


def _tenths(dated: Dated, first: Dated) -> int:
    """Tenths of the operations that were alive at first and still are, rounded up."""
    alive = int((dated.importance.operations > 0).sum())
    return -(-10 * alive // max(1, int((first.importance.operations > 0).sum())))


def _bytes(dated: Dated) -> bytes:
    importance = dated.importance
    return b"".join(
        np.ascontiguousarray(part).tobytes()
        for part in (np.array(importance.epoch), importance.operations, importance.edges)
    )
