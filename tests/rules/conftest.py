"""Simulated searches: scripted importance, and a softmax bandit trained by Adam."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from distributed_iac.genotype import OPERATIONS, CellTopology
from distributed_iac.importance.arrays import FloatArray
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.pruning.decision import PruneDecision
from distributed_iac.pruning.policy import PrunePolicy


def softmax(logits: FloatArray, live: np.ndarray) -> FloatArray:
    """Softmax over the living along the last axis, zero elsewhere."""
    shifted = np.where(live, logits, -np.inf)
    top = np.where(live.any(-1, keepdims=True), shifted.max(-1, keepdims=True), 0.0)
    weights = np.exp(shifted - top)
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def show(
    history: ImportanceHistory, epoch: int, alpha: FloatArray, beta: FloatArray | None = None
) -> ImportanceHistory:
    """Observe an epoch with the logits alpha (S, R, O) and beta (S, R) of its steps."""
    layout = history.layout
    beta = np.zeros(alpha.shape[:2]) if beta is None else beta
    edges = layout.scatter(softmax(layout.gather(beta), history.live_slots))
    return history.observe(epoch, softmax(alpha, history.live_operations), edges)


@dataclass
class Adam:
    """PC-DARTS's architecture optimiser on one array, without weight decay."""

    value: FloatArray
    rate: float
    momentum: float = 0.5
    steps: int = 0
    first: FloatArray = field(init=False)
    second: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.first = np.zeros_like(self.value)
        self.second = np.zeros_like(self.value)

    def step(self, gradient: FloatArray) -> None:
        self.steps += 1
        self.first = self.momentum * self.first + (1 - self.momentum) * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        first = self.first / (1 - self.momentum**self.steps)
        second = self.second / (1 - 0.999**self.steps)
        self.value -= self.rate * first / (np.sqrt(second) + 1e-8)


class Bandit:
    """Ascends the expected reward of softmax policies over operations and over edges.

    The gradient of alpha behind a softmax is ``p * (reward - mean reward)``, as in a supernet
    whose mixed output is a weighted sum; rewards are observed with noise at every step.

    Args:
        rewards: (R, O) of the operations.
        edge_rewards: (R,) of the edges.
        noise: Standard deviation of the observation noise.
        seed: Of the noise.
    """

    def __init__(
        self,
        rewards: FloatArray,
        edge_rewards: FloatArray,
        noise: float = 1.0,
        rate: float = 0.03,
        momentum: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.rewards, self.edge_rewards, self.noise = rewards, edge_rewards, noise
        start = 1e-3 * self.rng.standard_normal(rewards.shape)
        self.alpha = Adam(start, rate, momentum)
        self.beta = Adam(1e-3 * self.rng.standard_normal(edge_rewards.shape), rate, momentum)

    def epoch(self, history: ImportanceHistory, steps: int) -> ImportanceHistory:
        """Train one epoch on what is alive in the history, and show it."""
        layout, alphas, betas = history.layout, [], []
        for _ in range(steps):
            seen = self.rewards + self.noise * self.rng.standard_normal(self.rewards.shape)
            p = softmax(self.alpha.value, history.live_operations)
            self.alpha.step(-p * (seen - (p * seen).sum(-1, keepdims=True)))
            noise = self.noise * self.rng.standard_normal(self.edge_rewards.shape)
            of_node = layout.gather(self.edge_rewards + noise)
            q = softmax(layout.gather(self.beta.value), history.live_slots)
            self.beta.step(layout.scatter(-q * (of_node - (q * of_node).sum(-1, keepdims=True))))
            alphas.append(self.alpha.value.copy())
            betas.append(self.beta.value.copy())
        return show(history, history.epoch + 1, np.array(alphas), np.array(betas))


def search(
    policy: PrunePolicy,
    bandit: Bandit,
    history: ImportanceHistory,
    epochs: int,
    steps: int = 5,
) -> Iterator[tuple[ImportanceHistory, PruneDecision]]:
    """Every epoch's pruned history and decision, until the last epoch or convergence."""
    for _ in range(epochs):
        history = bandit.epoch(history, steps)
        decision = policy.decide(history)
        history = history.prune(decision.removals)
        yield history, decision
        if decision.converged:
            return


@dataclass(frozen=True)
class Simulation:
    """The functions above, for tests that cannot import a conftest."""

    softmax: Callable[..., FloatArray]
    show: Callable[..., ImportanceHistory]
    search: Callable[..., Iterator[tuple[ImportanceHistory, PruneDecision]]]
    Bandit: type[Bandit]


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    return Simulation(softmax, show, search, Bandit)


@pytest.fixture
def start() -> ImportanceHistory:
    """One cell of the usual 14 edges, nothing seen."""
    return ImportanceHistory.start(CellTopology())


@pytest.fixture
def clear_rewards() -> tuple[FloatArray, FloatArray]:
    """One cell in which every order is clear: rewards apart by 2, shuffled on each edge."""
    rng = np.random.default_rng(5)
    ladder = np.tile(2.0 * np.arange(len(OPERATIONS)), (14, 1))
    return rng.permuted(ladder, axis=1), 2.0 * rng.permutation(14)
