"""Pictures of a model's best and worst test case, for people to judge by eye.

::

    rows = evaluate_patients(network, store, store.cases("test"), settings, ...)
    write_overlays(folder / OVERLAYS, take_overlays(network, store, rows, device))

Shapes: C channels, K outputs, H x W the patch.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from distributed_iac.data.batches.loader import read_batch
from distributed_iac.data.store import Store, StoredCase
from distributed_iac.data.targets import decode_logits
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.overlay_file import Overlay, Role

PERCENTILES = (0.5, 99.5)
"""Of a slice, shown as black and white. Our choice: single hot pixels must not darken the rest."""


def take_overlays(
    network: nn.Module, store: Store, rows: Sequence[CaseScore], device: torch.device
) -> tuple[Overlay, ...]:
    """Picture the case with the highest and the one with the lowest mean Dice.

    Args:
        network: Images (1, C, H, W) to logits (1, K, H, W), on ``device``; left in evaluation
            mode.
        store: Where the cases lie.
        rows: What :func:`~distributed_iac.evaluation.score_patients.evaluate_patients` returned.
        device: Where to predict the two slices once more.

    Returns:
        Best and worst; one of them if there is but one scored case, none without any.
    """
    scores = case_scores(rows)
    network.eval()
    return tuple(
        _picture(network, store, store.case(case_id), role, scores[case_id], device)
        for role, case_id in extremes(scores).items()
    )


def case_scores(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Mean Dice of every case over its targets with a defined one; cases without are left out."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if math.isfinite(row.dice):
            found[row.case_id].append(row.dice)
    return {case_id: sum(values) / len(values) for case_id, values in found.items()}


def extremes(scores: dict[str, float]) -> dict[Role, str]:
    """The best case, and the worst if there is another; of equal ones the first, and the last."""
    ranked = sorted(scores, key=lambda case_id: (-scores[case_id], case_id))
    found: dict[Role, str] = {"best": ranked[0]} if ranked else {}
    return {**found, "worst": ranked[-1]} if len(ranked) > 1 else found


def _picture(
    network: nn.Module,
    store: Store,
    case: StoredCase,
    role: Role,
    dice: float,
    device: torch.device,
) -> Overlay:
    scheme = store.fingerprint.labels
    labels = store.labels(case.rows)
    wanted = (labels != 0) & (labels != (-1 if scheme.ignore is None else scheme.ignore))
    place = int(wanted.sum(axis=(1, 2)).argmax())
    row = case.rows[place : place + 1]
    return Overlay(
        role=role,
        patient_id=case.patient_id,
        case_id=case.case_id,
        dice=dice,
        slice_number=place + 1,
        slices=len(case.rows),
        spacing=store.fingerprint.recipe.spacing,
        classes=dict(scheme.classes),
        image=grey(store.images(row)[0, 0]),
        label=labels[place],
        predicted=_predict(network, store, row, device),
    )


def _predict(
    network: nn.Module, store: Store, row: NDArray[np.int64], device: torch.device
) -> NDArray[np.uint8]:
    scheme = store.fingerprint.labels
    with torch.no_grad():
        logits = network(read_batch(store, row, device).images)[0].float()
    return decode_logits(logits.cpu().numpy(), scheme)


def grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Scale an image (H, W) to black and white between :data:`PERCENTILES`."""
    low, high = np.percentile(image, PERCENTILES)
    scaled = (image - low) / max(high - low, 1e-6)
    shades: NDArray[np.uint8] = (scaled.clip(0, 1) * 255).round().astype(np.uint8)
    return shades
