"""Train a plain backbone.

::

    stage = pretrain_stage(backbone, store, scheme, settings, batches, seed=0, device=device)
    outcome = run_locally(stage, folder, identity=job.key, clock=time.monotonic)
    backbone.load_state_dict(stage.best.state)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.training import TRAINING_PARTS, PretrainSettings, TrainingPart
from distributed_iac.data.batches.loader import CaseSource
from distributed_iac.data.contract import LabelScheme
from distributed_iac.nets.contract import Backbone
from distributed_iac.training.supervised import SupervisedStage


def pretrain_stage(
    backbone: Backbone,
    source: CaseSource,
    scheme: LabelScheme,
    settings: PretrainSettings,
    batches: BatchSettings,
    *,
    seed: int,
    device: torch.device,
    parts: Sequence[TrainingPart] = TRAINING_PARTS,
) -> SupervisedStage:
    """Build the stage that trains all of a backbone.

    Args:
        backbone: Trained in place.
        source: Prepared slices.
        scheme: Meaning of their label values.
        settings: Epochs, optimiser, schedule, loss.
        batches: Batch size, steps an epoch, augmentation.
        seed: Of the batches and of dropout; initial weights come with the backbone.
        device: Where to train.
        parts: Of the split, those whose slices it learns from.
    """
    groups = [(list(backbone.parameters()), 1.0)]
    return SupervisedStage(
        backbone, groups, source, scheme, settings, batches, seed=seed, device=device, parts=parts
    )
