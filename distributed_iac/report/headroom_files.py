"""What a headroom run leaves in its folder, and how the report of its sweep finds it.

::

    print(write_headroom(Path("runs/acdc-headroom")))   # headroom.json, .txt, .svg, .png
    stored_headroom(Path("runs/acdc"), config, replay)  # of the same configuration, by group
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from distributed_iac.config.backbone import BackboneSettings
from distributed_iac.config.base import to_identity
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.headroom import BESIDE
from distributed_iac.config.run import RunConfig
from distributed_iac.data.store.identity import content_key
from distributed_iac.errors import RunError
from distributed_iac.files import MALFORMED, json_text, write_atomically
from distributed_iac.headroom.answer import ASSUMPTIONS, answer, told
from distributed_iac.headroom.measured import Headroom, Trial, measure
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.settings import settings_of, view_for
from distributed_iac.report.drawing import render
from distributed_iac.report.headroom_figure import headroom_figure
from distributed_iac.report.headroom_trials import read_trials
from distributed_iac.run.collect import collect_run
from distributed_iac.run.replay import Replay
from distributed_iac.run.run_folder import stored_config
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.transient import patiently
from distributed_iac.versions import RUN, require_version, versioned

FILE = "headroom.json"


@dataclass(frozen=True)
class StoredHeadroom:
    """What a headroom run said of a group.

    Args:
        code: Of its answer.
        sentences: All that was measured; the answer comes last.
        figures: The numbers, as in :class:`~distributed_iac.headroom.measured.Headroom`.
    """

    code: str
    sentences: tuple[str, ...]
    figures: Mapping[str, Any]


def write_headroom(folder: Path) -> str:
    """Measure what has been trained so far, and write it down.

    Args:
        folder: Of a headroom run.

    Returns:
        What ``headroom.txt`` says.

    Raises:
        RunError: It is not the folder of a headroom run.
        CheckpointError: A kept result is damaged.
        OSError: Disk full or folder unwritable.
    """
    config = stored_config(folder)
    if config.question != "headroom":
        raise RunError(
            "headroom is measured in a run of its own", came="that of a comparison", where=folder
        )
    with SweepFolder(folder).reporting():
        tables = collect_run(folder)
        trials = list(read_trials(config, tables.folders))
        found = [measure(trial, config.comparison) for trial in trials]
        text = _text(found)
        drawing = render(headroom_figure(trials), "headroom")
        write_atomically(folder / "headroom.txt", text.encode())
        write_atomically(folder / "headroom.svg", drawing.svg)
        write_atomically(folder / "headroom.png", drawing.png)
        write_atomically(
            folder / FILE, json_text(_plain(config, tables.replay, trials, found)).encode()
        )
    return f"{text}\n{folder / 'headroom.png'} shows every training; {FILE} has the numbers.\n"


def stored_headroom(folder: Path, config: RunConfig, replay: Replay) -> dict[str, StoredHeadroom]:
    """What the headroom run beside a run says of the same settings, by group.

    Args:
        folder: Of the run, or of a headroom run itself.
        config: The run. Groups whose cells would be trained otherwise are left out.
        replay: Of its journal. Groups of which both runs have a job, and another one, such as of a
            store that was made anew since, are left out.

    Raises:
        RunError: The file is damaged, or of a newer release.
    """
    asked = folder if config.question == "headroom" else folder.with_name(folder.name + BESIDE)
    path = asked / FILE
    if not path.is_file():
        return {}
    try:
        content = json.loads(patiently(path.read_bytes))
        require_version(RUN, content, path)
        stored = {
            one["group"]: (
                one["identity"],
                StoredHeadroom(
                    one["answer"]["code"], tuple(one["sentences"]), dict(one["figures"])
                ),
            )
            for one in content["groups"]
        }
        theirs = dict(content.get("jobs", {}))
    except (OSError, *MALFORMED) as error:
        raise RunError(
            "what is said of the headroom must be readable",
            came=f"{type(error).__name__}: {error}",
            remedy="give `distributed-iac headroom` again, its trainings are kept; or delete it",
            where=path,
        ) from error
    wanted, ours = _identities(config), _digests(replay)
    other = {job for job, digest in theirs.items() if ours.get(job, digest) != digest}
    return {
        group: replace(said, sentences=(*_asked_of_another(said, config), *said.sentences))
        for group, (identity, said) in stored.items()
        if wanted.get(group) == identity and not any(_is_of(job, group) for job in other)
    }


def _asked_of_another(said: StoredHeadroom, config: RunConfig) -> Iterator[str]:
    """What its words rest on and has changed since, if anything; its trainings are the same."""
    comparison = config.comparison
    now = {
        "margin": ("comparison.dice_margin", comparison.dice_margin),
        "few": ("comparison.random_cells", comparison.random_cells),
        "confidence": ("comparison.confidence", comparison.confidence),
        "planned_seeds": ("number of seeds", len(config.seeds)),
    }
    other = [
        f"{name} {said.figures[key]}, now {value}"
        for key, (name, value) in now.items()
        if said.figures.get(key, value) != value
    ]
    if other:
        yield f"This was said with {'; '.join(other)}: `distributed-iac headroom` says it anew."


def _digests(replay: Replay) -> dict[str, str]:
    """Of finished stores and retrainings that all variants share, if there are any, by address."""
    return {
        one.job.address: one.digest
        for one in replay.jobs.values()
        if one.job.kind in ("prepare", "retrain")
        and one.status == "done"
        and one.digest is not None
        and not one.job.variants
    }


def _is_of(address: str, group: str) -> bool:
    """Whether a job is one of a group, or prepares its data."""
    return address.startswith(f"{group}/") or address == f"{group.split('/')[0]}/prepare"


def _text(found: list[Headroom]) -> str:
    """For people: group by group, then what all of it rests on."""
    lines = []
    for one in found:
        lines += [one.group, *(f"  {sentence}" for sentence in told(one)), ""]
    return "\n".join(
        [*lines, "A Dice point is 0.01 of Dice; intervals in brackets. Taken for granted:",
         *(f"  - {one}" for one in ASSUMPTIONS), ""]
    )  # fmt: skip


def _plain(
    config: RunConfig, replay: Replay, trials: list[Trial], found: list[Headroom]
) -> dict[str, Any]:
    identities = _identities(config)
    groups = [
        {
            "group": one.group,
            "identity": identities[one.group],
            "answer": asdict(answer(one)),
            "sentences": list(told(one)),
            "figures": asdict(one),
            "cells": trial.cells,
            "seeds": trial.seeds,
            "val_dice": [[None if np.isnan(x) else x for x in row] for row in trial.val_dice],
        }
        for trial, one in zip(trials, found, strict=True)
    ]
    return versioned(RUN, {"assumptions": ASSUMPTIONS, "groups": groups, "jobs": _digests(replay)})


def _identities(config: RunConfig) -> dict[str, str]:
    """What decides how the random cells of each group are trained, by group."""
    run = config.headroom_run()
    return {
        f"{dataset.name}/{backbone.key}": _identity(run, dataset, backbone)
        for dataset in run.data
        for backbone in run.backbones
    }


def _identity(run: RunConfig, dataset: DatasetSettings, backbone: BackboneSettings) -> str:
    job = Job("retrain", dataset.name, backbone.key, "random", 0)
    view = view_for(run, job)
    settings = settings_of(view, job)
    before = None if backbone.is_trained else to_identity(view.pretrain)
    return content_key(to_identity(dataset), to_identity(backbone), before, settings)
