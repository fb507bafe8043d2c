"""What each kind of job leaves behind, on a real store with real networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from distributed_iac.cell.structure import CellStructure
from distributed_iac.config.comparison import (
    ADAPTED,
    ALL_CONTROLS,
    SKIP_MODULES,
    ComparisonSettings,
)
from distributed_iac.config.headroom import HeadroomSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.config.training import RetrainSettings
from distributed_iac.deploy.from_run import FinishedRun
from distributed_iac.errors import ConfigError, RunError, StoreError
from distributed_iac.evaluation.patients_table import read_patients
from distributed_iac.genotype import Genotype
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.nets.freeze import train_only, trainable
from distributed_iac.report.headroom_files import stored_headroom, write_headroom
from distributed_iac.report.run_record import read_run
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.cells import candidate_of, read_search, selected
from distributed_iac.run.collect import collect_run
from distributed_iac.run.local_sweep import LocalSweep
from distributed_iac.run.result import read_result
from distributed_iac.run.run_folder import claim_run_folder
from distributed_iac.run.work.build import build_work
from distributed_iac.run.work.contract import WEIGHTS
from distributed_iac.run.work.evaluate import val_dice, write_test_scores
from distributed_iac.run.work.search import SearchWork
from distributed_iac.run.work.train import TrainingWork
from distributed_iac.training.checkpoint import checkpoint_bytes, read_checkpoint
from distributed_iac.training.group import Group
from distributed_iac.training.memory import OutOfMemoryError
from distributed_iac.training.outputs import read_weights
from distributed_iac.training.retrain import UNFROZEN
from distributed_iac.training.stage import StepReport

MakeConfig = Callable[..., RunConfig]

UNET = "acdc/basic_unet-tiny"
GENES = [[0, "sep_conv_3x3"], [1, "skip_connect"]]
GIVEN = {"scope": "shared", "cells": [{"inputs": 2, "nodes": [GENES, GENES]}]}
TRAINED = {"result.json", "epochs.parquet", "best.safetensors"}
SEARCHED = TRAINED | {"genotype.json", "decisions.json", "history.json"}
SCORED = TRAINED | {"patients.parquet", "overlays.npz"}
LEFT = {
    "prepare": {"result.json"},
    "pretrain": TRAINED,
    "search": SEARCHED,
    "retrain": SCORED | {"validation.parquet"},
    "baseline": SCORED,
    "evaluate": {"result.json", "patients.parquet", "overlays.npz"},
}


def group_of(sweep: LocalSweep) -> Group:
    config = sweep.config
    return Group.open(config, config.data[0], config.backbones[0])


def trained(sweep: LocalSweep, group: Group) -> dict[str, torch.Tensor]:
    return read_weights(sweep.result(f"{group.name}/pretrain") / "best.safetensors")


def test_every_job_leaves_the_files_of_its_kind(finished: LocalSweep) -> None:
    for job in finished.graph.jobs():
        folder = finished.result(job.key)
        assert {path.name for path in folder.iterdir()} == LEFT[job.kind], job.key
        assert read_result(folder)["key"] == job.key


def test_only_final_models_are_scored_on_the_test_patients(finished: LocalSweep) -> None:
    patients = {case.patient_id for case in group_of(finished).store.cases("test")}
    models = set()
    for job in finished.graph.jobs():
        path = finished.result(job.key) / "patients.parquet"
        if path.exists():
            rows = read_patients(path).to_pylist()
            assert {row["patient_id"] for row in rows} == patients
            assert {(row["model"], row["name"]) for row in rows} == {(job.key, job.name)}
            assert {(row["arm"], row["seed"]) for row in rows} == {(job.arm, job.seed)}
            models.add(job.name)
    assert models == {"full", "lth", "plain", "plain_extra", "random", "attention_unet-4-4"}


def test_a_baseline_trains_as_long_as_pre_training_and_retraining_together(
    finished: LocalSweep,
) -> None:
    result = read_result(finished.result("acdc/attention_unet-4-4/baseline/seed0"))
    assert result["epochs"] == finished.config.pretrain.epochs + finished.config.retrain.epochs


def test_seconds_are_those_of_the_epochs(finished: LocalSweep) -> None:
    folder = finished.result(f"{UNET}/search/lth/seed0")
    rows = pq.read_table(folder / "epochs.parquet").to_pylist()
    assert read_result(folder)["seconds"] == pytest.approx(sum(row["seconds"] for row in rows))
    assert read_result(folder)["epochs"] == len(rows)


def test_a_search_is_read_back_as_it_was(finished: LocalSweep) -> None:
    folder = finished.result(f"{UNET}/search/lth/seed0")
    found = read_search(folder)
    content = json.loads((folder / "genotype.json").read_text(encoding="utf-8"))
    assert found.cell.to_dict() == {k: content[k] for k in found.cell.to_dict()}
    assert found.history.epochs[-1].epoch == found.rows[-1]["epoch"] == 2
    assert found.genotype.id == found.rows[-1]["genotype_id"]
    assert found.reason in found.describe()


def test_an_arms_model_has_the_cell_of_its_own_search(finished: LocalSweep) -> None:
    for arm in ("full", "lth"):
        search = read_search(finished.result(f"{UNET}/search/{arm}/seed0"))
        model = read_result(finished.result(f"{UNET}/retrain/{arm}/seed0"))
        assert Genotype.from_json(model["genotype"]) == search.genotype


def test_a_random_cell_follows_its_seed_and_has_the_shape_of_a_searched_one(
    finished: LocalSweep,
) -> None:
    group = group_of(finished)
    backbone = group.backbone()
    cells = [group.random_genotype(backbone, seed) for seed in (0, 0, 1, 2)]
    assert cells[0] == cells[1]
    assert len({cell.id for cell in cells}) > 1
    search = read_search(finished.result(f"{UNET}/search/lth/seed0"))
    assert cells[0].cells[0].topology == search.genotype.cells[0].topology


@pytest.mark.parametrize("unfreeze", ["all", "cells_and_decoder"])
def test_the_extra_control_treats_the_backbone_as_a_retraining_does(
    finished: LocalSweep, make_config: MakeConfig, unfreeze: str
) -> None:
    retrain = {**finished.config.retrain.model_dump(), "unfreeze": unfreeze}
    config = make_config(retrain=retrain)
    group = Group.open(config, config.data[0], config.backbones[0])
    weights = trained(finished, group)
    part = UNFROZEN[config.retrain.unfreeze]
    assert part is not None
    extra = group.adapt_stage(group.backbone(weights), part, seed=0, rate=0.3)
    genotype = group.random_genotype(group.backbone(), 0)
    retraining = group.retrain_stage(group.backbone(weights), genotype, seed=0, rate=0.3)

    def rates(stage: Any, prefix: str) -> dict[str, float]:
        """Learning rate of every backbone parameter that is trained."""
        names = {parameter: name for name, parameter in stage.network.named_parameters()}
        return {
            names[parameter].removeprefix(prefix): float(group["lr"])
            for group in stage._optimiser.param_groups
            for parameter in group["params"]
            if names[parameter].startswith(prefix)
        }

    assert rates(extra, "") == rates(retraining, "backbone.") != {}
    assert extra.epochs == retraining.epochs
    mine, theirs = (next(stage._batches) for stage in (extra, retraining))
    assert torch.equal(mine.images, theirs.images)


def test_the_extra_control_starts_where_the_plain_backbone_is(finished: LocalSweep) -> None:
    group = group_of(finished)
    plain = read_result(finished.result(f"{UNET}/evaluate/plain"))["val_dice"]
    assert val_dice(group, group.backbone(trained(finished, group))) == pytest.approx(plain)


def test_a_cut_network_whose_cells_add_nothing_scores_as_the_plain_backbone(
    finished: LocalSweep,
) -> None:
    group = group_of(finished)
    backbone = group.backbone(trained(finished, group))
    stage = group.search_stage(backbone, "lth", seed=0)
    genotype = read_search(finished.result(f"{UNET}/search/lth/seed0")).genotype
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    # Projections start at zero, so that before the first step no cell changes anything.
    assert stage.cut_dice(genotype) == pytest.approx(val_dice(group, backbone))
    after = stage.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_every_validated_epoch_of_a_search_says_what_its_cell_would_score(
    finished: LocalSweep,
) -> None:
    for arm in ("full", "lth"):
        folder = finished.result(f"{UNET}/search/{arm}/seed0")
        rows = pq.read_table(folder / "epochs.parquet").to_pylist()
        scored = [row for row in rows if row["cut_val_dice"] is not None]
        observed = [row for row in rows if row["genotype_id"] is not None]
        assert scored == [row for row in observed if row["val_dice"] is not None] != []
        assert scored[-1]["cut_val_dice"] == read_result(folder)["discrete_val_dice"]


def test_a_cut_network_executes_the_genotypes_operations_and_no_other(
    finished: LocalSweep,
) -> None:
    group = group_of(finished)
    network = group.search_stage(group.backbone(), "lth", seed=0).network
    genotype = group.random_genotype(network.backbone, 3)
    network.restrict([CellStructure.of_cell(genotype.cells[0])])
    weights = network.architecture.operation_weights()[0]
    assert int((weights == 1).sum()) == int((weights != 0).sum()) == len(genotype.cells[0].genes)


def test_a_protected_arm_is_not_stopped_when_it_has_converged(finished: LocalSweep) -> None:
    group = group_of(finished)
    converged = StepReport({"epoch": 9, "converged": True, "reason": "all stable"})
    for arm, stops in (("full", False), ("lth", True)):
        job = finished.graph[f"{UNET}/search/{arm}/seed0"]
        stage = group.search_stage(group.backbone(trained(finished, group)), arm, 0)
        assert SearchWork(group, job, stage).stops(converged) == stops


def test_a_search_is_stopped_by_its_budget_and_says_so(make_config: MakeConfig) -> None:
    settings = {"epochs": 3, "warmup_epochs": 1}
    config = make_config(name="budget", search=settings, scheduler={"budget": {"epochs": 2}})
    sweep = LocalSweep(config, plan_jobs(config), lambda *_: None)
    result = read_result(sweep.result(f"{UNET}/search/lth/seed0"))
    assert result["epochs"] == 2
    assert (result["stop_code"], result["stop_reason"]) == ("budget", "2 of 2 epochs spent")


def test_candidates_carry_what_rules_choose_by(finished: LocalSweep) -> None:
    folders = [finished.result(f"{UNET}/search/{arm}/seed0") for arm in ("full", "lth")]
    for folder in folders:
        candidate = candidate_of(folder)
        assert candidate.group == UNET
        assert candidate.discrete_val_dice is not None
        assert candidate.parameters
        assert candidate.cost
        assert candidate.confidence is not None
    picked = selected(folders[1:], finished.config.selection, seed=0)
    assert picked.cell() == read_search(folders[1]).genotype


def test_slots_that_a_rule_leaves_empty_are_finished_without_a_model(
    make_config: MakeConfig,
) -> None:
    config = make_config(name="slots", selection={"rule": "pareto"}, seeds=[0, 1], arms={"lth": {}})
    sweep = LocalSweep(config, plan_jobs(config), lambda *_: None)
    models = [sweep.result(f"{UNET}/retrain/lth.{slot}/seed0") for slot in (1, 2)]
    cells = {read_result(model)["genotype_id"] for model in models} - {None}
    searches = [sweep.result(f"{UNET}/search/lth/seed{seed}") for seed in (0, 1)]
    picks = selected(searches, config.selection).picks
    assert cells == {pick.genotype.id for pick in picks}
    for model, filled in zip(models, (True, len(picks) > 1), strict=True):
        assert (model / "patients.parquet").exists() == filled


def test_a_store_is_enough_where_the_source_is_out_of_reach(
    finished: LocalSweep, make_config: MakeConfig, tmp_path: Path
) -> None:
    data = finished.config.data[0].model_dump() | {"source": tmp_path / "gone"}
    config = make_config(data=[data])
    work = build_work(config, finished.graph["acdc/prepare"], Artifacts(tmp_path))
    assert work.stage.step()["preparation"] == "source_absent"
    one_each = {"patients": {"pattern": "(?P<patient>.+)"}}
    work = build_work(
        make_config(data=[data | one_each]), finished.graph["acdc/prepare"], Artifacts(tmp_path)
    )
    with pytest.raises(StoreError, match="patients must be those of"):
        work.stage.step()


def test_a_needed_result_that_is_missing_is_named(finished: LocalSweep, tmp_path: Path) -> None:
    job: Job = finished.graph[f"{UNET}/search/lth/seed0"]
    with pytest.raises(Exception, match=f"needs the result of {UNET}/pretrain"):
        build_work(finished.config, job, Artifacts(tmp_path))


def test_a_saved_stage_of_every_kind_continues(finished: LocalSweep, tmp_path: Path) -> None:
    artifacts = finished.artifacts
    for name in (
        "prepare",
        "basic_unet-tiny/evaluate/plain",
        "basic_unet-tiny/retrain/random/seed0",
    ):
        job = finished.graph[f"acdc/{name}"]
        first, second = (build_work(finished.config, job, artifacts) for _ in range(2))
        report = first.stage.step()
        (tmp_path / "last.pt").write_bytes(checkpoint_bytes(first.stage.state_dict()))
        second.stage.load_state_dict(read_checkpoint(tmp_path / "last.pt"))
        assert (second.stage.epoch, second.stage.done) == (1, first.stage.done)
        if isinstance(second, TrainingWork):
            assert second.stage.step().values == first.stage.step().values
        else:
            assert report["done"]


def small_gpu(network: torch.nn.Module, fits: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a network run out of memory above so many slices; returns how many it has seen."""
    forward, seen = network.forward, list[int]()

    def short(images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        if len(images) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        logits: torch.Tensor = forward(images)
        return logits

    monkeypatch.setattr(network, "forward", short)
    return seen


def test_an_evaluation_that_does_not_fit_has_the_same_scores_in_smaller_batches(
    finished: LocalSweep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    group = group_of(finished)
    job, network = Job("evaluate", "acdc", "basic_unet-tiny", "plain"), group.backbone()
    network.load_state_dict(trained(finished, group))
    tables, seen = [], list[int]()
    for name, fits in (("whole", 10**6), ("narrow", 2)):
        (tmp_path / name).mkdir()
        with monkeypatch.context() as patch:
            seen = small_gpu(network, fits, patch)
            write_test_scores(group, job, network, tmp_path / name)
        tables.append(read_patients(tmp_path / name / "patients.parquet"))
    assert tables[0].equals(tables[1])
    assert max(seen) > 2
    first = next(place for place, slices in enumerate(seen) if slices <= 2)
    assert set(seen[first:]) <= {1, 2}, "once it is known what fits, nothing larger is tried"
    small_gpu(network, 0, monkeypatch)
    with pytest.raises(OutOfMemoryError, match="smaller patch"):
        write_test_scores(group, job, network, tmp_path)


def test_a_network_that_does_not_fit_at_all_is_one_clear_error(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    config = make_config(name="full", pretrain={"epochs": 3})
    monkeypatch.setattr(torch.optim.SGD, "step", full)
    with pytest.raises(OutOfMemoryError, match=r"CUDA out of memory[\s\S]*batches\.batch_size"):
        LocalSweep(config, plan_jobs(config), lambda *_: None).result(f"{UNET}/pretrain")


@pytest.fixture(scope="session")
def adapted(make_config: MakeConfig) -> LocalSweep:
    """A run with every control, cells alone trained."""
    controls = [control for control in ALL_CONTROLS if control != "plain_extra"]
    retrain = {"epochs": 2, "unfreeze": "cells", "optimiser": {"kind": "adam"}}
    settings = {"retrain": retrain, "baselines": [], "comparison": {"random_cells": 3}}
    config = make_config(name="adapted", controls=controls, given=GIVEN, **settings)
    sweep = LocalSweep(config, plan_jobs(config), lambda *_: None)
    outcome = sweep.run()
    assert set(outcome.counts) == {"done"}, outcome.failed
    return sweep


def retrainings(sweep: LocalSweep) -> list[Job]:
    return [job for job in plan_jobs(sweep.config).jobs() if job.kind == "retrain"]


def test_every_control_trains_its_part_and_is_scored(adapted: LocalSweep) -> None:
    group = group_of(adapted)
    network: Any = group.backbone()
    results = {job.name: read_result(adapted.result(job.key)) for job in retrainings(adapted)}
    rehearsed = {"random.2", "random.3"}
    assert set(results) == {"full", "lth", "random", "given", *rehearsed, *ADAPTED, *SKIP_MODULES}
    scored = {name for name, one in results.items() if "patients.parquet" in one["files"]}
    assert scored == set(results) - rehearsed
    assert results["given"]["genotype"] == Genotype.from_dict(GIVEN).to_json()
    for part in ADAPTED:
        train_only(network, part)
        assert results[part]["trained_parameters"] == trainable(network), part
    for module in SKIP_MODULES:
        assert 0 < results[module]["trained_parameters"] < results["network"]["trained_parameters"]


def test_random_search_scores_the_best_of_its_cells_on_val_and_none_of_the_others(
    adapted: LocalSweep,
) -> None:
    names = ("random", "random.2", "random.3")
    cells = [read_result(adapted.result(f"{UNET}/retrain/{name}/seed0")) for name in names]
    assert len({one["genotype_id"] for one in cells}) == 3
    best = max(cells, key=lambda one: one["val_dice"])
    folder = adapted.result(f"{UNET}/evaluate/random_search/seed0")
    found = read_result(folder)
    assert found["chosen"] == best["key"]
    for told in ("val_dice", "genotype_id", "genotype", "rate", "trained_parameters"):
        assert found[told] == best[told]
    rows = read_patients(folder / "patients.parquet").to_pylist()
    assert {(row["name"], row["arm"], row["seed"]) for row in rows} == {("random_search", None, 0)}
    run = FinishedRun.open(adapted.config.folder)
    (model,) = [one for one in run.models() if one.job.name == "random_search"]
    assert model.genotype_id == best["genotype_id"]
    assert run.export(model, adapted.config.folder / "exported").genotype == model.genotype


def test_a_retraining_keeps_the_val_dice_of_every_case_that_its_own_is_the_mean_of(
    adapted: LocalSweep,
) -> None:
    for job in retrainings(adapted):
        rows = pq.read_table(adapted.result(job.key) / "validation.parquet").to_pylist()
        cases = group_of(adapted).store.cases("val")
        assert {row["case_id"] for row in rows} == {case.case_id for case in cases}
        by_target: dict[str, list[float]] = {}
        for row in rows:
            by_target.setdefault(row["target"], []).append(row["dice"])
        means = [np.nanmean(dice) for dice in by_target.values()]
        assert np.mean(means) == pytest.approx(read_result(adapted.result(job.key))["val_dice"])


def test_headroom_shares_its_trainings_with_the_sweep_and_is_found_by_its_report(
    adapted: LocalSweep,
) -> None:
    asked = HeadroomSettings(cells=2, seeds=1)
    config = adapted.config.model_copy(update={"headroom": asked}).headroom_run()
    sweep = LocalSweep(config, plan_jobs(config), lambda *_: None)
    assert set(sweep.run().counts) == {"done"}
    for name in ("random", "random.2"):  # with one seed all are the sweep's own
        key = f"{UNET}/retrain/{name}/seed0"
        assert (
            sweep.result(key).joinpath("result.json").samefile(adapted.result(key) / "result.json")
        )
    text = write_headroom(config.folder)
    assert "with one seed nobody can tell a better cell from a lucky one" in text
    replay = collect_run(adapted.config.folder).replay
    said = stored_headroom(adapted.config.folder, adapted.config, replay)
    assert said[UNET].code == "not known"
    assert said[UNET].sentences[-1] in text
    other = RetrainSettings(epochs=7)
    changed = adapted.config.model_copy(update={"retrain": other})
    assert stored_headroom(adapted.config.folder, changed, replay) == {}
    assert said == stored_headroom(config.folder, config, collect_run(config.folder).replay)
    search = {"settings": {"search": {"epochs": 3}}}  # has no say in random cells
    own = adapted.config.with_data(lambda one: one.model_copy(update=search))
    assert stored_headroom(adapted.config.folder, own, replay) == said
    wider = ComparisonSettings(random_cells=3, dice_margin=0.02)
    words = stored_headroom(
        adapted.config.folder, adapted.config.model_copy(update={"comparison": wider}), replay
    )[UNET].sentences
    assert words[0].startswith("This was said with comparison.dice_margin 0.01, now 0.02")
    assert words[1:] == said[UNET].sentences
    claim_run_folder(config.model_copy(update={"comparison": wider}))
    with pytest.raises(ConfigError, match="its trainings are kept"):
        claim_run_folder(config.model_copy(update={"headroom": HeadroomSettings(cells=3)}))
    claim_run_folder(config)
    assert read_run(adapted.config.folder).headroom == said
    stored = config.folder / "headroom.json"
    content = json.loads(stored.read_text())
    jobs = content["jobs"]
    data = UNET.split("/")[0]
    assert {f"{data}/prepare", f"{UNET}/retrain/random/seed0"} < jobs.keys()
    for job in (f"{data}/prepare", f"{UNET}/retrain/random/seed0"):  # of a store made anew since
        stored.write_text(json.dumps(content | {"jobs": jobs | {job: "another"}}))
        assert stored_headroom(adapted.config.folder, adapted.config, replay) == {}
    stored.write_text('{"groups": 3}')
    with pytest.raises(RunError, match="distributed-iac headroom"):
        stored_headroom(adapted.config.folder, adapted.config, replay)


def test_every_model_is_given_the_same_rates_and_keeps_the_best(adapted: LocalSweep) -> None:
    for job in retrainings(adapted):
        result = read_result(adapted.result(job.key))
        scores = json.loads(result["rate_scores"])
        assert list(scores) == ["1", "0.1"]
        assert result["val_dice"] == max(scores.values()) == scores[f"{result['rate']:g}"]
        assert result["epochs"] == 4, "two with each rate, all of them counted"


def test_a_control_of_one_part_leaves_the_rest_of_the_network_as_it_was(
    adapted: LocalSweep,
) -> None:
    group = group_of(adapted)
    before = group.backbone(trained(adapted, group)).state_dict()
    for control in ("last_block", "squeeze_excitation", "convolution"):
        folder = adapted.result(f"{UNET}/retrain/{control}/seed0")
        after = read_weights(folder / WEIGHTS)
        after = {name.removeprefix("backbone."): value for name, value in after.items()}
        same = {name for name in before if torch.equal(before[name], after[name])}
        if control == "last_block":
            assert {name.split(".")[1] for name in set(before) - same} == {"upcat_1", "final_conv"}
        else:
            assert same == set(before)
