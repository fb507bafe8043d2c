"""What one job of a kind costs, measured on a few batches in a process of its own.

::

    probe(config, "search")             # Probe(epoch_seconds=3.1, peak_bytes=2.1e9, ...)

Light: networks and data are opened by :mod:`distributed_iac.run.measure`, in the process
that is measured.
"""

from __future__ import annotations

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Literal

from distributed_iac.config.run import RunConfig
from distributed_iac.data.store.manifest import read_manifest
from distributed_iac.data.workers import end_with_parent
from distributed_iac.errors import RunError
from distributed_iac.training.memory_model import MemoryModel

ProbedKind = Literal["pretrain", "search", "retrain", "baseline"]

MEASURE = "distributed_iac.run.measure"
"""By name: this process stays free of torch, which its import would bring."""

LIBRARIES = [
    MEASURE,
    "monai.networks.nets",
    "torch._dynamo",
]
"""What a job imports by its first batch; the two last are two thirds of the time, and are imported
by the networks and the optimisers when they are first made."""


@dataclass(frozen=True)
class Probe:
    """What one job of a kind takes.

    Args:
        epoch_seconds: An epoch with its validation.
        epochs: At the most.
        peak_bytes: Main memory of its process at the most, libraries included.
        gpu_bytes: GPU memory that torch reserved at the most; 0 on a CPU.
        memory: The same of any batch size: of the GPU, or main memory where there is none.
    """

    epoch_seconds: float
    epochs: int
    peak_bytes: int
    gpu_bytes: int
    memory: MemoryModel

    @property
    def seconds(self) -> float:
        """The whole job; the final evaluation on test patients is not counted."""
        return self.epoch_seconds * self.epochs


def probe(config: RunConfig, kind: ProbedKind) -> Probe:
    """Measure a kind of job in a process of its own, so that memory is its own as well.

    The processes of several probes are forks of one that has imported the libraries and done
    nothing else: importing them takes longer than the batches of a small network.

    Args:
        config: The run; its first data set must have a prepared store.
        kind: Which kind.

    Raises:
        StoreError: The store is not there, or not whole.
        RunError: A few batches need more memory than there is, or diverge.
    """
    read_manifest(config.store_folder(config.data[0]))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    with ProcessPoolExecutor(1, context, end_with_parent) as pool:
        try:
            return pool.submit(_measure, config, kind).result()
        except BrokenProcessPool as error:
            raise RunError(
                f"a {kind} job runs in the memory of this machine",
                came="its process was killed",
                remedy="use a smaller batches.batch_size, patch or backbone",
            ) from error


def _measure(config: RunConfig, kind: ProbedKind) -> Probe:
    found: Probe = importlib.import_module(MEASURE).measure(config, kind)
    return found
