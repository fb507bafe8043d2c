"""Does the order of models hold from one variant to another?

::

    found = rankings(rows, ("short", "long"), ("lth", "full", "random"), ("lth", "full"), cells)
    found[0].tau, found[0].kept, found[0].pairs, found[0].sentence

Models are ordered by their mean test Dice, over the seeds, patients, cases and targets that a model
has in both variants. Looked at are the arms, all models (arms, controls, baselines), and the cells:
single retrainings of one genotype in both variants, as there are where a variant changes nothing
but how cells are retrained.

Kendall's tau-b is 1 where no pair changes places, -1 where all do, and undefined where all are
equal. An order of means says nothing about whether differences are real: models that nobody can
tell apart change places by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from scipy import stats

from distributed_iac.comparison.pairing import MEAN, pair
from distributed_iac.comparison.rows import ScoreRow
from distributed_iac.comparison.variants import Side, sides
from distributed_iac.jobs.job import group_name

Ranked = Literal["arms", "models", "cells"]


@dataclass(frozen=True)
class Ranking:
    """The order of some models in two variants.

    Args:
        group: ``dataset/backbone``.
        variants: The two.
        of: What is ordered.
        names: Best first, as in the first variant.
        scores: Mean Dice of each in both variants, in the same order.
        tau: Kendall's tau-b; None where it is undefined.
        kept: Pairs in the same order in both; ties count as kept where they are ties in both.
        pairs: All pairs.
    """

    group: str
    variants: tuple[str, str]
    of: Ranked
    names: tuple[str, ...]
    scores: tuple[tuple[float, float], ...]
    tau: float | None
    kept: int
    pairs: int

    @property
    def first(self) -> tuple[str, str]:
        """Who is best in each of them; all of several that are equal."""
        one, other = (
            " = ".join(
                name
                for name, score in zip(self.names, self.scores, strict=True)
                if score[at] == max(scores[at] for scores in self.scores)
            )
            for at in (0, 1)
        )
        return one, other

    @property
    def sentence(self) -> str:
        """In words."""
        one, other = self.variants
        what = {"arms": "arms", "models": "arms, controls and baselines", "cells": "cells"}[self.of]
        if self.tau is None:
            equal = [
                name
                for at, name in enumerate(self.variants)
                if len({scores[at] for scores in self.scores}) == 1
            ]
            return (
                f"{self.group}, {one} and {other}: the {len(self.names)} {what} have no order: all "
                f"have the same mean in {' and '.join(equal)}"
            )
        tau = f" (Kendall's tau {self.tau:+.2f})"
        stays = (
            f"the order of the {len(self.names)} {what} is the same"
            if self.kept == self.pairs
            else f"{self.pairs - self.kept} of {self.pairs} pairs of {len(self.names)} {what} "
            "change places"
        )
        best, second = self.first
        first = (
            f"{best} is first in both"
            if best == second
            else f"{best} is first in {one}, {second} in {other}"
        )
        return f"{self.group}, {one} and {other}: {stays}{tau}; {first}"


def rankings(
    rows: Sequence[ScoreRow],
    variants: Sequence[str],
    labels: Sequence[str],
    arms: Sequence[str],
    cells: Mapping[str, str],
) -> tuple[Ranking, ...]:
    """Set the order of models in every variant against that in the first.

    Args:
        rows: The patients table.
        variants: Names, in order.
        labels: Arms, controls and baselines.
        arms: Those of them that are arms.
        cells: Id of the genotype that a model was trained with, by its key.
    """
    return tuple(
        one
        for variant in variants[1:]
        for one in _against(rows, variants[0], variant, labels, arms, cells)
    )


def _against(
    rows: Sequence[ScoreRow],
    first: str,
    variant: str,
    labels: Sequence[str],
    arms: Sequence[str],
    cells: Mapping[str, str],
) -> Iterator[Ranking]:
    found = [(label, one) for label in labels for one in sides(rows, label, first, variant)]
    baselines = [(label, one) for label, one in found if one.mine[0].is_baseline]
    own = [one for one in found if one not in baselines]
    for dataset, backbone in dict.fromkeys((one.dataset, one.backbone) for _, one in own):
        models = {
            label: one for label, one in own if (one.dataset, one.backbone) == (dataset, backbone)
        }
        every = models | {label: one for label, one in baselines if one.dataset == dataset}
        searched = {label: one for label, one in models.items() if label in arms}
        alike: dict[tuple[str, int], tuple[str, Side]] = {}
        for label, one in models.items():
            for seed, cell, single in _same_cells(one, cells):
                # A cell that two arms found was trained once.
                alike.setdefault((cell, seed), (f"{label} seed {seed}", single))
        group = group_name(dataset, backbone)
        parts: dict[Ranked, Mapping[str, Side]] = {
            "arms": searched,
            "models": every if every.keys() != searched.keys() else {},
            "cells": dict(alike.values()),
        }
        for of, which in parts.items():
            ranking = _ranking(group, (first, variant), of, which)
            if ranking is not None:
                yield ranking


def _same_cells(one: Side, cells: Mapping[str, str]) -> Iterator[tuple[int, str, Side]]:
    """Retrainings of a model with one genotype in both variants: seed, genotype, and both.

    None that are shared.
    """
    for seed in sorted({row.seed for row in one.mine if row.seed is not None}):
        mine, yours = ([row for row in rows if row.seed == seed] for rows in (one.mine, one.yours))
        ids = {cells.get(row.model, f"{row.model}: none") for row in (*mine, *yours)}
        single = Side(one.dataset, one.backbone, mine, yours)
        if mine and yours and len(ids) == 1 and not single.is_shared:
            yield seed, ids.pop(), single


def _ranking(
    group: str, variants: tuple[str, str], of: Ranked, which: Mapping[str, Side]
) -> Ranking | None:
    """None where fewer than two can be ordered, or where the two variants are the same networks."""
    if all(one.is_shared for one in which.values()):
        return None
    scored = []
    for name, one in which.items():
        pairing = pair(one.mine, one.yours, "dice")
        score = tuple(pairing.block(MEAN, side).mean for side in ("candidate", "against"))
        if all(map(math.isfinite, score)):
            scored.append((name, score))
    if len(scored) < 2:
        return None
    scored.sort(key=lambda item: -item[1][0])
    names, scores = zip(*scored, strict=True)
    tau = float(stats.kendalltau(*zip(*scores, strict=True)).statistic)
    signs = [[(a[v] > b[v]) - (a[v] < b[v]) for v in (0, 1)] for a, b in combinations(scores, 2)]
    return Ranking(
        group=group,
        variants=variants,
        of=of,
        names=names,
        scores=scores,
        tau=tau if math.isfinite(tau) else None,
        kept=sum(one == other for one, other in signs),
        pairs=len(signs),
    )
