"""Jobs as trials of the hparams dashboard: what was varied, and what came out.

::

    trial_opening(settings, at), *trial_result(metrics, step, at), trial_closing("done", at)

Every job's run is a session. Its metrics are scalars of the run under ``final/``, so that a
session that is still running has none yet.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from distributed_iac.jobs.job import Job
from distributed_iac.jobs.progress import JobStatus
from distributed_iac.report.tensorboard.protocol import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
    hparams,
    hparams_api,
    hparams_value,
)
from distributed_iac.report.tensorboard.record import Record, scalar

METRICS: Mapping[str, str] = {
    "test_dice": "mean over test patients",
    "test_hd95": "mm, mean over test patients",
    "val_dice": "best epoch; of a search: of its supernet",
    "discrete_val_dice": "of the cell as it was cut, not retrained",
    "confidence": "mean over the edges of a cell, in [0.5, 1]",
    "epochs": "",
    "seconds": "work in all epochs that count",
    "op_evaluations": "operations executed, over all steps",
    "full_epochs": "the same in epochs of the full supernet",
    "cell_parameters": "of all implanted cells",
    "cell_macs": "multiply-accumulates of all implanted cells",
}
"""What a finished job is asked for, and what it means."""

Setting = float | str | bool


class _Kind(NamedTuple):
    """How the dashboard calls a type, and the field of a message that holds it."""

    name: str
    field: str


_KINDS: Mapping[type[Setting], _Kind] = {
    str: _Kind("DATA_TYPE_STRING", "string_value"),
    bool: _Kind("DATA_TYPE_BOOL", "bool_value"),
    float: _Kind("DATA_TYPE_FLOAT64", "number_value"),
}

ABSENT = "-"
"""Of a job without a model or an arm; an empty name could not be chosen on the page."""
ADDRESS = ("backbone", "dataset", "kind", "model", "seed", "variant")
"""Settings that tell one trial from another. TensorBoard shows the first five columns only."""
DECIDES: Mapping[str, Sequence[str]] = {
    "none": (),
    "js": ("importance", "stability", "signal", "js"),
    "schedule": ("importance", "schedule"),
    "rank": ("importance", "rank"),
}
"""Settings of an arm that have a say under its policy."""


def trial_settings(job: Job, arms: Mapping[str, Mapping[str, Any]]) -> dict[str, Setting]:
    """What was varied: the job's address, and how its arm prunes.

    Args:
        job: The job.
        arms: Settings by arm, nested as in a configuration.
    """
    address = {
        "kind": job.kind,
        "dataset": job.dataset,
        "backbone": job.backbone,
        "model": job.name or ABSENT,
        "arm": job.arm or ABSENT,
        "seed": "shared" if job.seed is None else str(job.seed),
    }
    arm = arms.get(job.arm or "", {})
    said = ("policy", *DECIDES[arm["policy"]]) if arm else ()
    return {**address, **dict(_flat("arm", {name: arm[name] for name in said if name in arm}))}


def variant_of(job: Job) -> str:
    """A job's variants, as a setting of its trial."""
    return " and ".join(job.variants) or "shared"


def experiment(trials: Iterable[Mapping[str, Setting]], at: float) -> Record:
    """The columns of the dashboard.

    Args:
        trials: Settings of all jobs; those with one and the same value wherever they have a say
            are no column.
        at: When the sweep began.
    """
    every = list(trials)
    names = sorted({name for trial in every for name in trial})
    infos = []
    for name in names:
        values = sorted({trial[name] for trial in every if name in trial}, key=str)
        if len(values) > 1:
            infos.append(_column(name, values))
    metrics = [
        hparams_api.MetricInfo(
            name=hparams_api.MetricName(tag=f"final/{name}"),
            display_name=name,
            description=description,
        )
        for name, description in METRICS.items()
    ]
    content = hparams_api.Experiment(hparam_infos=infos, metric_infos=metrics, time_created_secs=at)
    return _message(hparams.EXPERIMENT_TAG, at, HParamsPluginData(experiment=content))


def trial_opening(settings: Mapping[str, Setting], at: float) -> Record:
    """A job begins."""
    content = SessionStartInfo(start_time_secs=at)
    for name, value in settings.items():
        setattr(content.hparams[name], _KINDS[type(value)].field, value)
    message = HParamsPluginData(session_start_info=content)
    return _message(hparams.SESSION_START_INFO_TAG, at, message)


def trial_result(metrics: Mapping[str, float | None], step: int, at: float) -> Iterator[Record]:
    """What came out; unknown and undefined numbers are left out."""
    for name in METRICS:
        value = metrics.get(name)
        if value is not None and math.isfinite(value):
            yield scalar(f"final/{name}", step, at, value)


def trial_closing(status: JobStatus, at: float) -> Record:
    """A job is over."""
    name = "STATUS_SUCCESS" if status == "done" else "STATUS_FAILURE"
    content = SessionEndInfo(status=hparams_api.Status.Value(name), end_time_secs=at)
    message = HParamsPluginData(session_end_info=content)
    return _message(hparams.SESSION_END_INFO_TAG, at, message)


def _column(name: str, values: list[Setting]) -> Any:
    """A setting with the values to filter by."""
    types = {type(value) for value in values}
    common = types.pop() if len(types) == 1 else str if str in types else float
    kind = _KINDS[common]
    info = hparams_api.HParamInfo(
        name=name, type=hparams_api.DataType.Value(kind.name), differs=name in ADDRESS
    )
    for value in values:
        info.domain_discrete.values.add(**{kind.field: common(value)})
    return info


def _message(tag: str, at: float, content: HParamsPluginData) -> Record:
    # A message's map has no order of its own; sorted, equal messages are equal bytes.
    plain = content.SerializeToString(deterministic=True)
    return Record(tag, 0, at, plain.hex(), lambda: hparams_value(tag, content))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Setting]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}", inner)
    elif isinstance(value, bool | str):
        yield prefix, value
    elif isinstance(value, int | float):
        yield prefix, float(value)
    elif value is not None:
        yield prefix, json.dumps(value)
