"""Cells implanted into the skip connections of a backbone: for the search, and discrete.

::

    network = SearchNetwork(backbone, settings, generator)
    logits = network(images)                         # at step 0 exactly the plain backbone's
    network.restrict(structures)                     # prune: modules are gone for good
    network.relax()                                  # K for what is left, if the settings say so

    network = DerivedNetwork(backbone, genotype, settings, generator)

Every tap has a cell of its own weights. Its output nodes are concatenated, brought back to the
skip's channels by a 1 x 1 convolution that starts at zero, and added to the skip: an implanted
network equals the trained one until it has learned something (our choice; ``residual: replace``
is without that promise).

Shapes: B batch, C channels, K outputs, H x W pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distributed_iac.cell.architecture import ArchitectureParameters
from distributed_iac.cell.derived import DerivedCell
from distributed_iac.cell.growth import Growth
from distributed_iac.cell.search_cell import SearchCell, SearchCellShape, input_channels
from distributed_iac.cell.structure import CellStructure
from distributed_iac.cell.supernet import SupernetCell
from distributed_iac.config.cell import CellSettings, Residual
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import Genotype, GenotypeScope
from distributed_iac.nets.contract import Backbone, Features, Tap
from distributed_iac.nets.freeze import freeze
from distributed_iac.seeds import derive_seed


class Projections(nn.Module):
    """The way back from every cell's nodes to its skip connection.

    Args:
        taps: The skip connections.
        widths: Channels of the concatenated nodes at each tap.
        residual: Whether the result is added to the skip or takes its place.
    """

    def __init__(self, taps: Sequence[Tap], widths: Sequence[int], residual: Residual) -> None:
        super().__init__()
        self.residual = residual
        self.layers = nn.ModuleList(
            nn.Conv2d(width, tap.channels, 1) for tap, width in zip(taps, widths, strict=True)
        )
        if residual == "add":
            for parameter in self.layers.parameters():
                nn.init.zeros_(parameter)

    def forward(self, tap: int, skip: Tensor, nodes: Tensor) -> Tensor:
        """Join a cell's nodes (B, width, H, W) with the skip (B, C, H, W)."""
        output: Tensor = self.layers[tap](nodes)
        # The skip comes first: a sum takes the memory layout of its first operand, so the decoder
        # chooses the kernels that it chooses without cells, and step 0 is equal to the bit.
        return skip + output if self.residual == "add" else output


class SearchNetwork(nn.Module):
    """A frozen backbone with a supernet cell at every tap.

    Args:
        backbone: Trained; frozen here, and kept in evaluation mode whatever ``train`` is told.
        settings: The cells.
        generator: Source of alpha, beta and the cells' initial weights.
        cell: Which implementation computes the cells.
    """

    def __init__(
        self,
        backbone: Backbone,
        settings: CellSettings,
        generator: torch.Generator,
        cell: type[SearchCell] = SupernetCell,
    ) -> None:
        super().__init__()
        freeze(backbone)
        self.backbone = backbone
        self.scope: GenotypeScope = settings.genotype_scope
        self.candidates = settings.candidates
        self._settings = settings
        self._growth_seed = generator.initial_seed()
        taps = require_taps(backbone)
        shapes = [_shape(tap, settings) for tap in taps]
        count = 1 if self.scope == "shared" else len(taps)
        self.architecture = ArchitectureParameters(settings.topology, count, generator)
        with seeded_by(generator):
            self.cells = nn.ModuleList(cell(shape) for shape in shapes)
            self.projections = Projections(
                taps, [shape.out_channels for shape in shapes], settings.residual
            )
        start = CellStructure.full(settings.topology, settings.candidates)
        self.restrict([start] * count)

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits (B, K, H, W) of images (B, C, H, W)."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def encode(self, x: Tensor) -> Features:
        """Compute the frozen encoder's features of images (B, C, H, W)."""
        return self.backbone.encode(x)

    def decode(self, features: Features) -> Tensor:
        """Compute logits (B, K, H, W) of features, through the cells."""
        operations = self.architecture.operation_weights()
        edges = self.architecture.edge_weights()

        def implant(tap: int, skip: Tensor, decoder: Tensor) -> Tensor:
            index = self._architecture_of(tap)
            cell = self.cells[tap]
            assert isinstance(cell, SearchCell)
            inputs = _inputs(cell.shape.topology.inputs, skip, decoder)
            nodes: Tensor = cell(inputs, operations[index], edges[index])
            joined: Tensor = self.projections(tap, skip, nodes)
            return joined

        return self.backbone.decode(features, implant)

    def _architecture_of(self, tap: int) -> int:
        return 0 if self.scope == "shared" else tap

    @property
    def cells_per_architecture(self) -> int:
        """How many cells are computed with each set of alpha and beta."""
        return len(self.cells) // self.architecture.cells

    @property
    def op_evaluations(self) -> int:
        """Operations that one forward pass executes over all cells; ``none`` executes nothing."""
        structures = self.architecture.structures
        return self.cells_per_architecture * sum(one.op_evaluations for one in structures)

    def cell_parameters(self) -> Iterator[nn.Parameter]:
        """Weights of the cells and their projections: what the weight step trains."""
        yield from self.cells.parameters()
        yield from self.projections.parameters()

    def architecture_parameters(self) -> Iterator[nn.Parameter]:
        """Alpha and beta."""
        return self.architecture.parameters()

    def restrict(self, structures: Sequence[CellStructure]) -> None:
        """Prune architecture and cells to what is still alive, one structure an architecture.

        Raises:
            CheckpointError: A structure has something that was already removed here.
        """
        assert len(structures) == self.architecture.cells
        for index, structure in enumerate(structures):
            self.architecture.restrict(index, structure)
        for tap, cell in enumerate(self.cells):
            assert isinstance(cell, SearchCell)
            cell.restrict(structures[self._architecture_of(tap)])

    def relax(self) -> list[Growth]:
        """Bring every cell's K to what the settings give it at what is alive now.

        New weights depend on the generator's seed, the tap and K alone, so that a search that was
        interrupted grows the weights of one that was not.

        Returns:
            The weights that were replaced by larger ones; none where K stays.
        """
        growth: list[Growth] = []
        for tap, cell in enumerate(self.cells):
            assert isinstance(cell, SearchCell)
            partial = self._settings.partial_channels_at(cell.structure.live_operations)
            if partial < cell.shape.partial_channels:
                seed = derive_seed(self._growth_seed, "relax", tap, partial)
                with seeded_by(torch.Generator().manual_seed(seed)):
                    growth += cell.relax(partial)
        return growth

    @property
    def partial_channels(self) -> int:
        """K of the cells now; the largest, where they differ."""
        return max(
            cell.shape.partial_channels for cell in self.cells if isinstance(cell, SearchCell)
        )

    def search_state(self) -> dict[str, Tensor]:
        """The ``state_dict`` without the frozen backbone, which no search changes."""
        return {name: value for name, value in self.state_dict().items() if _is_searched(name)}

    def load_search_state(self, state: Mapping[str, Tensor]) -> None:
        """Load :meth:`search_state`, pruning and relaxing to what it was taken from.

        Raises:
            CheckpointError: This network has already lost something that the state still has.
        """
        live = state["architecture.live"].cpu().numpy()
        topology = self.architecture.topology
        self.restrict([CellStructure.from_mask(topology, mask) for mask in live])
        self.relax()
        frozen = {name: v for name, v in self.state_dict().items() if not _is_searched(name)}
        self.load_state_dict({**frozen, **state})


