"""Where a Ray that is started on this machine keeps its sockets, logs and token.

::

    temp = require_place(os.environ, os.getpid(), "off")        # RunError where it could not start
    logs = temp / "ray/session_latest/logs"

Ray itself tries for a minute, three times over, and then says little about why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from distributed_iac.errors import RunError
from distributed_iac.tune.ray_internals import SESSION, SOCKETS

LONGEST = 103 if sys.platform == "darwin" else 107
"""Bytes of a socket's path: ``sun_path`` of unix(7) without its final zero."""
SHORT = "set RAY_TMPDIR to a short path that can be written, such as /tmp"
HOME_OR_TOKEN = "set HOME to a folder that can be written, or RAY_AUTH_TOKEN to a secret of yours"
VARIABLES = ("RAY_TMPDIR",) if sys.platform == "darwin" else ("RAY_TMPDIR", "TMPDIR")
"""Which say where its session lies, the first one first; else it is ``/tmp``."""
TOKEN = Path(".ray") / "auth_token"


def require_place(
    environment: Mapping[str, str], pid: int, dashboard: Literal["off", "local"]
) -> Path:
    """Look at what Ray is going to need.

    Args:
        environment: Variables of this process.
        pid: Of this process; part of its session's name.
        dashboard: Whether there is one.

    Returns:
        The folder below which its session lies.

    Raises:
        RunError: Paths of sockets would be too long, the folder cannot be written, or there is no
            place for the token.
    """
    name = next((one for one in VARIABLES if one in environment), VARIABLES[0])
    temp = Path(environment.get(name, "/tmp"))
    socket = temp / SESSION.format(pid=pid, socket=SOCKETS[dashboard])
    length = len(os.fsencode(socket))
    if length > LONGEST:
        raise RunError(
            f"paths of Ray's sockets have at most {LONGEST} bytes",
            came=f"{length}, because {name} is {temp}",
            remedy=SHORT,
        )
    _require_writable(temp / "ray", f"{name} is {temp}", SHORT)
    _require_token(environment)
    return temp


def _require_token(environment: Mapping[str, str]) -> None:
    """A token keeps other users' processes out; Ray makes one in the home folder."""
    given = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & environment.keys()
    if given or environment.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    try:
        home = Path.home()
    except RuntimeError as error:
        raise RunError("Ray keeps a token at home", came=error, remedy=HOME_OR_TOKEN) from error
    if not os.access(home / TOKEN, os.R_OK):
        _require_writable((home / TOKEN).parent, f"HOME is {home}", HOME_OR_TOKEN)


def _require_writable(folder: Path, came: str, remedy: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{folder} cannot be written")
    except OSError as error:
        raise RunError(
            "Ray keeps files in folders that it can make and write",
            came=f"{came}: {error.strerror or error}",
            remedy=remedy,
        ) from error
