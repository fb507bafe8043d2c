"""The plan of a run: what is compared, with whom, and what each job waits for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from distributed_iac.config.comparison import CONTROLS
from distributed_iac.config.headroom import HeadroomSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.plan import is_rehearsal, plan_jobs

BASELINES = [{"name": "attention_unet"}, {"name": "basic_unetplusplus"}]


def config(**changes: Any) -> RunConfig:
    values = {
        "name": "run",
        "data": [{"name": "acdc", "source": "a"}, {"name": "kits", "source": "k"}],
        "backbones": [
            {"name": "basic_unet", "features": "tiny"},
            {"name": "basic_unet", "label": "given", "weights": "given.pt"},
        ],
        "baselines": BASELINES,
        "seeds": [0, 1, 2],
    }
    return RunConfig.model_validate({**values, **changes})


configs = st.builds(
    config,
    seeds=st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True),
    controls=st.lists(st.sampled_from(CONTROLS), unique=True),
    baselines=st.sampled_from([[], BASELINES[:1], BASELINES]),
    selection=st.fixed_dictionaries(
        {
            "rule": st.sampled_from(["each", "best", "consensus", "top_k", "pareto"]),
            "count": st.integers(1, 4),
        }
    ),
)


def keys(graph: JobGraph) -> set[str]:
    return {job.key for job in graph.jobs()}


def test_a_run_of_one_of_everything() -> None:
    graph = plan_jobs(
        config(
            data=[{"name": "acdc", "source": "a"}],
            backbones=[{"name": "basic_unet", "features": "tiny"}],
            baselines=BASELINES[:1],
            seeds=[0],
        )
    )
    unet = "acdc/basic_unet-tiny"
    assert [job.key for job in graph.jobs()] == [
        "acdc/prepare",
        f"{unet}/pretrain",
        f"{unet}/evaluate/plain",
        f"{unet}/search/full/seed0",
        f"{unet}/retrain/full/seed0",
        f"{unet}/search/lth/seed0",
        f"{unet}/retrain/lth/seed0",
        f"{unet}/retrain/plain_extra/seed0",
        f"{unet}/retrain/random/seed0",
        "acdc/attention_unet-32-512/baseline/seed0",
    ]


@settings(max_examples=40)
@given(configs)
def test_everything_is_compared_over_the_same_seeds(run: RunConfig) -> None:
    graph = plan_jobs(run)
    seeds: dict[tuple[str, ...], list[int]] = {}
    for job in graph.jobs():
        if job.seed is not None:
            seeds.setdefault((job.group, job.kind, job.name), []).append(job.seed)
    assert all(sorted(found) == sorted(run.seeds) for found in seeds.values())


@settings(max_examples=40)
@given(configs)
def test_no_job_needs_anything_of_another_group(run: RunConfig) -> None:
    graph = plan_jobs(run)
    for job in graph.jobs():
        groups = {graph[need].group for need in graph.ancestors(job.key)}
        assert groups <= {job.group, job.dataset}


@settings(max_examples=40)
@given(configs)
def test_a_retraining_waits_for_exactly_the_searches_its_cell_is_chosen_from(
    run: RunConfig,
) -> None:
    graph = plan_jobs(run)
    for job in graph.jobs():
        searches = [graph[need] for need in job.needs if graph[need].kind == "search"]
        if job.arm is None or job.kind == "search":
            assert not searches
            continue
        own = [job.seed] if run.selection.rule == "each" else list(run.seeds)
        assert [search.seed for search in searches] == own
        assert {search.name for search in searches} == {job.arm}
        assert job.slot is None or 1 <= job.slot <= run.selection.count


@settings(max_examples=40)
@given(configs)
def test_a_backbone_with_weights_is_not_trained_first(run: RunConfig) -> None:
    graph = plan_jobs(run)
    assert "acdc/given/pretrain" not in graph
    assert "acdc/basic_unet-tiny/pretrain" in graph
    assert graph["acdc/given/search/lth/seed" + str(run.seeds[0])].needs == ("acdc/prepare",)


@settings(max_examples=40)
@given(configs, st.integers(51, 60))
def test_another_seed_only_adds_jobs(run: RunConfig, seed: int) -> None:
    each = run.model_copy(update={"selection": run.selection.model_copy(update={"rule": "each"})})
    more = each.model_copy(update={"seeds": (seed, *each.seeds)})
    before, after = plan_jobs(each), plan_jobs(more)
    assert keys(before) < keys(after)
    assert all(after[job.key] == job for job in before.jobs())


def test_random_search_chooses_from_its_seeds_own_cells_the_first_of_which_is_the_control() -> None:
    run = config(controls=["random", "random_search"], seeds=[3, 7], comparison={"random_cells": 3})
    graph = plan_jobs(run)
    group = "acdc/basic_unet-tiny"
    for seed in run.seeds:
        names = ("random", "random.2", "random.3")
        cells = tuple(f"{group}/retrain/{name}/seed{seed}" for name in names)
        assert graph[f"{group}/evaluate/random_search/seed{seed}"].needs == cells
        assert [is_rehearsal(graph[key]) for key in cells] == [False, True, True]
    alone = plan_jobs(run.model_copy(update={"controls": ("random_search",)}))
    assert keys(alone) == keys(graph)


@settings(max_examples=25)
@given(configs, st.integers(1, 6), st.integers(1, 5))
def test_a_headroom_run_has_every_cell_with_every_seed_and_shares_those_of_the_sweep(
    run: RunConfig, cells: int, seeds: int
) -> None:
    headroom = HeadroomSettings(cells=cells, seeds=seeds)
    asked = run.model_copy(update={"headroom": headroom, "controls": ("random_search",)})
    graph, sweep = plan_jobs(asked.headroom_run()), plan_jobs(asked)
    assert graph.jobs() == plan_jobs(asked.headroom_run().headroom_run()).jobs()
    trained = [job for job in graph.jobs() if job.kind == "retrain"]
    assert len(trained) == len({job.group for job in trained}) * cells * seeds
    assert {job.kind for job in graph.jobs()} <= {"prepare", "pretrain", "retrain"}
    shared = [job for job in trained if job.key in sweep]
    assert all(job == sweep[job.key] for job in shared)
    own = min(cells, seeds, len(run.seeds))
    assert len(shared) >= own * len({job.group for job in trained})


def test_cells_that_are_only_chosen_from_are_not_scored_on_other_data_either() -> None:
    run = config(
        data=[{"name": "acdc", "source": "a"}],
        backbones=[{"name": "basic_unet", "label": "given", "weights": "given.pt"}],
        also_scored=[{"name": "old", "source": "o"}],
        controls=["random", "random_search"],
        seeds=[0],
    )
    there = {job.name: job for job in plan_jobs(run).jobs() if job.group == "old/given"}
    assert set(there) == {"full", "lth", "random", "random_search"}
    assert set(there["random_search"].needs) == {
        "old/prepare",
        *plan_jobs(run)["acdc/given/evaluate/random_search/seed0"].needs,
    }


def test_slots_are_no_more_than_there_are_cells_to_choose_from() -> None:
    run = config(selection={"rule": "top_k", "count": 5}, seeds=[4, 5])
    names = {job.name for job in plan_jobs(run).jobs() if job.kind == "retrain" and job.arm}
    assert names == {"full.1", "full.2", "lth.1", "lth.2"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {"random": {}}}, "other than the controls'"),
        ({"baselines": [{"name": "basic_unet", "features": "tiny"}]}, "basic_unet-tiny"),
        ({"baselines": [{"name": "attention_unet", "weights": "w.pt"}]}, "from scratch"),
        ({"retrain": {"unfreeze": "cells"}}, r"controls: \[plain, random\]"),
        ({"controls": ["plain", "plain"]}, "controls"),
    ],
)
def test_comparisons_that_mean_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**changes)


@settings(max_examples=40)
@given(configs)
def test_what_builds_upon_a_network_of_nnunet_waits_for_its_plain_score(run: RunConfig) -> None:
    theirs = {"name": "nnunet", "folder": "model", "label": "theirs"}
    values = run.model_dump(mode="json")
    graph = plan_jobs(
        RunConfig.model_validate(values | {"backbones": [*values["backbones"], theirs]})
    )
    for job in graph.jobs():
        gates = {need for need in graph.ancestors(job.key) if graph[need].kind == "evaluate"}
        held = job.backbone == "theirs" and job.kind != "evaluate"
        assert gates == ({f"{job.dataset}/theirs/evaluate/plain"} if held else set())


@settings(max_examples=40)
@given(configs)
def test_a_network_of_nnunet_beside_them_changes_no_job_of_other_groups(run: RunConfig) -> None:
    theirs = {"name": "nnunet", "folder": "model", "label": "theirs"}
    values = run.model_dump(mode="json")
    more = plan_jobs(
        RunConfig.model_validate(values | {"backbones": [*values["backbones"], theirs]})
    )
    assert all(job == more[job.key] for job in plan_jobs(run).jobs())
