"""What tests of several commands begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from distributed_iac.config.run import RunConfig
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.run.run_folder import claim_run_folder
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    """A sweep that has not begun."""
    config = RunConfig.model_validate(
        {"name": "run", "out": tmp_path, "data": [{"name": "acdc", "source": tmp_path / "raw"}]}
    )
    claim_run_folder(config)
    graph = plan_jobs(config)
    reserved = {job.kind: Reserved(1.0) for job in graph.jobs()}
    plan = SweepPlan(graph, str(tmp_path / "artifacts"), reserved)
    SweepFolder(config.folder).describe(plan)
    return config.folder
