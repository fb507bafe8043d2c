"""What a job says in words: every pruning decision with its reason, and how it ended.

::

    decision_record(decision, at)
    ending_record(history, kept, step)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distributed_iac.genotype import Genotype
from distributed_iac.pruning.decision import PruneDecision
from distributed_iac.report.tensorboard.record import Record, text
from distributed_iac.run.replay import JobHistory


def decision_record(decision: PruneDecision, at: float) -> Record:
    """A pruning decision as a list."""
    lines = "\n".join(f"* {line}" for line in decision.explain().splitlines())
    markdown = f"**after epoch {decision.epoch}** (policy `{decision.policy}`)\n\n{lines}"
    return text("pruning/decisions", decision.epoch, at, markdown)


def ending_record(
    history: JobHistory, result: Mapping[str, Any], genotype: Genotype | None, step: int, at: float
) -> Record:
    """How a job ended, and what it found.

    Args:
        history: The job; over.
        result: Its ``result.json``; empty if it failed.
        genotype: What a search found.
        step: Its last epoch.
        at: When that was.
    """
    lines = [f"`{history.job.key}` {history.status}"]
    reasons = (history.error, history.stop_reason or result.get("stop_reason"))
    lines += [str(reason) for reason in reasons if reason]
    if genotype is not None:
        described = "\n".join(f"    {line}" for line in genotype.describe().splitlines())
        lines += [f"genotype `{genotype.id}`:", described]
    return text("job/ending", step, at, "\n\n".join(lines))
