"""A problem whose answer is known: a teacher with a planted cell labels random images.

::

    problem = plant_problem(PlantedPlan(seed=0))
    problem.genotype                     # what there is to find
    problem.images, problem.labels       # all that a search sees, with problem.backbone, frozen

A cell is planted at random: for each node two of its incoming edges, on each edge a family (conv,
pool, skip) drawn with equal chances and an operation of that family. The teacher is a frozen 2-D
U-Net with that discrete cell and random weights; its most likely class labels random images.

Chance is exact by construction, whatever a search prefers: a family is right with probability
1/3 because the planted one is drawn uniformly; a node's pair of edges with 1 / C(n, 2).

Three things make it harder. ``share``: how loudly the cells speak in the teacher; at 0 they say
nothing, the labels are the plain network's, and there is nothing to find. ``noise``: labels of a
teacher whose logits are disturbed by a smooth random field. ``patients``: how few there are.

Shapes: N slices, S x S pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import nn

from distributed_iac.cell.implant import DerivedNetwork
from distributed_iac.config.backbone import DynUnetSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.data.contract import LabelScheme
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import FAMILY, OPERATIONS, CellTopology, Genotype
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.wrapped import WrappedBackbone
from distributed_iac.seeds import derive_seed

FloatImages = NDArray[np.float32]

FAMILIES = ("conv", "pool", "skip")
SIZE = 24
"""Pixels of a slice's side."""
SLICES = 4
"""Of a patient."""
SMOOTH = (0, 0, 1.5, 1.5)
"""Standard deviation, in pixels, of what blurs the images' and the labels' noise."""
CONTRAST = 3.0
"""Standard deviation of the teacher's logits."""
TYPICAL = 24
"""Patients by whose images the teacher is balanced, so that a patient is the same however many
there are besides."""
LEAST = 6
"""Patients that leave one for every part."""
SCHEME = LabelScheme("planted", {1: "middle", 2: "high"})
BACKBONE = DynUnetSettings(base_features=8, strides=((1, 1), (2, 2), (2, 2)))
CELL = CellSettings(nodes=2, width=8, partial_channels=1, none="left_out")


@dataclass(frozen=True)
class PlantedPlan:
    """One planted problem.

    Args:
        seed: Everything is drawn from it; not negative.
        patients: To search with: half of them for weights, a third for the architecture, the
            rest to validate.
        test_patients: More of them, for the final scores alone.
        share: How loudly the cells speak, in units of the loudest: the size of what they add to
            the skips. From 0 (nothing hangs on them) to 1.
        noise: Standard deviation of what disturbs the teacher's logits, in units of theirs.

    Raises:
        ConfigError: A number is out of its range.
    """

    seed: int
    patients: int = 24
    test_patients: int = 0
    share: float = 1.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        sound = self.seed >= 0 and self.patients >= LEAST and self.test_patients >= 0
        if not (sound and 0 <= self.share <= 1 and self.noise >= 0 and isfinite(self.noise)):
            raise ConfigError(
                f"a planted problem has at least {LEAST} patients, a share from 0 to 1 and a noise "
                "of at least 0",
                came=str(self),
                remedy="correct the numbers",
            )


@dataclass(frozen=True, eq=False)
class PlantedProblem:
    """Teacher and data.

    Args:
        backbone: The frozen network, without cells.
        teacher: The same network with the planted cells.
        genotype: The planted cell.
        images: ``(N, 1, S, S)``, to be used as they are.
        labels: ``(N, S, S)``.
        patients: ``(N)`` names, slices of a patient lying together.
        parts: For each part, its patients; ``test`` only where there are any.
    """

    backbone: WrappedBackbone
    teacher: DerivedNetwork
    genotype: Genotype
    images: FloatImages
    labels: NDArray[np.uint8]
    patients: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]


