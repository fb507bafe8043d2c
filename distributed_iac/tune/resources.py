"""What each kind of job reserves on the cluster at hand.

::

    capacity = Capacity(cpus=16, gpus=2, memory=64e9)
    reserved = reserve(config.sweep.resources, capacity, device="auto")
    reserved["search"].gpus                     # 1.0
    request = tune_request(reserved, kinds)     # for tune.with_resources
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from distributed_iac.config.sweep import KindResources, ResourceSettings
from distributed_iac.errors import ConfigError
from distributed_iac.jobs.job import JobKind
from distributed_iac.run.sweep_folder import Reserved

GIGABYTE = 1e9
ROUNDING = 1e-9

_LESS = (
    "reserve less, or join a larger cluster with --address; plan --no-measure plans for another "
    "machine than this"
)
_REMEDIES = {"cpus": _LESS, "gpus": f"{_LESS}; device: cpu reserves none", "memory": _LESS}


@dataclass(frozen=True)
class Capacity:
    """What a cluster has in all.

    Args:
        cpus: Cores.
        gpus: GPUs.
        memory: Bytes.
    """

    cpus: float
    gpus: float
    memory: float

    @classmethod
    def of(cls, cluster: Mapping[str, float]) -> Capacity:
        """Read ``ray.cluster_resources()``."""
        names = ("CPU", "GPU", "memory")
        cpus, gpus, memory = (float(cluster.get(name, 0.0)) for name in names)
        return cls(cpus, gpus, memory)


def reserve(settings: KindResources, capacity: Capacity, device: str) -> dict[JobKind, Reserved]:
    """Resolve what the settings leave open.

    Args:
        settings: By kind.
        capacity: What there is.
        device: The run's device: ``cpu`` reserves no GPU, ``cuda`` one even where there is none
            yet, ``auto`` one where there are.
    """
    kinds: tuple[JobKind, ...] = get_args(JobKind)
    return {kind: _resolve(getattr(settings, kind), capacity, device) for kind in kinds}


@dataclass(frozen=True)
class Room:
    """What a machine has, and what its jobs take.

    Args:
        reserved: By kind.
        capacity: Of the machine.
    """

    reserved: Mapping[JobKind, Reserved]
    capacity: Capacity

    def has(self, kinds: Collection[JobKind]) -> bool:
        """Whether jobs of these kinds may run at the same time, as far as sums can tell."""
        all_of_them = [self.reserved[kind] for kind in kinds]
        taken = Capacity(
            sum(one.cpus for one in all_of_them),
            sum(one.gpus for one in all_of_them),
            sum(one.memory for one in all_of_them),
        )
        there = self.capacity
        pairs = ((taken.cpus, there.cpus), (taken.gpus, there.gpus), (taken.memory, there.memory))
        return all(one <= most * (1 + ROUNDING) for one, most in pairs)


def search_slots(reserved: Mapping[JobKind, Reserved], capacity: Capacity) -> float:
    """How many searches, which are most of a sweep's work, fit at the same time; at least one."""
    one = reserved["search"]
    pairs = ((capacity.cpus, one.cpus), (capacity.gpus, one.gpus), (capacity.memory, one.memory))
    return max(1.0, min(there // wanted for there, wanted in pairs if wanted))


def require_fit(reserved: Mapping[JobKind, Reserved], capacity: Capacity) -> None:
    """Refuse reservations that a cluster of fixed size can never meet.

    Raises:
        ConfigError: Naming the kind of job and the resource.
    """
    for kind, one in reserved.items():
        for name, wanted, there in (
            ("cpus", one.cpus, capacity.cpus),
            ("gpus", one.gpus, capacity.gpus),
            ("memory", one.memory, capacity.memory),
        ):
            if wanted > there:
                raise ConfigError(
                    f"sweep.resources.{kind}.{name} is at most what Ray has here, {there:g}",
                    came=f"{wanted:g}",
                    remedy=_REMEDIES[name],
                )


def tune_request(
    reserved: Mapping[JobKind, Reserved], kinds: Mapping[str, JobKind]
) -> Callable[[Mapping[str, Any]], dict[str, float]]:
    """The function that tells Tune what a trial reserves.

    Args:
        reserved: By kind.
        kinds: Kind by job; a trial that concludes a job needs what the job needed.
    """

    def request(config: Mapping[str, Any]) -> dict[str, float]:
        one = reserved[kinds[config["job"]]]
        return {
            name: amount
            for name, amount in (("cpu", one.cpus), ("gpu", one.gpus), ("memory", one.memory))
            if amount
        }

    return request


def _resolve(settings: ResourceSettings, capacity: Capacity, device: str) -> Reserved:
    gpus = settings.gpus
    if gpus == "auto":
        # A cluster that grows with its jobs has no GPU before the first one asks for it.
        asked = device.startswith("cuda") or (capacity.gpus and device != "cpu")
        gpus = 1.0 if asked else 0.0
    return Reserved(settings.cpus, gpus, (settings.memory_gb or 0.0) * GIGABYTE)
