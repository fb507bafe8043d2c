from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.config.selection import SelectionSettings
from distributed_iac.errors import ConfigError, RunError
from distributed_iac.genotype import OPERATIONS, Genotype
from distributed_iac.selection.candidate import Candidate
from distributed_iac.selection.select import select

CELLS = tuple(Genotype.shared(2, [[(0, name), (1, "skip_connect")]]) for name in OPERATIONS[1:])


def candidate(seed: int, dice: float | None = None, cell: int | None = None, **more) -> Candidate:
    return Candidate(
        key=f"acdc/basic_unet-tiny/search/lth/seed{seed}",
        arm="lth",
        seed=seed,
        genotype=CELLS[seed if cell is None else cell],
        discrete_val_dice=dice,
        **more,
    )


def test_each_seed_gets_its_own_cell_even_when_others_are_better() -> None:
    found = select([candidate(0, 0.2), candidate(1, 0.9)], SelectionSettings(), seed=0)
    assert found.cell() == CELLS[0]
    assert found.picks[0].dice == 0.2
    assert len(found.over) == 2


def test_each_says_which_seed_is_missing_and_needs_one() -> None:
    found = select([candidate(1, 0.9)], SelectionSettings(), seed=0)
    assert found.cells == ()
    assert found.warnings == ("no search with seed 0 has reported a cell (there are: 1)",)
    with pytest.raises(RunError, match="picked 0 cells"):
        found.cell()
    with pytest.raises(ConfigError, match="one seed"):
        select([candidate(1, 0.9)], SelectionSettings())


@pytest.mark.parametrize("rule", ["each", "best", "consensus", "top_k", "pareto"])
def test_nothing_to_select_from_is_said_and_not_a_crash(rule) -> None:
    found = select([], SelectionSettings(rule=rule), seed=0)
    assert found.cells == ()
    assert found.warnings == ("no search of this group and arm has reported a cell",)
    assert found.to_dict()["picks"] == []


def test_best_is_the_highest_dice_and_near_ties_are_named() -> None:
    settings = SelectionSettings(rule="best", near_tie=0.01)
    found = select([candidate(0, 0.80), candidate(1, 0.805), candidate(2, 0.7)], settings)
    assert found.cells == (CELLS[1],)
    assert len(found.ties) == 1
    assert "only 0.0050 Dice behind" in found.ties[0]
    assert CELLS[0].id in found.ties[0]


def test_exact_ties_go_to_confidence_then_cost_and_are_named() -> None:
    settings = SelectionSettings(rule="best")
    by_confidence = [candidate(0, 0.8, confidence=0.6), candidate(1, 0.8, confidence=0.9)]
    found = select(by_confidence, settings)
    assert found.cells == (CELLS[1],)
    assert "tie in val Dice" in found.ties[0]
    assert select([candidate(0, 0.8, cost=9), candidate(1, 0.8, cost=3)], settings).cells == (
        CELLS[1],
    )


def test_unscored_cells_are_left_out_by_name() -> None:
    found = select([candidate(0), candidate(1, 0.1)], SelectionSettings(rule="best"))
    assert found.cells == (CELLS[1],)
    assert CELLS[0].id in found.warnings[0]
    none = select([candidate(0)], SelectionSettings(rule="best"))
    assert none.cells == ()
    assert "val Dice is not known" in none.warnings[0]


def test_top_k_takes_distinct_cells_in_order() -> None:
    settings = SelectionSettings(rule="top_k", count=2)
    twice = [candidate(0, 0.9), candidate(1, 0.7, cell=0), candidate(2, 0.6), candidate(3, 0.5)]
    found = select(twice, settings)
    assert found.cells == (CELLS[0], CELLS[2])
    assert found.picks[0].dice == pytest.approx(0.8)
    few = select(twice[:2], settings)
    assert few.cells == (CELLS[0],)
    assert "there are 1 distinct" in few.warnings[0]


