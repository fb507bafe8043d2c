"""Settings that benchmarks write themselves are those of today, and ask for jobs that there are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks import flaky, gpu, walks
from benchmarks.real_patients import write
from benchmarks.real_patients_parts import Part, parts
from distributed_iac.config.load import load_config
from distributed_iac.config.run import RunConfig
from distributed_iac.jobs.plan import plan_jobs


@pytest.mark.parametrize("part", tuple(parts()), ids=lambda part: part.name)
def test_every_part_of_the_real_patients_is_planned_with_what_it_exports(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(write(part))
    asked = config.headroom_run() if part.command == "headroom" else config
    keys = {job.key for job in plan_jobs(asked).jobs()}
    assert part.exports is None or part.exports[0] in keys


@pytest.mark.parametrize("scale", gpu.SCALES)
def test_the_searches_of_every_scale_of_a_gpu_are_planned(scale: str, tmp_path: Path) -> None:
    here = dataclasses.replace(gpu.SCALES[scale], folder=tmp_path)
    assert plan_jobs(load_config(gpu.write_settings(here, tmp_path / "acdc"))).jobs()


def test_the_smallest_runs_are_planned() -> None:
    for settings in (flaky.CONFIG, walks.settings(Path("scratch"))):
        assert plan_jobs(RunConfig.model_validate(settings)).jobs()
