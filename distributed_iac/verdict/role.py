"""Which part a trial plays in an experiment, read from its configuration.

::

    role = RoleKeys().read({"kind": "search", "group": "acdc/basic_unet", "arm": "lth", "seed": 0})
    role.judged                                       # True: it is a search
    RoleKeys(group="data/name").read({"data": {"name": "acdc"}}).group            # "acdc"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SEARCH = "search"


@dataclass(frozen=True)
class Role:
    """What the scheduler knows of a trial from the start.

    Args:
        job: Name for people.
        kind: Kind of work; only searches are judged.
        group: What is searched for: data set and backbone.
        arm: The way to search.
        seed: As text; empty where there is none.
        protected: Whether the configuration says that it runs to its end.
    """

    job: str = ""
    kind: str = SEARCH
    group: str = ""
    arm: str = ""
    seed: str = ""
    protected: bool = False

    @property
    def judged(self) -> bool:
        """Whether anything may be decided about it; other kinds pass through untouched."""
        return self.kind == SEARCH


@dataclass(frozen=True)
class RoleKeys:
    """Where a trial's configuration holds its role; slashes lead into nested mappings.

    What is missing falls back: a trial without ``kind`` is a search, one without ``group`` or
    ``arm`` belongs to the nameless one, one without ``protected`` is not. So a trainable that
    knows nothing of this can be scheduled as it is; name the keys that tell its experiments
    apart (data set, say) as ``group``, or seeds of different problems are compared.
    """

    job: str = "job"
    kind: str = "kind"
    group: str = "group"
    arm: str = "arm"
    seed: str = "seed"
    protected: str = "protected"

    def read(self, config: Mapping[str, Any]) -> Role:
        """Read a trial's configuration, whatever it holds."""
        kind = _lookup(config, self.kind)
        return Role(
            job=_name(_lookup(config, self.job)),
            kind=SEARCH if kind is None else str(kind),
            group=_name(_lookup(config, self.group)),
            arm=_name(_lookup(config, self.arm)),
            seed=_name(_lookup(config, self.seed)),
            protected=_lookup(config, self.protected) is True,
        )


def _lookup(config: Mapping[str, Any], path: str) -> Any:
    """The value under a path, or None."""
    if path in config:
        return config[path]
    here: Any = config
    for part in path.split("/"):
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here


def _name(value: object) -> str:
    return "" if value is None else str(value)
