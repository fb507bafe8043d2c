"""How Ray is asked for jobs; and one that does not start is one readable error."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
