"""The JSON document is valid JSON and keeps its keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import nibabel
import numpy as np

from distributed_iac.data.check.document import SCHEMA, to_document
from distributed_iac.data.check.report import check_source
from distributed_iac.data.check.summary import summarise
from distributed_iac.data.contract import Case, Region, Source

MakeCase = Callable[..., Case]
MakeSource = Callable[..., Source]


def document_of(source: Source) -> dict[str, Any]:
    report = check_source(source)
    text = json.dumps(to_document(report, summarise(report)), allow_nan=False)
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def test_a_sound_source_is_described(make_case: MakeCase, make_source: MakeSource) -> None:
    document = document_of(make_source(make_case("a"), make_case("b"), licence="CC BY 4.0"))
    assert document["schema"] == SCHEMA
    assert document["clean"] is True
    assert document["problems"] == []
    assert document["source"]["licence"] == "CC BY 4.0"
    assert document["source"]["labels"]["classes"] == {"1": "organ", "2": "tumour"}
    assert [axis["axis"] for axis in document["summary"]["spacing"]] == ["slice", "row", "column"]
    assert document["summary"]["spacing"][0]["median"] == 8
    first = document["cases"][0]
    assert first["orientation"] == "LPS"
    assert first["label_voxels"] == {"0": 102, "1": 17, "2": 1}
    assert set(first["images"]["ct"]["percentiles"]) == {"0.5", "50.0", "99.5"}


def test_damage_becomes_problems_and_null(make_case: MakeCase, make_source: MakeSource) -> None:
    broken, hollow = make_case("a"), make_case("b")
    broken.channels[0].path.write_bytes(b"")
    array = np.full((6, 5, 4), np.nan, np.float32)
    image = nibabel.load(hollow.channels[0].path)
    nibabel.save(nibabel.Nifti1Image(array, image.affine), hollow.channels[0].path)
    document = document_of(make_source(broken, hollow))
    assert document["clean"] is False
    assert [(each["case_id"], each["code"]) for each in document["problems"]] == [
        ("a", "truncated"),
        ("b", "nonfinite"),
    ]
    assert document["problems"][0]["path"] == str(broken.channels[0].path)
    assert document["cases"][0]["shape"] is None
    assert document["cases"][1]["images"]["ct"]["minimum"] is None
    assert document["cases"][1]["images"]["ct"]["nonfinite"] == 120


def test_regions_are_listed(make_case: MakeCase, make_source: MakeSource) -> None:
    source = make_source(make_case())
    regions = (Region("whole", (1, 2)),)
    labels = type(source.labels)(
        source.labels.convention, source.labels.classes, regions=regions, region_order=(1,)
    )
    document = document_of(make_source(make_case(), labels=labels))
    assert document["source"]["labels"]["regions"] == {"whole": [1, 2]}
