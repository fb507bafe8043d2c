"""Train the same model once with each of a few learning rates; the best on val is kept.

::

    stage = RatesStage(lambda rate: group.retrain_stage(..., rate), settings.rates)
    while not stage.done:
        report = stage.step()            # epochs count on over all rates
    stage.best.state, stage.rate         # of the best epoch of all, and the rate that reached it

One job tries them all: what a rate costs is then counted where it arises, and no result depends on
another job's. Each rate starts from the same weights and sees the same batches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from distributed_iac.training.best import Best
from distributed_iac.training.epochs import FAILURES, Ended, Ending
from distributed_iac.training.stage import StepReport
from distributed_iac.training.supervised import SupervisedStage


class RatesStage(Ended):
    """Supervised training with each rate in turn, one epoch a step.

    A rate with which training diverges, or does not fit into memory, is out; only if all are, the
    stage has failed.

    Args:
        build: Makes the stage of a rate, from the start.
        rates: As they are handed to ``build``; at least one.
    """

    def __init__(self, build: Callable[[float], SupervisedStage], rates: Sequence[float]) -> None:
        super().__init__()
        self._build, self._rates = build, tuple(rates)
        self._kept, self._kept_rate = Best(), self._rates[0]
        self._place, self._before = 0, 0
        self._scores: list[float | None] = []
        self._stage = build(self._rates[0])

    @property
    def network(self) -> nn.Module:
        """The network that is being trained, or was last."""
        return self._stage.network

    @property
    def best(self) -> Best:
        """The best epoch of all rates; its number counts over all of them, as :attr:`epoch`."""
        own = self._stage.best
        if not self._is_ahead():
            return self._kept
        return Best(own.score, self._before + own.epoch, own.waited, own.state)

    @property
    def rate(self) -> float:
        """The rate that reached the best epoch."""
        return self._rates[self._place] if self._is_ahead() else self._kept_rate

    @property
    def epoch(self) -> int:
        """Epochs finished, over all rates."""
        return self._before + self._stage.epoch

    @property
    def epochs(self) -> int:
        """Epochs at the most, over all rates."""
        return self._before + self._stage.epochs * (len(self._rates) - self._place)

    @property
    def scores(self) -> str:
        """Best val Dice of each rate that has been tried, as JSON; null where it failed."""
        return json.dumps(
            {f"{rate:g}": score for rate, score in zip(self._rates, self._scores, strict=False)}
        )

    def step(self) -> StepReport:
        """Train one epoch with the rate whose turn it is, and score it."""
        if self._stage.done:
            self._next()
        report = self._stage.step()
        values = {**report.values, "epoch": self.epoch, "rate": self._rates[self._place]}
        if self._stage.done:
            self._conclude()
        best = self.best
        values |= {"best_val_dice": best.score if best.state else None, "best_epoch": best.epoch}
        return StepReport({**values, "done": self.done, "reason": self.reason}, report.payload)

    def _is_ahead(self) -> bool:
        """Whether the rate whose turn it is has done better than all before it."""
        own, ending = self._stage.best, self._stage.ending
        failed = ending is not None and ending.code in FAILURES
        return (
            bool(own.state)
            and not failed
            and (not self._kept.state or own.score > self._kept.score)
        )

    def _next(self) -> None:
        self._kept, self._kept_rate = self.best, self.rate
        self._before += self._stage.epoch
        self._place += 1
        self._stage = self._build(self._rates[self._place])

    def _conclude(self) -> None:
        """A rate has been tried; was it the last?"""
        ending, tried = self._stage.ending, len(self._rates)
        assert ending is not None
        self._scores.append(None if ending.code in FAILURES else self._stage.best.score)
        if len(self._scores) == tried:
            worked = tried > 1 and bool(self.best.state)
            everything = Ending("all_epochs", f"all {tried} rates, the last: {ending}")
            self.ending = everything if worked else ending

    def state_dict(self) -> dict[str, Any]:
        """The stage of the present rate, and the best of those before."""
        return {
            "place": self._place,
            "before": self._before,
            "scores": list(self._scores),
            "ending": None if self.ending is None else self.ending.to_state(),
            "kept": self._kept.state_dict(),
            "kept_rate": self._kept_rate,
            "stage": self._stage.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._place, self._before = int(state["place"]), int(state["before"])
        self._scores, self._kept_rate = list(state["scores"]), float(state["kept_rate"])
        self.ending = Ending.from_state(state)
        self._kept = Best.from_state(state["kept"])
        if self._place:
            self._stage = self._build(self._rates[self._place])
        self._stage.load_state_dict(state["stage"])
