"""One variant of a run against another: the same model, patients and seeds.

::

    variant_contrasts(rows, ("augmented", "unaugmented"), ("lth", "full", "plain"), settings, rng)
    _[0].label, _[0].contrast.difference        # "lth": unaugmented less augmented

Every variant is compared with the first one, arm by arm and control by control. What two variants
share is no difference, and has no row. Tests, corrections and intervals are those of
:mod:`distributed_iac.comparison.contrast`: Holm's correction is over the groups, for each model and
pair of variants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from distributed_iac.comparison.contrast import Contrast, contrast_pairs
from distributed_iac.comparison.pairing import Metric, Pairing, pair
from distributed_iac.comparison.rows import ScoreRow
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.jobs.job import group_name


@dataclass(frozen=True)
class VariantContrast:
    """A model in one variant against itself in another.

    Args:
        label: Arm, control or baseline.
        contrast: Its candidate and the other are the two variants.
    """

    label: str
    contrast: Contrast


@dataclass(frozen=True)
class Side:
    """A model of one group in two variants.

    Args:
        dataset: Its data set.
        backbone: Its backbone, or the baseline.
        mine: Rows in the one.
        yours: Rows in the other.
    """

    dataset: str
    backbone: str
    mine: Sequence[ScoreRow]
    yours: Sequence[ScoreRow]

    @property
    def group(self) -> str:
        """``dataset/backbone``."""
        return group_name(self.dataset, self.backbone)

    @property
    def is_shared(self) -> bool:
        """Whether both are the same networks."""
        return {row.model for row in self.mine} == {row.model for row in self.yours}


def variant_contrasts(
    rows: Sequence[ScoreRow],
    variants: Sequence[str],
    labels: Sequence[str],
    settings: ComparisonSettings,
    generator: Callable[[str], np.random.Generator],
) -> tuple[VariantContrast, ...]:
    """Compare every variant with the first.

    Args:
        rows: The patients table.
        variants: Names, in order; with fewer than two there is nothing to compare.
        labels: Arms, controls and baselines, in order.
        settings: Margins, confidence and resampling.
        generator: A stream of random numbers for a text.
    """
    return tuple(
        VariantContrast(label, one)
        for variant in variants[1:]
        for label in labels
        for one in contrast_pairs(
            partial(_pairings, rows, label, variant, variants[0]),
            variant,
            variants[0],
            settings,
            generator(f"{variant} {label}"),
        )
    )


def sides(rows: Sequence[ScoreRow], label: str, variant: str, against: str) -> Iterator[Side]:
    """A model wherever both variants have it, by group."""
    own = [row for row in rows if row.label == label]
    for place in sorted({(row.dataset, row.backbone) for row in own}):
        here = [row for row in own if (row.dataset, row.backbone) == place]
        mine, yours = ([row for row in here if row.is_in(name)] for name in (variant, against))
        if mine and yours:
            yield Side(*place, mine, yours)


def _pairings(
    rows: Sequence[ScoreRow], label: str, variant: str, against: str, metric: Metric
) -> dict[str, Pairing]:
    own = [one for one in sides(rows, label, variant, against) if not one.is_shared]
    pairings = {one.group: pair(one.mine, one.yours, metric) for one in own}
    return {group: one for group, one in pairings.items() if one.values}
