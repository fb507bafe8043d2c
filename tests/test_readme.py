"""What the README and CONTRIBUTING say exists, and commands in them are spelt as they work."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

import click
import pyarrow.parquet as pq
import pytest
import typer
import yaml

from benchmarks.frontier import OUT, Journal, settings
from benchmarks.frontier_arms import ARMS, LONGER
from benchmarks.frontier_table import last_line, rows_of, sets_of
from distributed_iac.cli.main import app
from distributed_iac.config.comparison import CONTROLS
from distributed_iac.config.load import load_config
from distributed_iac.config.pruning import LTH, PolicyName, PruningSettings, SignalSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.config.selection import SelectionRule
from distributed_iac.data.formats.registry import READERS
from distributed_iac.jobs.plan import plan_jobs
from tests.backbones import NAMES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCUMENTS = {"README.md": README, "CONTRIBUTING.md": CONTRIBUTING}

MADE = re.compile(r"(data|stores|runs|quickstart)/")
"""Paths that users or commands make; everything else that is named lies in the repository."""

PANELS = "dice|importance|stability|pruning|cell|prediction|operations"
TAGS = sorted(set(re.findall(rf"`((?:{PANELS})/(?:\w+|\.\.\.))`", README)))
"""Of TensorBoard; they look like paths. Three dots stand for what differs from edge to edge."""

PATIENCE = 900.0
"""Seconds for one command; many times what it takes, for crowded machines."""

both = pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)


SHORT = {
    "quickstart": "pretrain: {epochs: 1}\nsearch: {epochs: 2, warmup_epochs: 1}\n",
    "acdc": """
device: cpu
threads: 1
seeds: [0]
data:
  - name: acdc
    source: data/acdc
    split: {fractions: {weights: 0.4, architecture: 0.3, val: 0.15, test: 0.15}}
    preprocess: {patch: [48, 48], workers: 1}
backbones: [{name: dynunet, base_features: 4, strides: [[1, 1], [2, 2], [2, 2]], label: dynunet}]
baselines: []
batches: {batch_size: 4, steps_per_epoch: 2}
cell: {nodes: 1, partial_channels: 2}
pretrain: {epochs: 1}
search: {epochs: 3, warmup_epochs: 1}
retrain: {epochs: 1, rates: [1.0]}
headroom: {cells: 2, seeds: 1}
sweep: {cpus: 2, workers: reused}
""",
    "another_hospital": """
device: cpu
threads: 1
seeds: [0]
data:
  - name: hospital
    source: data/acdc
    split: {seed: 1, fractions: {weights: 0.4, architecture: 0.3, val: 0.15, test: 0.15}}
backbones:
  - name: dynunet
    base_features: 4
    strides: [[1, 1], [2, 2], [2, 2]]
    label: dynunet
    weights: models/trained
