"""Jobs a GPU from measured memory: never more than fit, never none."""

from __future__ import annotations

import pytest

from distributed_iac.config.sweep import KindResources, ResourceSettings, SweepSettings
from distributed_iac.tune.measured import CONTEXT, MARGIN, MOST, jobs_a_gpu, measured_resources
from distributed_iac.tune.resources import Capacity, require_fit, reserve

GPU = 24 * 10**9


@pytest.mark.parametrize("peak", [10**8, 10**9, 3 * 10**9, 5 * 10**9, 11 * 10**9, 30 * 10**9])
def test_what_fits_with_its_margin_is_put_there_and_one_more_would_not(peak: int) -> None:
    jobs = jobs_a_gpu(peak, GPU)
    each = peak * MARGIN + CONTEXT
    assert jobs == 1 or jobs * each <= GPU
    assert jobs == MOST or (jobs + 1) * each > GPU


def test_reservations_start_exactly_as_many_jobs_and_keep_cores_and_memory() -> None:
    given = KindResources(search=ResourceSettings(cpus=3, memory_gb=2))
    fitted = measured_resources(given, {"search": 3 * 10**9, "retrain": 10**9}, GPU)
    reserved = reserve(fitted, Capacity(8, 1, 64e9), "auto")
    assert (reserved["search"].cpus, reserved["search"].memory) == (3, 2e9)
    for kind, peak in (("search", 3 * 10**9), ("retrain", 10**9)):
        share = reserved[kind].gpus  # type: ignore[index]
        assert int(1 / share + 1e-9) == jobs_a_gpu(peak, GPU)
        assert share * 10_000 == pytest.approx(round(share * 10_000)), "Ray counts in these"
    assert reserved["evaluate"].gpus == reserved["search"].gpus
    require_fit(reserved, Capacity(8, 1, 64e9))


def test_one_word_asks_for_it_and_without_a_gpu_nothing_is_reserved() -> None:
    settings = SweepSettings.model_validate({"resources": "measured"})
    assert settings.resources == KindResources(measured=True)
    assert reserve(settings.resources, Capacity(4, 0, 1e9), "auto")["search"].gpus == 0.0
