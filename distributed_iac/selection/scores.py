"""What the searches of a group and arm say of every cell that they found.

::

    for score in scores(candidates):
        score.label, score.dice, score.shared_genes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from distributed_iac.agreement import Match, gene_agreement
from distributed_iac.genotype import Genotype
from distributed_iac.selection.candidate import Candidate


@dataclass(frozen=True)
class GenotypeScore:
    """One distinct genotype and what its searches say of it.

    Args:
        genotype: The cell.
        found_by: Candidates that ended with it, by seed.
        dice: Mean discrete val Dice over those that measured it; None if none did.
        confidence: Mean confidence over those that know it; None if none does.
        parameters: Trainable numbers; None if not counted.
        cost: Multiply-accumulates; None if not counted.
        shared_genes: Mean number of genes it shares with another search's cell; None if there is
            no other search.
        chance_genes: The same for cells drawn at random.
    """

    genotype: Genotype
    found_by: tuple[Candidate, ...]
    dice: float | None
    confidence: float | None
    parameters: int | None
    cost: int | None
    shared_genes: float | None
    chance_genes: float | None

    @property
    def label(self) -> str:
        """``<genotype id> (seed 0, seed 2)``."""
        return f"{self.genotype.id} ({', '.join(f'seed {one.seed}' for one in self.found_by)})"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "genotype_id": self.genotype.id,
            "found_by": [one.key for one in self.found_by],
            "discrete_val_dice": self.dice,
            "confidence": self.confidence,
            "parameters": self.parameters,
            "cost": self.cost,
            "shared_genes": self.shared_genes,
            "chance_genes": self.chance_genes,
        }


def scores(candidates: Sequence[Candidate]) -> tuple[GenotypeScore, ...]:
    """Score every distinct genotype among candidates of one search graph, by genotype id.

    Raises:
        ConfigError: Genotypes of different graphs.
    """
    shared = _shared_genes(candidates)
    distinct = {one.genotype.id: one.genotype for one in candidates}
    return tuple(
        _score(genotype, candidates, shared)
        for _, genotype in sorted(distinct.items(), key=lambda item: item[0])
    )


def _score(
    genotype: Genotype, candidates: Sequence[Candidate], shared: Sequence[Sequence[Match]]
) -> GenotypeScore:
    mine = [index for index, one in enumerate(candidates) if one.genotype == genotype]
    finders = tuple(sorted((candidates[i] for i in mine), key=lambda one: (one.seed, one.key)))
    matches = [match for index in mine for match in shared[index]]
    return GenotypeScore(
        genotype=genotype,
        found_by=finders,
        dice=_mean([one.discrete_val_dice for one in finders]),
        confidence=_mean([one.confidence for one in finders]),
        parameters=next((one.parameters for one in finders if one.parameters is not None), None),
        cost=next((one.cost for one in finders if one.cost is not None), None),
        shared_genes=_mean([match.same for match in matches]),
        chance_genes=_mean([match.chance for match in matches]),
    )


def _shared_genes(candidates: Sequence[Candidate]) -> list[list[Match]]:
    """For every candidate its agreement with each other one."""
    matches: list[list[Match]] = [[] for _ in candidates]
    for (i, first), (j, second) in combinations(enumerate(candidates), 2):
        match = gene_agreement(first.genotype, second.genotype)
        matches[i].append(match)
        matches[j].append(match)
    return matches


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
