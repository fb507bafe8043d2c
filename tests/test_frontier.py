"""What the frontier makes of recorded units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.frontier import SEARCH, Journal, Unit
from benchmarks.frontier_arms import (
    ARMS,
    DEFAULT,
    FULL,
    STOPS,
    TRIES,
    made_of,
    random_cell,
    stop,
)
from benchmarks.frontier_table import (
    HELD_OUT,
    Lead,
    before_pruning,
    chosen,
    last_line,
    lead,
    rows_of,
    settled,
)
from distributed_iac.config.base import to_plain
from distributed_iac.config.pruning import PruningSettings
from distributed_iac.config.training import SearchSettings
from distributed_iac.genotype import Genotype

PLANTED = Genotype.shared(2, [[(0, "skip_connect"), (1, "skip_connect")]] * 2)
HALF = Genotype.shared(2, [[(0, "max_pool_3x3"), (1, "skip_connect")]] * 2)


def searched(cell: Genotype, operations: int) -> dict[str, Any]:
    return {
        "genotype": cell.to_json(), "op_evaluations": operations, "seconds": operations / 10,
        "epochs": operations // 100, "undecided": 0, "stops": {}, "decisions": [],
    }  # fmt: skip


def teacher(seed: int) -> dict[tuple[int, str, str], dict[str, Any]]:
    """Random cells score 0.6, the planted one 0.8, another 0.7; full finds the planted one."""
    worth = {cell.id: 0.6 for cell in (random_cell(seed, number) for number in range(max(TRIES)))}
    worth |= {PLANTED.id: 0.8, HALF.id: 0.7}
    searches = {
        FULL: searched(PLANTED, 16000),
        DEFAULT: searched(PLANTED, 1000),
        "schedule-2": searched(HALF, 500),
        "schedule-4": searched(PLANTED, 2000),
        "schedule-8": searched(PLANTED, 4000),
    }
    anew = {"seconds": 1.0, "op_evaluations": 10}
    return {(seed, "search", arm): one for arm, one in searches.items()} | {
        (seed, "worth", name): {"val": test, "test": test, "planted": name == PLANTED.id, **anew}
        for name, test in worth.items()
    }


def test_shares_are_of_the_gap_and_costs_are_ratios_to_full() -> None:
    rows = {row.name: row for row in rows_of(teacher(0) | teacher(1), [0, 1])}
    assert rows[FULL].share == rows[DEFAULT].of_full == pytest.approx(1)
    assert rows["schedule-2"].share == pytest.approx(0.5)
    assert rows["random search-1"].share == pytest.approx(0)
    assert rows[DEFAULT].fewer_operations == pytest.approx(16)
    assert rows["schedule-4"].fewer_seconds == pytest.approx(8)
    assert rows["schedule-4"].seconds_interval == pytest.approx((8, 8))


def test_an_arm_is_set_against_another_where_both_were_run() -> None:
    records = teacher(0) | teacher(1)
    found = lead(records, [0, 1], DEFAULT, "schedule-2")
    assert found is not None
    assert [found.more, *found.interval] == pytest.approx([0.5] * 3)
    assert (found.teachers, found.better) == (2, 2)
    assert lead(records, [0, 1], DEFAULT, "schedule-4") == Lead(0, (0, 0), teachers=2, better=0)
    del records[1, "search", FULL]
    assert lead(records, [0, 1], DEFAULT, "schedule-4") == Lead(0, (0, 0), teachers=2, better=0), (
        "full is not asked for"
    )
    assert lead(records, [0, 1], DEFAULT, "settled-10/w5") is None
    assert lead(records, [], DEFAULT, "schedule-2") is None


def test_how_much_of_its_last_cell_full_has_sooner_is_counted_in_genes() -> None:
    records = teacher(0)
    assert settled(records, [0]) == {}
    sooner = {stop(epoch): {"genotype": HALF.to_json()} for epoch in STOPS}
    records[0, "search", FULL] |= {
        "stops": sooner | {stop(STOPS[-1]): {"genotype": PLANTED.to_json()}}
    }
    found = settled(records, [0])
    assert (found[stop(STOPS[0])], found[stop(STOPS[-1])]) == (2, 4)
    assert 0 <= found["random"] < 2


def test_what_is_spent_before_the_first_pruning_bounds_what_another_guard_saves() -> None:
    records = teacher(0)
    assert before_pruning(records, [0]) is None
    records[0, "search", DEFAULT] |= {
        "costs": [100, 600, 900, 1000], "decisions": [{"epoch": 2}, {"epoch": 4}]
    }  # fmt: skip
    assert before_pruning(records, [0, 1]) == pytest.approx(0.6)


def test_of_a_family_the_cheapest_that_finds_enough_is_chosen_on_its_own_teachers() -> None:
    records = teacher(0) | teacher(HELD_OUT)
    assert "schedule-4" in chosen(records)
    assert not {"schedule-2", "schedule-8"} & set(chosen(records))
    assert chosen(teacher(HELD_OUT)) == ()


def test_the_last_line_is_the_held_out_teachers_default() -> None:
    dear = teacher(0) | {(0, "search", DEFAULT): searched(HALF, 8000)}
    assert last_line(dear).startswith("default: share 0.500 [0.500, 0.500], operations 2.0")
    both = dear | teacher(HELD_OUT)
    assert last_line(both) == ("default: share 1.000 [1.000, 1.000], operations 16.0, seconds 16.0")
    assert last_line({}) == "default: not measured yet"


def test_a_line_that_was_cut_short_is_computed_again_and_the_next_is_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "f.jsonl", {"share": 1.0})
    journal.begin()
    journal.add(Unit(0, "worth", "a"), {"seconds": 1.0})
    journal.add(Unit(0, "worth", "b"), {"seconds": 2.0})
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-5])
    again = Journal(journal.path, {"share": 1.0})
    assert set(again.records) == {(0, "worth", "a")}
    again.begin()
    again.add(Unit(0, "worth", "b"), {"seconds": 3.0})
    assert Journal(journal.path, {"share": 1.0}).records[0, "worth", "b"]["seconds"] == 3.0
    search = {"seconds": 1.0, "made_of": made_of(FULL)}
    again.add(Unit(0, "search", FULL), search)
    again.add(Unit(1, "search", FULL), search | {"made_of": "another policy"})
    assert set(Journal(journal.path, {"share": 1.0}).searches(0)) == {FULL}
    assert not Journal(journal.path, {"share": 1.0}).searches(1), "its settings have changed since"
    with pytest.raises(SystemExit, match="other settings"):
        Journal(journal.path, {"share": 0.5})


def test_an_arm_that_repeats_another_comes_after_it() -> None:
    names = list(ARMS)
    for name, arm in ARMS.items():
        if arm.like is not None:
            assert names.index(arm.like) < names.index(name)


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_has_settings_that_there_are(name: str) -> None:
    """Those that are copied with a change are not validated where they are written."""
    arm = ARMS[name]
    assert PruningSettings.model_validate(to_plain(arm.pruning)) == arm.pruning
    assert SearchSettings.model_validate(to_plain(SEARCH) | dict(arm.search))
    assert made_of(name)
