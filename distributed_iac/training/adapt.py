"""Train a part of a trained backbone on, without cells: what a cell is compared with.

::

    stage = adapt_stage(
        backbone, "decoder", store, scheme, settings, batches, rate=0.1, seed=0, device=device
    )
"""

from __future__ import annotations

import torch

from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.training import RetrainSettings
from distributed_iac.data.batches.loader import CaseSource
from distributed_iac.data.contract import LabelScheme
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.freeze import Trained, train_only
from distributed_iac.training.supervised import SupervisedStage


def adapt_stage(
    backbone: Backbone,
    part: Trained,
    source: CaseSource,
    scheme: LabelScheme,
    settings: RetrainSettings,
    batches: BatchSettings,
    rate: float,
    *,
    seed: int,
    device: torch.device,
) -> SupervisedStage:
    """Build the stage that does to a plain backbone what retraining does to one with cells.

    Everything that the two networks share is treated alike: the same start, patients, batches,
    epochs, schedule, optimiser, gradient clipping, choice of the best epoch, and the same learning
    rates tried on the same part of the network. The two then differ in the cell alone.

    Args:
        backbone: Trained; changed in place.
        part: What of it is trained; the rest is frozen.
        source: Prepared slices.
        scheme: Meaning of their label values.
        settings: Those of the retraining.
        batches: Batch size, steps an epoch, augmentation.
        rate: Learning rate, as a share of the optimiser's.
        seed: Of the batches and of dropout; that of the retraining to be compared with.
        device: Where to train.

    Raises:
        ConfigError: The backbone has no such part to train.
    """
    train_only(backbone, part)
    groups = [([p for p in backbone.parameters() if p.requires_grad], rate)]
    return SupervisedStage(
        backbone, groups, source, scheme, settings, batches, seed=seed, device=device
    )
