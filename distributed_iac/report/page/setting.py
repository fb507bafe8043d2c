"""What was run, on what and with what: the sections that need no result."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping

from distributed_iac.config.load import to_yaml
from distributed_iac.config.overrides import described
from distributed_iac.config.pruning import PruningSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.report.page.blocks import Code, Facts, Listing, Prose, Section, ShownTable
from distributed_iac.report.retrainings import rates_sentence
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Table

POLICIES = {
    "none": "nothing is pruned: the full-length search",
    "js": "operations are pruned where their importance has settled (Jensen-Shannon divergence)",
    "schedule": "operations are pruned at fixed epochs, as in P-DARTS",
    "rank": "the search ends when the order of the operations has not changed, as in DARTS+",
}
CONTROLS = {
    "plain": "the pre-trained backbone as it is",
    "plain_extra": "the backbone trained on for as long as a cell is retrained: is it the cell, or "
    "the extra training?",
    "random": "a cell that nobody searched, retrained like the others: is it the search, or any "
    "cell?",
    "random_search": "the best on val of several random cells, scored alone: what a search must "
    "beat at equal cost",
    "given": "the cell that was given, retrained like the others: what is it worth that a search "
    "may find?",
    "normalisation": "the backbone's normalisation layers alone, trained on",
    "last_block": "the backbone's last decoder block and output layer alone, trained on",
    "decoder": "the backbone's decoder alone, trained on",
    "network": "the whole backbone, trained on",
    "squeeze_excitation": "squeeze and excitation in the cells' place: is it the cell, or any "
    "module?",
    "attention_gate": "an attention gate in the cells' place",
    "spatial_channel": "attention over channels and pixels (scSE) in the cells' place",
    "convolution": "a plain 3 x 3 convolution in the cells' place, with as many parameters as a "
    "cell has on average",
}


def setup_section(record: RunRecord, tables: Mapping[str, Table]) -> Section:
    """Data, networks, arms, controls and machine."""
    return Section(
        "setup",
        "What was run",
        (
            Facts(tuple(_facts(record))),
            ShownTable("data", tables["data"]),
        ),
    )


def reproduce_section(record: RunRecord) -> Section:
    """How to get the same again."""
    name = record.config.name
    commit = record.environment.get("commit")
    lines = [
        *([f"git checkout {commit.rstrip('+')}"] if commit else []),
        f"distributed-iac sweep {name}/config.yaml     # the run: jobs, checkpoints, results",
        f"distributed-iac report {record.config.folder}     # this page and all tables, again",
    ]
    dirty = (
        ("The source had changes that were not committed when the run was started.",)
        if commit and commit.endswith("+")
        else ()
    )
    return Section(
        "reproduce",
        "How to reproduce it",
        (
            Prose(
                "The run folder holds the resolved configuration. The same configuration with the "
                "same code finds its finished jobs by what they were made from, and runs only what "
                "is missing. Every table here is also in the folder as CSV, Markdown and LaTeX "
                "(tables/), every figure as SVG and PNG (figures/)."
            ),
            *([Listing(dirty)] if dirty else []),
            Code("Commands", "\n".join(lines)),
            Code("config.yaml, as resolved", to_yaml(record.config), "folded"),
        ),
    )


def arm_sentence(settings: PruningSettings) -> str:
    """How an arm searches."""
    text = POLICIES[settings.policy]
    if settings.policy != "js":
        return text
    stability = settings.stability
    return (
        f"{text}: at most {stability.tau:g} bits between windows of {stability.window} epochs, "
        f"{stability.patience} epochs in a row"
    )


def _facts(record: RunRecord) -> Iterator[tuple[str, str]]:
    config = record.config
    yield "Data sets", ", ".join(dataset.name for dataset in config.data)
    if config.also_scored:
        names = ", ".join(dataset.name for dataset in config.also_scored)
        yield "Also scored", f"{names}: what adapting the networks makes them forget"
    yield "Backbones", ", ".join(backbone.key for backbone in config.backbones)
    for arm, settings in config.arms.items():
        yield f"Arm {arm}", arm_sentence(settings)
    for control in config.controls:
        yield f"Control {control}", CONTROLS[control]
    if config.baselines:
        names = ", ".join(baseline.key for baseline in config.baselines)
        yield "Baselines", f"{names}, trained from scratch"
    yield "Seeds", ", ".join(map(str, config.seeds))
    for dataset in config.data:
        if dataset.settings:
            yield f"Settings of {dataset.name}", described(dataset.settings)
    for variant in config.variant_names if config.variants else ():
        said = described(config.variants[variant])
        yield f"Variant {variant}", said or "the run as it is"
    for name, sentence in (
        ("Epochs", _epochs),
        ("Retraining moves", lambda view: view.retrain.unfreeze.replace("_", " ")),
        ("Learning rates of retraining", lambda view: rates_sentence(view.retrain)),
    ):
        yield name, _in_places(config, sentence)
    yield "Scores", "whole patients of the test part, in the geometry of their files; read once"
    yield from _machine(record.environment)


def _epochs(config: RunConfig) -> str:
    tuned = len(config.retrain.rates) > 1
    return (
        f"{config.pretrain.epochs} of pre-training, at most {config.search.epochs} of search, "
        f"{config.retrain.epochs} of retraining" + (" a learning rate" if tuned else "")
    )


def _in_places(config: RunConfig, sentence: Callable[[RunConfig], str]) -> str:
    """What is said of the run; where data sets or variants differ, with who it is about."""
    said: dict[str, list[str]] = {}
    for place, view in config.views.items():
        said.setdefault(sentence(view), []).append(place)
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(f"{', '.join(places)}: {one}" for one, places in said.items())


def _machine(environment: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Of the last start, as it was written down then."""
    if not environment:
        return
    packages = environment.get("packages")
    accelerators = environment.get("accelerators")
    command = environment.get("command")
    yield "Machine", f"{environment['processor']}, {environment['cpus']} cores, driver's"
    if isinstance(accelerators, list) and accelerators:
        yield "Accelerators", ", ".join(accelerators)
    if isinstance(packages, dict):
        versions = ", ".join(f"{name} {version}" for name, version in packages.items() if version)
        yield "Versions", f"Python {environment['python']}, {versions}"
    yield "Code", f"distributed-iac {environment['distributed_iac']}, {environment['commit']}"
    if isinstance(command, list):
        yield "Command", shlex.join(command)
