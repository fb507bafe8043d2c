"""Freezing a trained network, so that only what is implanted learns.

::

    freeze(backbone)                    # a search: encoder and decoder stay as they are
    freeze(backbone, part="encoder")    # retraining cells and decoder
    unfreeze(backbone)                  # retraining everything
    train_only(backbone, "normalisation")      # adapting a trained network without cells

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

Trained = Literal["normalisation", "last_block", "decoder", "network"]
"""What of a backbone is trained on, without cells."""

NORMALISATIONS = (nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm)
"""Layers that a 2-D network normalises with."""


def freeze(backbone: Backbone, part: Part = "all") -> None:
    """Freeze ``part`` of the backbone and set the rest free.

    Args:
        backbone: The network; changed in place.
        part: ``all``, or ``encoder`` to leave the decoder trainable.

    Raises:
        ConfigError: The encoder alone is asked for and the backbone does not name it.
    """
    frozen = tuple(backbone.children())
    if part == "encoder":
        frozen = _named(backbone, backbone.encoder_modules, "encoder_modules")
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


def train_only(backbone: Backbone, part: Trained) -> None:
    """Freeze all of a backbone but one part.

    Running statistics of normalisation layers move where these are trained.

    Args:
        backbone: The network; changed in place.
        part: ``normalisation``: scale and shift of every normalisation layer. ``last_block``: the
            last decoder block and what follows, the output layer included. ``decoder``:
            everything after the encoder. ``network``: everything.

    Raises:
        ConfigError: The backbone has no such part, or does not name it.
    """
    unfreeze(backbone)
    match part:
        case "network":
            return
        case "decoder":
            freeze(backbone, "encoder")
        case "last_block":
            before = backbone.modules_before_last_block
            frozen = _named(backbone, before, "modules_before_last_block")
            for module in frozen:
                module.requires_grad_(False)
            backbone.hold_in_eval(frozen)
        case "normalisation":
            layers = [one for one in backbone.modules() if isinstance(one, NORMALISATIONS)]
            leaves = [one for one in backbone.modules() if not any(one.children())]
            backbone.requires_grad_(False)
            for layer in layers:
                layer.requires_grad_(True)
            backbone.hold_in_eval([one for one in leaves if one not in layers])
    if not trainable(backbone):
        raise ConfigError(
            f"training only the {part.replace('_', ' ')} needs a backbone that has trainable "
            "parameters there",
            came=f"none in {type(backbone).__name__}",
            remedy="leave this control out, or take a backbone whose normalisation has scale and "
            "shift",
        )


def _named(backbone: Backbone, modules: tuple[nn.Module, ...], name: str) -> tuple[nn.Module, ...]:
    if not modules:
        raise ConfigError(
            f"freezing a part alone needs a backbone that names its {name}",
            came=type(backbone).__name__,
            remedy="freeze all of it, or nothing",
        )
    return modules


def trainable(module: nn.Module) -> int:
    """Return the number of parameters that an optimiser may change."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
