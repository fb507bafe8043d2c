"""Whether anybody listens at a cluster's address, before Ray tries for a quarter of an hour.

::

    require_answer("10.0.0.4:6379")     # RunError: nobody listens there
"""

from __future__ import annotations

import socket

from distributed_iac.errors import ConfigError, RunError

ANSWERS = 10.0
"""Seconds that a port has to answer in; our choice, for clusters far away."""


def require_answer(address: str) -> None:
    """Refuse what is no address, and one where nobody listens.

    Args:
        address: ``HOST:PORT``, or ``auto``, which Ray itself looks up at once.

    Raises:
        ConfigError: It is neither.
        RunError: Nobody listens there.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ConfigError(
            "sweep.address is auto or HOST:PORT",
            came=address,
            remedy="give the address that `ray start --head` printed (port 6379 by default)",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWERS).close()
    except (OSError, OverflowError) as error:
        raise no_cluster(address, str(error)) from error


def no_cluster(address: str, came: str) -> RunError:
    """The error about a cluster that cannot be joined.

    Args:
        address: As it was given.
        came: What happened.
    """
    return RunError(
        "a Ray cluster answers at the address and lets this machine in",
        came=f"{address}: {came}",
        remedy="start one with `ray start --head` or `ray up`, with the same RAY_AUTH_MODE and "
        "token as here, or leave --address out",
    )
