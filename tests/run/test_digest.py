"""A digest changes exactly when something changes that the job's result follows from."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError, StoreError
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.nets.custom_proof import _looked_at
from distributed_iac.run.digest import Digests
from distributed_iac.run.local_sweep import LocalSweep

ARMS = RunConfig.model_fields["arms"].default
UNET = "acdc/basic_unet-tiny"
PRETRAIN, PLAIN = f"{UNET}/pretrain", f"{UNET}/evaluate/plain"
FULL, LTH = f"{UNET}/search/full/seed0", f"{UNET}/search/lth/seed0"
CELL_FULL, CELL_LTH = f"{UNET}/retrain/full/seed0", f"{UNET}/retrain/lth/seed0"
EXTRA, RANDOM = f"{UNET}/retrain/plain_extra/seed0", f"{UNET}/retrain/random/seed0"
BASELINE = "acdc/attention_unet-32-512/baseline/seed0"
SEARCHES, CELLS = {FULL, LTH}, {CELL_FULL, CELL_LTH}
RETRAININGS = {*CELLS, EXTRA, RANDOM}
MODELS = {*RETRAININGS, PLAIN, BASELINE}
TRAINED = {PRETRAIN, *SEARCHES, *RETRAININGS, PLAIN}
ALL = {*TRAINED, BASELINE}


def config(**changes: Any) -> RunConfig:
    values = {
        "name": "run",
        "data": [{"name": "acdc", "source": "raw"}],
        "backbones": [{"name": "basic_unet", "features": "tiny"}],
        "baselines": [{"name": "attention_unet"}],
    }
    return RunConfig.model_validate({**values, **changes})


def digests(run: RunConfig, store: str = "store") -> dict[str, str]:
    """Digests of all jobs but the preparation."""

    class Known(Digests):
        def _of_store(self, dataset: DatasetSettings) -> str:
            return f"{store} of {dataset.name}"

    graph = plan_jobs(run)
    known = Known(run, graph)
    return {job.key: known[job.key] for job in graph.jobs() if job.kind != "prepare"}


def changed(**changes: Any) -> set[str]:
    """Jobs of the plain run whose digest is another one in the changed run."""
    before, after = digests(config()), digests(config(**changes))
    assert set(before) <= set(after)
    return {key for key in before if before[key] != after[key]}


@pytest.mark.parametrize(
    ("changes", "affected"),
    [
        # What is done at all.
        ({"retrain": {"epochs": 7}}, {*RETRAININGS, BASELINE}),
        ({"retrain": {"rates": [1.0]}}, RETRAININGS),
        ({"retrain": {"rates": [], "backbone_rate": 0.5}}, RETRAININGS),
        ({"search": {"epochs": 99}}, {*SEARCHES, *CELLS}),
        ({"pretrain": {"epochs": 7}}, ALL),
        ({"pretrain": {"patience": 7}}, ALL),
        ({"batches": {"batch_size": 2}}, ALL),
        ({"arms": {"full": {"policy": "none"}, "lth": {"policy": "rank"}}}, {LTH, CELL_LTH}),
        ({"cell": {"nodes": 2}}, {*SEARCHES, *CELLS, RANDOM}),
        ({"cell": {"none": "left_out"}}, {*SEARCHES, *CELLS}),
        ({"selection": {"rule": "best"}}, CELLS),
        ({"selection": {"count": 9}}, set()),
        ({"evaluation": {"metrics": ["dice"]}}, MODELS),
        ({"evaluation": {"batch_size": 1}}, set()),
        ({"scheduler": {"budget": {"epochs": 9}}}, {LTH, CELL_LTH}),
        ({"scheduler": {"protect": []}}, {FULL, CELL_FULL}),
        ({"shared_seed": 1}, ALL),
        # Where and how, and what else is done.
        ({"name": "other", "out": "elsewhere", "stores": "there"}, set()),
        ({"device": "cuda", "threads": 3}, set()),
        ({"sweep": {"max_failures": 9, "artifacts": "s3://bucket"}}, set()),
        ({"comparison": {"dice_margin": 0.5}}, set()),
        ({"seeds": [7, 0, 3]}, set()),
        ({"arms": {**ARMS, "x": {"policy": "rank"}}}, set()),
        ({"data": [{"name": "kits", "source": "k"}, {"name": "acdc", "source": "moved"}]}, set()),
        ({"baselines": [{"name": "attention_unet"}, {"name": "basic_unetplusplus"}]}, set()),
        ({"backbones": [{"name": "dynunet"}, {"name": "basic_unet", "features": "tiny"}]}, set()),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_a_setting_changes_the_jobs_that_follow_from_it(
    changes: dict[str, Any], affected: set[str]
) -> None:
    assert changed(**changes) == affected


def test_all_jobs_of_a_run_have_their_own_digest() -> None:
    found = digests(config(seeds=[0, 1], arms={"a": {}, "b": {}}))
    assert len(set(found.values())) == len(found)


def test_another_store_changes_everything() -> None:
    before, after = digests(config()), digests(config(), "another store")
    assert all(before[key] != after[key] for key in before)


def test_where_a_rule_chooses_among_all_searches_every_one_of_them_counts() -> None:
    rule = {"selection": {"rule": "best"}}
    before, after = digests(config(**rule)), digests(config(**rule, seeds=[0, 1]))
    assert {key for key in before if before[key] != after[key]} == CELLS


def test_the_label_of_a_backbone_is_part_of_a_job_only_as_its_key() -> None:
    labelled = [{"name": "basic_unet", "features": "tiny", "label": "basic_unet-tiny"}]
    assert changed(backbones=labelled) == set()


def test_given_weights_count_by_content(tmp_path: Path) -> None:
    def of(name: str, content: bytes) -> dict[str, str]:
        (tmp_path / name).write_bytes(content)
        backbone = {"name": "basic_unet", "features": "tiny", "weights": str(tmp_path / name)}
        return digests(config(backbones=[backbone], baselines=[]))

    first, moved, other = of("a.pt", b"1"), of("b.pt", b"1"), of("c.pt", b"2")
    assert first == moved
    assert all(first[key] != other[key] for key in first)
    assert PRETRAIN not in first
    with pytest.raises(ConfigError, match="must be there"):
        digests(config(backbones=[{"name": "basic_unet", "weights": "absent.pt"}]))


def test_what_a_bare_network_is_taken_to_have_counts_where_else_it_is_scored(
    tmp_path: Path,
) -> None:
    """It is brought into the old data's order by the names of the data worked on."""
    (tmp_path / "unet.pt").write_bytes(b"1")

    def of(name: str) -> str:
        run = config(
            data=[{"name": name, "source": "raw"}],
            also_scored=[{"name": "old", "source": "old"}],
            backbones=[{"name": "basic_unet", "label": "u", "weights": str(tmp_path / "unet.pt")}],
            baselines=[],
        )
        return digests(run)["old/u/evaluate/plain"]

    assert of("new") != of("other")