class ImplantedNetwork(nn.Module, ABC):
    """A backbone with something at every tap that is trained on labels.

    Subclasses fill ``cells``, one module a tap, and ``projections``.

    Args:
        backbone: Trained; what of it is frozen is the caller's choice.
    """

    cells: nn.ModuleList
    projections: Projections

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    @abstractmethod
    def _nodes(self, tap: int, skip: Tensor, decoder: Tensor) -> Tensor:
        """What is computed at a tap, (B, width, H, W)."""

    def _implant(self, tap: int, skip: Tensor, decoder: Tensor) -> Tensor:
        joined: Tensor = self.projections(tap, skip, self._nodes(tap, skip, decoder))
        return joined

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits (B, K, H, W) of images (B, C, H, W)."""
        return self.backbone.decode(self.backbone.encode(x), self._implant)

    def training_outputs(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return logits at every scale that the backbone supervises, finest first."""
        return self.backbone.training_outputs(x, self._implant)

    def cell_parameters(self) -> Iterator[nn.Parameter]:
        """Weights of what is implanted and of its projections."""
        yield from self.cells.parameters()
        yield from self.projections.parameters()


class DerivedNetwork(ImplantedNetwork):
    """A backbone with a discrete cell at every tap.

    Args:
        backbone: Trained; what of it is frozen is the caller's choice.
        genotype: The cells.
        settings: Width and way of joining; the search's own settings are not used.
        generator: Source of the cells' initial weights.

    Raises:
        ConfigError: The genotype does not fit the settings or the number of taps.
    """

    def __init__(
        self,
        backbone: Backbone,
        genotype: Genotype,
        settings: CellSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(backbone)
        self.genotype = genotype
        taps = require_taps(backbone)
        _require_fit(genotype, settings, len(taps))
        with seeded_by(generator):
            self.cells = nn.ModuleList(
                DerivedCell(
                    genotype.cell(index),
                    input_channels(tap, settings),
                    settings.width_for(tap.channels),
                )
                for index, tap in enumerate(taps)
            )
            widths = [
                len(genotype.cell(i).nodes) * settings.width_for(t.channels)
                for i, t in enumerate(taps)
            ]
            self.projections = Projections(taps, widths, settings.residual)

    def _nodes(self, tap: int, skip: Tensor, decoder: Tensor) -> Tensor:
        inputs = _inputs(self.genotype.cell(tap).inputs, skip, decoder)
        nodes: Tensor = self.cells[tap](inputs)
        return nodes


@contextmanager
def seeded_by(generator: torch.Generator) -> Iterator[None]:
    """Run torch's default initialisers from a generator, and leave the global one alone."""
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def require_taps(backbone: Backbone) -> tuple[Tap, ...]:
    """The skips of a backbone, deepest first.

    Raises:
        ConfigError: It has none.
    """
    if not backbone.taps:
        raise ConfigError("a backbone needs skip connections to implant cells into", came="none")
    return backbone.taps


def _inputs(count: int, skip: Tensor, decoder: Tensor) -> list[Tensor]:
    return [skip, decoder][:count]


def _shape(tap: Tap, settings: CellSettings) -> SearchCellShape:
    return SearchCellShape(
        settings.topology,
        input_channels(tap, settings),
        settings.width_for(tap.channels),
        settings.partial_channels,
    )


def _is_searched(name: str) -> bool:
    return not name.startswith("backbone.")


def _require_fit(genotype: Genotype, settings: CellSettings, taps: int) -> None:
    if genotype.scope == "per_skip" and len(genotype.cells) != taps:
        raise ConfigError(
            f"a per_skip genotype for this backbone has {taps} cells", came=len(genotype.cells)
        )
    inputs = settings.topology.inputs
    if any(cell.inputs != inputs for cell in genotype.cells):
        raise ConfigError(
            f"cell.inputs: {settings.inputs} needs a genotype of {inputs}-input cells",
            came=genotype.describe(),
            remedy="use the cell settings that the genotype was searched with",
        )
