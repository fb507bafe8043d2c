"""Steps of whole implanted networks: a search with everything pruned against its discrete cell.

::

    cell = CellSettings(width=8, partial_channels=1)
    steps = network_steps(batch=4, side=48, cell=cell, discrete=structure)
    steps["search, weights"]()

Part of ``benchmarks.supernet``, which times them. A step is loss and gradients; optimisers are
left out, they cost the same everywhere. ``frozen decoder`` is what no cell can save: the encoder,
and the decoder with gradients back to its skips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distributed_iac.cell.implant import DerivedNetwork, SearchNetwork
from distributed_iac.cell.structure import CellStructure
from distributed_iac.config.backbone import BasicUnetSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.genotype import CellGenotype, Gene, Genotype
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.freeze import freeze

CLASSES = 3


class NetworkStep:
    """Forward, loss and the gradients of some parameters.

    Args:
        logits: Computes logits (B, K, H, W) of images.
        parameters: What gets gradients.
        images: Shape (B, 1, H, W).
        labels: Shape (B, H, W).
    """

    def __init__(
        self,
        logits: Callable[[Tensor], Tensor],
        parameters: Sequence[nn.Parameter],
        images: Tensor,
        labels: Tensor,
    ) -> None:
        self._logits = logits
        self._parameters = parameters
        self._images = images
        self._labels = labels

    def __call__(self) -> None:
        """Compute one step."""
        loss = F.cross_entropy(self._logits(self._images), self._labels)
        torch.autograd.grad(loss, self._parameters, materialize_grads=True)


def network_steps(
    *, batch: int, side: int, cell: CellSettings, discrete: CellStructure
) -> dict[str, Callable[[], None]]:
    """Build the steps on a small frozen U-Net with four skips.

    Args:
        batch: Images.
        side: Pixels along an image's side.
        cell: The cells of the search and of the derived network.
        discrete: One operation on two edges of each node.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 1, side, side, generator=generator)
    labels = torch.randint(CLASSES, (batch, side, side), generator=generator)

    full = SearchNetwork(_frozen_backbone(), cell, generator).train()
    pruned = SearchNetwork(_frozen_backbone(), cell, generator).train()
    pruned.restrict([discrete])
    derived = DerivedNetwork(_frozen_backbone(), _genotype(discrete), cell, generator).train()
    derived.backbone.eval()
    plain = _frozen_backbone()
    scales = [nn.Parameter(torch.ones(())) for _ in plain.taps]

    def decoder(x: Tensor) -> Tensor:
        with torch.no_grad():
            features = plain.encode(x)
        return plain.decode(features, lambda tap, skip, _: skip * scales[tap])

    work: dict[str, tuple[Callable[[Tensor], Tensor], Sequence[nn.Parameter]]] = {
        "training the discrete cell": (derived, list(derived.cell_parameters())),
        "pruned search, weights": (pruned, list(pruned.cell_parameters())),
        "pruned search, architecture": (pruned, list(pruned.architecture_parameters())),
        "full search, weights": (full, list(full.cell_parameters())),
        "full search, architecture": (full, list(full.architecture_parameters())),
        "frozen decoder": (decoder, scales),
    }
    return {
        name: NetworkStep(logits, parameters, images, labels)
        for name, (logits, parameters) in work.items()
    }


def _frozen_backbone() -> Backbone:
    backbone = build_backbone(BasicUnetSettings(features="small"), 1, CLASSES).eval()
    freeze(backbone)
    return backbone


def _genotype(structure: CellStructure) -> Genotype:
    topology = structure.topology
    nodes = [
        tuple(
            Gene(topology.edges[edge].source, structure.operations[edge][0])
            for edge in structure.incoming(target)
        )
        for target in topology.targets
    ]
    return Genotype("shared", (CellGenotype(topology.inputs, tuple(nodes)),))
