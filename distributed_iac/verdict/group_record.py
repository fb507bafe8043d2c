"""What is remembered of the searches of one group and arm together.

::

    group = GroupRecord("acdc/basic_unet-tiny", "lth")
    group.settle("trial_1", "a41f")          # converged to this genotype
    group.agreement()                        # ("a41f", 1)
    group.score("trial_1", epoch=30, score=0.81)
    group.ahead(epoch=30, score=0.78)        # searches that had more by epoch 30

Scores are compared at equal epochs, each search with its best score so far. They are kept sorted,
so that a report costs a binary search however many trials there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class GroupRecord:
    """Genotypes and scores of the searches that may be compared with each other.

    Args:
        name: What is searched for.
        arm: The way to search.
    """

    name: str
    arm: str
    _genotypes: dict[str, str] = field(default_factory=dict)
    _votes: Counter[str] = field(default_factory=Counter)
    _best: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    _ladders: dict[int, list[float]] = field(default_factory=dict)

    def settle(self, trial: str, genotype: str) -> None:
        """Note the genotype that a search converged to; the last word counts."""
        self.unsettle(trial)
        self._genotypes[trial] = genotype
        self._votes[genotype] += 1

    def unsettle(self, trial: str) -> None:
        """Forget what a search converged to, because it goes on."""
        genotype = self._genotypes.pop(trial, None)
        if genotype is not None:
            self._votes[genotype] -= 1
            if not self._votes[genotype]:
                del self._votes[genotype]

    @property
    def settled(self) -> int:
        """Searches that have converged."""
        return len(self._genotypes)

    def agreement(self) -> tuple[str, int] | None:
        """The genotype that most settled searches share, and how many they are.

        Ties go to the smaller name, so that the answer does not depend on the order of events.
        """
        if not self._votes:
            return None
        genotype, count = min(self._votes.items(), key=lambda item: (-item[1], item[0]))
        return genotype, count

    def score(self, trial: str, epoch: int, score: float | None) -> None:
        """Note a search's score after an epoch.

        What was noted of this search for this and later epochs is replaced.

        Args:
            trial: Whose.
            epoch: After which.
            score: None if it was not validated: then its best so far stands.
        """
        steps = self._best.setdefault(trial, [])
        while steps and steps[-1][0] >= epoch:
            _take(self._ladders[steps[-1][0]], steps.pop()[1])
        so_far = [steps[-1][1]] if steps else []
        known = so_far if score is None else [*so_far, score]
        if known:
            steps.append((epoch, max(known)))
            insort(self._ladders.setdefault(epoch, []), max(known))

    def best(self, trial: str) -> float | None:
        """A search's best score so far."""
        steps = self._best.get(trial)
        return steps[-1][1] if steps else None

    def ahead(self, epoch: int, score: float) -> int:
        """Searches whose best score up to an epoch was more than this one."""
        ladder = self._ladders.get(epoch, [])
        return len(ladder) - bisect_right(ladder, score)

    def forget(self, trial: str) -> None:
        """Drop everything that came from a search."""
        self.unsettle(trial)
        for epoch, best in self._best.pop(trial, []):
            _take(self._ladders[epoch], best)


def _take(ladder: list[float], value: float) -> None:
    """Remove one entry of a sorted list that holds it."""
    del ladder[bisect_left(ladder, value)]
