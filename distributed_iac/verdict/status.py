"""How the searches of a group stand, for people.

::

    for status in group_statuses(records):
        print(status.line())
    # acdc/basic_unet-tiny lth: 2 open (9-14 stable edges, 40-63 operations), 1 converged
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from distributed_iac.verdict.trial_record import TrialRecord

Range = tuple[int, int]


@dataclass(frozen=True)
class GroupStatus:
    """Searches of one group and arm.

    Args:
        group: What is searched for.
        arm: The way to search.
        counts: Trials by state: open, ended, failed, or the code of the verdict that stopped them.
        stable_edges: Fewest and most stable edges of an open search; None if none reports them.
        live_operations: The same for operations that are left.
    """

    group: str
    arm: str
    counts: Mapping[str, int] = field(default_factory=dict)
    stable_edges: Range | None = None
    live_operations: Range | None = None

    def line(self) -> str:
        """One line."""
        name = " ".join(part for part in (self.group, self.arm) if part) or "searches"
        return f"{name}: " + ", ".join(
            f"{count} {state}{self._pruning() if state == 'open' else ''}"
            for state, count in self.counts.items()
        )

    def _pruning(self) -> str:
        parts = [
            f"{_span(span)} {what}"
            for span, what in (
                (self.stable_edges, "stable edges"),
                (self.live_operations, "operations"),
            )
            if span is not None
        ]
        return f" ({', '.join(parts)})" if parts else ""


def group_statuses(records: Iterable[TrialRecord]) -> tuple[GroupStatus, ...]:
    """Sum up the searches by group and arm, in order of their names."""
    groups: dict[tuple[str, str], list[TrialRecord]] = defaultdict(list)
    for record in records:
        if record.role.judged:
            groups[record.role.group, record.role.arm].append(record)
    return tuple(_status(*key, groups[key]) for key in sorted(groups))


def _status(group: str, arm: str, records: Sequence[TrialRecord]) -> GroupStatus:
    states = Counter(_state(record) for record in records)
    last = [record.last for record in records if record.phase == "open"]
    return GroupStatus(
        group=group,
        arm=arm,
        counts=dict(sorted(states.items(), key=lambda item: (item[0] != "open", item[0]))),
        stable_edges=_range(one.stable_edges for one in last if one is not None),
        live_operations=_range(one.live_operations for one in last if one is not None),
    )


def _state(record: TrialRecord) -> str:
    if record.phase == "ended" and record.verdict is not None:
        return record.verdict.code
    return record.phase


def _range(values: Iterable[int | None]) -> Range | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else None


def _span(span: Range) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"
