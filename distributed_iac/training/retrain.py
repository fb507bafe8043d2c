"""Train a discrete cell in the pre-trained network.

::

    network = DerivedNetwork(backbone, genotype, cell_settings, generator)
    stage = retrain_stage(network, store, scheme, settings, batches, seed=0, device=device)

``unfreeze`` says what is trained besides the cells: nothing, the decoder, or everything; the
backbone's part learns at ``backbone_rate`` times the cells' rate, because it is trained already.
"""

from __future__ import annotations

import torch

from distributed_iac.cell.implant import DerivedNetwork
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.training import RetrainSettings
from distributed_iac.data.batches.loader import CaseSource
from distributed_iac.data.contract import LabelScheme
from distributed_iac.nets.freeze import freeze, unfreeze
from distributed_iac.training.supervised import SupervisedStage


def retrain_stage(
    network: DerivedNetwork,
    source: CaseSource,
    scheme: LabelScheme,
    settings: RetrainSettings,
    batches: BatchSettings,
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
        seed: Of the batches and of dropout; initial cell weights come with the network.
        device: Where to train.
    """
    if settings.unfreeze == "all":
        unfreeze(network.backbone)
    else:
        freeze(network.backbone, "all" if settings.unfreeze == "cells" else "encoder")
    rest = [p for p in network.backbone.parameters() if p.requires_grad]
    groups = [(list(network.cell_parameters()), 1.0), (rest, settings.backbone_rate)]
    return SupervisedStage(
        network, groups, source, scheme, settings, batches, seed=seed, device=device
    )
