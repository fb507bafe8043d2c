"""The search: exact resume across prunings, steps that touch only their own, reported endings."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.memory_store import MemoryStore
from distributed_iac.cell.implant import SearchNetwork
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.pruning import PruningSettings, RankSettings, ScheduleSettings
from distributed_iac.config.training import AdamSettings, SearchSettings, SgdSettings
from distributed_iac.data.contract import LabelScheme
from distributed_iac.errors import RunError
from distributed_iac.genotype import Genotype
from distributed_iac.nets.contract import Backbone
from distributed_iac.training.checkpoint import checkpoint_bytes, read_checkpoint
from distributed_iac.training.search import SearchStage
from distributed_iac.training.stage import StepReport
from distributed_iac.training.step_runner import EagerRunner, GraphedRunner

PRUNING = PruningSettings(
    policy="schedule", schedule=ScheduleSettings(at=(2, 3, 4), keep=(5, 3, 1))
)
FULL = PruningSettings(policy="none")
SETTINGS = SearchSettings(
    epochs=7,
    warmup_epochs=1,
    weights=AdamSettings(learning_rate=3e-3),
    architecture=AdamSettings(learning_rate=3e-2, betas=(0.5, 0.999)),
)
BATCHES = BatchSettings(batch_size=3, steps_per_epoch=2, augmentation="light")
UNCHANGING = BatchSettings(batch_size=3, steps_per_epoch=3, augmentation="none")
RELAXING = CellSettings.model_validate(
    {
        "nodes": 2,
        "width": 4,
        "partial_channels": 4,
        "relax_partial_channels": [
            {"alive": 0.7, "partial_channels": 2},
            {"alive": 0.4, "partial_channels": 1},
        ],
    }
)
Build = Callable[..., SearchStage]


@pytest.fixture
def build(backbone: Callable[[], Backbone], store: MemoryStore, scheme: LabelScheme) -> Build:
    def stage(
        pruning: PruningSettings = PRUNING,
        settings: SearchSettings = SETTINGS,
        cell: CellSettings | None = None,
        source: MemoryStore = store,
        batches: BatchSettings = BATCHES,
        device: str = "cpu",
    ) -> SearchStage:
        cell = cell or CellSettings(nodes=2, width=4, partial_channels=2)
        generator = torch.Generator().manual_seed(1)
        return SearchStage(
            SearchNetwork(backbone(), cell, generator),
            source,
            scheme,
            settings,
            batches,
            pruning,
            seed=3,
            device=torch.device(device),
        )

    return stage


def run(stage: SearchStage, epochs: int | None = None) -> list[StepReport]:
    reports = []
    while not stage.done and (epochs is None or len(reports) < epochs):
        reports.append(stage.step())
    return reports


def same(a: Any, b: Any) -> bool:
    """Bit-for-bit equality of nested state."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) or (a != a and b != b)


@pytest.mark.parametrize("scope", ["shared", "per_skip"])
@pytest.mark.parametrize("cut", range(1, 7))
def test_save_load_step_equals_step_also_across_prunings(
    build: Build, tmp_path: Path, cut: int, scope: Any
) -> None:
    cell = CellSettings(nodes=2, width=4, partial_channels=2, genotype_scope=scope)
    straight = build(cell=cell)
    rows = [dict(report.values) for report in run(straight)]
    first = build(cell=cell)
    head = [dict(report.values) for report in run(first, cut)]
    (tmp_path / "c.pt").write_bytes(checkpoint_bytes(first.state_dict()))
    second = build(cell=cell)
    second.load_state_dict(read_checkpoint(tmp_path / "c.pt"))
    tail = [dict(report.values) for report in run(second)]
    assert same(head + tail, rows)
    assert same(second.state_dict(), straight.state_dict())


