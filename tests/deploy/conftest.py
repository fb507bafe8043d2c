"""Two stores from phantoms, and networks for them with weights off their initial values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from distributed_iac.cell.implant import DerivedNetwork
from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.config.backbone import BackboneSettings, BasicUnetSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Source
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.store import Store
from distributed_iac.data.targets import output_values
from distributed_iac.deploy import Model, export_model, load_model
from distributed_iac.genotype import Genotype
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.phantom import FormatName, make_phantom

BACKBONE = BasicUnetSettings(features=(4, 4, 8, 8, 16, 4))
CELL = CellSettings(nodes=2, partial_channels=2)
BATCH = 4

PREPROCESS = {
    "acdc": PreprocessSettings(spacing=(2.3, 1.9), patch=(48, 64), workers=1),  # resampled
    "brats": PreprocessSettings(workers=1),  # four channels, regions, crop on what is not zero
    "kits": PreprocessSettings(spacing=(2.9, 3.3), patch=(64, 64), workers=1),  # CT, slices first
    "amos": PreprocessSettings(patch=(64, 64), workers=1),  # CT and MR, reversed axes
}


@dataclass(frozen=True)
class Trained:
    """A store, the source it was made of, and a network as training leaves it behind."""

    source: Source
    store: Store
    network: nn.Module
    backbone: BackboneSettings
    cell: CellSettings
    genotype: Genotype | None

    def export(self, folder: Path) -> Model:
        export_model(
            folder,
            backbone=self.backbone,
            weights=self.network.state_dict(),
            cell=self.cell,
            genotype=self.genotype,
            fingerprint=self.store.fingerprint,
            provenance={"run": "demo", "val_dice": 0.5},
        )
        return load_model(folder, device="cpu", batch_size=BATCH)


Train = Callable[..., Trained]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _moved(network: nn.Module) -> nn.Module:
    """Move every number, so that cells add something and no output is constant."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                noise = 0.1 * torch.randn(tensor.shape, generator=generator)
                tensor.add_(noise.abs() if name.endswith("running_var") else noise)
    return network


@pytest.fixture(scope="session")
def stores(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[FormatName], tuple[Source, Store]]:
    """Prepare a phantom of a format once."""
    made: dict[FormatName, tuple[Source, Store]] = {}

    def make(name: FormatName) -> tuple[Source, Store]:
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            make_phantom(name, root / "raw", patients=6, seed=0, size="tiny")
            source = read_source(root / "raw")
            prepare_store(source, name, PREPROCESS[name], SplitSettings(), root / "store")
            made[name] = source, Store.open(root / "store")
        return made[name]

    return make


@pytest.fixture(scope="session")
def trained(stores: Callable[[FormatName], tuple[Source, Store]]) -> Train:
    """A network for a phantom, with cells or plain."""

    def make(
        name: FormatName = "acdc",
        *,
        kind: str = "cells",
        backbone: BackboneSettings = BACKBONE,
    ) -> Trained:
        source, store = stores(name)
        facts = store.fingerprint
        net: nn.Module = build_backbone(
            backbone,
            len(facts.channel_names),
            len(output_values(facts.labels)),
            Fingerprint2d(facts.recipe.patch, facts.recipe.spacing),
        )
        genotype = None
        if kind == "cells":
            genotype = random_genotype(CELL.topology, np.random.default_rng(0))
            net = DerivedNetwork(net, genotype, CELL, torch.Generator().manual_seed(0))
        return Trained(source, store, _moved(net), backbone, CELL, genotype)

    return make


@pytest.fixture
def batch_size() -> int:
    return BATCH
