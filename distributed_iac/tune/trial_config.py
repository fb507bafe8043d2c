"""What a Ray Tune trial is told: which job, and what schedulers want to know of it.

::

    config = TrialConfig.of(job).to_dict()
    TrialConfig.read(config).job            # "acdc/basic_unet-tiny/search/lth/seed0"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from distributed_iac.jobs.job import Job

CONCLUDE = "conclude"
"""Kind of a trial that brings a job to the end that a scheduler has decided on; no scheduler has
a say in it, and it is not another search beside the one that was stopped."""


@dataclass(frozen=True)
class TrialConfig:
    """A trial's configuration.

    Args:
        job: The job's key.
        kind: The job's kind, or ``conclude``.
        group: Data set and backbone.
        arm: Way to search; None where there is none.
        seed: None where all seeds share the job.
        until: Epoch at which a stopped job ends; None: where it ends by itself.
    """

    job: str
    kind: str
    group: str
    arm: str | None
    seed: int | None
    until: int | None = None

    @classmethod
    def of(cls, job: Job) -> TrialConfig:
        """Describe a job."""
        return cls(
            job=job.key,
            kind=job.kind,
            group=job.group,
            arm=job.arm,
            seed=job.seed,
        )

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> TrialConfig:
        """Read what :meth:`to_dict` wrote; anything besides is ignored."""
        return cls(**{name: config[name] for name in cls.__dataclass_fields__})

    def concluding(self, until: int) -> TrialConfig:
        """The trial that ends a job which was stopped after an epoch."""
        return replace(self, kind=CONCLUDE, until=until)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
