from __future__ import annotations

import copy

import pytest
import torch

from distributed_iac.cell.architecture import ArchitectureParameters, beta_decay
from distributed_iac.cell.structure import CellStructure
from distributed_iac.errors import CheckpointError
from distributed_iac.genotype import OPERATIONS, CellTopology

TOPOLOGY = CellTopology(inputs=2, nodes=3)


@pytest.fixture
def architecture(generator: torch.Generator) -> ArchitectureParameters:
    return ArchitectureParameters(TOPOLOGY, cells=2, generator=generator)


def remove_operation(
    architecture: ArchitectureParameters, cell: int, edge: int, operation: str
) -> None:
    structure = architecture.structures[cell]
    architecture.restrict(cell, structure.without_operation(edge, operation))


def remove_edge(architecture: ArchitectureParameters, cell: int, edge: int) -> None:
    architecture.restrict(cell, architecture.structures[cell].without_edge(edge))


def spread(architecture: ArchitectureParameters) -> None:
    with torch.no_grad():
        for parameter in architecture.parameters():
            parameter.mul_(1000.0)


def pruned(architecture: ArchitectureParameters) -> ArchitectureParameters:
    spread(architecture)
    remove_operation(architecture, 0, 3, "none")
    remove_operation(architecture, 0, 3, "dil_conv_5x5")
    remove_edge(architecture, 0, 4)
    remove_edge(architecture, 1, 0)
    return architecture


