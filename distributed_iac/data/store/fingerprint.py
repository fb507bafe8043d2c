"""What a prepared data set is: the card that a store carries and every report quotes.

::

    fingerprint = store.fingerprint
    fingerprint.recipe.spacing, fingerprint.recipe.patch, fingerprint.channel_names
    fingerprint.parts["test"].patients
    fingerprint.targets["MYO"].ceiling           # Dice that a perfect network would reach
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from pydantic import TypeAdapter

from distributed_iac.data.contract import LabelScheme
from distributed_iac.data.splits.split import PARTS, Part
from distributed_iac.data.store.recipe import Recipe


@dataclass(frozen=True)
class PartCounts:
    """Size of one part of the split.

    Args:
        patients: With at least one stored case.
        cases: Stored.
        slices: Stored, empty ones included.
        slices_with_foreground: Those with at least one class.
    """

    patients: int
    cases: int
    slices: int
    slices_with_foreground: int


@dataclass(frozen=True)
class TargetFidelity:
    """What the patch and the resampling leave of a target, over the training patients.

    Args:
        voxels: Of the target on the native grids.
        coverage: Share of them inside the patch, in [0, 1]; None without voxels.
        ceiling: Pooled Dice of the stored labels, restored to the native grid, against the
            native labels, in [0, 1]: no network trained on the store can be expected above it.
    """

    voxels: int
    coverage: float | None
    ceiling: float | None


@dataclass(frozen=True)
class Fingerprint:
    """Facts about a store; JSON-able.

    Args:
        dataset: Name given by the configuration.
        format: Of the source, such as ``acdc``.
        release: Of the source, such as ``2017``.
        licence: Of the source, as published.
        channel_names: In channel order.
        labels: Meaning of the stored label values.
        recipe: Spacing, patch, crop and intensity, resolved.
        split: Where the split comes from.
        parts: Sizes.
        targets: Fidelity of each scored target.
        unlabelled: Cases of the source without a label, which are not stored.
        skipped: Cases that could not be used; listed in ``skipped.json``.
        axis_codes: Where slices are cut as stored: nibabel axis codes of the arrays on disk. None
            where the headers did not tell, or the store is of a release that did not record it.
        notes: Problem code to the number of cases that were used with this warning; listed in
            ``notes.json``.
    """

    dataset: str
    format: str
    release: str
    licence: str
    channel_names: tuple[str, ...]
    labels: LabelScheme
    recipe: Recipe
    split: str
    parts: Mapping[Part, PartCounts]
    targets: Mapping[str, TargetFidelity]
    unlabelled: int
    skipped: int
    axis_codes: str | None = None
    notes: Mapping[str, int] = field(default_factory=dict)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the patch does not show of the training patients' targets, a sentence each."""
        height, width = self.recipe.patch
        return tuple(
            f"{1 - fidelity.coverage:.2%} of {target} lies outside the patch of {height} x {width}"
            ": it is predicted and scored, but never trained on"
            for target, fidelity in self.targets.items()
            if fidelity.coverage is not None and fidelity.coverage < 1
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a stored slice."""
        height, width = self.recipe.patch
        return len(self.channel_names), height, width

    def to_json(self) -> dict[str, Any]:
        """Plain values; :meth:`from_json` is the inverse."""
        return {
            **asdict(self),
            "labels": labels_to_json(self.labels),
            "recipe": self.recipe.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_json`; JSON files keep no order, so it is restored here."""
        read = TypeAdapter(cls).validate_python(value)
        labels = replace(read.labels, classes=dict(sorted(read.labels.classes.items())))
        return replace(
            read,
            labels=labels,
            parts={part: read.parts[part] for part in PARTS},
            targets={one.name: read.targets[one.name] for one in labels.targets},
        )


def labels_to_json(scheme: LabelScheme) -> dict[str, Any]:
    """Plain values; label values become strings, as JSON keys must be."""
    plain = asdict(replace(scheme, classes={}))
    return {**plain, "classes": {str(value): name for value, name in scheme.classes.items()}}
