"""A configured sweep.

::

    outcome = run_sweep(load_config(path))
    outcome.counts["done"], outcome.failed
"""

from __future__ import annotations

from distributed_iac.config.run import RunConfig
from distributed_iac.nets.follow import follow_backbones
from distributed_iac.run.outcome import SweepOutcome
from distributed_iac.run.run_folder import claim_run_folder
from distributed_iac.run.run_workload import RunWorkload
from distributed_iac.run.storage import absolute
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.tune.sweep import Sweep


def configured_sweep(config: RunConfig) -> Sweep:
    """The sweep that a configuration asks for."""
    artifacts = config.artifacts
    return Sweep(
        workload=RunWorkload(config, absolute(artifacts)),
        folder=config.folder,
        artifacts=artifacts,
        settings=config.sweep,
        scheduler=config.scheduler,
        device=config.device,
    )


def run_sweep(config: RunConfig) -> SweepOutcome:
    """Run, or continue, everything that a configuration asks for.

    Raises:
        ConfigError: The run folder belongs to another configuration, or more is reserved than
            there is.
        RunError: Another process drives this sweep.
    """
    config = follow_backbones(config)
    with SweepFolder(config.folder).claimed():
        claim_run_folder(config)
        return configured_sweep(config).run()
