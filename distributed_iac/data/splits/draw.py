"""Drawing patients into parts, evenly over strata.

::

    draw_parts(cases, ("weights", "val"), SplitSettings(stratify=("modality",), seed=0))

The order is that of SHA-256 digests of seed and patient: the same with every version of every
library, and a new patient moves few of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Case
from distributed_iac.errors import ConfigError, DataError


def draw_parts(
    cases: Sequence[Case], parts: Sequence[str], settings: SplitSettings
) -> dict[str, list[str]]:
    """Cut a line of patients, on which every stratum is spread evenly, into parts.

    Args:
        cases: Whose patients are drawn.
        parts: Some of the four.
        settings: Their fractions, rescaled to add up to 1, the strata and the seed.

    Returns:
        Sorted patients of each part, none empty.

    Raises:
        ConfigError: A stratum is no attribute of any case.
        DataError: Fewer patients than parts.
    """
    line = _spread(_strata(cases, settings.stratify), settings.seed)
    shares = [getattr(settings.fractions, part) for part in parts]
    drawn: dict[str, list[str]] = {}
    for part, count in zip(parts, _counts(len(line), shares), strict=True):
        drawn[part], line = sorted(line[:count]), line[count:]
    return drawn


def _strata(cases: Sequence[Case], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Stratum of each patient, that of its first case."""
    strata: dict[str, tuple[str, ...]] = {}
    for case in cases:
        facts = {**case.attributes, "modality": case.modality}
        strata.setdefault(case.patient_id, tuple(facts.get(name, "") for name in names))
    known = {"modality", *(name for case in cases for name in case.attributes)}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"split.stratify takes {', '.join(sorted(known))} for this source",
                came=name,
                remedy="choose one of these, or leave it out",
            )
    return strata


def _spread(strata: Mapping[str, tuple[str, ...]], seed: int) -> list[str]:
    ranks: list[tuple[float, bytes, str]] = []
    for stratum in sorted(set(strata.values())):
        members = [patient for patient, own in strata.items() if own == stratum]
        digests = sorted(
            (hashlib.sha256(f"{seed}/{patient}".encode()).digest(), patient) for patient in members
        )
        for rank, (digest, patient) in enumerate(digests):
            ranks.append(((rank + 0.5) / len(members), digest, patient))
    return [patient for _, _, patient in sorted(ranks)]


def _counts(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers closest to the shares, none of them 0 (largest remainder)."""
    if total < len(shares):
        raise DataError(
            f"a split needs at least {len(shares)} patients to draw from, one for each part",
            came=f"{total} with usable labelled cases",
            remedy="add patients, or check why the others cannot be used",
        )
    exact = [total * share / sum(shares) for share in shares]
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (counts[i] - exact[i], i))
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    while 0 in counts:
        counts[counts.index(max(counts))] -= 1
        counts[counts.index(0)] += 1
    return counts
