"""The whole comparison of a run, finished or not: speed, patients, likeness, and what is missing.

::

    result = compare(job_rows, patient_rows, settings, planned_epochs=200, evidence=evidence,
                     controls=("plain", "plain_extra", "random"))
    write_json(run / "comparison.json", result.to_dict())
    result.warnings

Deterministic: the same rows and settings give the same numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from distributed_iac.comparison.contrast import Contrast, contrast
from distributed_iac.comparison.gaps import gaps
from distributed_iac.comparison.likeness import (
    EarlyOperations,
    Likeness,
    SearchEvidence,
    early_operations,
    likenesses,
)
from distributed_iac.comparison.ranking import Ranking, rankings
from distributed_iac.comparison.rows import JobRow, ScoreRow
from distributed_iac.comparison.signed_rank import LARGEST_EXACT
from distributed_iac.comparison.speed import SpeedUp, speed
from distributed_iac.comparison.variants import VariantContrast, variant_contrasts
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.files import without_nan

METHODS: dict[str, str] = {
    "patients": "values are paired by seed, patient, case and target, then averaged over cases, "
    "targets and seeds; slots of one arm are averaged first",
    "test": "two-sided Wilcoxon signed-rank test over patients, Holm-corrected over groups; exact "
    f"over all changes of sign, ties included, up to {LARGEST_EXACT} patients that differ, the "
    "normal approximation with its correction for ties above",
    "interval": "percentile bootstrap with tails widened to Student's (Hesterberg, arXiv "
    "1411.5279); patients and seeds drawn independently (pigeonhole bootstrap) where seeds are "
    "drawn",
    "equivalence": "two one-sided tests by interval inclusion against a margin that is our choice",
    "speed_up": "geometric mean of ratios paired by data set, backbone and seed; a full-length "
    "search that was cut short is no denominator",
    "agreement": "genes shared with another search against two searches that know nothing",
}
"""How every figure was made; part of ``comparison.json``."""


@dataclass(frozen=True)
class Comparison:
    """Everything that a run says about its arms.

    Args:
        settings: What was asked for.
        speed: Speed-ups of the candidate over the reference.
        contrasts: Patient-level differences of the candidate from everything else.
        likeness: Agreement of genotypes within and between arms.
        early: How early the reference's final operations were among the strongest.
        warnings: What is missing, one sentence each.
        variants: Every variant of the run against the first, model by model.
        rankings: Whether the order of models holds between them.
    """

    settings: ComparisonSettings
    speed: tuple[SpeedUp, ...]
    contrasts: tuple[Contrast, ...]
    likeness: tuple[Likeness, ...]
    early: tuple[EarlyOperations, ...]
    warnings: tuple[str, ...]
    variants: tuple[VariantContrast, ...] = ()
    rankings: tuple[Ranking, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form for ``comparison.json``; undefined numbers are null."""
        value = {
            "settings": self.settings.model_dump(mode="json"),
            "methods": METHODS,
            "speed": [_speed(one) for one in self.speed],
            "contrasts": [asdict(one) for one in self.contrasts],
            "likeness": [asdict(one) for one in self.likeness],
            "early_operations": [asdict(one) for one in self.early],
            "warnings": self.warnings,
        }
        if self.variants or self.rankings:
            value["variants"] = [asdict(one) for one in self.variants]
            value["rankings"] = [asdict(one) for one in self.rankings]
        plain: dict[str, Any] = without_nan(value)
        return plain


def compare(
    jobs: Sequence[JobRow],
    patients: Sequence[ScoreRow],
    settings: ComparisonSettings,
    *,
    planned_epochs: int,
    controls: Sequence[str] = (),
    evidence: Sequence[SearchEvidence] = (),
    variants: Sequence[str] = (),
    cells: Mapping[str, str] = MappingProxyType({}),
) -> Comparison:
    """Compare the candidate arm with the reference, and with everything else that was scored.

    Args:
        jobs: The jobs table.
        patients: The patients table.
        settings: Arms, margins and resampling.
        planned_epochs: Epochs of a full-length search whose row does not say.
        controls: Controls and baselines that the run was to have; those without patients are
            named. Others in the patients table are compared all the same.
        evidence: Genotypes and histories of the finished searches.
        variants: Names of the run's variants, in order.
        cells: Id of the genotype that a model was trained with, by the model's key.

    Raises:
        ConfigError: Genotypes of one group have different graphs.
    """
    labels = _labels(patients, settings, controls)
    models = (settings.candidate, *labels)
    contrasts = tuple(
        row
        for label in labels
        for row in contrast(
            patients, settings.candidate, label, settings, _generator(settings, label)
        )
    )
    return Comparison(
        settings=settings,
        speed=speed(jobs, settings, planned_epochs, _generator(settings, "speed")),
        contrasts=contrasts,
        likeness=likenesses(evidence),
        early=early_operations(evidence, settings),
        warnings=gaps(jobs, patients, settings, labels, planned_epochs),
        variants=variant_contrasts(
            patients, variants, models, settings, lambda name: _generator(settings, name)
        ),
        rankings=rankings(patients, variants, models, _arms(patients), cells),
    )


def _labels(
    patients: Sequence[ScoreRow], settings: ComparisonSettings, controls: Sequence[str]
) -> tuple[str, ...]:
    """What the candidate is compared with: the reference, what was planned, what else is there."""
    there = sorted({row.label for row in patients} - {settings.candidate})
    return tuple(dict.fromkeys((settings.reference, *controls, *there)))


def _arms(patients: Sequence[ScoreRow]) -> list[str]:
    return sorted({row.arm for row in patients if row.arm})


def _generator(settings: ComparisonSettings, stream: str) -> np.random.Generator:
    """A stream a part, so that a part's draws do not depend on what else there is."""
    return np.random.default_rng((settings.seed, zlib.crc32(stream.encode())))


def _speed(one: SpeedUp) -> dict[str, Any]:
    value = asdict(one)
    for pair, row in zip(one.pairs, value["pairs"], strict=True):
        row["ratio"] = pair.ratio
    return value
