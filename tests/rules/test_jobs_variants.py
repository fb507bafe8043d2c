"""Variants of a run: what they change is done for each of them, what is the same is done once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from distributed_iac.config.run import RunConfig
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.jobs.settings import epochs_by_job, settings_of, view_for
from distributed_iac.run.digest import Digests

AUGMENTATION: Mapping[str, Any] = {
    "augmented": {},
    "unaugmented": {"batches": {"augmentation": "none"}},
}
CHANGES: list[Mapping[str, Any]] = [
    {"batches": {"augmentation": "none"}},
    {"pretrain": {"epochs": 7}},
    {"search": {"epochs": 33}},
    {"retrain": {"epochs": 9}},
    {"cell": {"nodes": 3}},
    {"retrain": {"epochs": 9}, "search": {"epochs": 33}},
]


def config(**changes: Any) -> RunConfig:
    values = {
        "name": "run",
        "data": [{"name": "acdc", "source": "a"}, {"name": "kits", "source": "k"}],
        "backbones": [
            {"name": "basic_unet", "features": "tiny"},
            {"name": "basic_unet", "label": "given", "weights": "given.pt"},
        ],
        "baselines": [{"name": "attention_unet"}],
        "seeds": [0, 1],
    }
    return RunConfig.model_validate({**values, **changes})


def names(graph: JobGraph) -> set[str]:
    return {job.key for job in graph.jobs()}


def digests(run: RunConfig) -> dict[str, str]:
    graph = plan_jobs(run)
    known = Digests(run, graph)
    known._stores = {dataset.name: f"store of {dataset.name}" for dataset in run.all_data}
    known._backbones = {
        (one.name, "given"): {} for one in run.all_data
    }  # no file of weights is read here
    return {job.key: known[job.key] for job in graph.jobs() if job.kind != "prepare"}


def test_without_variants_nothing_is_called_by_one() -> None:
    for job in plan_jobs(config()).jobs():
        assert (job.variants, job.variant, job.address) == ((), "", job.key)
        assert "variants" not in job.to_plain()
        assert Job.from_plain(job.to_plain()) == job


def test_augmentation_changes_all_that_is_trained_and_no_store() -> None:
    plain, varied = plan_jobs(config()), plan_jobs(config(variants=AUGMENTATION))
    assert {job.kind for job in varied.jobs() if not job.variants} == {"prepare", "evaluate"}
    shared = {job.group for job in varied.jobs() if job.kind == "evaluate" and not job.variants}
    assert shared == {"acdc/given", "kits/given"}, "a network that comes trained is what it is"
    own = [job for job in varied.jobs() if job.variants]
    assert {job.address for job in own} | names(varied) - {job.key for job in own} == names(plain)
    assert len(own) == 2 * len({job.address for job in own})
    assert varied["acdc/basic_unet-tiny@unaugmented/search/lth/seed1"].group == (
        "acdc/basic_unet-tiny@unaugmented"
    )


def test_another_way_to_retrain_shares_the_searches() -> None:
    graph = plan_jobs(config(variants={"short": {}, "long": {"retrain": {"epochs": 300}}}))
    assert {job.kind for job in graph.jobs() if job.variants} == {"retrain", "baseline"}
    cell = graph["acdc/given@long/retrain/lth/seed0"]
    assert "acdc/given/search/lth/seed0" in cell.needs
    assert cell.arm == "lth"
    (search,) = graph.of_variant("long", kind="search", group="acdc/given", name="lth", seed=0)
    assert search.key == "acdc/given/search/lth/seed0"


def test_what_some_share_goes_by_the_first_of_them() -> None:
    variants = {
        "a": {},
        "b": {"batches": {"augmentation": "none"}},
        "c": {"retrain": {"epochs": 3}},
    }
    graph = plan_jobs(config(variants=variants))
    shared = graph["kits/basic_unet-tiny@a/search/full/seed0"]
    assert shared.variants == ("a", "c")
    assert shared.key in graph["kits/basic_unet-tiny@c/retrain/full/seed0"].needs
    assert "kits/basic_unet-tiny@c/search/full/seed0" not in graph


def test_a_data_set_where_a_variant_changes_nothing_has_it_once() -> None:
    data = [
        {"name": "acdc", "source": "a", "settings": {"batches": {"augmentation": "none"}}},
        {"name": "kits", "source": "k"},
    ]
    jobs = plan_jobs(config(data=data, variants=AUGMENTATION)).jobs()
    assert {job.dataset for job in jobs if job.variants} == {"kits"}
    assert names(plan_jobs(config())) >= {job.key for job in jobs if job.dataset == "acdc"}


def test_a_job_of_a_variant_is_that_of_a_run_with_its_settings() -> None:
    """Whatever the variant is called: nothing is done twice because of a name."""
    small = {"data": [{"name": "acdc", "source": "a"}], "controls": ["plain", "random"]}
    variants = {"zero": {}, **{f"v{number}": one for number, one in enumerate(CHANGES)}}
    run = config(variants=variants, **small)
    found, graph = digests(run), plan_jobs(run)
    for name, settings in variants.items():
        own = graph.of_variant(name)
        alone = digests(config(**settings, **small))
        assert {job.address: found[job.key] for job in own if job.kind != "prepare"} == alone
    assert len(set(found.values())) == len(found), "and one job in the plan for each of them"


def test_the_settings_of_a_data_set_are_those_of_a_run_with_them() -> None:
    settings = {"batches": {"batch_size": 3}, "search": {"epochs": 44}, "retrain": {"epochs": 5}}
    data = [{"name": "acdc", "source": "a", "settings": settings}, {"name": "kits", "source": "k"}]
    found = digests(config(data=data))
    outright, without = digests(config(**settings)), digests(config())
    assert {k: v for k, v in found.items() if k.startswith("acdc/")} == {
        k: v for k, v in outright.items() if k.startswith("acdc/")
    }
    assert {k: v for k, v in found.items() if k.startswith("kits/")} == {
        k: v for k, v in without.items() if k.startswith("kits/")
    }


def test_epochs_are_those_of_the_jobs_own_data_set_and_variant() -> None:
    run = config(
        data=[
            {"name": "acdc", "source": "a", "settings": {"search": {"epochs": 50}}},
            {"name": "kits", "source": "k"},
        ],
        variants={"short": {}, "long": {"retrain": {"epochs": 300}}},
    )
    epochs = epochs_by_job(run, plan_jobs(run))
    assert epochs["acdc/given/search/lth/seed0"] == 50
    assert epochs["kits/given/search/lth/seed0"] == 200
    assert epochs["kits/given@short/retrain/lth/seed0"] == 200  # 100 with each of two rates
    assert epochs["kits/given@long/retrain/lth/seed0"] == 600


def test_what_is_shared_has_the_same_settings_in_all_that_share_it() -> None:
    run = config(variants={**AUGMENTATION, "long": {"retrain": {"epochs": 300}}})
    for job in plan_jobs(run).jobs():
        wanted = settings_of(view_for(run, job), job)
        for variant in job.variants or run.variant_names:
            assert settings_of(run.view(job.dataset, variant), job) == wanted


def test_a_job_with_variants_is_read_as_it_was_written() -> None:
    job = Job("retrain", "acdc", "unet", "lth", 0, ("acdc/unet@a/search/lth/seed0",), ("a", "b"))
    assert Job.from_plain(job.to_plain()) == job
    assert dataclasses.replace(job, variants=()).key == job.address == "acdc/unet/retrain/lth/seed0"
