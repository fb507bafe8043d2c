"""What a data set or a variant replaces is laid over, validated where it was written, and told."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from distributed_iac.config.base import Settings, to_plain
from distributed_iac.config.load import load_config, to_yaml
from distributed_iac.config.overrides import VARIED
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError

TWO = "name: run\ndata: [{name: acdc, source: a}, {name: kits, source: k}]\n"
AUGMENTATION = "variants={augmented: {}, unaugmented: {batches: {augmentation: none}}}"


@pytest.fixture
def load(tmp_path: Path) -> Any:
    path = tmp_path / "run.yaml"
    path.write_text(TWO, encoding="utf-8")
    return lambda *overrides: load_config(path, overrides)


def without(view: RunConfig) -> dict[str, Any]:
    return {name: value for name, value in to_plain(view).items() if name not in ("data",)}


def test_without_overrides_every_view_is_the_run_itself(load: Any) -> None:
    config = load()
    assert config.variant_names == ("",)
    for dataset in config.data:
        view = config.view(dataset.name)
        assert without(view) == without(config)
        assert view.data == (dataset,)


def test_a_data_set_changes_what_it_names_and_a_variant_has_the_last_word(load: Any) -> None:
    config = load(
        AUGMENTATION,
        "data.0.settings={batches: {batch_size: 32, augmentation: strong}, search: {epochs: 50}}",
    )
    seen = {
        place: (view.batches.batch_size, view.batches.augmentation, view.search.epochs)
        for place, view in config.views.items()
    }
    assert seen == {
        "acdc@augmented": (32, "strong", 50),
        "acdc@unaugmented": (32, "none", 50),
        "kits@augmented": (16, "light", 200),
        "kits@unaugmented": (16, "none", 200),
    }
    assert all(not view.variants for view in config.views.values())
    assert all(not dataset.settings for view in config.views.values() for dataset in view.data)


def test_what_is_written_for_the_folder_gives_the_same_views(load: Any, tmp_path: Path) -> None:
    config = load(AUGMENTATION, "data.1.settings.search.epochs=30")
    (tmp_path / "run.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert load().views == config.views


def test_an_optimiser_of_another_class_begins_from_its_own_defaults(load: Any) -> None:
    variants = "{{a: {{}}, b: {{retrain: {{optimiser: {}}}}}}}"
    for given, rate, decay in (
        ("{kind: adam}", 1e-3, 1e-4),  # a relative of adamw: the run's own values stay
        ("{learning_rate: 0.5}", 0.5, 1e-4),
        ("{kind: sgd}", 0.1, 3e-4),
    ):
        config = load(f"variants={variants.format(given)}")
        optimiser = config.view("acdc", "b").retrain.optimiser
        assert (optimiser.learning_rate, optimiser.weight_decay) == (rate, decay)


def test_members_of_every_union_that_may_vary_are_told_apart_by_kind() -> None:
    """Laying over asks for ``kind`` alone."""

    def unions(model: type[Settings]) -> Iterator[tuple[type[Settings], ...]]:
        for field in model.model_fields.values():
            members = tuple(
                one
                for one in (field.annotation, *get_args(field.annotation))
                if isinstance(one, type) and issubclass(one, Settings)
            )
            if len(members) > 1:
                yield members
            for one in members:
                yield from unions(one)

    branches = [RunConfig.model_fields[name].annotation for name in VARIED]
    found = [union for one in branches if one is not None for union in unions(one)]
    assert found
    assert all("kind" in one.model_fields for union in found for one in union)


def test_the_variant_that_changes_nothing_comes_first_then_names_in_order(load: Any) -> None:
    given = {"c": "{}", "b": "{search: {epochs: 30}}", "a": "{search: {epochs: 20}}"}
    for order in ("abc", "cba"):
        config = load(f"variants={{{', '.join(f'{name}: {given[name]}' for name in order)}}}")
        assert config.variant_names == ("c", "a", "b")


REFUSED = [
    ("{device: cpu}", [": device", "'device'", "batches, cell, pretrain, search and retrain"]),
    ("{seeds: [1]}", ["seeds", "one for the whole run"]),
    ("{name: b}", ["name", "one for the whole run"]),
    ("{data: []}", ["data", "one for the whole run"]),
    ("{sweep: {cpus: 1}}", ["sweep", "one for the whole run"]),
    ("{batchs: {batch_size: 2}}", ["batchs", "did you mean batches?"]),
    ("{batches.augmentation: none}", ["nested", "did you mean batches?"]),
    ("{batches: none}", ["batches", "is a mapping"]),
    ("{batches: {augmentatoin: none}}", ["batches.augmentatoin", "did you mean augmentation?"]),
    ("{batches: {augmentation: nonee}}", ["batches.augmentation", "did you mean none?"]),
    ("{search: {epochs: true}}", ["search.epochs", "a number is wanted, not a truth value"]),
    ("{search: {epochs: 10}}", ["search", "warmup_epochs must be below epochs"]),
    ("{search: {weights: {betas: 3}}}", ["search.weights.betas", "known keys here are kind"]),
    ("{retrain: {optimiser: {kind: sdg}}}", ["retrain.optimiser", "did you mean sgd?"]),
    ("{retrain: {unfreeze: cells}}", ["unfreeze: cells", "no control plain_extra"]),
]


@pytest.mark.parametrize(
    ("given", "place"), [*product(REFUSED, ["variants.odd", "data.1.settings"])], ids=str
)
def test_what_cannot_be_is_refused_where_it_was_written(
    load: Any, given: tuple[str, list[str]], place: str
) -> None:
    settings, said = given
    other = ["variants={odd: {}, other: {pretrain: {epochs: 3}}}"] if "odd" in place else []
    with pytest.raises(ConfigError) as caught:
        load(*other, f"{place}={settings}")
    words = [place, *said] if "unfreeze" not in settings else said
    for word in (one.removeprefix(": ") for one in words):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("variants={a: {}}", "variants are two or more"),
        ("variants={a: {}, b: {}}", "a and b do not"),
        ("variants={a: {}, b: {search: {epochs: 200}}}", "a and b do not"),
        ("variants={a: {}, b/c: {search: {epochs: 20}}}", "pattern"),
        ("variants=[a, b]", "dictionary"),
    ],
)
def test_an_axis_is_of_two_or_more_that_differ(load: Any, override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(override)


def test_variants_do_not_differ_in_a_pre_training_that_nothing_has(load: Any) -> None:
    variants = "variants={a: {}, b: {pretrain: {epochs: 3}}}"
    trained = "backbones=[{name: basic_unet, weights: net.pt}]"
    load(variants)
    with pytest.raises(ConfigError, match="a and b do not"):
        load(variants, trained, "baselines=[]")
    load(variants, trained, "baselines=[{name: attention_unet}]")  # trained for as many epochs


def test_data_that_is_only_scored_has_no_settings_of_its_own(load: Any) -> None:
    with pytest.raises(ConfigError, match="nothing is trained on also_scored"):
        load(
            "data=[{name: acdc, source: a}]",
            "backbones=[{name: basic_unet, weights: w.pt}]",
            "also_scored=[{name: old, source: o, settings: {search: {epochs: 20}}}]",
        )


def test_the_headroom_of_a_run_is_asked_without_its_variants_and_with_data_sets_settings(
    load: Any,
) -> None:
    """Search settings have no say there, those of a data set neither."""
    settings = "{batches: {batch_size: 3}, search: {epochs: 9}}"
    config = load(AUGMENTATION, "search.warmup_epochs=2", f"data.0.settings={settings}")
    asked = config.headroom_run()
    assert RunConfig.model_validate(to_plain(asked)) == asked
    assert asked.variant_names == ("",)
    assert asked.view("acdc").batches.batch_size == 3
    assert asked.view("acdc").search == asked.view("kits").search == asked.search


def test_an_override_that_changes_nothing_is_told(load: Any) -> None:
    assert load(AUGMENTATION).idle_overrides() == ()
    config = load(
        "variants={a: {}, b: {batches: {augmentation: none}, search: {epochs: 200}}}",
        "data.0.settings={batches: {augmentation: none, batch_size: 16}}",
    )
    assert config.idle_overrides() == (
        "data.0.settings.batches.batch_size is what the run has anyway",
        "variants.b.batches.augmentation is what the run has anyway for acdc",
        "variants.b.search.epochs is what the run has anyway",
    )
    replaced = load(
        "variants={a: {batches: {batch_size: 4}}, b: {batches: {batch_size: 8}}}",
        "data.0.settings={batches: {batch_size: 32, augmentation: none}}",
    )
    assert replaced.idle_overrides() == (
        "data.0.settings.batches.batch_size is replaced by every variant",
    )
