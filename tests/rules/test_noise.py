"""What a search that learns nothing may do: never tell operations apart, whatever it prunes.

With the guard ``distinguished`` it prunes nothing either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from distributed_iac.config.pruning import LTH, JsSettings, SignalSettings
from distributed_iac.genotype import CellTopology
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.pruning.discretise import discretise
from distributed_iac.pruning.js import JsPolicy

EPOCHS, STEPS, CELLS = 100, 5, 179
ROWS = CELLS * 14
"""2,506 edges for each of the four kinds of noise: 10,024 in all."""

EARLY = JsPolicy(LTH.stability, LTH.signal, LTH.js)

Noise = Callable[[np.random.Generator], Iterator[np.ndarray]]


def white(rng: np.random.Generator) -> Iterator[np.ndarray]:
    while True:
        yield 0.1 * rng.standard_normal((STEPS, ROWS, 9))


def autoregressive(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Correlation 0.9 from step to step, standard deviation 0.23."""
    state = np.zeros((ROWS, 9))
    while True:
        steps = []
        for _ in range(STEPS):
            state = 0.9 * state + 0.1 * rng.standard_normal(state.shape)
            steps.append(state)
        yield np.array(steps)


def random_walk(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Steps as large as Adam's at 3e-2: logits spread by 0.67 after a hundred epochs."""
    state = np.zeros((ROWS, 9))
    while True:
        steps = state + np.cumsum(0.03 * rng.standard_normal((STEPS, ROWS, 9)), axis=0)
        state = steps[-1]
        yield steps


@pytest.mark.parametrize("noise", [white, autoregressive, random_walk])
def test_at_most_one_percent_of_noisy_edges_ever_lose_anything(simulation, noise: Noise) -> None:
    history = ImportanceHistory.start(CellTopology(), CELLS, momentum=0.0)
    policy, samples = JsPolicy(), noise(np.random.default_rng(11))
    for epoch in range(EPOCHS):
        logits = next(samples)
        history = simulation.show(history, epoch, logits[..., :8], logits[..., 8])
        history = history.prune(policy.decide(history).removals)
    _assert_hardly_touched(history)


@pytest.mark.parametrize("noise", [white, autoregressive])
def test_fluctuation_around_uniform_never_looks_settled(simulation, noise: Noise) -> None:
    """The weaker guard, too, takes noise around a level for what it is; a walk it may not."""
    history = ImportanceHistory.start(CellTopology(), CELLS, momentum=0.0)
    policy = JsPolicy(signal=SignalSettings(guard="settled", min_ratio=1.0))
    samples = noise(np.random.default_rng(13))
    for epoch in range(EPOCHS):
        logits = next(samples)
        history = simulation.show(history, epoch, logits[..., :8], logits[..., 8])
        history = history.prune(policy.decide(history).removals)
    _assert_hardly_touched(history)


def test_an_optimiser_without_signal_prunes_nothing_either(simulation) -> None:
    history = ImportanceHistory.start(CellTopology(), CELLS, momentum=0.5)
    bandit = simulation.Bandit(np.zeros((ROWS, 8)), np.zeros(ROWS), rate=0.03, seed=12)
    policy = JsPolicy(js=JsSettings(keep_fraction=0.0))
    for _ in range(EPOCHS):
        history = bandit.epoch(history, STEPS)
        history = history.prune(policy.decide(history).removals)
    _assert_hardly_touched(history)


def test_whatever_lth_prunes_of_noise_hardly_a_cell_tells_operations_apart(simulation) -> None:
    """It follows chance, as a longer search would; it never says that the data asked for it."""
    history = ImportanceHistory.start(CellTopology(), CELLS, momentum=0.5)
    bandit = simulation.Bandit(np.zeros((ROWS, 8)), np.zeros(ROWS), rate=0.03, seed=15)
    for _ in range(EPOCHS):
        history = bandit.epoch(history, STEPS)
        history = history.prune(EARLY.decide(history).removals)
    assert history.live_operations.sum() < 0.5 * ROWS * 8
    kept = discretise(history, "per_skip").kept
    told = [edge.cell for edge in kept if not edge.undecided]
    assert len(told) <= 0.01 * len(kept)
    assert len(set(told)) <= 0.01 * CELLS


def _assert_hardly_touched(history: ImportanceHistory) -> None:
    """At most 1 % of edges lost an operation, and of nodes an edge."""
    touched = (~history.live_operations & history.live_edges[:, None]).any(axis=1)
    assert touched.mean() <= 0.01
    nodes = history.live_slots != history.layout.real
    assert nodes.any(axis=1).mean() <= 0.01
