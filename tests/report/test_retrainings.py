"""With which learning rates models were trained stands in the report, and whether anybody chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from distributed_iac.config.training import RetrainSettings
from distributed_iac.report.retrainings import rate_doubts, rates_sentence
from distributed_iac.report.run_record import read_run
from distributed_iac.report.run_tables import run_tables

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (RetrainSettings(), "0.001, 0.0001: of each arm, control and seed the one with the best"),
        (
            RetrainSettings(rates=(0.5,)),
            "0.0005 for what is trained of the backbone; chosen",
        ),
        (RetrainSettings(rates=(0.5,), unfreeze="cells"), "0.0005; chosen"),
        (RetrainSettings(rates=(), backbone_rate=0.2), "0.0002 for what is trained"),
    ],
)
def test_the_rates_are_said_as_numbers(settings: RetrainSettings, said: str) -> None:
    assert rates_sentence(settings).startswith(said)


def test_a_control_that_nobody_tuned_is_doubted(make_run: MakeRun) -> None:
    record = read_run(make_run(retrain={"epochs": 2, "rates": [1.0]}))
    (control, *_) = rate_doubts(record)
    assert "the learning rate of plain_extra was not chosen" in control


def test_chosen_rates_leave_no_doubt_about_controls(make_run: MakeRun) -> None:
    record = read_run(make_run(retrain={"epochs": 2, "rates": [1.0, 0.1]}))
    assert not [one for one in rate_doubts(record) if "plain_extra" in one]


def test_every_table_that_compares_models_says_the_rates(make_run: MakeRun) -> None:
    record = read_run(make_run(retrain={"epochs": 2, "rates": [1.0, 0.1]}))
    tables = run_tables(record)
    for name in ("dice", "hd95", "retraining"):
        assert any("0.001, 0.0001" in note.sentence for note in tables[name].notes), name


def test_a_rate_that_may_be_too_low_for_lack_of_higher_ones_is_doubted(make_run: MakeRun) -> None:
    record = read_run(make_run(seeds=[0, 1]))
    kept = {"random": [1.0, 1.0], "plain_extra": [0.1, 0.1], "lth": [1.0, 0.1]}
    rows = record.tables.jobs.to_pylist()
    for row in rows:
        if row["kind"] == "retrain" and row["name"] in kept:
            row["rate"], row["rate_scores"] = kept[row["name"]][row["seed"]], '{"1": 0.8, "0.1": 1}'
    jobs = pa.Table.from_pylist(rows, record.tables.jobs.schema)
    *_, doubt = rate_doubts(replace(record, tables=replace(record.tables, jobs=jobs)))
    assert doubt.startswith("of the learning rates that were tried, random kept the highest")