def plant_problem(plan: PlantedPlan) -> PlantedProblem:
    """Build teacher and data; the same plan gives the same problem, bit for bit on one machine."""
    generator = np.random.default_rng(derive_seed(plan.seed, "planted"))
    torch_generator = torch.Generator().manual_seed(derive_seed(plan.seed, "teacher"))
    backbone = build_backbone(BACKBONE, 1, 3, seed=derive_seed(plan.seed, "backbone"))
    genotype = draw_cell(CELL.topology, generator)
    teacher = DerivedNetwork(backbone, genotype, CELL, torch_generator)
    count = plan.patients + plan.test_patients
    drawn = max(count, TYPICAL) * SLICES
    noise = generator.normal(size=(drawn, 1, SIZE, SIZE))
    images = (noise + 3 * gaussian_filter(noise, SMOOTH)).astype(np.float32)
    _strengthen(teacher, images, torch_generator, plan.share)
    _balance(teacher, images[: TYPICAL * SLICES])
    images = images[: count * SLICES]
    owners = tuple(f"p{index // SLICES:03d}" for index in range(len(images)))
    return PlantedProblem(
        backbone,
        teacher,
        genotype,
        images,
        _labels(teacher, images, plan),
        owners,
        _parts(tuple(dict.fromkeys(owners)), plan),
    )


def draw_cell(topology: CellTopology, generator: np.random.Generator) -> Genotype:
    """Draw a cell: edges uniformly, families uniformly, operations within the family."""
    nodes = []
    for target in topology.targets:
        sources = generator.choice(target, size=topology.kept_per_node(target), replace=False)
        genes = []
        for source in sources:
            family = FAMILIES[generator.integers(len(FAMILIES))]
            members = [name for name in OPERATIONS if FAMILY[name] == family]
            genes.append((int(source), members[generator.integers(len(members))]))
        nodes.append(genes)
    return Genotype.shared(topology.inputs, nodes)


@torch.no_grad()
def hanging_on_cells(problem: PlantedProblem) -> float:
    """Share of the pixels that the network without its cells would have labelled otherwise."""
    plain = problem.backbone.eval()(torch.from_numpy(problem.images)).argmax(1).numpy()
    return float((plain != problem.labels).mean())


@torch.no_grad()
def _strengthen(
    teacher: DerivedNetwork, images: FloatImages, generator: torch.Generator, share: float
) -> None:
    """Give the cell a say: random output projections, and batch statistics of these images."""
    for layer in teacher.projections.layers:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        loudest = torch.randn(weight.shape, generator=generator) * (4 / weight.shape[1]) ** 0.5
        weight.copy_(share * loudest)
    teacher.train()
    for _ in range(30):
        teacher(torch.from_numpy(images[:32]))
    teacher.eval()


@torch.no_grad()
def _balance(teacher: DerivedNetwork, images: FloatImages) -> None:
    """Rescale the head, which teacher and student share.

    So no class is rare and the labels are nearly certain: whoever has the teacher's cell can
    reproduce them exactly.
    """
    logits = teacher(torch.from_numpy(images))
    mean, spread = logits.mean((0, 2, 3)), logits.std((0, 2, 3)) / CONTRAST
    head = _head(teacher.backbone)
    assert head.bias is not None
    head.weight.div_(spread[:, None, None, None])
    head.bias.sub_(mean).div_(spread)


def _head(backbone: nn.Module) -> nn.Conv2d:
    """The convolution that computes the logits."""
    layers = [m for m in backbone.modules() if isinstance(m, nn.Conv2d)]
    return [layer for layer in layers if layer.out_channels == len(SCHEME.values)][-1]


@torch.no_grad()
def _labels(teacher: DerivedNetwork, images: FloatImages, plan: PlantedPlan) -> NDArray[np.uint8]:
    """The teacher's most likely class, its logits disturbed by a smooth field if asked for."""
    logits = teacher(torch.from_numpy(images)).numpy()
    if plan.noise:
        generator = np.random.default_rng(derive_seed(plan.seed, "label noise"))
        field = gaussian_filter(generator.normal(size=logits.shape), SMOOTH)
        logits = logits + plan.noise * CONTRAST * field / field.std()
    labels: NDArray[np.uint8] = logits.argmax(1).astype(np.uint8)
    return labels


def _parts(names: tuple[str, ...], plan: PlantedPlan) -> Mapping[str, tuple[str, ...]]:
    half, rest = plan.patients // 2, plan.patients // 2 + plan.patients // 3
    parts = {
        "weights": names[:half],
        "architecture": names[half:rest],
        "val": names[rest : plan.patients],
    }
    return parts | ({"test": names[plan.patients :]} if plan.test_patients else {})
