"""A real Ray on this machine, for the tests of a file; other files must not find it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # else only processes that Ray started itself may join
    "TUNE_GLOBAL_CHECKPOINT_S": "1",  # else nothing to restore from after a few seconds
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="module")
def local_ray() -> Iterator[Any]:
    """The module ``ray``, connected to two CPUs of this machine; no dashboard, no usage reports."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in ENVIRONMENT.items():
            environment.setenv(name, value)
        import ray

        ray.init(
            address="local",  # not another cluster that runs on this machine
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=100 * 1024**2,
            configure_logging=False,
        )
        yield ray
        ray.shutdown()
