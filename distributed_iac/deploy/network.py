"""From a card to the network that it describes.

::

    network = build_network(card)                    # fresh weights, on the CPU
    network.load_state_dict(weights)                 # those of the folder
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distributed_iac.cell.implant import DerivedNetwork
from distributed_iac.config.backbone import BackboneSettings, NnUnetSettings
from distributed_iac.errors import CheckpointError
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.card import ModelCard
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.nnunet import build_planned
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.training.targets import TargetCoder

LISTED = 5
"""Names of misfitting tensors shown in a message."""


def without_paths(settings: BackboneSettings) -> BackboneSettings:
    """Drop what points into the file system of the training: the weights come with the model.

    Of an nnU-Net folder its name stays, because it is part of the backbone's key.
    """
    # Names were translated when the weights were loaded: the exported ones are in their order.
    changes: dict[str, Any] = {"weights": None, "channel_names": {}, "label_names": {}}
    if isinstance(settings, NnUnetSettings):
        changes["folder"] = Path(settings.folder.name)
    if "encoder_weights" in type(settings).model_fields:
        changes["encoder_weights"] = None
    return settings.model_copy(update=changes)


def build_network(card: ModelCard) -> nn.Module:
    """Build the network: a backbone, with cells where the card has a genotype.

    Raises:
        ConfigError: A package that the backbone needs is not installed, or the genotype does not
            fit the backbone.
    """
    backbone = _backbone(card)
    if card.genotype is None or card.cell is None:
        return backbone
    return DerivedNetwork(backbone, card.genotype, card.cell, torch.Generator().manual_seed(0))


def load_exactly(network: nn.Module, weights: Mapping[str, Tensor], where: Path | None) -> None:
    """Load every tensor.

    Raises:
        CheckpointError: Names or shapes differ.
    """
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    misfits = sorted({name for name, _ in own.items() ^ given.items()})
    if misfits:
        raise CheckpointError(
            f"the weights must fit the {len(own)} tensors of the network one by one",
            came=f"{len(misfits)} that differ, such as {', '.join(misfits[:LISTED])}",
            remedy="export the model again from the run that trained it",
            where=where,
        )
    network.load_state_dict(dict(weights))


def _backbone(card: ModelCard) -> Backbone:
    fingerprint = card.fingerprint
    channels, outputs = len(fingerprint.channel_names), TargetCoder(fingerprint.labels).outputs
    if isinstance(card.backbone, NnUnetSettings):
        assert card.nnunet is not None
        with torch.random.fork_rng(devices=[]):
            return build_planned(card.backbone, card.nnunet, channels, outputs)
    plan = Fingerprint2d(fingerprint.recipe.patch, fingerprint.recipe.spacing)
    return build_backbone(card.backbone, channels, outputs, plan)