@pytest.mark.parametrize(
    ("cut", "weights"),
    [(2, SETTINGS.weights), (3, SgdSettings()), (3, SETTINGS.weights), (4, SgdSettings())],
)
def test_save_load_step_equals_step_also_across_relaxations(
    build: Build, tmp_path: Path, cut: int, weights: Any
) -> None:
    settings = SETTINGS.model_copy(update={"weights": weights})
    straight = build(cell=RELAXING, settings=settings)
    reports = run(straight)
    assert [report["partial_channels"] for report in reports] == [4, 4, 2, 1, 1, 1, 1]
    first = build(cell=RELAXING, settings=settings)
    run(first, cut)
    (tmp_path / "c.pt").write_bytes(checkpoint_bytes(first.state_dict()))
    second = build(cell=RELAXING, settings=settings)
    second.load_state_dict(read_checkpoint(tmp_path / "c.pt"))
    tail = run(second)
    assert same([dict(r.values) for r in tail], [dict(r.values) for r in reports[cut:]])
    assert same(second.state_dict(), straight.state_dict())


def test_a_relaxed_search_trains_what_it_executes_and_nothing_else(build: Build) -> None:
    stage = build(cell=RELAXING)
    while not stage.done:
        stage.step()
        live = list(stage.network.cell_parameters())
        held = [p for g in stage._bilevel.weight_optimiser.param_groups for p in g["params"]]
        assert [id(p) for p in held] == [id(p) for p in live]
        for parameter, state in stage._bilevel.weight_optimiser.state.items():
            assert state["exp_avg"].shape == parameter.shape


@pytest.mark.parametrize(
    ("batches", "gib"), [(BATCHES, 1.0), (UNCHANGING, 1.0), (UNCHANGING, 2e-5)]
)
def test_kept_features_change_nothing_but_the_time(
    build: Build, tmp_path: Path, batches: BatchSettings, gib: float
) -> None:
    settings = SETTINGS.model_copy(update={"feature_cache": gib})
    without = SETTINGS.model_copy(update={"feature_cache": 0.0})
    plain, cached = (build(settings=one, batches=batches) for one in (without, settings))
    reports = run(plain)
    assert plain.features.held == plain.features.hits == 0
    first = build(settings=settings, batches=batches)
    head = run(first, 3)
    (tmp_path / "c.pt").write_bytes(checkpoint_bytes(first.state_dict()))
    cached.load_state_dict(read_checkpoint(tmp_path / "c.pt"))
    assert same([dict(r.values) for r in head + run(cached)], [dict(r.values) for r in reports])
    assert same(cached.state_dict(), plain.state_dict())
    assert cached.features.hits > 0
    assert cached.features.held <= gib * 2**30
    training = np.concatenate([plain._source.rows(part) for part in ("weights", "architecture")])
    everything = gib == 1.0 and batches is UNCHANGING
    assert np.isin(training, cached.features.admission.rows).all() == everything


def test_recorded_steps_change_nothing_and_are_recorded_anew_after_every_pruning(
    build: Build, make_tape: Callable[[], Any]
) -> None:
    long = BATCHES.model_copy(update={"steps_per_epoch": 5})
    plain, recorded = (build(cell=RELAXING, batches=long) for _ in range(2))
    tape = make_tape()
    recorded._bilevel.runner = GraphedRunner(tape, recorded._bilevel._obstacle)
    assert same([dict(r.values) for r in run(recorded)], [dict(r.values) for r in run(plain)])
    assert same(recorded.state_dict(), plain.state_dict())
    # Both steps, at first and after each of the three prunings.
    assert tape.log.count("record") == 2 * (1 + 3)
    assert tape.log.count("replay") > tape.log.count("record")


class Written(TorchDispatchMode):
    """What a step consists of: its operations, and the sizes of what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        sizes = [tuple(x.shape) for x in tree_leaves(args) if isinstance(x, torch.Tensor)]
        self.log.append((str(func), sizes))
        return func(*args, **(kwargs or {}))


def both_steps(stage: SearchStage) -> list[tuple[str, Any]]:
    batches = next(stage._architecture_batches), next(stage._weight_batches)
    with Written() as written:
        stage._bilevel.architecture_step(batches[0])
        stage._bilevel.weight_step(batches[1])
    return written.log


def kept_tensors(stage: SearchStage) -> dict[str, int]:
    """Addresses of all that outlives a step: parameters, buffers, optimisers' state."""
    kept = dict(stage.network.state_dict(keep_vars=True))
    for optimiser in (stage._bilevel.weight_optimiser, stage._bilevel.architecture_optimiser):
        for place, state in enumerate(optimiser.state.values()):
            kept |= {f"{type(optimiser)} {place} {name}": one for name, one in state.items()}
    return {name: one.data_ptr() for name, one in kept.items() if torch.is_tensor(one)}


