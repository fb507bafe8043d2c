"""A check as one JSON document, for other programs.

::

    json.dumps(to_document(report, summarise(report)), allow_nan=False)

The document, with NaN written as null, lengths in mm, and axes in the order slice, row, column::

    {
      "schema": "distributed-iac/check/1",          raised when a key changes its meaning
      "clean": bool,                                no problem at all
      "source": {"format", "release", "root", "why", "licence", "channels": [name, ...],
                 "labels": {"convention", "classes": {"1": name, ...},
                            "regions": {name: [value, ...]}, "ignore": int | null}},
      "summary": {"cases", "patients", "labelled", "slices": int, "label_files": int,
                  "modalities" | "parts" | "phases" | "orientations" | "problems": {name: count},
                  "size" | "spacing": [{"axis", "minimum", "median", "maximum"}, ...],
                  "intensities": [{"channel", "modality", "cases", "minimum",
                                   "percentiles": {"0.5": x, "50.0": x, "99.5": x}, "maximum"}],
                  "labels": [{"value", "name", "cases", "voxel_share"}]},
      "cases": [{"case_id", "patient_id", "modality", "part", "phase",
                 "shape" | "spacing" | "orientation": as on disk, null if unknown,
                 "images": {channel: {"minimum", "percentiles", "maximum", "nonfinite",
                                      "fingerprint"}},
                 "label_voxels": {"0": count, ...} | null}],
      "problems": [{"code", "severity", "path", "case_id", "reason", "remedy"}]
    }
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from distributed_iac.data.check.case import CaseFacts
from distributed_iac.data.check.report import CheckReport
from distributed_iac.data.check.summary import AXES, Spread, Summary
from distributed_iac.data.contract import Source
from distributed_iac.data.store.case_notes import note_to_json
from distributed_iac.data.volumes.image_scan import PERCENTILES, ImageStatistics
from distributed_iac.files import without_nan

SCHEMA = "distributed-iac/check/1"
"""Name and version of the document."""


def to_document(report: CheckReport, summary: Summary) -> dict[str, Any]:
    """Return the document as plain values."""
    document: dict[str, Any] = without_nan(
        {
            "schema": SCHEMA,
            "clean": report.is_clean,
            "source": _source(report.source),
            "summary": _summary(summary),
            "cases": [_case(facts) for facts in report.facts],
            "problems": [note_to_json(problem) for problem in report.problems],
        }
    )
    return document


def _source(source: Source) -> dict[str, Any]:
    labels = source.labels
    return {
        "format": source.format,
        "release": source.release,
        "root": str(source.detection.root),
        "why": source.detection.why,
        "licence": source.licence,
        "channels": list(source.channel_names),
        "labels": {
            "convention": labels.convention,
            "classes": {str(value): name for value, name in labels.classes.items()},
            "regions": {region.name: list(region.values) for region in labels.regions},
            "ignore": labels.ignore,
        },
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        **asdict(summary),
        "size": _axes(summary.size),
        "spacing": _axes(summary.spacing),
        "intensities": [
            {**asdict(each), "percentiles": _percentiles(each.percentiles)}
            for each in summary.intensities
        ],
    }


def _axes(spreads: Sequence[Spread]) -> list[dict[str, Any]]:
    # Without a readable image there are no spreads, and the list is empty.
    return [{"axis": axis, **asdict(spread)} for axis, spread in zip(AXES, spreads, strict=False)]


def _case(facts: CaseFacts) -> dict[str, Any]:
    case, grid = facts.case, facts.grid
    return {
        "case_id": case.case_id,
        "patient_id": case.patient_id,
        "modality": case.modality,
        "part": case.part,
        "phase": case.phase,
        "shape": None if grid is None else list(grid.shape),
        "spacing": None if grid is None else list(grid.zooms),
        "orientation": None if grid is None else grid.codes,
        "images": {name: _image(image) for name, image in facts.images.items()},
        "label_voxels": None
        if facts.label is None
        else {str(value): count for value, count in facts.label.voxels.items()},
    }


def _image(image: ImageStatistics) -> dict[str, Any]:
    return {
        "minimum": image.minimum,
        "percentiles": _percentiles(image.percentiles),
        "maximum": image.maximum,
        "nonfinite": image.unsound,
        "fingerprint": image.fingerprint,
    }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return {str(rank): value for rank, value in zip(PERCENTILES, values, strict=False)}
