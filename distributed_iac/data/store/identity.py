"""What makes two stores the same: settings, split, source files, version of the rules.

::

    identity = store_identity(...)               # plain values
    key = content_key(identity)                  # SHA-256 of its canonical JSON
    store_difference(stored, identity)           # None: the stored store is the one asked for

A store of an older preparation is the one asked for as long as nothing has changed for it. So what
is added later must not show where it is as it was: a setting says what was done before it existed
(``config/base.py``), a fact about a source or case is left out where it is what was taken for
granted, and a rule that changes bytes without either is a :class:`Change`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from distributed_iac.config.base import to_identity
from distributed_iac.config.difference import FirstDifference, first_difference
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.data.contract import Source
from distributed_iac.data.splits.split import Split
from distributed_iac.data.store.fingerprint import labels_to_json
from distributed_iac.errors import StoreError
from distributed_iac.versions import Format, require_version

PREPROCESS_VERSION = 2
"""Raised with every change of the preparation that alters a stored byte."""

PREPARATION = Format(
    "a preparation",
    PREPROCESS_VERSION,
    2,
    StoreError,
    "delete the folder and run `distributed-iac prepare`, it makes the store again",
    key="version",
)


@dataclass(frozen=True)
class Change:
    """What a version of the preparation does otherwise than the one before it.

    Args:
        version: The first that does.
        what: That, as the end of a sentence that begins with the version.
        concerns: Whether a store of this identity comes out otherwise.
    """

    version: int
    what: str
    concerns: Callable[[Mapping[str, Any]], bool]


CHANGES: tuple[Change, ...] = ()
"""Of all versions after the oldest that is read."""

HOW_NOT_WHAT = frozenset(("workers", "on_bad_case", "follow"))
"""Settings of a preparation that its result does not depend on; what ``follow`` leads to does."""


def store_identity(
    dataset: str,
    source: Source,
    cases: Mapping[str, Mapping[str, Any]],
    settings: PreprocessSettings,
    split: Split,
) -> dict[str, Any]:
    """Gather everything that a store's bytes follow from, as plain JSON values."""
    identity = {
        "version": PREPROCESS_VERSION,
        "dataset": dataset,
        "preprocess": settings_identity(settings),
        "source": {
            "format": source.format,
            "release": source.release,
            "licence": source.licence,
            "channel_names": source.channel_names,
            "labels": labels_to_json(source.labels),
            "cases": cases,
        },
        "split": split.to_json(),
    }
    plain: dict[str, Any] = json.loads(canonical(identity))
    return plain


def store_difference(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> FirstDifference | None:
    """The first reason why a stored store is not the one asked for; None if it is.

    Args:
        stored: Its identity.
        asked: :func:`store_identity` now.

    Raises:
        StoreError: It is of a preparation that this release does not know.
    """
    version = require_version(PREPARATION, stored, "identity.json")
    for change in CHANGES:
        if version < change.version and change.concerns(asked):
            return FirstDifference("version", version, f"{change.version}, which {change.what}")
    return first_difference(stored, {**asked, "version": version})


def settings_identity(settings: PreprocessSettings) -> dict[str, Any]:
    """What the store's bytes follow from among the settings, as plain values."""
    plain = to_identity(settings)
    return {name: value for name, value in plain.items() if name not in HOW_NOT_WHAT}


def canonical(value: Any) -> str:
    """One line of JSON, equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_key(*values: Any) -> str:
    """SHA-256 over plain values."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()