@pytest.mark.parametrize("epochs", [1, 5], ids=["whole", "pruned"])
def test_a_step_is_one_that_can_be_recorded(build: Build, epochs: int) -> None:
    """The same operations on the same sizes at the same addresses, whatever the batch holds."""
    stage = build(cell=RELAXING)
    run(stage, epochs)
    both_steps(stage)  # creates what optimisers keep
    logs, addresses = [], [kept_tensors(stage)]
    for _ in range(3):
        logs.append(both_steps(stage))
        addresses.append(kept_tensors(stage))
    assert len(logs[0]) > 500
    assert logs[1] == logs[0] == logs[2]
    assert all(one == addresses[0] for one in addresses)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="records on a GPU")
def test_a_search_recorded_on_a_gpu_is_the_executed_one_and_waits_for_nothing(
    build: Build,
) -> None:
    long = BATCHES.model_copy(update={"steps_per_epoch": 8})
    exact = SETTINGS.model_copy(update={"precision": "float32", "cuda_graphs": "auto"})
    recorded = build(cell=RELAXING, settings=exact, batches=long, device="cuda")
    executed = build(cell=RELAXING, settings=exact, batches=long, device="cuda")
    executed._bilevel.runner = EagerRunner()
    # Kernels that add in any order let the two drift apart later on.
    for tolerance in (1e-4, 1e-2):
        ours, theirs = recorded.step(), executed.step()
        assert ours["weight_loss"] == pytest.approx(theirs["weight_loss"], rel=tolerance)
    assert ours["architecture_loss"] == pytest.approx(theirs["architecture_loss"], rel=1e-2)
    run(recorded)
    assert recorded.reason == "all 7 epochs"
    runner = recorded._bilevel.runner
    assert isinstance(runner, GraphedRunner)
    assert runner.stopped is None
    torch.cuda.set_sync_debug_mode("error")
    try:
        executed._bilevel.weight_step(next(executed._weight_batches))
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_pruning_removes_modules_and_their_optimiser_state(build: Build) -> None:
    stage = build()
    sizes, costs = [], []
    while not stage.done:
        report = stage.step()
        live = list(stage.network.cell_parameters())
        held = [p for g in stage._bilevel.weight_optimiser.param_groups for p in g["params"]]
        assert {id(p) for p in held} == {id(p) for p in live}
        assert {id(p) for p in stage._bilevel.weight_optimiser.state} <= {id(p) for p in live}
        sizes.append(sum(p.numel() for p in live))
        costs.append(stage.network.op_evaluations)
        if stage.history.observed:
            assert report["live_operations"] == stage.history.live_operations.sum()
    assert sizes[-1] < sizes[0] / 2
    assert costs[-1] < costs[0] / 4
    assert costs == sorted(costs, reverse=True)


def test_a_search_leaves_the_backbone_as_it_was(build: Build) -> None:
    stage = build()
    before = {name: v.clone() for name, v in stage.network.backbone.state_dict().items()}
    run(stage)
    assert same(before, dict(stage.network.backbone.state_dict()))
    assert all(p.grad is None for p in stage.network.backbone.parameters())


def test_each_step_moves_only_its_own_parameters(build: Build) -> None:
    stage = build()
    batch = next(stage._weight_batches)
    stage.network.train()
    weights = [p.detach().clone() for p in stage.network.cell_parameters()]
    stage._bilevel.architecture_step(batch)
    assert same(weights, [p.detach() for p in stage.network.cell_parameters()])
    architecture = [p.detach().clone() for p in stage.network.architecture_parameters()]
    stage._bilevel.weight_step(batch)
    assert same(architecture, [p.detach() for p in stage.network.architecture_parameters()])
    assert not same(weights, [p.detach() for p in stage.network.cell_parameters()])


