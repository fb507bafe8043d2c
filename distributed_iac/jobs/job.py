"""One unit of scheduled work, and its address.

::

    job = Job("search", "acdc", "basic_unet-tiny", "lth", seed=0, needs=(pretrain.key,))
    job.key                      # "acdc/basic_unet-tiny/search/lth/seed0"
    job.group                    # "acdc/basic_unet-tiny"

Where a run has variants, the backbone's key is followed by the variant's name, unless all share the
job: ``acdc/basic_unet-tiny@unaugmented/search/lth/seed0``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

JobKind = Literal["prepare", "pretrain", "search", "retrain", "baseline", "evaluate"]
"""What a job does: make a store; train a plain backbone; search a cell in it; train a discrete
cell, or a control, in it; train another network from scratch; score the plain backbone."""


@dataclass(frozen=True)
class Job:
    """A job of a sweep; names hold no slash, so that keys can be told apart.

    Args:
        kind: What it does.
        dataset: The data set's name.
        backbone: The backbone's key; empty for ``prepare``, which serves them all.
        name: Search: the arm. Retrain: the model, which is the arm, ``<arm>.<slot>`` where a
            rule chooses several cells, or a control. Baseline: the backbone's key again.
            Evaluate: ``plain``.
        seed: Seed; None where all seeds share the job.
        needs: Keys of the jobs that must be finished before.
        variants: Variants of the run that it is part of, in their order; empty where it is part of
            all of them, or there are none.
    """

    kind: JobKind
    dataset: str
    backbone: str = ""
    name: str = ""
    seed: int | None = None
    needs: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The job's name, unique in its sweep: also its folder's name in a run folder."""
        return _joined(self.group, *self._what)

    @property
    def address(self) -> str:
        """The same without its variant: what kept results know it by, whose settings differ."""
        return _joined(self.dataset, self.backbone, *self._what)

    @property
    def variant(self) -> str:
        """The variant that it is named after, the first of several; empty if it is part of all."""
        return self.variants[0] if self.variants else ""

    @property
    def group(self) -> str:
        """Data set, backbone and variant; only the data set for ``prepare``."""
        return group_name(self.dataset, self.backbone, self.variant)

    @property
    def _what(self) -> tuple[str, str, str]:
        name = "" if self.kind == "baseline" else self.name
        return self.kind, name, "" if self.seed is None else f"seed{self.seed}"

    @property
    def arm(self) -> str | None:
        """Way to search that this job carries out or whose cell it trains; None for all others."""
        if self.kind == "search":
            return self.name
        addresses = [need.split("/") for need in self.needs]
        arms = {address[3] for address in addresses if address[2:3] == ["search"]}
        return arms.pop() if len(arms) == 1 else None

    def to_plain(self) -> dict[str, Any]:
        """JSON-able values, of which nothing is said that is not there."""
        plain = asdict(self)
        return plain if self.variants else {k: v for k, v in plain.items() if k != "variants"}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Job:
        """Read :meth:`to_plain`."""
        lists = {name: tuple(plain.get(name, ())) for name in ("needs", "variants")}
        return cls(**{**plain, **lists})

    def columns(self) -> dict[str, str | int | None]:
        """What results say of a job, whatever became of it, and tables with its key in place."""
        return {
            "key": self.address,
            "kind": self.kind,
            "dataset": self.dataset,
            "backbone": self.backbone,
            "name": self.name,
            "arm": self.arm,
            "seed": self.seed,
        }

    @property
    def slot(self) -> int | None:
        """Which of several chosen cells a retrain job trains, from 1; None where there is one."""
        if self.kind != "retrain" or self.arm is None or self.name == self.arm:
            return None
        return int(self.name.removeprefix(f"{self.arm}."))


def group_name(dataset: str, backbone: str, variant: str = "") -> str:
    """``dataset/backbone``, ``dataset/backbone@variant``, or only the data set."""
    return _joined(dataset, f"{backbone}@{variant}" if variant else backbone)


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)
