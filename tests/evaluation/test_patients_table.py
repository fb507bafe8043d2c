"""Merging: any order, any division, any repetition give the same table; contradictions do not."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_iac.errors import DataError
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.patients_table import (
    SCHEMA,
    ScoredModel,
    merge_patients,
    patients_table,
    read_patients,
    write_patients,
)

MODELS = tuple(
    ScoredModel(f"acdc/unet/{name}/{seed}", "acdc", "unet", name, arm, seed)
    for name, arm, seed in (("lth", "lth", 0), ("lth", "lth", 1), ("plain", None, None))
)
SCORE = st.floats(0, 1) | st.just(math.nan)
MAYBE = SCORE | st.none()


@st.composite
def tables(draw: st.DrawFn) -> list[pa.Table]:
    """Parts of one table, each row once or more."""
    rows = [
        (
            model,
            CaseScore(
                patient_id=f"p{case // 2}",
                case_id=f"p{case // 2}-{case}",
                target=target,
                dice=draw(SCORE),
                hd95=draw(MAYBE),
                surface_dice=None,
                tolerance=None,
                label_ml=1.5,
                predicted_ml=0.0,
                phase="ES" if case % 2 else "ED",
                empty_policy="nan",
            ),
        )
        for model in MODELS[: draw(st.integers(1, 3))]
        for case in range(draw(st.integers(1, 4)))
        for target in ("LV", "RV")
    ]
    return [patients_table(model, [row]) for model, row in rows]


@settings(max_examples=40, deadline=None)
@given(tables(), st.data())
def test_order_division_and_repetition_do_not_matter(
    parts: list[pa.Table], data: st.DataObject
) -> None:
    whole = merge_patients(parts)
    shuffled = data.draw(st.permutations(parts))
    cut = data.draw(st.integers(0, len(parts)))
    again = data.draw(st.lists(st.sampled_from(parts)))
    merged = merge_patients(
        [merge_patients(shuffled[:cut]), *again, merge_patients(shuffled[cut:]), whole]
    )
    assert repr(merged.to_pylist()) == repr(whole.to_pylist())  # NaN equals itself in text
    assert len(whole) == len(parts)


@pytest.mark.parametrize("field", ["dice", "hd95", "empty_policy", "predicted_ml"])
def test_two_results_for_one_case_are_refused(field: str, row: CaseScore) -> None:
    other = replace(row, **{field: "brats" if field == "empty_policy" else 0.123})
    with pytest.raises(DataError, match="one result"):
        merge_patients([patients_table(MODELS[0], [row]), patients_table(MODELS[0], [other])])


def test_the_same_case_of_another_model_is_another_row(row: CaseScore) -> None:
    parts = [patients_table(model, [row]) for model in MODELS]
    assert merge_patients(parts)["model"].to_pylist() == sorted(m.model for m in MODELS)


def test_nothing_merges_to_an_empty_table_of_the_same_schema() -> None:
    assert merge_patients([]).schema.equals(SCHEMA, check_metadata=True)
    assert len(merge_patients([])) == 0


def test_a_table_survives_the_disk_with_undefined_and_not_computed_apart(
    row: CaseScore, tmp_path: Path
) -> None:
    table = patients_table(MODELS[2], [replace(row, dice=math.nan, hd95=math.nan)])
    write_patients(tmp_path / "patients.parquet", table)
    back = read_patients(tmp_path / "patients.parquet")
    assert back.schema.equals(SCHEMA, check_metadata=True)
    (read,) = back.to_pylist()
    assert math.isnan(read["dice"])
    assert math.isnan(read["hd95"])
    assert read["surface_dice"] is None
    assert read["seed"] is None
    assert read["phase"] == "ED"


def test_a_truncated_file_is_named(row: CaseScore, tmp_path: Path) -> None:
    path = tmp_path / "patients.parquet"
    write_patients(path, patients_table(MODELS[0], [row]))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"patients\.parquet"):
        read_patients(path)


def test_another_table_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"model": ["x"]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="columns"):
        read_patients(tmp_path / "other.parquet")


@pytest.fixture
def row() -> CaseScore:
    return CaseScore(
        *("LV", 0.9, 2.5, None, None, 110.0, 108.0),
        patient_id="p1",
        case_id="p1-ed",
        phase="ED",
        empty_policy="nan",
    )
