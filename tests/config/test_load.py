"""A configuration is validated at the door, and its errors name file, key and the way out."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from distributed_iac.config.base import to_plain
from distributed_iac.config.load import json_schema, load_config, load_resolved, to_yaml
from distributed_iac.errors import ConfigError

MINIMAL = "name: run\ndata: [{name: acdc, source: data/acdc}]\n"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    return path


def test_a_minimal_file_gets_every_default(config_file: Path) -> None:
    config = load_config(config_file)
    assert set(config.arms) == {"full", "lth"}
    assert config.arms["full"].policy == "none"
    assert config.folder == Path("runs/run")
    assert config.store_folder(config.data[0]) == Path("stores/acdc")


def test_the_largest_seed_is_one(config_file: Path) -> None:
    largest = 2**63 - 1
    assert load_config(config_file, [f"seeds=[0, {largest}]"]).seeds == (0, largest)


def test_what_an_older_release_took_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "name: run\nseeds: [-1]\nshared_seed: -7\n"
        "data: [{name: Liver, source: a}, {name: liver, source: b}]\n",
        encoding="utf-8",
    )
    assert load_resolved(path).seeds == (-1,)
    with pytest.raises(ConfigError):
        load_config(path)


def test_the_resolved_yaml_loads_to_the_same_configuration(config_file: Path) -> None:
    config = load_config(config_file, ["seeds=[3, 1]", "batches.mirror_axes=[rows, columns]"])
    config_file.write_text(to_yaml(config), encoding="utf-8")
    assert load_config(config_file) == config
    assert to_plain(load_config(config_file)) == to_plain(config)
    json.dumps(to_plain(config), allow_nan=False)


REFUSED = [
    ("serch.epochs=3", ["serch", "did you mean search?"]),
    ("search.epoch=3", ["search.epoch", "did you mean epochs?"]),
    ("search.epochs=zero", ["search.epochs", "valid integer", "'zero'"]),
    ("search.epochs=0", ["search.epochs", "greater than or equal to 1"]),
    ("search.warmup_epochs=200", ["search", "warmup_epochs must be below epochs"]),
    ("search.weights.kind=sdg", ["search.weights", "did you mean sgd?"]),
    ("search.weights.betas=[0.5, 0.9]", ["search.weights", "the key kind is required"]),
    ("search.weights={kind: sgd, moment: 0.5}", ["moment", "did you mean momentum?"]),
    ("arms.lth.policy=jss", ["arms.lth.policy", "did you mean js?"]),
    ("arms.lth.js.keep_top=9", ["arms.lth.js.keep_top", "less than or equal to 7"]),
    ("arms={}", ["arms", "at least 1 item"]),
    ("cell.width=30", ["cell", "partial_channels must divide width 30"]),
    ("backbones=[{name: basic_unt}]", ["backbones.0", "did you mean basic_unet?"]),
    ("backbones=[{features: tiny}]", ["backbones.0", "the key name is required"]),
    ("backbones=[{name: basic_unet, featurs: tiny}]", ["featurs", "did you mean features?"]),
    ("data.0.sourc=x", ["data.0.sourc", "did you mean source?"]),
    ("data=[{name: acdc}]", ["data.0.source", "required"]),
    ("data=[{name: a/b, source: x}]", ["data.0.name", "pattern"]),
    ("data.0.split.fractions.val=0.9", ["data.0.split.fractions", "add up to 1"]),
    ("data.0.split.fractions.vall=0.9", ["vall", "did you mean val?"]),
    ("seeds=[1, 1]", ["names in seeds must differ", "twice: 1"]),
    ("seeds=[-1]", ["seeds", "from 0 to 2**63 - 1", "came -1"]),
    ("seeds=[0, 99999999999999999999]", ["seeds", "came 99999999999999999999"]),
    ("seeds=[9223372036854775808]", ["seeds", "from 0 to"]),
    ("seeds=[1.0e+20]", ["seeds.0"]),
    ("seeds=[1e20]", ["seeds.0"]),
    ("shared_seed=-1", ["shared_seed", "from 0 to 2**63 - 1"]),
    ("data=[{name: Liver, source: a}, {name: liver, source: b}]", ["letter case", "liver"]),
    ("name=artifacts", ["the run's folder", "that of artifacts", "apart"]),
    ("sweep.artifacts=stores/acdc", ["the store of acdc", "that of artifacts"]),
    ("data.0.store=data/acdc", ["the store of acdc and the source of acdc"]),
    ("evaluation.mirror=[rows, rows]", ["evaluation.mirror", "came rows, rows"]),
    ("seeds=[]", ["seeds", "at least 1 item"]),
    ("name=", ["name", "valid string", "quote it"]),
    ("name=2024", ["name", "valid string", "quote it"]),
    ("name=1e3", ["name", "valid string", "quote it"]),
    ("data.0.source=7", ["data.0.source", "quote it"]),
    ("device=true", ["device", "quote it"]),
    ("seeds=[true]", ["seeds.0", "a number is wanted, not a truth value"]),
    ("seeds=['1']", ["seeds.0", "a number is wanted, not a text"]),
    ("search.epochs=true", ["search.epochs", "a number is wanted, not a truth value"]),
    ("arms={lth: {js: {keep_top: true}}}", ["arms.lth.js.keep_top", "a number is wanted"]),
    ("backbones=[{name: dynunet, supervised_scales: true}]", ["scales", "a number is wanted"]),
]

ACCIDENTS = [
    *("yes", "No", "on", "OFF", "010", "00", "0x1f", "0b1", "1_000", "1_0.5", "1:30", "1:30.5"),
    *("2024-01-31", "2024-01-31 10:00:00", ".inf", "-.INF", ".nan"),
]


@pytest.mark.parametrize("written", ACCIDENTS)
def test_what_yaml_takes_for_something_else_is_refused_wherever_it_stands(
    config_file: Path, written: str
) -> None:
    for override in (f"seeds=[{written}]", f"name={written}", f"arms={{{written}: {{}}}}"):
        with pytest.raises(ConfigError) as caught:
            load_config(config_file, [override])
        assert f"quote it ('{written}') if it is text" in str(caught.value)
    config_file.write_text(f"{MINIMAL}device: {written}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 3, column 9"):
        load_config(config_file)


def test_quoted_they_are_text_and_are_written_quoted(config_file: Path) -> None:
    for text in ("yes", "010", "1e3", "2024-01-31", "null"):
        config = load_config(config_file, [f"name='{text}'"])
        config_file.write_text(to_yaml(config), encoding="utf-8")
        assert load_config(config_file).name == text


@pytest.mark.parametrize("written", ["1000", "1e3", "1.0e+3", "+1000"])
def test_plain_numbers_are_numbers(config_file: Path, written: str) -> None:
    assert load_config(config_file, [f"search.epochs={written}"]).search.epochs == 1000


@pytest.mark.parametrize(("override", "expected"), REFUSED, ids=[o for o, _ in REFUSED])
def test_a_refusal_names_origin_key_and_remedy(
    config_file: Path, override: str, expected: list[str]
) -> None:
    overrides = ["arms={lth: {}}"] if override.startswith("arms.") else []
    with pytest.raises(ConfigError) as caught:
        load_config(config_file, [*overrides, override])
    text = str(caught.value)
    assert all(part in text for part in expected), text
    assert "\n  came:" in text or "must" in text


def test_every_problem_is_reported_once(config_file: Path) -> None:
    overrides = ["serch=1", "backbones=[{name: basic_unt}]", "seeds=[x]"]
    with pytest.raises(ConfigError, match="3 problems") as caught:
        load_config(config_file, overrides)
    assert str(caught.value).count("came:") == 3


def test_a_value_from_the_parent_is_blamed_on_the_parent(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(MINIMAL + "search: {epochs: -1}\n", encoding="utf-8")
    child = tmp_path / "child.yaml"
    child.write_text("base: parent.yaml\nsearch: {warmup_epochs: 2}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"parent\.yaml: search\.epochs"):
        load_config(child)


def test_the_published_schema_is_current() -> None:
    published = Path(__file__).parents[2] / "configs" / "schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema(), "run `make schema`"


def test_the_schema_accepts_what_loads_and_refuses_a_typo(config_file: Path) -> None:
    values = yaml.safe_load(to_yaml(load_config(config_file)))
    values["base"] = "parent.yaml"
    jsonschema.validate(values, json_schema())
    values["serch"] = {}
    with pytest.raises(jsonschema.ValidationError, match="serch"):
        jsonschema.validate(values, json_schema())


def test_members_of_a_union_are_no_part_of_a_place(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: r\ndata: [{name: d, source: s, preprocess: {slices: {axes: [2, 2, 0]}}}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert "data.0.preprocess.slices: slices.axes must name each" in str(caught.value)
    assert "function-" not in str(caught.value)
