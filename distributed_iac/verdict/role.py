"""Which part a trial plays in an experiment, read from its configuration.

::

    role = Role.read({"kind": "search", "group": "acdc/basic_unet", "arm": "lth", "seed": 0})
    role.judged                                       # True: it is a search
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

SEARCH = "search"


@dataclass(frozen=True)
class Role:
    """What the scheduler knows of a trial from the start.

    Args:
        kind: Kind of work; only searches are judged.
        group: What is searched for: data set and backbone.
        arm: The way to search.
    """

    kind: str = SEARCH
    group: str = ""
    arm: str = ""

    @property
    def judged(self) -> bool:
        """Whether anything may be decided about it; other kinds pass through untouched."""
        return self.kind == SEARCH

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """Read a trial's configuration; what it does not say is as above."""
        said = {name: config.get(name) for name in ("kind", "group", "arm")}
        return cls(**{name: str(value) for name, value in said.items() if value is not None})
