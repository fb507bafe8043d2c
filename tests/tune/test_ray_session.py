"""How Ray is asked for jobs; and one that does not start is one readable error."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from distributed_iac.errors import RunError
from distributed_iac.tune.ray_internals import SESSION, SOCKETS
from distributed_iac.tune.ray_place import LONGEST, require_place
from distributed_iac.tune.ray_session import jobs_ahead
from distributed_iac.tune.resources import Capacity

START = """
from distributed_iac.config.sweep import SweepSettings
from distributed_iac.errors import RunError
from distributed_iac.tune.ray_session import ray_session
try:
    with ray_session(SweepSettings(cpus=1), jobs=1):
        print("it started")
except RunError as error:
    print(error)
"""


def test_no_more_jobs_are_asked_for_ahead_than_may_hold_up_others() -> None:
    assert jobs_ahead(Capacity(cpus=2, gpus=0, memory=1e9), None) == 2
    assert jobs_ahead(Capacity(cpus=0.5, gpus=0, memory=1e9), None) == 1
    for capacity, address in ((Capacity(64, 1, 1e9), None), (Capacity(4, 0, 1e9), "auto")):
        assert jobs_ahead(capacity, address) == 8


@pytest.mark.slow
def test_a_ray_that_does_not_start_in_time_says_what_to_look_at() -> None:
    environment = {**os.environ, "RAY_gcs_server_port_wait_time_s": "0"}
    done = subprocess.run(
        [sys.executable, "-c", START],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ray starts on this machine" in done.stdout
    assert "came:   Timed out" in done.stdout
    assert "session_latest/logs" in done.stdout


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_a_temporary_folder_whose_sockets_would_be_too_long_is_told_before_ray_starts(
    name: str,
) -> None:
    long = f"/tmp/{'x' * 105}"
    with pytest.raises(RunError) as caught:
        require_place({name: long}, 4194304, "off")
    assert f"because {name} is {long}" in str(caught.value.came)
    assert "set RAY_TMPDIR to a short path" in str(caught.value.remedy)
    assert not Path(long).exists()


@pytest.mark.parametrize("dashboard", ["off", "local"])
def test_the_limit_is_that_of_a_socket_bound_there(dashboard: Any) -> None:
    """Not a byte is refused that the system would take, and none is let through."""
    base = Path(tempfile.mkdtemp(dir="/tmp"))
    most = LONGEST - len(SESSION.format(pid=1, socket=SOCKETS[dashboard])) - 1
    fits = base / ("x" * (most - len(str(base)) - 1))
    auth = {"RAY_AUTH_TOKEN": "secret"}
    try:
        assert require_place({"TMPDIR": str(fits), **auth}, 1, dashboard) == fits
        path = fits / SESSION.format(pid=1, socket=SOCKETS[dashboard])
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
        with pytest.raises(RunError):
            require_place({"TMPDIR": f"{fits}x", **auth}, 1, dashboard)
    finally:
        shutil.rmtree(base)


@pytest.mark.parametrize("variable", ["HOME", "RAY_TMPDIR"])
def test_folders_that_cannot_be_made_are_told_before_ray_starts(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(variable, str(tmp_path / "file" / "folder"))
    environment = {"RAY_TMPDIR": "/tmp", variable: str(tmp_path / "file" / "folder")}
    with pytest.raises(RunError) as caught:
        require_place(environment, 1, "off")
    assert variable in str(caught.value.came)
    assert variable in str(caught.value.remedy)


def test_without_a_home_a_token_of_ones_own_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(RunError, match=r"set HOME to a folder .* or RAY_AUTH_TOKEN"):
        require_place({"RAY_TMPDIR": "/tmp"}, 1, "off")
    for given in ({"RAY_AUTH_TOKEN": "mine"}, {"RAY_AUTH_MODE": "disabled"}):
        assert require_place({"RAY_TMPDIR": "/tmp", **given}, 1, "off") == Path("/tmp")
