r"""Is one competitor really behind another? Evidence against a driftless random walk.

::

    evidence = DriftEvidence.start(groups=14, competitors=8)
    evidence = evidence.observe(coasting(samples, before, momentum=0.5), live)    # every epoch
    evidence.p_values(pairs)[row, i, j]        # "i is not ahead of j", valid whenever looked at

**What noise looks like.** An optimiser that follows gradients of no meaning moves alpha as a
random walk: the distance between two operations grows with the square root of time and every
level is kept. A test of the *level* against the fluctuation inside a window would therefore
find significance in pure noise, and the more surely the longer one waits. So the question asked
here is whether the *steps* have a direction. Under the null hypothesis the increments of the
distance between two log-weights scatter around zero; fluctuation around a fixed level (white
noise, AR(1)) turns back on itself and is even less likely to pass.

**The three things that make such a test lie, and what is done about each.**

1. *Autocorrelation.* Means of a random walk have correlated differences (1/4, Working 1960), and
   the first moment of Adam carries each gradient into later steps. Both are removed exactly
   rather than estimated: positions are taken at the end of each of the epoch's blocks of steps,
   and from there as far as the optimiser would still coast (:func:`coasting`), which makes the
   difference between two positions a sum of that block's gradients alone. What correlation
   gradients have among themselves is left to the length of the blocks.
2. *Repeated looks.* The test is made every epoch of a search whose length is not fixed. The
   statistic is the Bayes factor of a one-sample t-test with a normal prior on the standardised
   drift (Gönen et al., The American Statistician 59, 2005). With the right-Haar prior on the
   scale, implied here by using t alone, it is a test martingale under the null hypothesis
   whatever the scale (Lai 1976; Pérez-Ortiz et al., arXiv 2208.07610), so by Ville's inequality
   it *ever* reaches ``1/a`` with probability at most ``a``. Its highest value so far may be
   remembered: an operation that has settled behind the leader has not caught up by resting.
3. *Many pairs.* All unordered pairs of a group count as comparisons (28 for 8 operations), for
   which of them ends up as leader and loser is itself chosen by the noise. Bonferroni.

That holds exactly for independent Gaussian increments. It was measured for what an optimiser
makes of meaningless gradients (Adam behind a softmax, momentum 0.5 and 0.9, 1 to 100 steps an
epoch, 100 epochs, 2,506 edges each): 0.2 to 0.6 % of edges ever had any significant pair at the
1 % level. Without coasting it was 57 % at one step an epoch and 2 % at five.

**What it does not say.** A search that follows its own early luck drifts too, and consistently.
Significant means "this run moves in this direction", not "another seed would": that is the
business of :mod:`distributed_iac.agreement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from distributed_iac.importance.arrays import FLOOR, BoolArray, FloatArray, IntArray, floats

PRIOR_VARIANCE = 1.0
"""Prior variance of the drift per block, in units of its own standard deviation. Our choice, the
unit-information prior. Nine blocks of nearly constant drift then suffice for 28 pairs at 1 %."""

STEPS_PER_BLOCK = 5
"""Least architecture steps of a block, where an epoch has as many. Our choice: a sum of five is
close enough to Gaussian."""

BLOCKS_PER_EPOCH = 4
"""Most blocks of an epoch. Our choice: an architecture that settles within five epochs still
leaves twenty increments to judge by, and long epochs get long blocks, which are safer where
gradients are correlated from step to step because the weights change slowly."""


def block_ends(steps: int) -> IntArray:
    """Indices of the last steps of an epoch's blocks, of about equal length."""
    blocks = min(max(steps // STEPS_PER_BLOCK, 1), BLOCKS_PER_EPOCH)
    return np.arange(1, blocks + 1) * steps // blocks - 1


def coasting(samples: FloatArray, before: FloatArray | None, momentum: float) -> FloatArray:
    """Log-weights where the architecture would come to rest if gradients ceased, block by block.

    A first moment with decay ``b`` turns a gradient into steps of sizes ``1, b, b^2, ...``; after
    a step ``x``, ``x * b / (1 - b)`` is still to come. Differences of
    log-softmax are differences of alpha, so the sum may be taken in log-weights.

    Args:
        samples: ``(S, G, C)`` weights at the steps of an epoch.
        before: ``(G, C)`` weights at the step before the first; None at the start.
        momentum: First-moment decay of the architecture optimiser, in [0, 1).

    Returns:
        ``(B, G, C)`` at the ends of the epoch's B blocks, up to a constant per group.
    """
    ends = block_ends(samples.shape[0])
    previous = np.concatenate([samples[:1] if before is None else before[None], samples])[ends]
    now: FloatArray = np.log(np.maximum(samples[ends], FLOOR))
    last_step: FloatArray = now - np.log(np.maximum(previous, FLOOR))
    return now + momentum / (1.0 - momentum) * last_step


def log_evidence(count: int, total: FloatArray, squares: FloatArray) -> FloatArray:
    """Logarithm of the t-test's Bayes factor, drift against no drift.

    Args:
        count: Number n of increments, at least 1.
        total: Sums of the increments.
        squares: Sums of their squares.

    Returns:
        ``log BF10 = (n log((1 + q) / (1 + q / (1 + n g))) - log(1 + n g)) / 2`` with
        ``q = t^2 / (n - 1)`` and g the prior variance; 0 for a single increment.
    """
    explained = total**2 / count
    rest = np.maximum(squares - explained, 1e-12 * squares)
    quotient = np.divide(explained, rest, out=np.zeros_like(rest), where=rest > 0)
    spread = 1.0 + count * PRIOR_VARIANCE
    if count < 2:
        return np.zeros_like(quotient)
    gain = np.log1p(quotient) - np.log1p(quotient / spread)
    result: FloatArray = 0.5 * (count * gain - np.log(spread))
    return result


@dataclass(frozen=True, eq=False)
class DriftEvidence:
    """Running sums of the increments of G groups of C competitors, and the evidence in them.

    Args:
        increments: Increments seen, n.
        position: ``(G, C)`` latest position; None before the first, which only opens the account.
        total: ``(G, C)`` sum of increments since the first position.
        moment: ``(G, C, C)`` sum of products of increments.
        peak: ``(G, C, C)`` highest log evidence so far that i is ahead of j, at least 0. Stands
            still once either of them is pruned.
    """

    increments: int
    position: FloatArray | None
    total: FloatArray
    moment: FloatArray
    peak: FloatArray

    @classmethod
    def start(cls, groups: int, competitors: int) -> Self:
        """Evidence of nothing."""
        flat = floats(np.zeros((groups, competitors)))
        square = floats(np.zeros((groups, competitors, competitors)))
        return cls(increments=0, position=None, total=flat, moment=square, peak=square)

    def observe(self, positions: FloatArray, live: BoolArray) -> Self:
        """Add one epoch.

        Args:
            positions: ``(B, G, C)`` from :func:`coasting`; whatever is dead is ignored.
            live: ``(G, C)``; the dead never come back.
        """
        kept = np.where(live, positions, 0.0)
        opening = kept[0] if self.position is None else np.where(live, self.position, 0.0)
        path = np.concatenate([opening[None], kept[self.position is None :]])
        latest = replace(self, position=floats(path[-1]))
        if len(path) == 1:
            return latest
        steps = np.diff(path, axis=0)
        total = self.total + steps.sum(axis=0)
        moment = self.moment + np.einsum("bgi,bgj->gij", steps, steps)
        count = self.increments + len(steps)
        return replace(
            latest,
            increments=count,
            total=floats(total),
            moment=floats(moment),
            peak=floats(self._risen(count, total, moment, live)),
        )

    def _risen(
        self, count: int, total: FloatArray, moment: FloatArray, live: BoolArray
    ) -> FloatArray:
        """The peak after an epoch: ``(G, C, C)``."""
        first, second = np.triu_indices(total.shape[1], k=1)
        square = np.diagonal(moment, axis1=1, axis2=2)
        distance = total[:, first] - total[:, second]
        squares = square[:, first] + square[:, second] - 2.0 * moment[:, first, second]
        evidence = log_evidence(count, distance, np.maximum(squares, 0.0))
        evidence = np.where(live[:, first] & live[:, second], evidence, 0.0)
        peak = self.peak.copy()
        ahead, behind = np.where(distance > 0, evidence, 0.0), np.where(distance < 0, evidence, 0.0)
        peak[:, first, second] = np.maximum(peak[:, first, second], ahead)
        peak[:, second, first] = np.maximum(peak[:, second, first], behind)
        return peak

    def p_values(self, pairs: FloatArray) -> FloatArray:
        """Anytime-valid p-values of "i is not ahead of j", corrected for all pairs of the group.

        Args:
            pairs: ``(G,)`` comparisons in each group, from :func:`pairs_of`.

        Returns:
            ``(G, C, C)`` in (0, 1]: ``min(1, pairs / exp(peak))``.
        """
        result: FloatArray = np.minimum(1.0, pairs[:, None, None] * np.exp(-self.peak))
        return result

    def to_state(self) -> dict[str, Any]:
        """Plain numbers and nested lists; floats survive JSON and pickling bit for bit."""
        return {
            "increments": self.increments,
            "position": None if self.position is None else self.position.tolist(),
            "total": self.total.tolist(),
            "moment": self.moment.tolist(),
            "peak": self.peak.tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_state` wrote."""
        return cls(
            increments=int(state["increments"]),
            position=None if state["position"] is None else floats(state["position"]),
            total=floats(state["total"]),
            moment=floats(state["moment"]),
            peak=floats(state["peak"]),
        )


def pairs_of(members: BoolArray) -> FloatArray:
    """Comparisons in each group: ``(G,)``, from the ``(G, C)`` competitors it started with."""
    count = members.sum(axis=-1)
    return np.asarray(np.maximum(count * (count - 1) / 2, 1), dtype=np.float64)
