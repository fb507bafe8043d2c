"""All stages of one data set and backbone, built from the configuration.

::

    group = Group.open(config, config.data[0], config.backbones[0])
    pretrain = group.pretrain_stage()
    backbone = group.backbone(weights=pretrain.best.state)
    search = group.search_stage(backbone, arm="lth", seed=0)
    retrain = group.retrain_stage(group.backbone(weights), genotype, seed=0, rate=1.0)

Seeds: the pre-training has the run's shared seed, and serves all arms and seeds; a search's
initial weights and batches depend on its seed but not on its arm, so that arms are paired. The
same holds for retrainings: all models of a seed see the same batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from distributed_iac.cell.implant import DerivedNetwork, ImplantedNetwork, SearchNetwork
from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.config.backbone import BackboneSettings
from distributed_iac.config.comparison import SkipModule
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.config.training import (
    TRAINING_PARTS,
    SupervisedSettings,
    TrainingPart,
)
from distributed_iac.data.contract import LabelScheme
from distributed_iac.data.store import Store
from distributed_iac.data.targets import output_values
from distributed_iac.errors import ConfigError
from distributed_iac.evaluation.inference import Inference, mirror_axes
from distributed_iac.genotype import Genotype
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.freeze import Trained
from distributed_iac.nets.patch_fit import require_given_cells, require_patch
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.trained import card_of_store
from distributed_iac.nets.wrapped import WrappedBackbone
from distributed_iac.seeds import derive_seed
from distributed_iac.training.device import choose_device
from distributed_iac.training.doubts import network_doubted
from distributed_iac.training.retrain import Groups, adapted, retrained
from distributed_iac.training.search import SearchStage
from distributed_iac.training.supervised import SupervisedStage

Weights = Mapping[str, Tensor]
Parts = Sequence[TrainingPart]


@dataclass(frozen=True, eq=False)
class Group:
    """One data set and one backbone of a run.

    Args:
        config: The run.
        dataset: The data set.
        settings: The backbone.
        store: The data set's prepared store.
        device: Where to compute.
    """

    config: RunConfig
    dataset: DatasetSettings
    settings: BackboneSettings
    store: Store
    device: torch.device

    @classmethod
    def open(cls, config: RunConfig, dataset: DatasetSettings, settings: BackboneSettings) -> Group:
        """Open the store, choose the device, and set the number of threads.

        Raises:
            StoreError: The store is missing, incomplete or damaged.
            ConfigError: The device is not there.
        """
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        store = Store.open(config.store_folder(dataset))
        return cls(config, dataset, settings, store, choose_device(config.device))

    @property
    def name(self) -> str:
        """Data set and backbone, as in run folders."""
        return f"{self.dataset.name}/{self.settings.key}"

    @property
    def scheme(self) -> LabelScheme:
        """Meaning of the label values."""
        return self.store.fingerprint.labels

    @property
    def warnings(self) -> dict[str, str]:
        """For a result: doubts about the store and how a trained backbone differs, one a line."""
        card = card_of_store(self.store.fingerprint)
        doubted = network_doubted(self.config, self.dataset, self.settings, card)
        told = (*self.store.doubts, *doubted)
        return {"warnings": "\n".join(told)} if told else {}

    def seed(self, *purpose: str | int) -> int:
        """Seed for a purpose within this group."""
        return derive_seed(self.config.shared_seed, self.dataset.name, self.settings.key, *purpose)

    def inference(self) -> Inference:
        """How whole cases are predicted: the same way for every arm and control of the group."""
        mirror = mirror_axes(self.config.evaluation, self.settings)
        return Inference(mirror, self.config.evaluation.batch_size)

    def backbone(self, weights: Weights | None = None) -> WrappedBackbone:
        """Build the network; with weights if there are any."""
        backbone = self._build(self.seed("backbone"))
        require_given_cells(self.config, backbone, self.name)
        if weights is not None:
            backbone.load_state_dict(dict(weights))
        return backbone

    def _build(self, seed: int) -> WrappedBackbone:
        fingerprint = self.store.fingerprint
        backbone = build_backbone(
            self.settings,
            len(fingerprint.channel_names),
            len(output_values(self.scheme)),
            Fingerprint2d(fingerprint.recipe.patch, fingerprint.recipe.spacing),
            seed=seed,
            store=card_of_store(fingerprint),
        )
        channels, patch = len(fingerprint.channel_names), fingerprint.recipe.patch
        batch = (self.config.batches.batch_size, channels, *patch)
        require_patch(backbone, batch, self.name)
        return backbone

    def pretrain_stage(self) -> SupervisedStage:
        """The training of the plain backbone."""
        backbone, settings = self.backbone(), self.config.pretrain
        seed = self.seed("pretrain")
        return self._supervised(backbone, _whole(backbone), settings, seed, settings.parts)

    def baseline_stage(self, seed: int) -> SupervisedStage:
        """The training of another network from scratch, with a seed of its own.

        It trains as the backbone is pre-trained, in one schedule over as many epochs as
        pre-training and retraining together, so that no model has had more training than it.
        """
        epochs = self.config.pretrain.epochs + self.config.retrain.epochs
        settings = self.config.pretrain.model_copy(update={"epochs": epochs})
        network = self._build(self.seed("baseline", "network", seed))
        seed = self.seed("baseline", "batches", seed)
        return self._supervised(network, _whole(network), settings, seed)

    def search_stage(self, backbone: Backbone, arm: str, seed: int) -> SearchStage:
        """The search of one arm and seed in a trained backbone.

        Raises:
            ConfigError: No such arm.
        """
        if arm not in self.config.arms:
            raise ConfigError(f"arms are {', '.join(self.config.arms)}", came=arm)
        generator = torch.Generator().manual_seed(self.seed("search", "cells", seed))
        return SearchStage(
            SearchNetwork(backbone, self.config.cell, generator),
            self.store,
            self.scheme,
            self.config.search,
            self.config.batches,
            self.config.arms[arm],
            seed=self.seed("search", "batches", seed),
            device=self.device,
        )

    def random_genotype(self, backbone: Backbone, seed: int, number: int = 1) -> Genotype:
        """One of the cells that nobody searched, of the shape that a search would have."""
        cell = self.config.cell
        cells = len(backbone.taps) if cell.genotype_scope == "per_skip" else 1
        # The first is drawn as it was when there was but one of every seed.
        further = (number,) if number > 1 else ()
        generator = np.random.default_rng(self.seed("random", "genotype", seed, *further))
        return random_genotype(cell.topology, generator, cell.genotype_scope, cells)

    def implanted(self, backbone: Backbone, genotype: Genotype, seed: int) -> DerivedNetwork:
        """The backbone with a discrete cell at every tap, its weights fresh."""
        generator = torch.Generator().manual_seed(self.seed("retrain", "cells", seed))
        return DerivedNetwork(backbone, genotype, self.config.cell, generator)

    def retrain_stage(
        self, backbone: Backbone, genotype: Genotype, seed: int, rate: float
    ) -> SupervisedStage:
        """The training of a discrete cell in a trained backbone, with one learning rate."""
        return self._implanted(self.implanted(backbone, genotype, seed), seed, rate)

    def skip_network(self, backbone: Backbone, module: SkipModule, seed: int) -> ImplantedNetwork:
        """The backbone with a hand-made module at every tap, its weights fresh."""
        # Here, because it needs MONAI, which takes seconds to import and which few jobs need.
        from distributed_iac.cell.skip_modules import SkipNetwork

        generator = torch.Generator().manual_seed(self.seed("retrain", "cells", seed))
        return SkipNetwork(backbone, module, self.config.cell, generator)

    def skip_stage(
        self, backbone: Backbone, module: SkipModule, seed: int, rate: float
    ) -> SupervisedStage:
        """The training of a hand-made module in the cells' place."""
        return self._implanted(self.skip_network(backbone, module, seed), seed, rate)

    def adapt_stage(
        self, backbone: Backbone, part: Trained, seed: int, rate: float
    ) -> SupervisedStage:
        """More training of a part of the plain backbone, with one learning rate."""
        return self._retrain(backbone, adapted(backbone, part, rate), seed)

    def _implanted(self, network: ImplantedNetwork, seed: int, rate: float) -> SupervisedStage:
        groups = retrained(network, self.config.retrain.unfreeze, rate)
        return self._retrain(network, groups, seed)

    def _retrain(self, network: nn.Module, groups: Groups, seed: int) -> SupervisedStage:
        seed = self.seed("retrain", "batches", seed)
        return self._supervised(network, groups, self.config.retrain, seed)

    def _supervised(
        self,
        network: nn.Module,
        groups: Groups,
        settings: SupervisedSettings,
        seed: int,
        parts: Parts = TRAINING_PARTS,
    ) -> SupervisedStage:
        return SupervisedStage(
            network,
            groups,
            self.store,
            self.scheme,
            settings,
            self.config.batches,
            seed=seed,
            device=self.device,
            parts=parts,
        )


def _whole(network: nn.Module) -> Groups:
    """All of a network, with the optimiser's learning rate."""
    return [(list(network.parameters()), 1.0)]
