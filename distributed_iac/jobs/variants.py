"""Jobs of several variants of a run: what is the same in several of them is one job.

::

    merged({"augmented": [(job, settings), ...], "unaugmented": [(job, settings), ...]})

Two variants share a job if its settings are equal and they share all that it needs. A job that all
of them share is called as if there were no variants; one that several but not all share goes by the
first of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from distributed_iac.jobs.job import Job

Planned = Sequence[tuple[Job, Mapping[str, Any]]]
"""Jobs as if there were no variants, needs first, with the settings that each depends on."""


def merged(planned: Mapping[str, Planned]) -> Iterator[Job]:
    """All jobs, group by group, and within a group variant by variant.

    Args:
        planned: By variant, in order; the jobs of all are the same but for their settings.
    """
    kinds: dict[tuple[Any, ...], int] = {}
    same = {variant: _numbered(jobs, kinds) for variant, jobs in planned.items()}
    sharing: dict[int, list[str]] = {}
    for variant, numbers in same.items():
        for number in numbers.values():
            sharing.setdefault(number, []).append(variant)
    made: dict[int, Job] = {}
    for variant, jobs in planned.items():
        for job, _ in jobs:
            number = same[variant][job.key]
            if number not in made:
                needs = tuple(made[same[variant][need]].key for need in job.needs)
                of_all = len(sharing[number]) == len(planned)
                variants = () if of_all else tuple(sharing[number])
                made[number] = replace(job, needs=needs, variants=variants)
    groups = {group: place for place, group in enumerate(_groups(made.values()))}
    yield from sorted(made.values(), key=lambda job: groups[job.dataset, job.backbone])


def _numbered(jobs: Planned, kinds: dict[tuple[Any, ...], int]) -> dict[str, int]:
    """A number for every job, the same one for what is the same; by key."""
    numbers: dict[str, int] = {}
    for job, settings in jobs:
        needs = tuple(numbers[need] for need in job.needs)
        made_from = (job.key, json.dumps(settings, sort_keys=True), needs)
        numbers[job.key] = kinds.setdefault(made_from, len(kinds))
    return numbers


def _groups(jobs: Iterable[Job]) -> dict[tuple[str, str], None]:
    return dict.fromkeys((job.dataset, job.backbone) for job in jobs)