def test_consensus_names_a_cell_that_nobody_found() -> None:
    def cell(first: str, second: str) -> Genotype:
        return Genotype.shared(2, [[(0, first), (1, second)]])

    a, b, c = (
        cell("sep_conv_3x3", "skip_connect"),
        cell("sep_conv_3x3", "max_pool_3x3"),
        cell("dil_conv_3x3", "max_pool_3x3"),
    )
    searches = [
        Candidate(f"d/b/search/lth/seed{seed}", "lth", seed, genotype, 0.5)
        for seed, genotype in enumerate((a, b, c))
    ]
    known = select(searches, SelectionSettings(rule="consensus"))
    assert known.cells == (b,)
    assert known.picks[0].dice == 0.5
    mixed = [
        Candidate("d/b/search/lth/seed3", "lth", 3, cell("sep_conv_3x3", "avg_pool_3x3")),
        Candidate("d/b/search/lth/seed4", "lth", 4, cell("dil_conv_5x5", "max_pool_3x3")),
    ]
    found = select([searches[0], searches[2], *mixed], SelectionSettings(rule="consensus"))
    assert found.cells == (cell("sep_conv_3x3", "max_pool_3x3"),)
    assert found.picks[0].dice is None
    assert "found by no search" in found.warnings[0]


scored = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([0.1, 0.5, 0.6, 0.9]), st.integers(0, 4)),
    min_size=1,
    max_size=7,
    unique_by=lambda row: row[0],
)


@given(scored)
def test_the_pareto_front_is_exactly_what_nobody_beats(rows) -> None:
    searches = [candidate(seed, dice, cost=cost) for seed, dice, cost in rows]
    found = select(searches, SelectionSettings(rule="pareto", count=7))
    beaten = {
        seed
        for seed, dice, cost in rows
        for _, other, price in rows
        if other >= dice and price <= cost and (other, price) != (dice, cost)
    }
    assert {cell.id for cell in found.cells} == {
        CELLS[seed].id for seed, _, _ in rows if seed not in beaten
    }


def test_a_long_front_is_thinned_between_its_ends() -> None:
    searches = [candidate(seed, 0.1 * (seed + 1), cost=seed) for seed in range(6)]
    found = select(searches, SelectionSettings(rule="pareto", count=3))
    assert found.cells[0] == CELLS[5]
    assert found.cells[-1] == CELLS[0]
    assert len(found.cells) == 3
    assert "on the front but left out" in found.warnings[0]
    one = select(searches, SelectionSettings(rule="pareto", count=1))
    assert one.cells == (CELLS[5],)


def test_pareto_can_weigh_parameters_and_names_who_has_none() -> None:
    searches = [candidate(0, 0.5, parameters=10), candidate(1, 0.4, parameters=20), candidate(2, 1)]
    found = select(searches, SelectionSettings(rule="pareto", cost="parameters"))
    assert found.cells == (CELLS[0],)
    assert "parameters is not known" in found.warnings[0]


def test_planned_searches_that_are_missing_are_named_where_they_could_have_been_picked() -> None:
    searches = [candidate(1, 0.5)]
    found = select(searches, SelectionSettings(rule="best"), planned=(0, 1, 2))
    assert found.warnings == ("chosen without seeds 0, 2: no cell from them",)
    assert select(searches, SelectionSettings(), seed=1, planned=(0, 1)).warnings == ()


def test_groups_and_arms_are_not_mixed() -> None:
    other = Candidate("kits/basic_unet-tiny/search/lth/seed0", "lth", 0, CELLS[0])
    with pytest.raises(ConfigError, match="one group and one arm"):
        select([candidate(0), other], SelectionSettings(rule="best"))


def test_the_json_says_what_was_picked_over_what_and_why() -> None:
    found = select([candidate(0, 0.8), candidate(1, 0.799)], SelectionSettings(rule="best"))
    value = json.loads(json.dumps(found.to_dict()))
    assert value["group"] == "acdc/basic_unet-tiny"
    assert Genotype.from_dict(value["picks"][0]["genotype"]) == CELLS[0]
    assert {one["genotype_id"] for one in value["over"]} == {CELLS[0].id, CELLS[1].id}
    assert value["picks"][0]["reason"]
    assert value["ties"]


@pytest.mark.parametrize(("rule", "slots"), [("each", 1), ("best", 1), ("top_k", 2), ("pareto", 2)])
def test_slots_are_the_most_cells_a_rule_can_pick(rule, slots) -> None:
    settings = SelectionSettings(rule=rule, count=2)
    assert settings.slots(seeds=5) == slots
    assert settings.slots(seeds=1) == 1