def test_the_architecture_rests_during_the_warm_up(build: Build) -> None:
    stage = build()
    before = stage.network.architecture.alpha.detach().clone()
    report = stage.step()
    assert torch.equal(before, stage.network.architecture.alpha.detach())
    assert report["architecture_loss"] is None
    assert "genotype" not in report.values
    stage.step()
    assert not torch.equal(before, stage.network.architecture.alpha.detach())


def test_every_report_after_the_warm_up_holds_the_genotype_as_it_stands(build: Build) -> None:
    stage = build()
    for report in run(stage)[1:]:
        genotype = Genotype.from_json(str(report["genotype"]))
        assert genotype.id == report["genotype_id"]
    assert genotype == stage.discretise().genotype


def test_the_full_search_never_converges_and_says_so(build: Build) -> None:
    reports = run(build(FULL))
    assert not any(report["converged"] for report in reports)
    assert reports[-1]["reason"] == "all 7 epochs"
    assert len({report["live_operations"] for report in reports[1:]}) == 1


def test_the_cost_of_an_epoch_is_what_its_steps_executed(build: Build) -> None:
    stage = build(FULL)
    reports = run(stage)
    per_forward = stage.network.op_evaluations
    # Two steps an epoch: weights only in the warm-up, then weights and architecture.
    expected = [per_forward * 2 * (1 + 2 * epoch) for epoch in range(7)]
    assert [report["op_evaluations"] for report in reports] == expected
    assert reports[-1]["full_epochs"] == pytest.approx(6.5)


def test_a_stage_that_is_done_cannot_be_stepped(build: Build) -> None:
    stage = build()
    run(stage)
    with pytest.raises(RunError, match="done"):
        stage.step()


def test_the_rank_policy_converges_and_reports_why(build: Build) -> None:
    settings = SETTINGS.model_copy(update={"architecture": AdamSettings(learning_rate=1e-9)})
    rank = PruningSettings(policy="rank", rank=RankSettings(epochs=3))
    stage = build(rank, settings)
    reports = run(stage)
    found = [one.converged for one in stage.decisions if one.converged is not None]
    converged = [report for report in reports if report["converged"]]
    assert found
    assert converged[0]["reason"] == found[0].reason


@pytest.mark.parametrize("importance", ["softmax_x_beta", "perturbation"])
def test_other_measures_of_importance_run_to_the_end(build: Build, importance: Any) -> None:
    pruning = PRUNING.model_copy(update={"importance": importance})
    stage = build(pruning)
    reports = run(stage)
    assert reports[-1]["reason"] == "all 7 epochs"
    assert reports[-1]["live_operations"] < reports[1]["live_operations"]


def test_nan_in_the_data_ends_the_search_with_a_reason(
    build: Build, store: MemoryStore, scheme: LabelScheme
) -> None:
    rows = np.arange(24)
    images = store.images(rows)
    images[:9] = math.nan
    broken = MemoryStore(
        images,
        store.labels(rows),
        [f"p{row // 3}" for row in rows],
        {
            part: [c.patient_id for c in store.cases(part)]
            for part in ("weights", "architecture", "val")
        },
        scheme=scheme,
    )
    stage = build(source=broken)
    report = stage.step()
    assert stage.done
    assert str(report["reason"]).startswith("diverged: the weight loss must be finite")
    assert report["val_dice"] is None


def test_none_can_be_left_out_of_the_search(build: Build) -> None:
    cell = CellSettings(nodes=2, width=4, partial_channels=2, none="left_out")
    stage = build(FULL, cell=cell)
    with_none = build(FULL)
    reports = run(stage)
    assert {report["live_operations"] for report in reports[1:]} == {7 * 5}
    assert {report["none_leaders"] for report in reports[1:]} == {0}
    assert stage.network.op_evaluations == with_none.network.op_evaluations
    resumed = build(FULL, cell=cell)
    resumed.load_state_dict(stage.state_dict())
    assert same(resumed.state_dict(), stage.state_dict())
