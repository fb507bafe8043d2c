"""Train discrete cells, or other modules in the skips, in the pre-trained network.

::

    network = DerivedNetwork(backbone, genotype, cell_settings, generator)
    stage = retrain_stage(network, store, scheme, settings, batches, 0.1, seed=0, device=device)

``unfreeze`` says what is trained besides the cells: nothing, the decoder, or everything.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from distributed_iac.cell.implant import ImplantedNetwork
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.training import RetrainSettings, Unfreeze
from distributed_iac.data.batches.loader import CaseSource
from distributed_iac.data.contract import LabelScheme
from distributed_iac.nets.freeze import Trained, freeze, train_only
from distributed_iac.training.supervised import SupervisedStage

UNFROZEN: Mapping[Unfreeze, Trained | None] = {
    "cells": None,
    "cells_and_decoder": "decoder",
    "all": "network",
}
"""What of the backbone is trained beside the cells."""


def retrain_stage(
    network: ImplantedNetwork,
    source: CaseSource,
    scheme: LabelScheme,
    settings: RetrainSettings,
    batches: BatchSettings,
    rate: float,
    *,
    seed: int,
    device: torch.device,
) -> SupervisedStage:
    """Build the stage that trains an implanted network.

    Args:
        network: Trained in place; its backbone is frozen as the settings say.
        source: Prepared slices.
        scheme: Meaning of their label values.
        settings: Epochs, optimiser, what is unfrozen.
        batches: Batch size, steps an epoch, augmentation.
        rate: Learning rate of the backbone where it is trained, else of what is implanted; as a
            share of the optimiser's, which fresh cells beside a trained part of the backbone get.
        seed: Of the batches and of dropout; initial cell weights come with the network.
        device: Where to train.
    """
    part = UNFROZEN[settings.unfreeze]
    if part is None:
        freeze(network.backbone)
    else:
        train_only(network.backbone, part)
    rest = [p for p in network.backbone.parameters() if p.requires_grad]
    groups = [(list(network.cell_parameters()), 1.0 if rest else rate), (rest, rate)]
    return SupervisedStage(
        network, groups, source, scheme, settings, batches, seed=seed, device=device
    )
