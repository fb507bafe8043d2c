"""A Ray that does not start is one readable error."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
