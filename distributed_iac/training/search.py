"""The search for a cell: bilevel training, importance, pruning; one epoch a step.

::

    stage = SearchStage(network, store, scheme, search, batches, pruning, seed=0, device=device)
    while not stage.done:
        report = stage.step()
        if report["converged"]:
            break                       # the scheduler's decision, not the stage's
    Genotype.from_json(report["genotype"])

The order of an epoch: (1) train on ``weights`` and, after the warm-up, ``architecture`` patients;
(2) score on ``val``; (3) show the epoch's importance to the policy; (4) prune what it names,
modules and optimiser state together, so that the next epoch is cheaper; operations that are left
may get more channels.

Every epoch's report holds the genotype as it would be cut now, because whoever stops the stage
gets no further report.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distributed_iac.cell.implant import SearchNetwork
from distributed_iac.cell.structure import CellStructure, full_epoch_equivalents
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.pruning import PruningSettings
from distributed_iac.config.training import SearchSettings
from distributed_iac.data.batches.loader import Batches, CaseSource
from distributed_iac.data.contract import LabelScheme
from distributed_iac.errors import NumericalError
from distributed_iac.genotype import OPERATIONS, Genotype
from distributed_iac.importance.arrays import FloatArray, floats
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.measures import perturbation, ranking
from distributed_iac.pruning.decision import PruneDecision
from distributed_iac.pruning.discretise import Discretisation, discretise
from distributed_iac.pruning.policy import PrunePolicy, policy_from
from distributed_iac.stability import assess
from distributed_iac.training.bilevel import Bilevel
from distributed_iac.training.device import lay_out
from distributed_iac.training.epoch_stage import EpochStage
from distributed_iac.training.epochs import Ending
from distributed_iac.training.features import FeatureCache, Part
from distributed_iac.training.memory import OutOfMemoryError
from distributed_iac.training.optimisers import schedule_factor, set_rate_factor
from distributed_iac.training.stage import Scalar, StepReport


class SearchStage(EpochStage):
    """A PC-DARTS search with progressive pruning in a frozen backbone.

    Args:
        network: The backbone with supernet cells; changed in place.
        source: Prepared slices with the parts ``weights``, ``architecture`` and ``val``.
        scheme: Meaning of their label values.
        settings: Epochs, warm-up, optimisers.
        batches: Batch size, steps an epoch, augmentation.
        pruning: The arm: when to prune what, and when the search has converged.
        seed: Of the batches; initial weights come with the network.
        device: Where to search.
        policy: What prunes instead of the policy that ``pruning`` names.
    """

    network: SearchNetwork

    def __init__(
        self,
        network: SearchNetwork,
        source: CaseSource,
        scheme: LabelScheme,
        settings: SearchSettings,
        batches: BatchSettings,
        pruning: PruningSettings,
        *,
        seed: int,
        device: torch.device,
        policy: PrunePolicy | None = None,
    ) -> None:
        super().__init__(network, source, scheme, settings, batches, seed=seed, device=device)
        lay_out(network.backbone, device)
        self.settings = settings
        self.decisions: list[PruneDecision] = []
        self._pruning = pruning
        self._policy = policy or policy_from(pruning)
        self.features = FeatureCache(
            network.encode, _unchanging(source, batches), int(settings.feature_cache * 2**30)
        )
        self._bilevel = Bilevel(
            network, self._coder, settings, batches.batch_size, device, self.features
        )
        self.history = ImportanceHistory.start(
            network.architecture.topology,
            network.architecture.cells,
            momentum=settings.architecture_momentum,
            candidates=network.candidates,
        )
        self._weight_batches = Batches(source, ["weights"], batches, seed=seed, device=device)
        self._architecture_batches = Batches(
            source, ["architecture"], batches, seed=seed, device=device
        )
        self._ranked: FloatArray | None = None
        self._op_evaluations = 0

    def step(self) -> StepReport:
        """Search one epoch."""
        self._require_open()
        losses, dice, decision = _NO_LOSSES, None, None
        searching = self._epoch >= self.settings.warmup_epochs
        try:
            losses, samples = self._train(searching)
            if searching:
                self._observe(samples)
        except OutOfMemoryError as error:
            self.ending = Ending("out_of_memory", error.message)
        except NumericalError as error:
            self.ending = Ending("diverged", f"{error.message} ({error.came})")
        self._epoch += 1
        if self.ending is None:
            dice = self._validate() if self._validates() else None
            decision = self._prune() if searching else None
            if self._epoch >= self.epochs:
                self.ending = Ending("all_epochs", f"all {self.epochs} epochs")
        return self._report(losses, dice, decision)

    def _train(self, searching: bool) -> tuple[dict[str, Scalar], list[tuple[Tensor, Tensor]]]:
        """Train one epoch, alternating between architecture (after the warm-up) and weights.

        Returns:
            Mean losses, and the importance after every architecture step.
        """
        factor = schedule_factor(self.settings.schedule, self._epoch, self.epochs)
        set_rate_factor(self._bilevel.weight_optimiser, factor)
        steps = self._weight_batches.steps_per_epoch
        weight_loss = torch.zeros((), device=self._device)
        architecture_loss = torch.zeros((), device=self._device)
        samples: list[tuple[Tensor, Tensor]] = []
        self.network.train()
        with self._randomness():
            for _ in range(steps):
                if searching:
                    batch = next(self._architecture_batches)
                    architecture_loss += self._bilevel.architecture_step(batch)
                    samples.append(self._importance())
                weight_loss += self._bilevel.weight_step(next(self._weight_batches))
        self._op_evaluations += self.network.op_evaluations * steps * (2 if searching else 1)
        losses: dict[str, Scalar] = {
            "weight_loss": _finite(weight_loss / steps, "the weight loss"),
            "architecture_loss": _finite(architecture_loss / steps, "the architecture loss")
            if searching
            else None,
        }
        return losses, samples

    def _importance(self) -> tuple[Tensor, Tensor]:
        """Weights of operations and edges now, left on the device: no waiting inside a step."""
        architecture = self.network.architecture
        with torch.no_grad():
            return architecture.operation_weights(), architecture.edge_weights()

    def _observe(self, samples: list[tuple[Tensor, Tensor]]) -> None:
        operations = torch.stack([one for one, _ in samples]).flatten(1, 2)
        edges = torch.stack([one for _, one in samples]).flatten(1, 2)
        self.history = self.history.observe(
            self._epoch + 1, operations.double().cpu().numpy(), edges.double().cpu().numpy()
        )

    def _score(self) -> float:
        return self._dice(lambda batch: self.network.decode(self.features(batch)))

    def _validate(self) -> float:
        dice = self._score()
        self.best.offer(dice, self._epoch, self.network.search_state())
        return dice

    def _prune(self) -> PruneDecision:
        """Ask the policy, and take out what it names."""
        self._ranked = self._ranking()
        decision = self._policy.decide(self.history, self._ranked)
        if decision.removals:
            self.history = self.history.prune(decision.removals)
            self.network.restrict(self._structures())
            self._bilevel.follow(self.network.relax())
        if decision.says_something:
            self.decisions.append(decision)
        return decision

    def _ranking(self) -> FloatArray | None:
        """What operations are ranked by, where that is not simply their mixture weight."""
        measure, window = self._pruning.importance, self._pruning.stability.window
        if measure == "softmax":
            return None
        perturbed = self._perturbed() if measure == "perturbation" else None
        return ranking(self.history, measure, window, perturbed)

    def _perturbed(self) -> FloatArray:
        """Importance as the drop of the val Dice with one operation masked (DARTS-PT).

        Measured where a choice may be made now, one validation for each live operation: on
        stable edges, and in the last epoch on all. Elsewhere it is the mixture weight.
        """
        live = self.history.live_operations
        stability = assess(self.history, self._pruning.stability)
        rows = stability.stable if self._epoch < self.epochs else self.history.live_edges
        open_rows = rows & (live.sum(axis=1) > 1)
        scores = np.zeros(live.shape)
        for row, column in np.argwhere(live & open_rows[:, None]):
            cell, edge = self.history.layout.place(int(row))
            with self.network.architecture.masked(cell, edge, OPERATIONS[column]):
                scores[row, column] = self._score()
        measured = perturbation(scores, self._score(), live)
        return np.where(open_rows[:, None], measured, stability.weights)

    def _structures(self) -> tuple[CellStructure, ...]:
        """What the history says is alive, a structure for each cell."""
        topology = self.history.topology
        masks = self.history.live_operations.reshape(-1, len(topology.edges), len(OPERATIONS))
        return tuple(CellStructure.from_mask(topology, mask) for mask in masks)

    def discretise(self) -> Discretisation:
        """The discrete cell as it would be cut now.

        Raises:
            ConfigError: Nothing has been observed yet (warm-up).
        """
        by_validation = self._pruning.importance == "perturbation"
        return discretise(
            self.history,
            self.network.scope,
            signal=self._pruning.signal,
            importance=self._ranked if by_validation else None,
        )

    def cut_dice(self, genotype: Genotype) -> float:
        """Dice of the val patients with the cell as it would be cut now, without training.

        The supernet keeps its own weights and loses every edge and operation that the genotype
        does not have, as if a policy had pruned them: an operation that is left alone on its edge
        then weighs 1, and the kept edges of a node share their weight as softmax(beta) says. The
        partial channels stay as they were searched. Our choice: it is cheap, it needs no new
        weights, and it charges a search for the gap between its mixture and the cell that is cut
        from it, which the mixture's own Dice hides.

        Args:
            genotype: Of :meth:`discretise`.

        Returns:
            Mean over targets of the mean over ``val`` cases, in [0, 1]; NaN without any target.
        """
        backbone = self.network.backbone
        cut = copy.deepcopy(self.network, {id(backbone): backbone}).eval()
        cut.restrict([CellStructure.of_cell(cell) for cell in genotype.cells])
        return self._dice(lambda batch: cut.decode(self.features(batch)))

    def _report(
        self, losses: Mapping[str, Scalar], dice: float | None, decision: PruneDecision | None
    ) -> StepReport:
        values: dict[str, Scalar] = {
            "epoch": self._epoch,
            **losses,
            "val_dice": dice,
            "best_val_dice": self.best.score if self.best.state else None,
            "best_epoch": self.best.epoch,
            "op_evaluations": self._op_evaluations,
            "full_epochs": self._full_epochs(),
            "batch_parts": self._bilevel.splitter.parts,
            "partial_channels": self.network.partial_channels,
            "done": self.done,
        }
        payload: dict[str, Any] = {}
        if self.history.observed:
            values |= self._verdict(decision, validated=dice is not None)
            payload = {
                "operations": self.history.epochs[-1].operations,
                "edges": self.history.epochs[-1].edges,
                "decision": decision,
            }
        converged = decision.converged if decision is not None else None
        reason = self.reason or (converged.reason if converged else None)
        return StepReport({**values, "converged": converged is not None, "reason": reason}, payload)

    def _verdict(self, decision: PruneDecision | None, validated: bool) -> dict[str, Scalar]:
        """Stability, what was pruned, and the cell as it stands."""
        stability = assess(self.history, self._pruning.stability)
        cut = self.discretise()
        return {
            "cut_val_dice": self.cut_dice(cut.genotype) if validated else None,
            **stability.scalars(),
            "removals": len(decision.removals) if decision is not None else 0,
            "genotype": cut.genotype.to_json(),
            "genotype_id": cut.genotype.id,
            "verdict": cut.distinction.verdict,
            "collapsed": all(cell.is_parameter_free for cell in cut.genotype.cells),
        }

    def _full_epochs(self) -> float:
        """Operations evaluated so far, in units of one epoch of the full search."""
        steps = 2 * self._weight_batches.steps_per_epoch * self.network.cells_per_architecture
        return full_epoch_equivalents(self._op_evaluations, self.history.layout.rows, steps)

    def state_dict(self) -> dict[str, Any]:
        """Network, what is alive, optimisers, batches, importance history, decisions, best."""
        return {
            **self._standing(),
            "op_evaluations": self._op_evaluations,
            "batch_parts": self._bilevel.splitter.parts,
            "decisions": [one.to_dict() for one in self.decisions],
            "history": self.history.to_state(),
            "network": self.network.search_state(),
            "bilevel": self._bilevel.state_dict(),
            "weight_batches": self._weight_batches.state_dict(),
            "architecture_batches": self._architecture_batches.state_dict(),
            "ranked": None if self._ranked is None else self._ranked.tolist(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`; what was pruned there is pruned here first."""
        self.history = ImportanceHistory.from_state(state["history"])
        self.network.restrict(self._structures())
        self._bilevel.follow(self.network.relax())
        self.network.load_search_state(state["network"])
        self._bilevel.load_state_dict(state["bilevel"])
        self._bilevel.splitter.parts = int(state["batch_parts"])
        self._weight_batches.load_state_dict(state["weight_batches"])
        self._architecture_batches.load_state_dict(state["architecture_batches"])
        self.decisions = [PruneDecision.from_dict(one) for one in state["decisions"]]
        self._ranked = None if state["ranked"] is None else floats(state["ranked"])
        self._op_evaluations = int(state["op_evaluations"])
        self._stand(state)


_NO_LOSSES: Mapping[str, Scalar] = {"weight_loss": None, "architecture_loss": None}


def _unchanging(source: CaseSource, batches: BatchSettings) -> list[Part]:
    """The slices that are the same whenever they are read, most useful first."""
    parts = [Part("val", source.rows("val"), batches.batch_size)]
    if batches.augmentation == "none":
        parts += [Part(name, source.rows(name)) for name in ("weights", "architecture")]
    return parts


def _finite(value: Tensor, name: str) -> float:
    """The number, or an error that says which one is not finite."""
    number = float(value)
    if not math.isfinite(number):
        raise NumericalError(f"{name} must be finite", came=number, remedy=_LOWER_RATES)
    return number


_LOWER_RATES = "lower search.weights.learning_rate or search.architecture.learning_rate"
