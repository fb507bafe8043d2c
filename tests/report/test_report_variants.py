"""A run with variants: every table, figure and name says which variant it is about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.comparison.pairing import MEAN
from distributed_iac.comparison.rows import JobRow, ScoreRow
from distributed_iac.report.cost_figure import cost_figure
from distributed_iac.report.page.blocks import Prose
from distributed_iac.report.run_record import RunRecord, read_run
from distributed_iac.report.run_tables import run_tables
from distributed_iac.report.tables import Table
from distributed_iac.report.tensorboard.run_board import run_name
from distributed_iac.report.tensorboard.trials import variant_of
from distributed_iac.report.variants import variants_section
from tests.report.conftest import TOPOLOGY, VARIANTS, MakeRun

UNET = "acdc/basic_unet-tiny"
NAMES = ("augmented", "longer", "unaugmented")


@pytest.fixture(scope="module")
def varied(varied_run: Path) -> RunRecord:
    return read_run(varied_run)


@pytest.fixture(scope="module")
def tables(varied: RunRecord) -> dict[str, Table]:
    return run_tables(varied)


def rows_of(record: RunRecord) -> tuple[list[JobRow], list[ScoreRow]]:
    return record.typed_job_rows, record.patient_rows


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


def test_the_page_says_whether_the_order_of_the_arms_holds(
    varied: RunRecord, tables: dict[str, Table]
) -> None:
    (section,) = variants_section(varied, tables)
    said = " ".join(
        text
        for block in section.blocks
        for text in ((block.text,) if isinstance(block, Prose) else getattr(block, "items", ()))
    )
    assert "The order of the arms by mean test Dice" in said
    assert f"{UNET}, augmented and longer:" in said
    assert not any("no patients were scored" in one for one in varied.comparison.warnings)
    content = varied.comparison.to_dict()
    assert {one["of"] for one in content["rankings"]} == {"arms", "models", "cells"}


def test_what_was_found_of_a_given_cell_is_told_in_every_variant(make_run: MakeRun) -> None:
    given = random_genotype(TOPOLOGY, np.random.default_rng(1), "shared", 1)
    values = {
        "seeds": [0, 1],
        "given": given.to_dict(),
        "controls": ["plain", "random", "given"],
        "variants": {
            "a": {},
            "searched": {"search": {"epochs": 50}},  # with a's random and given cells
            "trained": {"retrain": {"epochs": 150}},  # with a's searches
        },
    }
    table = run_tables(read_run(make_run(**values)))["given"]
    assert set(column(table, "group")) == {f"{UNET}@{name}" for name in values["variants"]}
    assert len(table.rows) == 6
    for name in ("Dice, random cell", "found cell", "given cell"):
        assert None not in column(table, name), "each variant has all three"


def test_an_order_that_failed_jobs_hide_is_said_to_be_unknown(make_run: MakeRun) -> None:
    lost = f"{UNET}@unaugmented/pretrain"
    record = read_run(make_run(failed=[lost], variants=VARIANTS))
    (section,) = variants_section(record, run_tables(record))
    said = " ".join(block.text for block in section.blocks if isinstance(block, Prose))
    assert f"Not known yet, for want of two arms scored in both: {UNET} in unaugmented." in said


def test_every_panel_of_the_costs_is_of_one_variant(varied: RunRecord) -> None:
    titles = {axis.get_title(loc="left") for axis in cost_figure(*rows_of(varied)).axes}
    assert titles - {""} == {f"{UNET}@{name}" for name in NAMES}


def test_jobs_and_dashboards_say_the_variant(varied: RunRecord) -> None:
    named = {row["key"]: row["variant"] for row in varied.job_rows}
    assert named["acdc/prepare"] is None
    assert named[f"{UNET}@longer/retrain/lth/seed1"] == "longer"
    runs = {run_name(job): variant_of(job) for job in varied.graph.jobs()}
    assert len(runs) == len(varied.graph)
    assert runs[f"{UNET}@augmented/lth/seed0"] == "augmented and longer"
    assert runs[f"{UNET}@longer/retrain-lth/seed1"] == "longer"
    assert f"{UNET}@longer/lth/seed0" not in runs


def test_without_variants_there_is_no_word_of_them(
    finished: RunRecord, finished_tables: dict[str, Table]
) -> None:
    assert not {"variants", "variant-dice", "ranking"} & finished_tables.keys()
    assert variants_section(finished, finished_tables) == ()
    assert "variant" not in finished.tables.jobs.schema.names
