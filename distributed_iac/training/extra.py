"""Train a trained backbone on, without cells: the control for "is it the cell, or more training?".

::

    stage = extra_stage(backbone, store, scheme, settings, batches, seed=0, device=device)
"""

from __future__ import annotations

import torch

from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.training import RetrainSettings
from distributed_iac.data.batches.loader import CaseSource
from distributed_iac.data.contract import LabelScheme
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.freeze import freeze, unfreeze
from distributed_iac.training.supervised import SupervisedStage


def extra_stage(
    backbone: Backbone,
    source: CaseSource,
    scheme: LabelScheme,
    settings: RetrainSettings,
    batches: BatchSettings,
    *,
    seed: int,
    device: torch.device,
) -> SupervisedStage:
    """Build the stage that does to a plain backbone what retraining does to one with cells.

    Everything that the two networks share is treated alike: the same start, patients, batches,
    epochs, schedule, optimiser, gradient clipping, choice of the best epoch, and the same
    parameters unfrozen. So is the learning rate: ``backbone_rate`` times that of the optimiser,
    which is what the backbone around a cell gets. The two then differ in the cell alone. (Our
    choice; the cells' own rate would be a second difference, and one that a trained backbone does
    not survive unharmed where it was set for fresh weights.)

    Args:
        backbone: Trained; changed in place.
        source: Prepared slices.
        scheme: Meaning of their label values.
        settings: Those of the retraining; ``unfreeze`` is not ``cells``, which would leave
            nothing to train (refused with the configuration).
        batches: Batch size, steps an epoch, augmentation.
        seed: Of the batches and of dropout; that of the retraining to be compared with.
        device: Where to train.
    """
    if settings.unfreeze == "all":
        unfreeze(backbone)
    else:
        freeze(backbone, "encoder")
    trained = [p for p in backbone.parameters() if p.requires_grad]
    groups = [(trained, settings.backbone_rate)]
    return SupervisedStage(
        backbone, groups, source, scheme, settings, batches, seed=seed, device=device
    )
