"""What an empty structure is worth and how far a surface may be off: each with its source.

::

    conventions = conventions_for(settings.evaluation, store.fingerprint)
    conventions.empty.name, conventions.empty.one.hd95      # "brats", 374.0
    conventions.tolerance("tumor")                          # 1.1498... mm, or None

Dice and surface distances are undefined where a structure is missing, and challenges disagree on
what to write then. Averages change a lot with that choice, so it is a value of its own and its
name stands in every row of every table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from distributed_iac.config.evaluation import EmptyPolicyName, EvaluationSettings
from distributed_iac.data.store.fingerprint import Fingerprint


@dataclass(frozen=True)
class Scores:
    """The three metrics of one target; NaN where undefined.

    Args:
        dice: In [0, 1].
        hd95: In mm.
        surface_dice: In [0, 1].
    """

    dice: float
    hd95: float
    surface_dice: float


UNDEFINED = Scores(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class EmptyPolicy:
    """What is written where a mask is empty.

    Args:
        name: As in the settings and in tables.
        both: Neither label nor prediction has the structure.
        one: The prediction misses the structure, or invents it.
    """

    name: EmptyPolicyName
    both: Scores
    one: Scores


POLICIES: Mapping[EmptyPolicyName, EmptyPolicy] = {
    policy.name: policy
    for policy in (
        # Dice: nnU-Net, evaluate_predictions.compute_metrics. Surface Dice: the same rule (our
        # choice). HD95: no distance exists to a surface that is not there; the number of undefined
        # values stands beside every mean, because leaving missed structures out flatters it.
        EmptyPolicy("nan", both=UNDEFINED, one=Scores(dice=0, hd95=math.nan, surface_dice=0)),
        # BraTS 2023 evaluation package (metrics.py: infinite HD95 becomes 374 mm; up to 2022 it was
        # 373.13 mm, the diagonal of 240 x 240 x 155 mm). Surface Dice: the values of Dice (our
        # choice). Scores here are of the whole structure, not lesion-wise.
        EmptyPolicy(
            "brats",
            both=Scores(dice=1, hd95=0, surface_dice=1),
            one=Scores(dice=0, hd95=374, surface_dice=0),
        ),
        # KiTS23, kits23/evaluation/metrics.py. HD95: not a KiTS metric, so undefined.
        EmptyPolicy(
            "kits",
            both=Scores(dice=1, hd95=math.nan, surface_dice=1),
            one=Scores(dice=0, hd95=math.nan, surface_dice=0),
        ),
    )
}

KITS_TOLERANCES_MM: Mapping[str, float] = {
    "kidney_and_mass": 1.0330772532390826,
    "mass": 1.1328796488598762,
    "tumor": 1.1498198361434828,
}
"""HEC_SD_TOLERANCES_MM of kits23/configuration/labels.py: the disagreement of KiTS21 annotators."""

_POLICY_OF_FORMAT: Mapping[str, EmptyPolicyName] = {"brats": "brats", "kits": "kits"}


@dataclass(frozen=True)
class Conventions:
    """All that two evaluations must share before their numbers may be compared.

    Args:
        metrics: What is computed.
        empty: What is written where a mask is empty.
        tolerances_mm: Surface-Dice tolerance by target; a target that is not here has none.
    """

    metrics: frozenset[str]
    empty: EmptyPolicy
    tolerances_mm: Mapping[str, float]

    def tolerance(self, target: str) -> float | None:
        """Tolerance in mm at which a target's surface Dice is computed; None: it is not."""
        return self.tolerances_mm.get(target) if "surface_dice" in self.metrics else None


def conventions_for(settings: EvaluationSettings, fingerprint: Fingerprint) -> Conventions:
    """Resolve the settings for one data set.

    Published tolerances are those of the release: KiTS19 was scored by Dice alone.
    """
    automatic = _POLICY_OF_FORMAT.get(fingerprint.format, "nan")
    name = automatic if settings.empty_masks == "auto" else settings.empty_masks
    has_tolerances = fingerprint.format == "kits" and fingerprint.release != "2019"
    published = KITS_TOLERANCES_MM if has_tolerances else {}
    return Conventions(
        metrics=frozenset(settings.metrics),
        empty=POLICIES[name],
        tolerances_mm={**published, **settings.tolerances_mm},
    )
