"""A quiet Ray: started on this machine, or joined.

::

    with ray_session(settings, jobs=40) as capacity:
        ...                             # ray is connected
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray

from distributed_iac.config.sweep import SweepSettings
from distributed_iac.errors import RunError, first_line
from distributed_iac.tune.address import no_cluster, require_answer
from distributed_iac.tune.ray_internals import (
    QUIET,
    SNAPSHOT_SECONDS,
    START_SECONDS,
    TRIALS_AHEAD,
)
from distributed_iac.tune.ray_place import require_place
from distributed_iac.tune.resources import Capacity

LOOPBACK = "127.0.0.1"
AHEAD_OF_GPUS = 8
"""Jobs that Tune asks for ahead where some wait for GPUs; see :func:`jobs_ahead`. Our choice."""
PATIENCE, JOIN_TRIES = 120, 3
"""For :data:`START_SECONDS`: seconds for a Ray that is started here (30 by default, which
a busy machine was seen to miss); tries of up to 40 seconds for one that is joined."""
START_TRIES = 3
"""A Ray that is started here gives its own helpers about 15 seconds, which no setting changes, and
dies if they miss them, as was seen on a busy machine."""
LOGGERS = ("ray", "ray.tune", "ray.train")
"""What they would say is in the journal: progress, lost workers, failed jobs."""


@contextlib.contextmanager
def ray_session(settings: SweepSettings, jobs: int) -> Iterator[Capacity]:
    """Connect to Ray, and leave it as it was found.

    A Ray that this process is connected to already is used as it is.

    Args:
        settings: Address, cores, dashboard.
        jobs: How many there are, for how often Tune writes a snapshot.

    Yields:
        What the cluster has.

    Raises:
        ConfigError: That is no address.
        RunError: There is no cluster at the address, it does not let this machine in, or Ray does
            not start on this machine.
    """
    with _environment(_variables(settings, jobs)), _quiet():
        ours = not ray.is_initialized()
        if ours:
            _connect(settings)
        try:
            capacity = Capacity.of(ray.cluster_resources())
            ahead = str(jobs_ahead(capacity, settings.address))
            with _environment({TRIALS_AHEAD: ahead}):
                yield capacity
        finally:
            if ours:
                ray.shutdown()


def jobs_ahead(capacity: Capacity, address: str | None) -> int:
    """How many jobs Tune asks for before there is room for them.

    They start in the order in which they were asked for, whatever becomes ready meanwhile, so the
    fewer the better. But with Tune's default of one, a job that waits for a GPU holds up those that
    need none; and processes start one after another, so there are as many as cores.

    Args:
        capacity: What there is.
        address: Of a cluster, which may grow GPUs; None for this machine.
    """
    if capacity.gpus or address is not None:
        return AHEAD_OF_GPUS
    return max(1, math.ceil(capacity.cpus))


def _connect(settings: SweepSettings) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    temp = None
    if settings.address is None:
        temp = require_place(os.environ, os.getpid(), settings.dashboard)
        options |= {
            "address": "local",
            "num_cpus": settings.cpus,
            "include_dashboard": settings.dashboard == "local",
            "dashboard_host": LOOPBACK,
        }
    else:
        require_answer(settings.address)
        options |= {"address": settings.address}
    _initialise(settings.address, options, temp)


def _initialise(address: str | None, options: Mapping[str, Any], temp: Path | None) -> None:
    """Start or join; what remains of a start that failed ends with this process."""
    for left in reversed(range(START_TRIES if address is None else 1)):
        try:
            ray.init(**options)
        except Exception as error:  # Ray raises bare ones where a start takes too long
            ray.shutdown()
            if not left:
                raise _not_connected(address, first_line(error), temp) from error
        else:
            return


def _not_connected(address: str | None, came: str, temp: Path | None) -> RunError:
    if address is not None:
        return no_cluster(address, came)
    return RunError(
        "Ray starts on this machine",
        came=came,
        remedy="look for other processes that keep the machine busy, and for a full disk or "
        f"/dev/shm, then run the same command again; Ray's logs: {temp}/ray/session_latest/logs",
    )


def _variables(settings: SweepSettings, jobs: int) -> dict[str, str]:
    """Environment of the driver.

    ``RAY_AUTH_MODE`` is left alone: every process of a cluster must agree on it, and a Ray that is
    started on this machine turns token authentication on by itself (2.59 and later), which keeps
    other users' processes out.
    """
    return {
        **QUIET,
        SNAPSHOT_SECONDS: f"{settings.snapshot_period(jobs):g}",
        START_SECONDS: str(PATIENCE if settings.address is None else JOIN_TRIES),
    }


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while; those that the user has set win."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
