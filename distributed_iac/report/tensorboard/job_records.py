"""All that TensorBoard shows of one job, in the order in which it came to be.

::

    job_records(history, None, settings)             # while it runs: from its reports
    job_records(history, read_job_files(folder), settings)    # finished: from its own files

A pure function, so that the same journal and files always give the same records; those of a job
that runs are the first of those that it has in the end, so that each is written once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from distributed_iac.comparison.pairing import mean_score
from distributed_iac.evaluation.overlay_file import Overlay
from distributed_iac.genotype import Genotype
from distributed_iac.importance.history import EpochImportance
from distributed_iac.importance.layout import Layout
from distributed_iac.pruning.decision import PruneDecision
from distributed_iac.report.cell_drawing import draw_discretisation
from distributed_iac.report.overlay_figure import overlay_figure
from distributed_iac.report.tensorboard.curves import number, scalars
from distributed_iac.report.tensorboard.importance import (
    Dated,
    closing_importance,
    epoch_importance,
    layout_for,
)
from distributed_iac.report.tensorboard.job_files import JobFiles
from distributed_iac.report.tensorboard.pictures import PAPER, rasterise
from distributed_iac.report.tensorboard.record import Record, image, text
from distributed_iac.report.tensorboard.trials import (
    METRICS,
    Setting,
    trial_closing,
    trial_opening,
    trial_result,
)
from distributed_iac.run.cells import SearchResult
from distributed_iac.run.replay import Epoch, JobHistory
from distributed_iac.run.search_payload import decision_of, importance_of, shortened

OVER = ("done", "failed")
"""Statuses of a job of which nothing more is to be expected."""


def job_records(
    history: JobHistory, kept: JobFiles | None, settings: Mapping[str, Setting]
) -> list[Record]:
    """Records of a job that has begun.

    Args:
        history: What the journal says.
        kept: What it left behind; None while it runs, or if it failed.
        settings: Of its trial.
    """
    epochs = history.dated_epochs(None if kept is None else kept.rows)
    records = [trial_opening(settings, _began(history, epochs))]
    dated: list[Dated] = []
    found = _importance(epochs, kept)
    layout = _layout(epochs, kept, found)
    decisions = _decisions(epochs, kept)
    for epoch in epochs:
        records += scalars(epoch)
        if layout is not None and epoch.number in found:
            dated.append(Dated(found[epoch.number], epoch.at))
            records += epoch_importance(layout, dated)
        if epoch.number in decisions:
            records.append(_decision_record(decisions[epoch.number], epoch.at))
    if layout is not None and dated and history.status in OVER:
        records += closing_importance(layout, dated)
    return [*records, *_closing(history, kept, epochs)]


def _closing(
    history: JobHistory, kept: JobFiles | None, epochs: Sequence[Epoch]
) -> Iterator[Record]:
    """Results and last words of a job that is over."""
    if history.status not in OVER or history.ended is None:
        return
    step, at = epochs[-1].number if epochs else 0, history.ended
    search = None if kept is None else kept.search
    if search is not None:
        yield _cell_record(search, step, at)
    if kept is not None and kept.overlays:
        yield _overlay_record(kept.overlays, step, at)
    if kept is not None:
        yield from trial_result(_metrics(kept), step, at)
    result = {} if kept is None else kept.result
    genotype = None if search is None else search.genotype
    yield _ending_record(history, result, genotype, step, at)
    yield trial_closing(history.status, at)


def _cell_record(search: SearchResult, step: int, at: float) -> Record:
    content = repr((search.cell.genotype.to_json(), search.cell.kept))

    def draw() -> bytes:
        return rasterise(draw_discretisation(search.cell, paper=PAPER))

    return image("cell/found", step, at, content, draw)


def _overlay_record(overlays: Sequence[Overlay], step: int, at: float) -> Record:
    content = repr([(one.role, one.case_id, one.slice_number, one.dice) for one in overlays])
    return image(
        "prediction/best_and_worst", step, at, content, lambda: rasterise(overlay_figure(overlays))
    )


def _decision_record(decision: PruneDecision, at: float) -> Record:
    """A pruning decision as a list."""
    lines = "\n".join(f"* {line}" for line in decision.explain().splitlines())
    markdown = f"**after epoch {decision.epoch}** (policy `{decision.policy}`)\n\n{lines}"
    return text("pruning/decisions", decision.epoch, at, markdown)


def _ending_record(
    history: JobHistory, result: Mapping[str, Any], genotype: Genotype | None, step: int, at: float
) -> Record:
    """How a job ended, with its ``result.json`` if it has one, and what a search found."""
    lines = [f"`{history.job.key}` {history.status}"]
    reasons = (history.error, history.stop_reason or result.get("stop_reason"))
    lines += [str(reason) for reason in reasons if reason]
    if genotype is not None:
        described = "\n".join(f"    {line}" for line in genotype.describe().splitlines())
        lines += [f"genotype `{genotype.id}`:", described]
    return text("job/ending", step, at, "\n\n".join(lines))


def _metrics(kept: JobFiles) -> dict[str, float | None]:
    """What the result says, else the last epoch; scores of the test patients."""
    last = (kept.rows or [{}])[-1]
    found: dict[str, float | None] = {}
    for name in METRICS:
        value = number(kept.result.get(name))
        found[name] = number(last.get(name)) if value is None else value
    if kept.patients:
        found["test_dice"] = mean_score(kept.patients, "dice")
        found["test_hd95"] = mean_score(kept.patients, "hd95")
    return found


def _began(history: JobHistory, epochs: Sequence[Epoch]) -> float:
    """When a job began; of one whose result was found already, when it would have."""
    if history.attempts:
        return history.attempts[0].began
    if epochs:
        return epochs[0].at - (number(epochs[0].values.get("seconds")) or 0.0)
    return history.ended or 0.0


def _importance(epochs: Sequence[Epoch], kept: JobFiles | None) -> dict[int, EpochImportance]:
    if kept is not None and kept.search is not None:
        # As reports carry it: then a search that has finished only adds to what was shown.
        return {one.epoch: shortened(one) for one in kept.search.history.epochs}
    reported = (importance_of(epoch.values) for epoch in epochs)
    return {one.epoch: one for one in reported if one is not None}


def _layout(
    epochs: Sequence[Epoch], kept: JobFiles | None, found: Mapping[int, EpochImportance]
) -> Layout | None:
    if kept is not None and kept.search is not None:
        return kept.search.history.layout
    for epoch in reversed(epochs):
        if epoch.number in found and epoch.values.get("genotype"):
            cell = Genotype.from_json(epoch.values["genotype"]).cells[0]
            return layout_for(found[epoch.number], cell.inputs, len(cell.nodes))
    return None


def _decisions(epochs: Sequence[Epoch], kept: JobFiles | None) -> dict[int, PruneDecision]:
    if kept is not None and kept.search is not None:
        return {one.epoch: one for one in kept.decisions}
    reported = (decision_of(epoch.values) for epoch in epochs)
    return {one.epoch: one for one in reported if one is not None}
