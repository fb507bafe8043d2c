"""A real Ray on this machine, started once for all tests that ask for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # else only processes that Ray started itself may join
    "TUNE_GLOBAL_CHECKPOINT_S": "1",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="session")
def ray_environment() -> Iterator[None]:
    """Settings that Ray reads when it is imported, for this process and its workers."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def local_ray(ray_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module ``ray``, connected to two CPUs of this machine; no dashboard, no usage reports."""
    import ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 1024**2,
        configure_logging=False,
    )
    yield ray
    ray.shutdown()
