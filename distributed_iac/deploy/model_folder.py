"""Write a trained network as a folder that stands on its own.

::

    export_model(
        Path("models/acdc"), backbone=settings, weights=state,
        cell=config.cell, genotype=genotype, fingerprint=store.fingerprint,
        provenance={"run": "acdc", "val_dice": 0.91},
    )

    models/acdc/model.json  weights.safetensors  genotype.json  README.md

The folder appears whole or not at all, and only after the network has been rebuilt from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from distributed_iac.config.backbone import BackboneSettings, NnUnetSettings
from distributed_iac.config.batches import Axis
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.comparison import SkipModule
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.deploy.model import load_model
from distributed_iac.deploy.readme import describe_model
from distributed_iac.errors import RunError, raised_as
from distributed_iac.files import new_folder, write_atomically, write_json
from distributed_iac.genotype import Genotype
from distributed_iac.nets.card import GENOTYPE, README, WEIGHTS, ModelCard, Scalar, write_card
from distributed_iac.nets.nnunet_folder import read_nnunet_plan
from distributed_iac.training.outputs import write_weights


def export_model(
    folder: Path,
    *,
    backbone: BackboneSettings,
    weights: Mapping[str, Tensor],
    cell: CellSettings | None,
    genotype: Genotype | None,
    fingerprint: Fingerprint,
    provenance: Mapping[str, Scalar],
    mirror: tuple[Axis, ...] = (),
    spare_outputs: tuple[str, ...] = (),
    module: SkipModule | None = None,
) -> ModelCard:
    """Export a network.

    Args:
        folder: New or empty.
        backbone: Settings that the backbone was built with; of an nnU-Net backbone, the trained
            folder must still be there.
        weights: ``state_dict`` of the whole network.
        cell: How the cells were implanted; None for a plain backbone.
        genotype: The cells; None where there are none.
        fingerprint: Of the store that the network was trained on.
        provenance: Facts for the card, by name.
        mirror: Axes along which predictions are averaged over mirrored slices.
        spare_outputs: Names of the network's outputs behind those of the labels.
        module: What stands in the cells' place; None where nothing does.

    Raises:
        ConfigError: The folder is in use, or the settings do not make a network.
        CheckpointError: The weights are not those of this network.
        RunError: The folder cannot be written.
    """
    plan = None
    if isinstance(backbone, NnUnetSettings):
        plan = read_nnunet_plan(backbone.folder).architecture
    message = "the exported model must be written completely"
    remedy = "see that the folder can be written to and has space, or name another one"
    with (
        raised_as(RunError, message, remedy=remedy, where=folder),
        new_folder(folder, "a model") as unfinished,
    ):
        write_weights(unfinished / WEIGHTS, weights)
        digest = hashlib.sha256((unfinished / WEIGHTS).read_bytes()).hexdigest()
        card = ModelCard(
            _without_paths(backbone),
            plan,
            None if genotype is None and module is None else cell,
            genotype,
            fingerprint,
            provenance,
            digest,
            mirror,
            spare_outputs,
            module,
        )
        write_card(unfinished, card)
        if genotype is not None:
            plain = {"id": genotype.id, "genotype": genotype.to_dict()}
            write_json(unfinished / GENOTYPE, plain)
        write_atomically(unfinished / README, describe_model(card, folder.name).encode())
        load_model(unfinished, device="cpu")
    return card


def _without_paths(settings: BackboneSettings) -> BackboneSettings:
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
