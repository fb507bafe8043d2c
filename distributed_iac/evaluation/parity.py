"""Whether the plain network scores here as it did in nnU-Net: case by case, label by label; pure.

::

    parity = hold_parity(rows, targets, voxel_ml, validation, tolerance=0.002, checkpoint="final")
    parity.verdict                      # "held"
    parity.reason                       # "plain here 0.8636, nnU-Net's own 0.8636, 8 cases, ..."
    parity.table()                      # case,target,nnU-Net,here,difference

Everything that differs from nnU-Net (orientation, spacing, normalisation, mirroring) a retrained
cell can learn to undo, and would be taken for better than the plain network.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.nets.nnunet_validation import Scores, Validation, Values

Verdict = Literal["held", "mismatch", "not comparable", "unknown"]

SPARE_VOXELS = 10
"""Voxels whose label rounding may turn, in one structure: with them a structure of 30 voxels may
differ by 0.3, one of 3,000 by 0.003. Our choice: 0 to 2 were measured on a CPU; nnU-Net predicts in
half precision on a GPU."""

CASE_FACTOR = 10
"""A single label of a case may differ by so many times what the mean of all may. Our choice."""

SHOWN = 8
"""Differences listed in a message."""

CAUSES = (
    "the usual causes are slices in another orientation or spacing, another patch, no mirroring, "
    "another normalisation or mapping of labels, and a checkpoint or labels that are newer than "
    "summary.json"
)


@dataclass(frozen=True)
class Pair:
    """One target of one case, scored twice. NaN: undefined, nothing there and nothing predicted.

    Args:
        case_id: The case.
        target: Class or region.
        nnunet: nnU-Net's Dice.
        here: Ours.
        spare: What :data:`SPARE_VOXELS` are worth in it.
    """

    case_id: str
    target: str
    nnunet: float
    here: float
    spare: float

    @property
    def difference(self) -> float:
        """Ours less nnU-Net's; where only one is defined, that one against a perfect 1."""
        ours, theirs = (1.0 if math.isnan(one) else one for one in (self.here, self.nnunet))
        return 0.0 if math.isnan(self.here) and math.isnan(self.nnunet) else ours - theirs


