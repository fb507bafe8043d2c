"""One unit of scheduled work, and its address.

::

    job = Job("search", "acdc", "basic_unet-tiny", "lth", seed=0, needs=(pretrain.key,))
    job.key                      # "acdc/basic_unet-tiny/search/lth/seed0"
    job.group                    # "acdc/basic_unet-tiny"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    """

    kind: JobKind
    dataset: str
    backbone: str = ""
    name: str = ""
    seed: int | None = None
    needs: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The job's address, unique in its sweep: also its folder's name in a run folder."""
        name = "" if self.kind == "baseline" else self.name
        seed = "" if self.seed is None else f"seed{self.seed}"
        return "/".join(
            part for part in (self.dataset, self.backbone, self.kind, name, seed) if part
        )

    @property
    def group(self) -> str:
        """Data set and backbone; only the data set for ``prepare``."""
        return "/".join(part for part in (self.dataset, self.backbone) if part)

    @property
    def arm(self) -> str | None:
        """Way to search that this job carries out or whose cell it trains; None for all others."""
        if self.kind == "search":
            return self.name
        addresses = [need.split("/") for need in self.needs]
        arms = {address[3] for address in addresses if address[2:3] == ["search"]}
        return arms.pop() if len(arms) == 1 else None

    def columns(self) -> dict[str, str | int | None]:
        """What tables and results say of a job, whatever became of it."""
        return {
            "key": self.key,
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
