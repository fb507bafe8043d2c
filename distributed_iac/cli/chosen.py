"""Picking one of several named things that a configuration lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from distributed_iac.errors import ConfigError, did_you_mean

Thing = TypeVar("Thing")


def choose(what: str, name: str | None, things: Mapping[str, Thing]) -> Thing:
    """Return the named thing, or the first one if no name is given.

    Raises:
        ConfigError: There is no such thing; the message names those there are.
    """
    if name is None:
        return next(iter(things.values()))
    if name not in things:
        raise ConfigError(
            f"the configuration's {what} are {', '.join(things)}",
            came=name,
            remedy=did_you_mean(name, things),
        )
    return things[name]
