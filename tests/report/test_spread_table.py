"""Whether models differ by more than seeds do, and what each cost, in the report of a run."""

from __future__ import annotations

import pytest

from distributed_iac.headroom.crossed import Figure
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.spread_table import says, spread_table
from distributed_iac.report.tables import Table


def test_models_and_seeds_of_every_group_are_set_against_each_other(finished: RunRecord) -> None:
    table = spread_table(finished)
    assert [row[0] for row in table.rows] == list(finished.groups)
    for row in table.rows:
        # full, lth, plain_extra and random; plain has no seed, and a baseline is another network
        assert row[1:3] == (4, 2)
        assert all(isinstance(cell, str) and "[" in cell for cell in row[3:6])


@pytest.mark.parametrize(
    ("ratio", "models", "seeds", "said"),
    [
        (Figure(3.0, 1.2, 9.0), 4, 3, "by more than seeds"),
        (Figure(0.1, 0.0, 0.8), 4, 3, "by less than seeds"),
        (Figure(1.0, 0.2, 4.0), 4, 3, "not told"),
        (Figure(None, None, None), 4, 3, "all seeds give the same"),
        (Figure(None, None, None), 4, 1, "two models and two seeds"),
        (Figure(None, None, None), 1, 4, "two models and two seeds"),
    ],
)
def test_what_a_ratio_says(ratio: Figure, models: int, seeds: int, said: str) -> None:
    assert said in says(ratio, models, seeds)


def test_what_a_model_cost_is_its_search_and_its_retraining(
    finished: RunRecord, finished_tables: dict[str, Table]
) -> None:
    seconds = {row["key"]: row["seconds"] for row in finished.job_rows}
    group = finished.groups[0]
    (row,) = [row for row in finished_tables["costs"].rows if row[:2] == (group, "lth")]
    for at, kind in ((3, "search"), (4, "retrain")):
        own = [seconds[f"{group}/{kind}/lth/seed{seed}"] for seed in (0, 1)]
        assert row[at] == pytest.approx(sum(own) / 2)
    assert row[6] == "1.00"
