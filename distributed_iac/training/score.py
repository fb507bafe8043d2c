"""Validation score while training: volumetric Dice per case, in the store's geometry.

::

    dice = validation_dice(
        lambda batch: network(batch.images), store, "val", coder, device, batch_size=32
    )

It steers and selects; results are reported by ``evaluation/`` in native geometry. All slices of
a case are counted, also those without a label, so that false positives cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distributed_iac.data.batches.loader import Batch, CaseSource, read_batch
from distributed_iac.training.memory import ONE_SLICE, BatchSplitter
from distributed_iac.training.targets import TargetCoder


def validation_dice(
    predict: Callable[[Batch], Tensor],
    source: CaseSource,
    part: str,
    coder: TargetCoder,
    device: torch.device,
    batch_size: int,
) -> float:
    """Score a predictor on every slice of a part with one number: see :func:`case_dice`.

    Returns:
        Mean over targets, in [0, 1], of the mean over the cases where the target is in the label
        or in the prediction; NaN if no target occurs at all.
    """
    return mean_dice(case_dice(predict, source, part, coder, device, batch_size))


def case_dice(
    predict: Callable[[Batch], Tensor],
    source: CaseSource,
    part: str,
    coder: TargetCoder,
    device: torch.device,
    batch_size: int,
) -> NDArray[np.float64]:
    """Score a predictor on every slice of a part, in smaller batches where memory runs out.

    Args:
        predict: A batch to logits (B, K, H, W), in evaluation mode.
        source: The store.
        part: Which patients.
        coder: Target coding of the store's label scheme.
        device: Where to compute.
        batch_size: Slices at a time.

    Returns:
        (cases, T) in [0, 1]; NaN where a target is neither in the label nor in the prediction.

    Raises:
        OutOfMemoryError: Not even a single slice fits.
    """
    splitter = BatchSplitter(batch_size, remedy=ONE_SLICE)
    cases = source.cases(part)
    counts = torch.zeros(3, len(cases), len(coder.target_names), device=device, dtype=torch.float64)

    def count(chunk: NDArray[np.int64]) -> Tensor:
        parts = (
            read_batch(source, part, device)
            for part in np.array_split(chunk, min(splitter.parts, len(chunk)))
        )
        return torch.cat([_counts(coder, predict(one), one.labels) for one in parts], 1)

    rows = np.concatenate([case.rows for case in cases])
    owners = np.repeat(np.arange(len(cases)), [len(case.rows) for case in cases])
    with torch.no_grad():
        for start in range(0, len(rows), batch_size):
            chunk = rows[start : start + batch_size]
            found = splitter.persist(len(chunk), partial(count, chunk))
            owner = torch.from_numpy(owners[start : start + batch_size]).to(device)
            counts.index_add_(1, owner, found)
    overlap, guess, truth = counts.cpu().numpy()
    total = guess + truth
    dice: NDArray[np.float64] = np.divide(
        2 * overlap, total, out=np.full_like(total, np.nan), where=total > 0
    )
    return dice


def mean_dice(dice: NDArray[np.float64]) -> float:
    """Mean over targets of the mean over cases, of (cases, T); NaN if nothing is defined."""
    return _mean(np.array([_mean(column) for column in dice.T]))


def _counts(coder: TargetCoder, logits: Tensor, labels: Tensor) -> Tensor:
    """Overlap, predicted and labelled pixels per slice and target, (3, B, T)."""
    _, known = coder.encode(labels)
    truth = coder.masks(labels) & known.bool()
    guess = coder.masks(coder.decode(logits)) & known.bool()
    both = torch.stack([truth & guess, guess, truth])
    return both.sum((-1, -2)).double()


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what is defined; NaN, without a warning, if nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else math.nan
