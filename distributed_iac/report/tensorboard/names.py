"""What a job's run is called in TensorBoard.

::

    run_name(Job("search", "acdc", "basic_unet", "lth", seed=0))     # "acdc/basic_unet/lth/seed0"
    run_name(Job("retrain", "acdc", "basic_unet", "lth", seed=0))
    # "acdc/basic_unet/retrain-lth/seed0"

Names are made for the filter of runs: ``/lth/`` picks all LTH searches, ``seed0$`` one seed,
``acdc/`` a data set.
"""

from __future__ import annotations

import re

from distributed_iac.jobs.job import Job

SUMMARY = "summary"
"""Run that holds what is said about all of them: columns of trials, and how to lay out charts."""
COMPARISON = "summary/comparison"
"""Run that holds a report's figures and tables."""


def means_run(arm: str) -> str:
    """Run that holds the means of an arm over its seeds: one an arm, so that each has a colour."""
    return f"means/{arm}"


_TAKEN = re.compile(r"(pretrain|baseline|evaluate-.*|retrain-.*|search-.*)")
"""What other jobs' runs are called within a group."""


def run_name(job: Job) -> str:
    """The job's run; different jobs of a sweep have different ones.

    An arm that is called like another kind of job gets the prefix ``search-``.
    """
    seed = "" if job.seed is None else f"seed{job.seed}"
    return "/".join(part for part in (job.dataset, job.backbone, _middle(job), seed) if part)


def _middle(job: Job) -> str:
    if job.kind == "search":
        return f"search-{job.name}" if _TAKEN.fullmatch(job.name) else job.name
    if job.kind in ("retrain", "evaluate"):
        return f"{job.kind}-{job.name}"
    return job.kind
