"""Freezing a trained network, so that only what is implanted learns.

::

    freeze(backbone)                    # a search: encoder and decoder stay as they are
    freeze(backbone, part="encoder")    # retraining cells and decoder
    unfreeze(backbone)                  # retraining everything

A frozen part has no gradients and stays in eval mode (normalisation with running statistics,
dropout) even when its owner calls ``train()``: otherwise the statistics would drift with every
forward pass, although no optimiser touches them.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from distributed_iac.errors import ConfigError
from distributed_iac.nets.contract import Backbone

Part = Literal["all", "encoder"]


def freeze(backbone: Backbone, part: Part = "all") -> None:
    """Freeze ``part`` of the backbone and set the rest free.

    Args:
        backbone: The network; changed in place.
        part: ``all``, or ``encoder`` to leave the decoder trainable.

    Raises:
        ConfigError: If the encoder alone is asked for and the backbone does not name it.
    """
    frozen = tuple(backbone.children()) if part == "all" else backbone.encoder_modules
    if part == "encoder" and not frozen:
        raise ConfigError(
            "freezing the encoder alone needs a backbone that names its encoder_modules",
            came=type(backbone).__name__,
            remedy="freeze all of it, or nothing",
        )
    unfreeze(backbone)
    if part == "all":
        backbone.requires_grad_(False)
    for module in frozen:
        module.requires_grad_(False)
    backbone.hold_in_eval(frozen)


def unfreeze(backbone: Backbone) -> None:
    """Make every parameter trainable and let every module follow the owner's mode again."""
    backbone.hold_in_eval(())
    backbone.requires_grad_(True)
    backbone.train(backbone.training)


def trainable(module: nn.Module) -> int:
    """Return the number of parameters that an optimiser may change."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