@dataclass(frozen=True)
class Parity:
    """What came of the comparison.

    Args:
        verdict: ``not comparable``: nnU-Net's scores are of another checkpoint. ``unknown``: there
            is nothing to compare with.
        reason: One sentence for people.
        pairs: All that was compared, the largest differences first.
        here: Our mean foreground Dice of them; None without any.
        nnunet: nnU-Net's.
    """

    verdict: Verdict
    reason: str
    pairs: tuple[Pair, ...] = ()
    here: float | None = None
    nnunet: float | None = None

    @property
    def cases(self) -> int:
        """Cases that were compared."""
        return len({pair.case_id for pair in self.pairs})

    @property
    def largest(self) -> float | None:
        """Largest difference of a label of a case, without its sign."""
        return abs(self.pairs[0].difference) if self.pairs else None

    def table(self) -> str:
        """All pairs as CSV, the largest differences first."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("case", "target", "nnU-Net", "here", "difference"))
        for pair in self.pairs:
            numbers = (pair.nnunet, pair.here, pair.difference)
            writer.writerow((pair.case_id, pair.target, *(f"{one:.6f}" for one in numbers)))
        return text.getvalue()

    def worst(self) -> str:
        """The largest differences, a line each."""
        return "\n".join(
            f"    {pair.case_id}  {pair.target}: nnU-Net {pair.nnunet:.4f}, here {pair.here:.4f}, "
            f"difference {pair.difference:+.4f}"
            for pair in self.pairs[:SHOWN]
        )


def hold_parity(
    rows: Sequence[CaseScore],
    targets: Mapping[str, Values],
    voxel_ml: Mapping[str, float],
    validation: Validation | None,
    *,
    tolerance: float,
    checkpoint: Literal["final", "best"],
) -> Parity:
    """Compare the plain network's scores with nnU-Net's own.

    Args:
        rows: Of the test patients.
        targets: Values of each target here. Targets are matched by their names where nnU-Net has
            all of these, else by their values.
        voxel_ml: Volume of a voxel of each case.
        validation: Of the fold; None where nothing was found.
        tolerance: Of the mean foreground Dice; see :data:`CASE_FACTOR` and :data:`SPARE_VOXELS`.
        checkpoint: Which one was taken; nnU-Net validates the final one.
    """
    if validation is None or not validation.scores:
        return Parity("unknown", "nnU-Net's own score is not known: no validation/summary.json")
    keys = _keys(targets, validation)
    found = _pairs(rows, keys, voxel_ml, validation.scores)
    pairs = sorted(found, key=lambda pair: -abs(pair.difference))
    if not pairs:
        return Parity("unknown", f"no test case has a score in {validation.where}")
    here = _mean(pairs, [pair.here for pair in pairs])
    nnunet = _mean(pairs, [pair.nnunet for pair in pairs])
    tested, missing = {row.case_id for row in rows}, _missing(rows, pairs)
    reason = (
        f"plain here {here:.4f}, nnU-Net's own {nnunet:.4f}, "
        f"{len({pair.case_id for pair in pairs})} of {len(tested)} test cases compared, "
        f"largest difference of a label {abs(pairs[0].difference):.4f}{missing}"
    )
    verdict = _verdict(pairs, abs(here - nnunet), tolerance)
    if checkpoint == "best":
        verdict = "not comparable"
        reason += "; not comparable: nnU-Net validated checkpoint_final, this is checkpoint_best"
    return Parity(verdict, reason, tuple(pairs), here, nnunet)


def _verdict(pairs: Sequence[Pair], mean: float, tolerance: float) -> Verdict:
    # NaN means that no target is defined on both sides: there each pair speaks for itself.
    apart = mean > tolerance or any(
        abs(pair.difference) > CASE_FACTOR * tolerance + pair.spare for pair in pairs
    )
    return "mismatch" if apart else "held"


def _pairs(
    rows: Sequence[CaseScore],
    keys: Mapping[str, Values],
    voxel_ml: Mapping[str, float],
    scores: Scores,
) -> Iterator[Pair]:
    for row in rows:
        score = scores.get(row.case_id, {}).get(keys[row.target])
        if score is None or math.isnan(row.label_ml):  # never annotated in such cases
            continue
        # Other conventions than nnU-Net's call an empty structure that nobody predicted perfect.
        empty = row.label_ml == 0 and row.predicted_ml == 0
        ours = round((row.label_ml + row.predicted_ml) / voxel_ml[row.case_id])
        spare = 2 * SPARE_VOXELS / max(score.voxels, ours, 1)
        yield Pair(row.case_id, row.target, score.dice, math.nan if empty else row.dice, spare)


def _keys(targets: Mapping[str, Values], validation: Validation) -> Mapping[str, Values]:
    """By which values nnU-Net's summary knows each target."""
    named = {name.casefold(): values for name, values in validation.labels.items()}
    if all(target.casefold() in named for target in targets):
        return {target: named[target.casefold()] for target in targets}
    return targets


def _mean(pairs: Sequence[Pair], values: Sequence[float]) -> float:
    """nnU-Net's foreground mean: over cases, then over targets; what is undefined is left out.

    Only what both define counts, so that both means are of the same.
    """
    found: dict[str, list[float]] = {}
    for pair, value in zip(pairs, values, strict=True):
        if not math.isnan(pair.here + pair.nnunet):
            found.setdefault(pair.target, []).append(value)
    return (
        float(np.mean([np.mean(of_target) for of_target in found.values()])) if found else math.nan
    )


def _missing(rows: Sequence[CaseScore], pairs: Sequence[Pair]) -> str:
    left = sorted({row.target for row in rows} - {pair.target for pair in pairs})
    return f"; nnU-Net has no {', '.join(left)}" if left else ""
