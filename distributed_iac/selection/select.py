"""Pick the cells that are retrained: a pure function of the searches of one group and arm.

::

    selection = select(candidates, settings)
    own = select(candidates, SelectionSettings(rule="each"), seed=0).cell()

Dice is always that of the discretised cell on the val split, without retraining. It is the same
score that chose, so a picked cell's val Dice is higher than what it is worth; only the test
split, which no rule looks at, says that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from distributed_iac.config.selection import CostMeasure, SelectionSettings
from distributed_iac.errors import ConfigError
from distributed_iac.selection.candidate import Candidate
from distributed_iac.selection.consensus import consensus_genotype
from distributed_iac.selection.scores import GenotypeScore, scores
from distributed_iac.selection.selection import Pick, Selection


def select(
    candidates: Iterable[Candidate],
    settings: SelectionSettings,
    *,
    seed: int | None = None,
    planned: Sequence[int] = (),
) -> Selection:
    """Apply the settings' rule.

    Args:
        candidates: Finished searches of one group and arm, in any order.
        settings: The rule.
        seed: Whose retraining this is; the rule ``each`` needs it, the others ignore it.
        planned: Seeds of all searches that there should be; those that are missing, because they
            failed or have not begun, are named.

    Returns:
        The picks with reasons. Without candidates there are no picks, and a warning says so.

    Raises:
        ConfigError: Candidates of several groups or arms, or ``each`` without a seed.
    """
    searches = sorted(candidates, key=lambda one: (one.seed, one.key))
    places = sorted({(one.group, one.arm) for one in searches})
    if len(places) > 1:
        raise ConfigError(
            "cells are selected within one group and one arm",
            came=", ".join(f"{group} {arm}" for group, arm in places),
            remedy="call select once for each of them",
        )
    if settings.rule == "each" and seed is None:
        raise ConfigError("the rule each picks for one seed", came="no seed")
    own = seed if settings.rule == "each" else None
    if not places:
        warning = "no search of this group and arm has reported a cell"
        return Selection(settings.rule, "", "", own, (), (), warnings=(warning,))
    ((group, arm),) = places
    over = scores(searches)
    picks, ties, warnings = _apply(settings, searches, over, own)
    missing = sorted(set(planned) - {one.seed for one in searches})
    if missing and settings.rule != "each":
        warnings += (f"chosen without seeds {', '.join(map(str, missing))}: no cell from them",)
    return Selection(settings.rule, group, arm, own, picks, over, ties, warnings)


Outcome = tuple[tuple[Pick, ...], tuple[str, ...], tuple[str, ...]]
"""Picks, ties and warnings."""


def _apply(
    settings: SelectionSettings,
    searches: Sequence[Candidate],
    over: Sequence[GenotypeScore],
    seed: int | None,
) -> Outcome:
    match settings.rule:
        case "each":
            return _each(searches, seed)
        case "consensus":
            return _consensus(searches, over)
        case "best":
            return _best(over, settings.near_tie, 1)
        case "top_k":
            return _best(over, settings.near_tie, settings.count)
        case "pareto":
            return _pareto(over, settings.cost, settings.count)


def _each(searches: Sequence[Candidate], seed: int | None) -> Outcome:
    own = [one for one in searches if one.seed == seed]
    if not own:
        there = ", ".join(str(one.seed) for one in searches)
        return (), (), (f"no search with seed {seed} has reported a cell (there are: {there})",)
    pick = Pick(own[0].genotype, f"the cell of seed {seed}'s own search", own[0].discrete_val_dice)
    return (pick,), (), ()


def _consensus(searches: Sequence[Candidate], over: Sequence[GenotypeScore]) -> Outcome:
    vote = consensus_genotype([one.genotype for one in searches])
    known = [one for one in over if one.genotype == vote.genotype]
    support = ", ".join(map(str, vote.support))
    reason = f"vote of {vote.votes} searches; support of its genes in order: {support}"
    warnings: tuple[str, ...] = ()
    if not known:
        warnings = ("the consensus cell was found by no search, so its val Dice is not known",)
    pick = Pick(vote.genotype, reason, known[0].dice if known else None)
    return (pick,), vote.ties, warnings


def _best(over: Sequence[GenotypeScore], near: float, count: int) -> Outcome:
    ranked, warnings = _ranked(over)
    taken, rest = ranked[:count], ranked[count:]
    picks = tuple(
        Pick(one.genotype, f"number {place} of {len(ranked)} by val Dice: {one.label}", one.dice)
        for place, one in enumerate(taken, start=1)
    )
    if taken and len(taken) < count:
        warnings += (f"asked for {count} cells, there are {len(taken)} distinct ones",)
    return picks, _close_calls(taken, rest, near), warnings


def _ranked(over: Sequence[GenotypeScore]) -> tuple[list[GenotypeScore], tuple[str, ...]]:
    """By Dice; equals by confidence, then the cheaper, then by identifier."""
    scored = [one for one in over if one.dice is not None]
    ranked = sorted(
        scored,
        key=lambda one: (
            -(one.dice or 0.0),
            -(one.confidence or 0.0),
            one.cost if one.cost is not None else float("inf"),
            one.genotype.id,
        ),
    )
    return ranked, _left_out([one for one in over if one.dice is None], "val Dice")


def _close_calls(
    taken: Sequence[GenotypeScore], rest: Sequence[GenotypeScore], near: float
) -> tuple[str, ...]:
    """Name everyone who missed the last place by no more than ``near``."""
    if not taken:
        return ()
    last, sentences = taken[-1], []
    for one in rest:
        gap = (last.dice or 0.0) - (one.dice or 0.0)
        if gap == 0:
            sentences.append(
                f"{last.label} and {one.label} tie in val Dice; settled by confidence, then cost, "
                "then identifier"
            )
        elif gap <= near:
            sentences.append(
                f"{one.label} is only {gap:.4f} Dice behind {last.label} (near-tie: {near:g})"
            )
    return tuple(sentences)


def _pareto(over: Sequence[GenotypeScore], cost: CostMeasure, count: int) -> Outcome:
    ranked, warnings = _ranked(over)
    priced = [(one, _price(one, cost)) for one in ranked]
    points = [(one, price) for one, price in priced if price is not None]
    warnings += _left_out([one for one, price in priced if price is None], cost)
    front = [
        (one, price)
        for one, price in points
        if not any(_dominates(other, one, rival, price) for other, rival in points)
    ]
    kept = _spread(len(front), count)
    picks = tuple(
        Pick(
            front[place][0].genotype,
            f"no cell is better in both val Dice and {cost} ({front[place][1]:,}): "
            f"{front[place][0].label}",
            front[place][0].dice,
        )
        for place in kept
    )
    dropped = [one.label for place, (one, _) in enumerate(front) if place not in kept]
    if dropped:
        warnings += (f"on the front but left out for count {count}: {', '.join(dropped)}",)
    equal = [
        f"{first.label} and {second.label} tie in val Dice and {cost}"
        for place, (first, price) in enumerate(front)
        for second, rival in front[place + 1 :]
        if first.dice == second.dice and price == rival
    ]
    return picks, tuple(equal), warnings


def _price(one: GenotypeScore, cost: CostMeasure) -> int | None:
    return one.cost if cost == "macs" else one.parameters


def _dominates(first: GenotypeScore, second: GenotypeScore, price: int, than: int) -> bool:
    """Whether the first is at least as good in both, and better in one."""
    a, b = first.dice or 0.0, second.dice or 0.0
    return a >= b and price <= than and (a > b or price < than)


def _spread(size: int, count: int) -> list[int]:
    """Evenly spaced places of a front, both ends among them; only the best for a count of 1."""
    if size <= count:
        return list(range(size))
    if count == 1:
        return [0]
    return [round(step * (size - 1) / (count - 1)) for step in range(count)]


def _left_out(ones: Sequence[GenotypeScore], what: str) -> tuple[str, ...]:
    names = ", ".join(one.label for one in ones)
    return (f"left out because their {what} is not known: {names}",) if ones else ()
