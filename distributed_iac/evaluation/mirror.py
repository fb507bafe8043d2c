"""Along which axes a network's predictions are averaged over mirrored slices.

::

    mirror_axes(config.evaluation, backbone_settings)        # () or ("rows", "columns")
"""

from __future__ import annotations

from distributed_iac.config.backbone import BackboneSettings, NnUnetSettings
from distributed_iac.config.batches import Axis
from distributed_iac.config.evaluation import EvaluationSettings
from distributed_iac.nets.nnunet_folder import read_nnunet_mirroring


def mirror_axes(settings: EvaluationSettings, backbone: BackboneSettings) -> tuple[Axis, ...]:
    """Resolve ``auto``: what an nnU-Net checkpoint allows, nothing for other backbones.

    Raises:
        ConfigError: The checkpoint is not there.
        CheckpointError: It is damaged.
    """
    if settings.mirror != "auto":
        return settings.mirror
    if not isinstance(backbone, NnUnetSettings):
        return ()
    return read_nnunet_mirroring(
        backbone.folder, fold=backbone.fold, checkpoint=backbone.checkpoint
    )
