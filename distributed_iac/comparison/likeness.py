"""Do arms and seeds find the same cell, and how early is it known? Always against chance.

::

    evidence = [SearchEvidence("acdc/basic_unet-tiny", "full", 0, genotype, history), ...]
    likenesses(evidence)                        # genes shared by every two searches of a group
    early_operations(evidence, settings)        # final operations in the top 3 at epoch 45

Chance and its assumptions are those of :mod:`distributed_iac.agreement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from distributed_iac.agreement import Match, containment, gene_agreement
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.genotype import Genotype
from distributed_iac.importance.history import ImportanceHistory

Relation = Literal["same arm, other seed", "other arm, same seed", "other arm, other seed"]


@dataclass(frozen=True)
class SearchEvidence:
    """What a finished search left behind.

    Args:
        group: ``dataset/backbone``.
        arm: Way of the search.
        seed: Its seed.
        genotype: What it ended with.
        history: Its importance history.
    """

    group: str
    arm: str
    seed: int
    genotype: Genotype
    history: ImportanceHistory


@dataclass(frozen=True)
class Likeness:
    """How much the pairs of searches of one relation share.

    Args:
        group: ``dataset/backbone``.
        arms: Of the two searches, by name.
        relation: How they are related.
        edges: One match a pair: the same edge was kept.
        genes: One match a pair: with the same operation. The pairs of three or more searches are
            not independent, so their p-values must not be combined.
    """

    group: str
    arms: tuple[str, str]
    relation: Relation
    edges: tuple[Match, ...]
    genes: tuple[Match, ...]

    @property
    def shared_genes(self) -> tuple[float, float, float]:
        """Mean over pairs of: genes shared, that by chance, and genes compared."""
        return (
            float(np.mean([match.same for match in self.genes])),
            float(np.mean([match.chance for match in self.genes])),
            float(np.mean([match.total for match in self.genes])),
        )


@dataclass(frozen=True)
class EarlyOperations:
    """When the final operations of one full-length search had come to the top of their edges.

    Args:
        group: ``dataset/backbone``.
        arm: The full-length arm: a pruned search has its final operation among few by necessity.
        seed: Its seed.
        top: How many of the strongest count.
        epoch: Epoch asked for, or the search's last one if that is earlier.
        share: Share of kept edges whose final operation was among them at that epoch.
        chance: The same for a random order.
        settled: First epoch from which on every kept edge's was; None if never.
    """

    group: str
    arm: str
    seed: int
    top: int
    epoch: int
    share: float
    chance: float
    settled: int | None


def likenesses(evidence: Sequence[SearchEvidence]) -> tuple[Likeness, ...]:
    """Compare every two searches of a group.

    Raises:
        ConfigError: Two searches of one group have different graphs.
    """
    pairs: dict[
        tuple[str, tuple[str, str], Relation], list[tuple[SearchEvidence, SearchEvidence]]
    ] = {}
    ordered = sorted(evidence, key=lambda one: (one.group, one.arm, one.seed))
    for first, second in combinations(ordered, 2):
        if first.group == second.group:
            place = (first.group, (first.arm, second.arm), _relation(first, second))
            pairs.setdefault(place, []).append((first, second))
    return tuple(
        Likeness(
            group,
            arms,
            relation,
            tuple(gene_agreement(a.genotype, b.genotype, "edge") for a, b in found),
            tuple(gene_agreement(a.genotype, b.genotype, "gene") for a, b in found),
        )
        for (group, arms, relation), found in sorted(pairs.items(), key=lambda item: item[0])
    )


def _relation(first: SearchEvidence, second: SearchEvidence) -> Relation:
    if first.arm == second.arm:
        return "same arm, other seed"
    return "other arm, same seed" if first.seed == second.seed else "other arm, other seed"


def early_operations(
    evidence: Sequence[SearchEvidence], settings: ComparisonSettings
) -> tuple[EarlyOperations, ...]:
    """Follow the final operations of the reference arm back through their own search."""
    found = []
    for one in sorted(evidence, key=lambda item: (item.group, item.seed)):
        if one.arm != settings.reference or not one.history.observed:
            continue
        course = containment(one.history, one.genotype, (settings.top,))
        share = course.share[:, 0]
        at = max(0, int(np.searchsorted(course.epochs, settings.epoch, side="right")) - 1)
        late = np.flatnonzero(share < 1)
        first = int(late[-1]) + 1 if len(late) else 0
        found.append(
            EarlyOperations(
                group=one.group,
                arm=one.arm,
                seed=one.seed,
                top=settings.top,
                epoch=int(course.epochs[at]),
                share=float(share[at]),
                chance=float(course.chance[0]),
                settled=int(course.epochs[first]) if first < len(share) else None,
            )
        )
    return tuple(found)
