"""The network that an import path names, built by the program of its own.

::

    net = network_of(CustomSettings(import_="unet:UNet"), Wanted(in_channels=1, out_channels=4))

Channels and classes are handed over under whichever usual name the class or function has for them.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from distributed_iac.config.backbone import CustomSettings
from distributed_iac.errors import ConfigError
from distributed_iac.nets.wrapped import Wanted

CHANNELS = ("in_channels", "n_channels", "in_chans", "in_ch", "input_channels", "img_ch", "in_dim")
CLASSES = (
    "out_channels", "n_classes", "num_classes", "classes", "out_ch", "output_channels", "output_ch",
    "nclass", "n_class", "out_dim",
)  # fmt: skip
"""Usual names of the two arguments that a data set decides."""


def network_of(settings: CustomSettings, wanted: Wanted) -> nn.Module:
    """Build the network, randomly initialised by its own rules.

    Raises:
        ConfigError: It cannot be imported or built, or is none.
    """
    make = _imported(settings.import_)
    given = dict(settings.settings)
    known = inspect.signature(make).parameters
    for names, value in ((CHANNELS, wanted.in_channels), (CLASSES, wanted.out_channels)):
        name = next((one for one in names if one in known), None)
        if name is not None and not given.keys() & set(names):
            given[name] = value
    try:
        net = make(**given)
    except Exception as error:  # of a program that is not ours
        raise refused(
            settings,
            f"{settings.import_} must build a network",
            f"{type(error).__name__}: {error}",
            f"correct settings; it is called with {given}",
        ) from error
    if not isinstance(net, nn.Module):
        raise refused(
            settings,
            f"{settings.import_} must return a torch.nn.Module",
            type(net).__name__,
            "name a class, or a function that returns a network",
        )
    return net


def _imported(path: str) -> Any:
    """The class or function that an import path names.

    Raises:
        ConfigError: There is none here.
    """
    module, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # as `python` itself does; installed packages come first
        sys.path.append(here)
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever a program that is not ours raises when it is imported
        raise ConfigError(
            "a custom backbone is imported as MODULE:NAME from where the command is started, or "
            "from an installed package",
            came=f"{path}: {error}",
            remedy="start the command where the module lies, or install it on every machine that "
            "builds the network; an exported model needs it as well",
        ) from error
    return found


def refused(settings: CustomSettings, message: str, came: object, remedy: str) -> ConfigError:
    """An error about a custom backbone."""
    return ConfigError(message, came=came, remedy=remedy, where=settings.key)