def test_a_network_of_others_counts_by_what_it_computes(
    tmp_path: Path,
    finished: LocalSweep,
    make_config: Callable[..., RunConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its program may be edited; what it computes may not change without a new result."""
    del finished  # its store is there
    monkeypatch.syspath_prepend(tmp_path)

    def of(program: str) -> dict[str, str]:
        (tmp_path / "their_unet.py").write_text(program, encoding="utf-8")
        for forget in (_looked_at.cache_clear, importlib.invalidate_caches):
            forget()
        monkeypatch.delitem(sys.modules, "their_unet", raising=False)
        run = make_config(backbones=[{"name": "custom", "import": "their_unet:UNet"}])
        graph = plan_jobs(run)
        known = Digests(run, graph)
        return {key: known[key] for key in (job.key for job in graph.jobs()) if "custom" in key}

    first = of("from tests.foreign import FlatUNet as UNet")
    assert first == of("# it is said what it is\nfrom tests.foreign import FlatUNet as UNet")
    other = of("from tests.foreign import SharperUNet as UNet  # the same tensors")
    assert first
    assert all(first[key] != other[key] for key in first)


def test_the_digest_of_a_trained_nnunet_follows_its_files(tmp_path: Path) -> None:
    backbone = {"name": "nnunet", "folder": str(tmp_path), "label": "n"}
    (tmp_path / "fold_0").mkdir()
    for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"):
        (tmp_path / name).write_text("1", encoding="utf-8")

    def now() -> set[str]:
        return set(digests(config(backbones=[backbone], baselines=[])).values())

    before = now()
    (tmp_path / "fold_0" / "checkpoint_best.pth").write_text("unused", encoding="utf-8")
    assert now() == before
    (tmp_path / "fold_0" / "checkpoint_final.pth").write_text("2", encoding="utf-8")
    assert not now() & before


def test_what_an_nnunet_is_held_to_is_part_of_its_gate_and_of_nothing_behind_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "fold_0/validation").mkdir(parents=True)
    for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"):
        (tmp_path / name).write_text("1", encoding="utf-8")

    def now(**settings: Any) -> dict[str, str]:
        backbone = {"name": "nnunet", "folder": str(tmp_path), "label": "n", **settings}
        return digests(config(backbones=[backbone], baselines=[]))

    def differing(**settings: Any) -> set[str]:
        after = now(**settings)
        return {key for key in before if before[key] != after[key]}

    before, gate = now(), {"acdc/n/evaluate/plain"}
    assert differing(parity="report") == gate
    assert differing(parity_tolerance=0.1) == gate
    assert differing(seen_test="allow") == gate
    (tmp_path / "fold_0/validation/summary.json").write_text("{}", encoding="utf-8")
    assert differing() == gate


def test_a_store_is_known_by_its_manifest_once_it_is_there(tmp_path: Path) -> None:
    run = config(stores=tmp_path)
    graph = plan_jobs(run)
    with pytest.raises(StoreError):
        Digests(run, graph)[PRETRAIN]
    assert len(Digests(run, graph)["acdc/prepare"]) == 64


def test_how_a_store_is_made_is_no_part_of_its_job() -> None:
    def of(**preprocess: Any) -> str:
        run = config()
        dataset = DatasetSettings(name="acdc", source=Path("raw"), preprocess=preprocess)
        run = run.model_copy(update={"data": (dataset,)})
        return Digests(run, plan_jobs(run))["acdc/prepare"]

    assert of() == of(workers=3)
    assert of() != of(patch=(32, 32))
