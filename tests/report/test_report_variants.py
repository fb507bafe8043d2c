"""A run with variants: every table, figure and name says which variant it is about."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from distributed_iac.comparison.pairing import MEAN
from distributed_iac.report.rebuild import rebuild
from distributed_iac.report.run_record import RunRecord, read_run
from distributed_iac.report.run_tables import run_tables
from distributed_iac.report.tables import Table

UNET = "acdc/basic_unet-tiny"
NAMES = ("augmented", "longer", "unaugmented")


@pytest.fixture(scope="module")
def rebuilt(varied_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run beside its results, with everything that a report consists of."""
    copy = tmp_path_factory.mktemp("rebuilt") / "work"
    shutil.copytree(varied_run.parent.parent, copy)
    rebuild(copy / "runs" / varied_run.name)
    return copy / "runs" / varied_run.name


@pytest.fixture(scope="module")
def varied(rebuilt: Path) -> RunRecord:
    return read_run(rebuilt)


@pytest.fixture(scope="module")
def tables(varied: RunRecord) -> dict[str, Table]:
    return run_tables(varied)


def column(table: Table, name: str) -> list[object]:
    return [row[table.columns.index(name)] for row in table.rows]


def test_patients_of_every_variant_are_told_apart_though_results_know_none(
    varied: RunRecord,
) -> None:
    models = {row.model for row in varied.patient_rows}
    finished = {job.key for job, _ in varied.results("retrain", "baseline", "evaluate")}
    assert models == finished
    for job, result in varied.results("retrain"):
        assert job.variants
        assert result["key"] == job.address


def test_every_table_of_groups_says_the_variant(tables: dict[str, Table]) -> None:
    ours = {f"{UNET}@{name}" for name in NAMES}
    searched = {f"{UNET}@augmented", f"{UNET}@unaugmented"}  # longer has the former's searches
    assert set(column(tables["dice"], "group")) == {*ours, "all groups"}
    assert set(column(tables["cost"], "group")) == {*searched, "all groups"}
    for name in ("searches", "selection", "likeness"):
        assert set(column(tables[name], "group")) == searched
    assert ours <= set(column(tables["models"], "group"))
    assert set(column(tables["retraining"], "group")) == ours


def test_a_variant_that_shares_the_plain_network_is_compared_with_it(varied: RunRecord) -> None:
    against = {
        one.group: one.difference
        for one in varied.comparison.contrasts
        if (one.against, one.metric, one.target) == ("plain", "dice", MEAN)
    }
    assert set(against) == {*(f"{UNET}@{name}" for name in NAMES), "all groups"}


def test_each_model_is_set_against_itself_in_the_first_variant(tables: dict[str, Table]) -> None:
    table = tables["variant-dice"]
    assert set(column(table, "against")) == {"augmented"}
    found = {
        (variant, model): float(str(difference).split()[0])
        for variant, model, difference in zip(
            column(table, "variant"),
            column(table, "model"),
            column(table, "difference"),
            strict=True,
        )
    }
    assert found["unaugmented", "lth"] == pytest.approx(-0.03, abs=0.01)
    assert found["longer", "lth"] == pytest.approx(0.0, abs=0.01)
    assert ("longer", "plain") not in found, "that is the same network"
    (own,) = [row for row in tables["variants"].rows if row[0] == "unaugmented"]
    assert own[1] == "batches.augmentation none"


def test_the_page_says_whether_the_order_of_the_arms_holds(rebuilt: Path) -> None:
    text = (rebuilt / "report.html").read_text(encoding="utf-8")
    assert "The order of the arms by mean test Dice" in text
    assert f"{UNET}, augmented and longer:" in text
    assert "no patients were scored" not in text
    content = json.loads((rebuilt / "comparison.json").read_text(encoding="utf-8"))
    assert {one["of"] for one in content["rankings"]} == {"arms", "models", "cells"}


def test_jobs_and_dashboards_have_a_column_for_it(rebuilt: Path) -> None:
    jobs = pq.read_table(rebuilt / "jobs.parquet").to_pylist()
    named = {job["key"]: job["variant"] for job in jobs}
    assert named["acdc/prepare"] is None
    assert named[f"{UNET}@longer/retrain/lth/seed1"] == "longer"
    runs = {
        str(path.parent.relative_to(rebuilt / "tensorboard"))
        for path in rebuilt.glob("tensorboard/**/position.json")
    }
    assert {
        f"{UNET}@augmented/lth/seed0",
        f"{UNET}@unaugmented/lth/seed0",
        f"{UNET}@longer/retrain-lth/seed1",
    } <= runs
    assert f"{UNET}@longer/lth/seed0" not in runs


def test_without_variants_there_is_no_word_of_them(
    finished: RunRecord, finished_tables: dict[str, Table]
) -> None:
    assert not {"variants", "variant-dice", "ranking"} & finished_tables.keys()
    assert "variant" not in finished.tables.jobs.schema.names
