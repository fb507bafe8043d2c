"""Third stage: join consecutive cases into shards.

::

    shards = group(stored, records, recipe, channels)       # which cases share a shard
    digests = shard_stage(order, crew, groups)

Which cases share a shard follows from their sizes alone. A finished shard's arrays in the work
folder are deleted at once, so that the slices lie on the disk once and not twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from distributed_iac.data.prepare.case import PREPROCESS_VERSION
from distributed_iac.data.prepare.order import Crew, Order
from distributed_iac.data.prepare.recipe import Recipe
from distributed_iac.data.prepare.tasks import ShardTask, shard_task
from distributed_iac.data.prepare.work import CaseRecord
from distributed_iac.data.store.fingerprint import labels_to_json
from distributed_iac.data.store.identity import canonical, content_key
from distributed_iac.data.store.manifest import SHARDS
from distributed_iac.data.store.shard import SHARD_BYTES
from distributed_iac.data.store.sink import FileDigest


@dataclass(frozen=True, eq=False)
class Group:
    """A shard to be: its name, its cases in order, and their rows' facts."""

    name: str
    key: str
    records: tuple[CaseRecord, ...]
    facts: tuple[pa.Table, ...]

    @property
    def file(self) -> str:
        """Name relative to the store."""
        return f"{SHARDS}/{self.name}.arrow"


def group(
    order: Order, recipe: Recipe, records: Sequence[CaseRecord], facts: Mapping[str, pa.Table]
) -> tuple[Group, ...]:
    """Divide the cases, in their order, into shards of about :data:`SHARD_BYTES`."""
    height, width = recipe.patch
    slice_bytes = height * width * (2 * len(order.source.channel_names) + 1)
    divided: list[list[CaseRecord]] = []
    room = 0
    for record in records:
        if room <= 0:
            divided.append([])
            room = SHARD_BYTES
        divided[-1].append(record)
        room -= slice_bytes * len(record.foreground)
    return tuple(
        Group(
            name=f"shard-{number:05d}",
            key=content_key(order.key, number, [record.key for record in members]),
            records=tuple(members),
            facts=tuple(facts[record.case_id] for record in members),
        )
        for number, members in enumerate(divided)
    )


def unfinished(crew: Crew, groups: Iterable[Group]) -> tuple[Group, ...]:
    """Shards that no earlier run has assembled from the very same cases."""
    done = dict(crew.work.shards())
    store = crew.work.store
    return tuple(
        wanted
        for wanted in groups
        if wanted.name not in done
        or done[wanted.name].key != wanted.key
        or not (store / wanted.file).exists()
        or (store / wanted.file).stat().st_size != done[wanted.name].digest.size
    )


def shard_stage(order: Order, crew: Crew, groups: Sequence[Group]) -> dict[str, FileDigest]:
    """Assemble what is missing; the cases of unfinished shards must have their arrays.

    Returns:
        Name, relative to the store, and digest of every shard.

    Raises:
        StoreError: The disk is full.
    """
    left = unfinished(crew, groups)
    for finished in (g for g in groups if g not in left):
        _discard(crew, finished)
    metadata = {
        "identity": order.key,
        "preprocess_version": str(PREPROCESS_VERSION),
        "channels": canonical(order.source.channel_names),
        "labels": canonical(labels_to_json(order.source.labels)),
    }
    by_name = {wanted.name: wanted for wanted in groups}
    tasks = [_task(crew, wanted, metadata) for wanted in left]
    for name, _ in crew.do("shards", shard_task, tasks, len(groups)):
        _discard(crew, by_name[name])
    done = {name: record.digest for name, record in crew.work.shards()}
    return {wanted.file: done[wanted.name] for wanted in groups}


def _task(crew: Crew, wanted: Group, metadata: Mapping[str, str]) -> ShardTask:
    members = zip(wanted.records, wanted.facts, strict=True)
    return ShardTask(
        name=wanted.name,
        key=wanted.key,
        cases=tuple(
            (record, crew.work.case_files(record.case_id), facts) for record, facts in members
        ),
        metadata=metadata,
        path=crew.work.store / wanted.file,
        record=crew.work.shard_file(wanted.name),
    )


def _discard(crew: Crew, finished: Group) -> None:
    for record in finished.records:
        for path in crew.work.case_files(record.case_id).arrays:
            path.unlink(missing_ok=True)
