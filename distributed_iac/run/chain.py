"""Single jobs of one group, in this process: what a notebook or a benchmark asks for.

::

    chain = Chain(Group.open(config, dataset, backbone), observe)
    result = chain.search("lth", seed=0)            # prepares and pre-trains first if it must
    result.genotype, result.folder

It is a :class:`~distributed_iac.run.local_sweep.LocalSweep` with shorter names: every job
has its folder below the run folder, resumes there after a kill, and is not run again once it is
finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.run.cells import SearchResult, read_search
from distributed_iac.run.local_sweep import LocalSweep, Observe
from distributed_iac.run.work.contract import WEIGHTS
from distributed_iac.training.group import Group
from distributed_iac.training.outputs import read_weights

__all__ = ["Chain", "Observe", "SearchResult"]


class Chain:
    """Runs jobs of a group locally.

    Args:
        group: Data set and backbone.
        observe: Told of every epoch.
        clock: Monotonic seconds.
    """

    def __init__(
        self, group: Group, observe: Observe, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.group = group
        self.sweep = LocalSweep(group.config, plan_jobs(group.config), observe, clock)
        self.folder = group.config.folder / group.name

    def pretrained(self) -> dict[str, Tensor]:
        """Weights of the trained backbone: the user's, or from this run's pre-training."""
        if self.group.settings.is_trained:
            return dict(self.group.backbone().state_dict())
        return read_weights(self.sweep.result(Job("pretrain", *self._names).key) / WEIGHTS)

    def search(self, arm: str, seed: int) -> SearchResult:
        """Search with one arm and seed of the run.

        Raises:
            RunError: The search diverged or ran out of memory.
            ConfigError: The run has no such arm or seed.
        """
        return read_search(self.sweep.result(Job("search", *self._names, arm, seed).key))

    def retrain(self, name: str, seed: int) -> Path:
        """Train a model of the run: an arm's chosen cell, or a control.

        Returns:
            File of the best epoch's weights, by val Dice.

        Raises:
            ConfigError: The run has no such model or seed.
        """
        return self.sweep.result(Job("retrain", *self._names, name, seed).key) / WEIGHTS

    @property
    def _names(self) -> tuple[str, str]:
        return self.group.dataset.name, self.group.settings.key
