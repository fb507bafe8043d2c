from __future__ import annotations

import pytest

from distributed_iac.config.sweep import KindResources, ResourceSettings, SweepSettings
from distributed_iac.errors import ConfigError
from distributed_iac.tune.resources import (
    Capacity,
    require_fit,
    reserve,
    search_slots,
    tune_request,
)

BOX = Capacity(cpus=8, gpus=1, memory=16e9)


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    settings = KindResources()
    assert reserve(settings, BOX, "auto")["search"].gpus == 1.0
    assert reserve(settings, BOX, "cpu")["search"].gpus == 0.0
    assert reserve(settings, Capacity(8, 0, 16e9), "auto")["search"].gpus == 0.0
    assert reserve(settings, BOX, "auto")["prepare"].gpus == 0.0


def test_cuda_asks_for_a_gpu_also_where_none_has_started_yet() -> None:
    """The first job is what makes a cluster that grows with its jobs start one."""
    small = Capacity(8, 0, 16e9)
    reserved = reserve(KindResources(), small, "cuda")
    assert reserved["search"].gpus == 1.0
    assert reserved["prepare"].gpus == 0.0
    with pytest.raises(ConfigError, match="device: cpu"):
        require_fit(reserved, small)


def test_a_trial_asks_for_what_its_job_reserves_also_to_conclude_it() -> None:
    settings = KindResources(search=ResourceSettings(cpus=2, gpus=0.25, memory_gb=3))
    request = tune_request(reserve(settings, BOX, "auto"), {"a/search": "search"})
    assert request({"job": "a/search", "kind": "conclude"}) == {
        "cpu": 2,
        "gpu": 0.25,
        "memory": 3e9,
    }


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (ResourceSettings(cpus=9), "cpus"),
        (ResourceSettings(gpus=2.0), "gpus"),
        (ResourceSettings(memory_gb=17), "memory"),
    ],
)
def test_what_never_fits_is_refused_by_name(wanted: ResourceSettings, name: str) -> None:
    reserved = reserve(KindResources(retrain=wanted), BOX, "auto")
    with pytest.raises(ConfigError, match=rf"resources\.retrain\.{name}"):
        require_fit(reserved, BOX)


def test_the_scarcest_resource_says_how_many_searches_fit() -> None:
    for search, slots in (
        (ResourceSettings(cpus=2), 1.0),  # one GPU
        (ResourceSettings(cpus=2, gpus=0.25), 4.0),
        (ResourceSettings(cpus=3, gpus=0.0), 2.0),
        (ResourceSettings(cpus=1, gpus=0.0, memory_gb=10), 1.0),
        (ResourceSettings(cpus=16), 1.0),  # never fits: as if it were one
    ):
        reserved = reserve(KindResources(search=search), BOX, "auto")
        assert search_slots(reserved, BOX) == slots


def test_what_fits_is_not_refused() -> None:
    require_fit(reserve(KindResources(), BOX, "auto"), BOX)


def test_device_seconds_count_the_share_of_the_gpu_and_are_none_without() -> None:
    settings = KindResources(
        search=ResourceSettings(cpus=2, gpus=0.5), retrain=ResourceSettings(cpus=4, gpus=0.0)
    )
    reserved = reserve(settings, BOX, "auto")
    assert reserved["search"].device_seconds(10.0) == 5.0
    assert reserved["retrain"].device_seconds(10.0) is None


def test_snapshots_are_rarer_for_more_jobs_unless_told() -> None:
    assert SweepSettings().snapshot_period(0) == 1.0
    assert SweepSettings().snapshot_period(10_000) > 60.0
    assert SweepSettings(snapshot_seconds=5).snapshot_period(10_000) == 5.0
