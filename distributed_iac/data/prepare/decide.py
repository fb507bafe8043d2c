"""Deciding what is done to every case of a data set, once, from its training patients.

::

    surveys = [survey_case(case, scheme) for case in training_cases]      # data/prepare/survey.py
    recipe = decide_recipe(settings, surveys, slice_axes)
    recipe.spacing, recipe.patch, recipe.crop, recipe.normalisers["CT"]

Nothing here may look at patients of ``val`` or ``test``: spacing, patch, crop and intensity
statistics would carry their images into the training.

The rules are nnU-Net's default planner's where they are said to be; the automatic patch is ours:
nnU-Net chooses the largest patch of the median slice's shape that fits a given GPU and trains on
patches from all over the slice; we train on one patch a slice. So we take the median slice itself,
and more where a training patient's foreground would be cut off. Predictions slide the patch over
the slice, as nnU-Net's do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.data.contract import Modality, Reorient
from distributed_iac.data.prepare.axes import fixed_layout
from distributed_iac.data.prepare.survey import CaseSurvey
from distributed_iac.data.store.recipe import Crop, Recipe
from distributed_iac.data.volumes.intensity import CtNormaliser, Normaliser, PerChannel, ZScore
from distributed_iac.data.volumes.plane import Size, resampled_size

MASKED_BELOW = 0.75
"""nnU-Net's ``determine_whether_to_use_mask_for_norm``: share of a volume that its non-zero box
fills, median over the cases."""

ROUNDING = 1e-6
"""Slack when sizes are rounded up, for medians such as 223.99999999."""


def decide_recipe(
    settings: PreprocessSettings,
    surveys: Sequence[CaseSurvey],
    slice_axes: Mapping[Reorient, int],
) -> Recipe:
    """Resolve every ``auto`` from the training cases.

    Args:
        settings: What the user fixed.
        surveys: Of all usable training cases, at least one; their order does not matter but for
            the last bits of the statistics, so pass them in the order of the cases.
        slice_axes: Resolved slice axis for each reorientation that occurs.

    Raises:
        DataError: CT normalisation without any foreground.
    """
    crop = _crop(settings, surveys)
    spacing = settings.spacing
    if spacing == "auto":
        rows, columns = np.median([survey.spacing for survey in surveys], axis=0)
        spacing = float(rows), float(columns)
    patch = settings.patch
    if patch == "auto":
        patch = _patch(settings, surveys, spacing, crop)
    normalisers = {
        modality: _normaliser(settings, crop, [s for s in surveys if s.modality == modality])
        for modality in get_args(Modality)
        if any(survey.modality == modality for survey in surveys)
    }
    slices = fixed_layout(settings)
    return Recipe(spacing, patch, crop, dict(slice_axes), normalisers, slices)


def _crop(settings: PreprocessSettings, surveys: Sequence[CaseSurvey]) -> Crop:
    if settings.crop != "auto":
        return settings.crop
    # Zero is a tissue's value in CT, not a mask.
    shares = [survey.nonzero_share for survey in surveys if survey.modality == "MR"]
    return "nonzero" if shares and np.median(shares) < MASKED_BELOW else "image"


def _patch(
    settings: PreprocessSettings,
    surveys: Sequence[CaseSurvey],
    spacing: tuple[float, float],
    crop: Crop,
) -> Size:
    sizes = []
    for survey in surveys:
        (top, bottom), (left, right) = survey.box
        size = survey.size if crop == "image" else (bottom - top, right - left)
        sizes.append(resampled_size(size, survey.spacing, spacing))
    needed = [reach(survey, spacing, crop) for survey in surveys]
    step = settings.patch_multiple
    largest = max(settings.patch_limit // step * step, step)
    sides = np.maximum(np.median(sizes, axis=0), np.max(needed, axis=0))
    steps = np.ceil(sides / step - ROUNDING).astype(int)
    height, width = (min(int(count) * step, largest) for count in steps)
    return height, width


def reach(survey: CaseSurvey, spacing: tuple[float, float], crop: Crop) -> Size:
    """Smallest patch that shows all of a case's foreground, centred as ``crop`` says.

    The box around what is not zero does not depend on the label, so neither does the place of the
    patch; only its size takes the training patients' labels into account.
    """
    if survey.labelled is None:
        return 0, 0
    sides = []
    for (start, stop), box, size in zip(survey.labelled, survey.box, survey.size, strict=True):
        middle = size / 2 if crop == "image" else sum(box) / 2
        sides.append(min(math.ceil(2 * max(middle - start, stop - middle)), size))
    return resampled_size((sides[0], sides[1]), survey.spacing, spacing)


def _normaliser(
    settings: PreprocessSettings, crop: Crop, surveys: Sequence[CaseSurvey]
) -> Normaliser:
    rule = settings.normalisation
    if isinstance(rule, tuple):
        return PerChannel.of(rule)
    if rule == "ct" or (rule == "auto" and surveys[0].modality == "CT"):
        return CtNormaliser.fit([s.foreground for s in surveys if s.foreground.size])
    masked = rule == "zscore_nonzero" or (rule == "auto" and crop != "image")
    return ZScore("nonzero" if masked else "all")
