"""Jobs a GPU from the memory that a few batches of each kind take: ``sweep.resources: measured``.

::

    jobs_a_gpu(3 * 2**30, 24 * 2**30)               # 5
    measured_resources(KindResources(), {"search": 3 * 2**30}, 24 * 2**30).search.gpus  # 0.2
"""

from __future__ import annotations

from collections.abc import Mapping

from distributed_iac.config.sweep import KindResources, ResourceSettings
from distributed_iac.jobs.job import JobKind

MARGIN = 1.25
"""Memory set aside for each byte measured: batches differ, and torch keeps what it has freed."""

CONTEXT = 600_000_000
"""Bytes of a process's CUDA context, which torch does not count; it is 300 to 600 MB."""

MOST = 8
"""Jobs a GPU at the most: more of them wait for its cores, not for its memory. All our choice."""


def jobs_a_gpu(peak: int, there: int) -> int:
    """How many jobs fit on a GPU.

    Args:
        peak: Bytes that torch reserved for one at the most.
        there: Bytes of the GPU.
    """
    return max(1, min(MOST, int(there / (peak * MARGIN + CONTEXT))))


def measured_resources(
    given: KindResources, peaks: Mapping[JobKind, int], there: int
) -> KindResources:
    """Reservations by kind; scoring, which is not measured, is taken to need what most need.

    Args:
        given: Cores and main memory, which stay.
        peaks: Bytes of GPU memory by kind, above 0; not empty.
        there: Bytes of the smallest GPU.
    """
    fitted: dict[str, ResourceSettings] = {}
    for kind, peak in {"evaluate": max(peaks.values()), **peaks}.items():
        jobs = jobs_a_gpu(peak, there)
        share = 1.0 if jobs == 1 else 10_000 // jobs / 10_000  # Ray counts ten-thousandths
        fitted[kind] = getattr(given, kind).model_copy(update={"gpus": share})
    return given.model_copy(update=fitted)