batches: {batch_size: 4, steps_per_epoch: 2}
cell: {nodes: 1, partial_channels: 2}
search: {epochs: 3, warmup_epochs: 1}
retrain: {epochs: 1, rates: [1.0]}
controls: [plain, random, decoder, convolution]
sweep: {cpus: 2, workers: reused}
""",
}
TRAINED = ["export", "runs/acdc", "acdc/dynunet/pretrain", "models/trained"]
"""What the user of another hospital brings along."""

"""What is put on top of a published configuration so that its commands take seconds."""

ELSEWHERE = {
    "make": "what it calls is tested, and `make test` runs these tests",
    "pip": "the environment of these tests was made so",
    "ray": "needs several machines; its options are checked below",
    "sbatch": "needs a Slurm; tests/cluster/slurm_here.sh runs its file where there is one",
    "ssh": "needs another machine",
    "tensorboard": "a server; what it reads is tested in tests/report",
}
"""Programs whose commands are not run here, and why."""

ELSEWHERE_OURS = {"nnunet": "needs what nnU-Net trained: tests/cli/test_nnunet_command.py"}
"""The same of our own commands."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Words of every command in bash blocks, those inside quotation marks (`ray exec`) as well."""
    found = []
    for line in "".join(blocks(text, "bash")).splitlines():
        words = [w for w in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=\w+$", w)]
        found.append(words)
        for quoted in (word for word in words if "&&" in word):
            found += [shlex.split(part) for part in quoted.split("&&")]
    return [words for words in found if words]


def runnable() -> list[list[str]]:
    """Commands of the README that are run here: ours, but for those that join a cluster."""
    lines = [
        shlex.split(line, comments=True) for line in "".join(blocks(README, "bash")).splitlines()
    ]
    return [
        words
        for words in lines
        if words[:1] == ["distributed-iac"]
        and "--address" not in words
        and words[1] not in ELSEWHERE_OURS
    ]


def calls(program: str, text: str = README + CONTRIBUTING) -> list[list[str]]:
    return [words[1:] for words in commands(text) if words[0] == program]


def modules(text: str) -> set[str]:
    """Dotted names of everything that Python code imports."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}:{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def config_of(text: str, folder: Path) -> Any:
    """Load YAML of the README, made whole where it is a branch of a configuration."""
    content = yaml.safe_load(text)
    whole = {"name": "x", "data": [{"name": "x", "source": "data/x"}], **content}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return load_config(path)


def test_every_program_it_calls_comes_with_the_project_or_the_shell() -> None:
    installed = {script.name for script in entry_points(group="console_scripts")}
    called = {words[0] for words in commands(README + CONTRIBUTING)}
    others = {"make", "pip", "cd", "sbatch", "ssh"}
    assert called == {"distributed-iac", "ray", "tensorboard", *others}
    assert called - installed <= others


@pytest.mark.parametrize("words", calls("distributed-iac"), ids=" ".join)
def test_every_command_parses_with_its_options(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    name, *arguments = words
    assert name in command.commands
    with command.make_context("distributed-iac", ["--help"], resilient_parsing=True) as parent:
        # Raises a usage error for an unknown option, a missing or a surplus argument.
        command.commands[name].make_context(name, arguments, parent=parent)


def test_every_command_of_the_program_but_the_schema_is_shown() -> None:
    command: Any = typer.main.get_command(app)
    assert {words[0] for words in calls("distributed-iac", README)} == set(command.commands) - {
        "schema"
    }


def test_an_option_that_does_not_exist_would_be_noticed() -> None:
    command: Any = typer.main.get_command(app)
    with pytest.raises(Exception, match="No such option") as caught:
        command.commands["sweep"].make_context("sweep", ["x.yaml", "--adress", "auto"])
    assert isinstance(caught.value, click.UsageError) or hasattr(caught.value, "exit_code")


@both
def test_every_make_target_is_in_the_makefile(text: str) -> None:
    named = set(re.findall(r"^make (\w+)|`make (\w+)`", text, flags=re.MULTILINE))
    targets = {first or second for first, second in named}
    assert targets
    assert not [t for t in targets if not re.search(rf"^{t}:", MAKEFILE, flags=re.MULTILINE)]


def test_the_two_commands_of_the_start_come_first() -> None:
    assert [words[:2] for words in commands(README)][:2] == [
        ["make", "quickstart"],
        ["make", "test"],
    ]


@both
def test_every_file_and_folder_it_names_is_there(text: str) -> None:
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    linked = set(re.findall(r"\]\(([\w./-]+)\)", prose))
    quoted = set(re.findall(r"`([\w.-]+/[\w./-]*|\w+\.(?:md|txt|yaml))`", prose))
    named = linked | {path for path in quoted if "NAME" not in path and not MADE.match(path)}
    named -= {*TAGS, *(path for path in named if (ROOT / "distributed_iac" / path).is_dir())}
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_configuration_in_a_command_is_there_and_loads() -> None:
    named = {word for words in commands(README) for word in words if "configs/" in word}
    paths = {re.sub("^(distributed-iac|PROJECT)/", "", word) for word in named if " " not in word}
    assert "configs/sweep_all.yaml" in paths
    assert all((ROOT / path).is_file() for path in paths)
    for path in paths:
        assert not path.endswith(".yaml") or load_config(ROOT / path).name


def test_every_anchor_is_a_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", README, flags=re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", README)) <= anchors


def test_every_run_folder_in_a_command_is_that_of_a_published_configuration() -> None:
    words = [word for words in calls("distributed-iac", README) for word in words]
    runs = {word.split("/")[1] for word in words if word.startswith("runs/")}
    published = (path.read_text(encoding="utf-8") for path in (ROOT / "configs").glob("*.yaml"))
    names = {yaml.safe_load(text).get("name") for text in published}
    assert runs
    assert runs <= names


def test_the_exported_model_is_one_that_its_run_trains() -> None:
    exports = [w for w in calls("distributed-iac", README) if w[0] == "export" and len(w) > 2]
    assert len(exports) == 2
    for _, run, key, *_ in exports:
        config = f"configs/{run.removeprefix('runs/').replace('-', '_')}.yaml"
        assert plan_jobs(load_config(ROOT / config))[key].kind == "retrain"


@pytest.mark.parametrize("words", calls("ray"), ids=" ".join)
def test_every_ray_command_parses(words: list[str]) -> None:
    from ray.scripts.scripts import cli

    command = cli.commands[words[0]]
    command.make_context(words[0], list(words[1:]), resilient_parsing=False)


@pytest.mark.parametrize("block", blocks(README, "yaml"))
def test_every_configuration_in_it_is_valid(block: str, tmp_path: Path) -> None:
    assert isinstance(config_of(block, tmp_path), RunConfig)


@pytest.mark.parametrize("pair", sorted(set(re.findall(r"--set ([\w.]+)=([\w.]+)", README))))
def test_every_override_in_it_is_accepted(pair: tuple[str, str]) -> None:
    key, value = pair
    load_config(ROOT / "configs/acdc.yaml", [f"{key}={value}"])


def test_every_setting_it_names_exists() -> None:
    sections = "|".join(("preprocess", *RunConfig.model_fields))
    named = set(re.findall(rf"`((?:{sections})\.(?!png|py)\w+)", README + CONTRIBUTING))
    assert {"sweep.max_failures", "selection.rule", "comparison.dice_margin"} <= named
    config = load_config(ROOT / "configs/acdc.yaml")
    roots = {**dict(config), "preprocess": config.data[0].preprocess}
    for path in named:
        section, field = path.split(".")
        assert field in type(roots[section]).model_fields, path


@pytest.mark.parametrize("block", blocks(README, "python"))
def test_python_in_it_compiles_and_imports_what_is_there(block: str) -> None:
    compile(block, "README.md", "exec")
    for name in modules(block):
        module, _, attribute = name.partition(":")
        assert not attribute or hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"python -m (benchmarks\.\w+)", README))))
def test_every_benchmark_it_names_is_a_module_with_a_section(name: str) -> None:
    assert (ROOT / f"{name.replace('.', '/')}.py").exists()


def test_figures_that_follow_from_no_machine_are_those_of_the_results() -> None:
    planted = json.loads((ROOT / "benchmarks/results/planted.json").read_text())["summary"]
    full, lth = (planted[arm]["families"] for arm in ("full", "lth"))
    assert f"full {full[0]} of {full[1]}, LTH {lth[0]} of {lth[1]}, by chance" in README
    assert f"by chance {full[1] // 3} " in README
    parity = json.loads((ROOT / "benchmarks/results/metric_parity.json").read_text())["results"]
    rules = {k: v for k, v in parity.items() if not k.startswith("other definition")}
    assert sum(one["disagreements"] for one in rules.values()) == 0
    assert "no disagreement in 200 random pairs" in README


@pytest.mark.parametrize("name", NAMES)
def test_every_backbone_is_named(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("choice", [*CONTROLS, *get_args(SelectionRule)])
def test_controls_and_selection_rules_are_named(choice: str) -> None:
    assert re.search(rf"`(selection\.rule: )?{choice}`", README)


def test_every_guard_is_explained() -> None:
    guards = get_args(SignalSettings.model_fields["guard"].annotation)
    assert all(f"* `{guard}`" in README for guard in guards)
    assert f"* `{LTH.signal.guard}`, the guard of the default arm `lth`" in README
    assert f"* `{SignalSettings().guard}`, the guard of `{{policy: js}}`" in README
    assert LTH.signal.horizon == 1, "the README says: in the next epoch"


def test_tables_that_contributors_are_sent_to_hold_what_is_there() -> None:
    formats = (ROOT / "distributed_iac/data/formats/registry.py").read_text(encoding="utf-8")
    assert "READERS" in formats
    assert "LOOKS" in formats
    assert set(READERS) >= {"acdc", "brats", "kits", "amos"}
    policies = (ROOT / "tests/rules/test_pruning_policies.py").read_text(encoding="utf-8")
    assert all(f'policy="{name}"' in policies for name in get_args(PolicyName))


def test_names_of_code_in_the_contributing_guide_are_in_the_files_named_with_them() -> None:
    pairs = re.findall(r"`(\w+)`[^`.]{0,40}`((?:distributed_iac|tests)/[\w/]+\.py)`", CONTRIBUTING)
    assert len(pairs) >= 6
    missing = [
        (name, path)
        for name, path in pairs
        if not re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert not missing


@pytest.mark.parametrize("tag", TAGS)
def test_every_tensorboard_tag_is_written(tag: str) -> None:
    package = ROOT / "distributed_iac/report/tensorboard"
    written = f'"{tag.removesuffix("...")}' if tag.endswith("...") else f'"{tag}"'
    assert any(written in path.read_text(encoding="utf-8") for path in package.glob("*.py"))


def test_every_section_of_the_report_it_sends_readers_to_is_on_the_page() -> None:
    page = ROOT / "distributed_iac/report/page"
    text = "".join(path.read_text(encoding="utf-8") for path in page.iterdir() if path.is_file())
    named = re.findall(r"^\d\. \*([^*]+)\*:", README, flags=re.MULTILINE)
    assert len(named) == 6
    assert not [title for title in named if title not in text]


def test_figures_are_well_formed_and_small() -> None:
    for path in re.findall(r"!\[[^]]+\]\(([\w./]+)\)", README):
        figure = ROOT / path
        assert figure.stat().st_size < 200_000
        if figure.suffix == ".svg":
            assert ElementTree.parse(figure).getroot().tag.endswith("svg")
        else:
            assert figure.read_bytes().startswith(b"\x89PNG")


def test_figures_of_planted_cells_trained_anew_are_those_of_their_results() -> None:
    file = ROOT / "benchmarks/results/planted_worth.json"
    lth = json.loads(file.read_text(encoding="utf-8"))["worth"]["lth"]
    found, planted, random = (f"{lth[name]:.3f}" for name in ("found", "planted", "random"))
    assert f"LTH's cells reach a mean Dice of {found}, " in README
    assert f"the planted ones {planted}, random ones {random}" in README


def test_figures_of_the_frontier_are_those_of_its_record() -> None:
    records = Journal(OUT, settings(share=1.0, noise=0.0)).records
    benchmarks = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    assert f"`{last_line(records)}`" in benchmarks
    (row,) = [
        row for row in rows_of(records, sets_of(records)["held-out"]) if row.name == "default"
    ]
    assert f"on {row.teachers} held-out planted problems" in README
    share = "{:.2f} [{:.2f}, {:.2f}]".format(row.of_full, *row.of_full_interval)
    assert f"{share} of what full finds in 200 epochs" in README
    assert f"{row.fewer_operations:.1f} times fewer operations" in README
    assert f"{row.fewer_seconds:.1f} times less time" in README


def test_the_longer_form_is_the_frontiers() -> None:
    (block,) = (text for text in blocks(README, "yaml") if "horizon: 10" in text)
    records = Journal(OUT, settings(share=1.0, noise=0.0)).records
    rows = {row.name: row for row in rows_of(records, sets_of(records)["held-out"])}
    given = PruningSettings.model_validate(yaml.safe_load(block)["arms"]["lth"])
    assert given == ARMS[LONGER].pruning
    share = "{:.2f} [{:.2f}, {:.2f}]".format(rows[LONGER].of_full, *rows[LONGER].of_full_interval)
    assert README.count(share) >= 2
    assert README.count(f"{rows[LONGER].fewer_operations:.1f} times") >= 2


def test_figures_of_capacity_are_those_of_its_results() -> None:
    file = ROOT / "benchmarks/results/capacity.json"
    models = json.loads(file.read_text(encoding="utf-8"))["results"]["models"]
    dice = {(one["backbone"], one["model"]): f"{one['test_dice']:.3f}" for one in models}
    narrow, wide = dice["features8", "plain_extra"], dice["features16", "plain_extra"]
    assert f"twice the width lifts Dice from {narrow} to {wide}, " in README
    assert f"random cells of the narrow one to {dice['features8', 'random']}" in README


def test_figures_of_the_real_mri_are_those_of_its_results() -> None:
    results = json.loads((ROOT / "benchmarks/results/real_mri.json").read_text())["results"]
    means = {
        name.split()[-1]: f"{sum(dice.values()) / len(dice):.3f}"
        for name, dice in results["dice"].items()
    }
    assert f"U-Net {means['plain']}, thresholding {means['brain']}; " in README
    assert f"with LTH's cell {means['lth']}, full's {means['full']}, " in README
    assert f"a random one {means['random']}, trained on without {means['plain_extra']}" in README
    assert {one["seed"] for one in results["searches"]} == {0}


def test_every_command_is_run_here_or_has_a_reason_not_to() -> None:
    """Of a line such as `ray exec CLUSTER "cd X && distributed-iac ..."` only the first counts."""
    lines = [line for line in "".join(blocks(README, "bash")).splitlines() if line.strip()]
    assert len(runnable()) >= 10
    for line in lines:
        words = [w for w in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=\w+$", w)]
        excused = words[0] in ELSEWHERE or words[1] in ELSEWHERE_OURS or "--address" in words
        assert words in runnable() or excused, line


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the README's commands are run: published configurations, shortened."""
    here = tmp_path_factory.mktemp("readme")
    (here / "configs").mkdir()
    for name, short in SHORT.items():
        run = name.replace("_", "-")
        text = f"base: {ROOT / 'configs' / name}.yaml\nname: {run}\n{short}"
        (here / f"configs/{name}.yaml").write_text(text, encoding="utf-8")
    return here


@pytest.mark.slow
def test_the_readmes_commands_do_what_it_says_one_after_another(place: Path) -> None:
    for words in runnable():
        if words[1:3] == ["sweep", "configs/another_hospital.yaml"]:
            execute("-m", "distributed_iac.cli.main", *TRAINED, here=place)
        if words[1] == "predict" and not (place / "new_patients").exists():
            images = sorted((place / "data/acdc").rglob("*_frame??.nii.gz"))[:2]
            (place / "new_patients").mkdir()
            for number, image in enumerate(images):
                shutil.copy(image, place / f"new_patients/heart{number}.nii.gz")
            shutil.copy(images[0], place / "heart.nii.gz")
        done = execute("-m", "distributed_iac.cli.main", *words[1:], here=place)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    for path in ("figures/acdc", "runs/acdc/report.html", "runs/acdc/tensorboard", "models/acdc"):
        assert (place / path).exists(), path
    _headroom_was_asked(place / "runs")
    for labels in ("labels", "labels_b"):
        assert len(list((place / labels).glob("heart?.nii.gz"))) == 2
    (code,) = blocks(README, "python")
    done = execute("-c", code, here=place)
    assert done.returncode == 0, done.stderr
    assert (place / "labels.nii.gz").exists()


def _headroom_was_asked(runs: Path) -> None:
    """Its trainings are jobs of the sweep, whose report repeats what it said."""
    (group,) = json.loads((runs / "acdc-headroom/headroom.json").read_text())["groups"]
    assert group["group"] == "acdc/dynunet"
    assert group["sentences"]
    assert (runs / "acdc-headroom/headroom.svg").read_bytes().startswith(b"<?xml")
    digests = [
        {row["key"]: row["digest"] for row in pq.read_table(run / "jobs.parquet").to_pylist()}
        for run in (runs / "acdc-headroom", runs / "acdc")
    ]
    for shared in ("pretrain", "retrain/random/seed0"):
        assert digests[0][f"acdc/dynunet/{shared}"] == digests[1][f"acdc/dynunet/{shared}"]
    assert group["sentences"][0] in (runs / "acdc/report.html").read_text()


def execute(*arguments: str, here: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=here,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