def test_the_start_is_small_and_comes_from_the_generator() -> None:
    one, same, other = (
        ArchitectureParameters(CellTopology(2, 4), 1, torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(one.alpha, same.alpha)
    assert torch.equal(one.beta, same.beta)
    assert not torch.equal(one.alpha, other.alpha)
    assert 0.5e-3 < float(one.alpha.detach().std()) < 2e-3


def test_building_leaves_the_global_generator_alone(generator: torch.Generator) -> None:
    before = torch.get_rng_state()
    ArchitectureParameters(TOPOLOGY, 1, generator)
    assert torch.equal(before, torch.get_rng_state())


def test_weights_are_distributions_over_what_is_alive(
    architecture: ArchitectureParameters,
) -> None:
    pruned(architecture)
    operations, edges = architecture.operation_weights(), architecture.edge_weights()
    live_edges = architecture.live.any(-1)
    assert torch.equal(operations > 0, architecture.live)
    assert torch.equal(edges > 0, live_edges)
    torch.testing.assert_close(operations.sum(-1), live_edges.float())
    for target in TOPOLOGY.targets:
        incoming = edges[:, list(TOPOLOGY.incoming(target))]
        torch.testing.assert_close(incoming.sum(-1), torch.ones(2))


def test_weights_of_the_living_are_the_softmax_over_the_living(
    architecture: ArchitectureParameters,
) -> None:
    pruned(architecture)
    live = architecture.live[0, 3]
    expected = torch.softmax(architecture.alpha[0, 3][live], 0)
    torch.testing.assert_close(architecture.operation_weights()[0, 3][live], expected)


def test_gradients_reach_the_living_alone_and_are_finite(
    architecture: ArchitectureParameters,
) -> None:
    pruned(architecture)
    factors = torch.randn(2, len(TOPOLOGY.edges), len(OPERATIONS))
    loss = (architecture.operation_weights() * factors).sum()
    loss = loss + (architecture.edge_weights() * factors[..., 0]).sum()
    alpha, beta = torch.autograd.grad(loss, list(architecture.parameters()))
    assert alpha.isfinite().all()
    assert beta.isfinite().all()
    assert not alpha[~architecture.live].any()
    assert not beta[~architecture.live.any(-1)].any()
    assert alpha[0, 3].any()
    assert beta[0].any()


@pytest.mark.parametrize("decoupled", [False, True], ids=["adam", "adamw"])
def test_an_optimiser_step_leaves_the_dead_and_what_they_would_have_done_behind(
    architecture: ArchitectureParameters, decoupled: bool
) -> None:
    spread(architecture)
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    optimiser = kind(architecture.parameters(), lr=0.1, betas=(0.5, 0.999), weight_decay=0.1)
    factors = torch.randn(2, len(TOPOLOGY.edges), len(OPERATIONS))

    def step(model: ArchitectureParameters, with_: torch.optim.Optimizer) -> None:
        with_.zero_grad()
        loss = (model.operation_weights() * model.edge_weights().unsqueeze(-1) * factors).sum()
        loss.backward()
        with_.step()

    step(architecture, optimiser)
    pruned(architecture)
    architecture.forget_dead(optimiser)
    twin = copy.deepcopy(architecture)
    with torch.no_grad():
        twin.alpha[~twin.live] = 5.0
    twin_optimiser = kind(twin.parameters(), lr=0.1, betas=(0.5, 0.999), weight_decay=0.1)
    twin_optimiser.load_state_dict(copy.deepcopy(optimiser.state_dict()))

    for _ in range(3):
        step(architecture, optimiser)
        step(twin, twin_optimiser)

    live = architecture.live
    assert not architecture.alpha[~live].any()
    assert not architecture.beta[~live.any(-1)].any()
    assert torch.equal(architecture.alpha[live], twin.alpha[live])
    assert torch.equal(architecture.beta, twin.beta)


def test_without_forgetting_momentum_would_move_the_dead(
    architecture: ArchitectureParameters,
) -> None:
    optimiser = torch.optim.Adam(architecture.parameters(), lr=0.1)
    (architecture.operation_weights()[0, 3, 0]).backward()
    optimiser.step()
    remove_operation(architecture, 0, 3, "none")
    architecture.alpha.grad = torch.zeros_like(architecture.alpha)
    optimiser.step()
    assert architecture.alpha[0, 3, 0] != 0


def test_all_of_it_is_in_the_state_dict(architecture: ArchitectureParameters) -> None:
    pruned(architecture)
    fresh = ArchitectureParameters(TOPOLOGY, 2, torch.Generator().manual_seed(99))
    fresh.load_state_dict(architecture.state_dict())
    assert set(architecture.state_dict()) == {"alpha", "beta", "live"}
    assert torch.equal(fresh.alpha, architecture.alpha)
    assert fresh.structures == architecture.structures
    assert torch.equal(fresh.operation_weights(), architecture.operation_weights())


def test_masking_leaves_an_operation_out_for_a_while(
    architecture: ArchitectureParameters,
) -> None:
    spread(architecture)
    before = architecture.operation_weights().detach()
    with architecture.masked(1, 2, "skip_connect"):
        within = architecture.operation_weights().detach()
    assert within[1, 2, 3] == 0
    expected = before[1, 2] / (1 - before[1, 2, 3])
    expected[3] = 0
    torch.testing.assert_close(within[1, 2], expected)
    assert torch.equal(architecture.operation_weights(), before)


def test_masking_ends_with_an_error_too(architecture: ArchitectureParameters) -> None:
    with pytest.raises(RuntimeError, match="diverged"), architecture.masked(0, 0, "none"):
        raise RuntimeError("diverged")
    assert architecture.live.all()


def test_the_last_operation_cannot_be_masked(architecture: ArchitectureParameters) -> None:
    for name in OPERATIONS[1:]:
        remove_operation(architecture, 0, 0, name)
    with pytest.raises(ValueError, match="remove the edge"), architecture.masked(0, 0, "none"):
        pass


def test_what_was_removed_does_not_come_back(architecture: ArchitectureParameters) -> None:
    pruned(architecture)
    with pytest.raises(CheckpointError, match="do not come back"):
        architecture.restrict(0, CellStructure.full(TOPOLOGY))


def test_beta_decay_is_the_mean_over_edges_with_a_choice(
    architecture: ArchitectureParameters,
) -> None:
    pruned(architecture)
    for name in OPERATIONS[1:]:
        remove_operation(architecture, 1, 5, name)
    rows = [
        torch.logsumexp(architecture.alpha[cell, edge][architecture.live[cell, edge]], 0)
        for cell in range(2)
        for edge in range(9)
        if architecture.live[cell, edge].sum() > 1
    ]
    assert len(rows) == 18 - 2 - 1
    decay = beta_decay(architecture)
    torch.testing.assert_close(decay, torch.stack(rows).mean())
    (gradient,) = torch.autograd.grad(decay, [architecture.alpha])
    assert gradient.isfinite().all()
    assert not gradient[~architecture.live].any()
    assert not gradient[1, 5].any()


def test_beta_decay_of_a_decided_architecture_is_zero(generator: torch.Generator) -> None:
    architecture = ArchitectureParameters(CellTopology(1, 1), 1, generator)
    for name in OPERATIONS[1:]:
        remove_operation(architecture, 0, 0, name)
    decay = beta_decay(architecture)
    assert decay == 0
    (gradient,) = torch.autograd.grad(decay, [architecture.alpha])
    assert not gradient.any()
