"""The fast cell against the plain one: outputs, gradients and statistics, at every pruning."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.oracle_cell import OracleCell
from distributed_iac.cell.search_cell import SearchCell, SearchCellShape, channel_shuffle
from distributed_iac.cell.structure import CellStructure
from distributed_iac.cell.supernet import SupernetCell
from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.genotype import OPERATIONS, CellTopology

Prune = Callable[[CellStructure, torch.Generator], CellStructure]
EXACT = 1e-10


def shape(inputs: int = 2, nodes: int = 2, k: int = 2, width: int = 8) -> SearchCellShape:
    return SearchCellShape(CellTopology(inputs, nodes), (6, 5)[:inputs], width, k)


def pair(of: SearchCellShape) -> tuple[SupernetCell, OracleCell]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        fast, plain = SupernetCell(of).double(), OracleCell(of).double()
    plain.load_state_dict(fast.state_dict())
    return fast, plain


class Pass:
    """One forward and backward pass of a cell on fixed inputs."""

    def __init__(self, cell: SearchCell, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)

        def random(*size: int) -> Tensor:
            return torch.rand(*size, generator=generator, dtype=torch.float64) - 0.3

        edges = len(cell.shape.topology.edges)
        inputs = [random(2, n, 5, 6).requires_grad_() for n in cell.shape.in_channels]
        self.weights = [
            random(edges, len(OPERATIONS)).requires_grad_(),
            random(edges).requires_grad_(),
        ]
        self.output = cell(inputs, *self.weights)
        self.names = [name for name, _ in cell.named_parameters()]
        self.gradients = torch.autograd.grad(
            self.output,
            [*self.weights, *inputs, *cell.parameters()],
            random(*self.output.shape),
            materialize_grads=True,
        )


def assert_equal_passes(fast: SearchCell, plain: SearchCell, seed: int) -> None:
    ours, theirs = Pass(fast, seed), Pass(plain, seed)
    assert ours.names == theirs.names
    torch.testing.assert_close(ours.output, theirs.output, atol=EXACT, rtol=0)
    for one, other in zip(ours.gradients, theirs.gradients, strict=True):
        torch.testing.assert_close(one, other, atol=EXACT, rtol=EXACT)


def assert_equal_states(fast: SearchCell, plain: SearchCell) -> None:
    ours, theirs = fast.state_dict(), plain.state_dict()
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=EXACT, rtol=0)


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("inputs", [1, 2])
def test_equals_the_oracle(inputs: int, k: int) -> None:
    fast, plain = pair(shape(inputs, nodes=3, k=k))
    assert_equal_passes(fast, plain, seed=0)
    assert_equal_states(fast, plain)


def test_equals_the_oracle_where_pointwise_products_are_separate() -> None:
    fast, plain = pair(shape(width=20, k=1))
    assert_equal_passes(fast, plain, seed=0)


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 2), st.integers(1, 3), st.sampled_from([1, 2, 4]), st.integers(0, 2**31 - 1))
def test_equals_the_oracle_at_every_stage_of_pruning(
    prune_once: Prune, inputs: int, nodes: int, k: int, seed: int
) -> None:
    fast, plain = pair(shape(inputs, nodes, k))
    generator = torch.Generator().manual_seed(seed)
    structure = fast.structure
    for _ in range(4):
        for _ in range(max(1, structure.live_operations // 4)):
            if structure.live_operations > nodes:
                structure = prune_once(structure, generator)
        fast.restrict(structure)
        plain.restrict(structure)
        assert_equal_passes(fast, plain, seed)
        assert_equal_states(fast, plain)


@pytest.mark.parametrize("path", [(4, 2, 1), (4, 1), (2, 1)])
def test_equals_the_oracle_at_every_stage_of_relaxation(
    prune_once: Prune, path: tuple[int, ...]
) -> None:
    fast, plain = pair(shape(nodes=2, k=path[0]))
    generator = torch.Generator().manual_seed(5)
    structure = fast.structure
    for stage, k in enumerate(path[1:]):
        while structure.live_operations > 24 // (stage + 1):
            structure = prune_once(structure, generator)
        for cell in (fast, plain):
            cell.restrict(structure)
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(stage)
                growth = cell.relax(k)
        assert growth
        assert_equal_states(fast, plain)
        for seed in range(2):
            assert_equal_passes(fast, plain, seed)
            assert_equal_states(fast, plain)
        assert fast.shape.operation_channels == 8 // k


def test_evaluation_uses_running_statistics_as_the_oracle_does() -> None:
    fast, plain = pair(shape())
    for seed in range(3):
        assert_equal_passes(fast, plain, seed)
    before = {name: value.clone() for name, value in fast.state_dict().items()}
    fast.eval()
    plain.eval()
    assert_equal_passes(fast, plain, seed=3)
    assert all(torch.equal(value, before[name]) for name, value in fast.state_dict().items())
    trained = Pass(fast.train(), 3).output
    assert not torch.allclose(trained, Pass(fast.eval(), 3).output)


def test_a_cell_that_was_evaluated_first_can_be_trained() -> None:
    fast, plain = pair(shape())
    with torch.inference_mode():
        inputs = [torch.randn(2, n, 5, 6, dtype=torch.float64) for n in (6, 5)]
        fast.eval()(inputs, torch.ones(5, 8).double(), torch.ones(5).double())
    assert_equal_passes(fast.train(), plain, seed=0)


@pytest.mark.parametrize("cell", [SupernetCell, OracleCell])
def test_a_pruned_cell_loads_into_a_fresh_one(cell: type[SearchCell], prune_once: Prune) -> None:
    trained = cell(shape()).double()
    structure, generator = trained.structure, torch.Generator().manual_seed(3)
    for _ in range(20):
        structure = prune_once(structure, generator)
    trained.restrict(structure)
    Pass(trained, 0)
    built, restored = cell(shape(), structure).double(), cell(shape()).double()
    restored.restrict(structure)
    for fresh in (built, restored):
        assert list(fresh.state_dict()) == list(trained.state_dict())
        fresh.load_state_dict(trained.state_dict())
        assert torch.equal(Pass(fresh.eval(), 1).output, Pass(trained.eval(), 1).output)


@pytest.mark.parametrize("cell", [SupernetCell, OracleCell])
def test_what_is_removed_is_gone(cell: type[SearchCell]) -> None:
    one = cell(shape())
    before = sum(parameter.numel() for parameter in one.parameters())
    kept = {name: parameter for name, parameter in one.named_parameters() if "0_3" in name}
    one.restrict(one.structure.without_operation(2, "sep_conv_5x5").without_edge(0))
    names = [name for name, _ in one.named_parameters()] + list(one.state_dict())
    assert not any(name.startswith("edges.0_2.") for name in names)
    assert any(name.startswith("edges.0_3.sep_conv_3x3") for name in names)
    assert not any(name.startswith("edges.0_3.sep_conv_5x5") for name in names)
    assert sum(parameter.numel() for parameter in one.parameters()) < before
    after = dict(one.named_parameters())
    assert all(after[name] is kept[name] for name in kept if "sep_conv_5x5" not in name)


def test_an_input_that_nothing_leaves_is_not_projected() -> None:
    fast, plain = pair(shape())
    structure = fast.structure
    for edge in fast.structure.outgoing(1):
        structure = structure.without_edge(edge)
    for cell in (fast, plain):
        cell.restrict(structure)
        assert list(cell.inputs) == ["0"]
        cell.restrict(structure)
    assert_equal_passes(fast, plain, 0)


@pytest.mark.parametrize("cell", [SupernetCell, OracleCell])
def test_what_was_removed_does_not_come_back(cell: type[SearchCell]) -> None:
    one = cell(shape())
    full = one.structure
    one.restrict(full.without_edge(0))
    with pytest.raises(CheckpointError, match="do not come back"):
        one.restrict(full)


@pytest.mark.parametrize("cell", [SupernetCell, OracleCell])
def test_nan_does_not_pass_none(cell: type[SearchCell]) -> None:
    structure = CellStructure.full(CellTopology(2, 2))
    for edge in structure.outgoing(1):
        for name in OPERATIONS[1:]:
            structure = structure.without_operation(edge, name)
    one = cell(shape(k=1), structure)
    weights = torch.rand(5, 8), torch.rand(5)
    broken = [torch.randn(2, 6, 5, 5), torch.full((2, 5, 5, 5), torch.nan)]
    assert one(broken, *weights).isfinite().all()


@pytest.mark.parametrize("cell", [SupernetCell, OracleCell])
@pytest.mark.parametrize("k", [1, 4])
def test_a_node_of_nothing_but_none_is_its_bypass(cell: type[SearchCell], k: int) -> None:
    structure = CellStructure.from_mask(
        CellTopology(1, 1), torch.tensor([[True] + [False] * 7]).numpy()
    )
    one = cell(shape(1, 1, k), structure).eval()
    x = torch.randn(2, 6, 5, 5)
    output = one([x], torch.ones(1, 8), torch.ones(1))
    source = one.inputs["0"](x).clone()
    source[:, : 8 // k] = 0
    torch.testing.assert_close(output, channel_shuffle(source, k))


def test_shuffling_interleaves_the_groups() -> None:
    x = torch.arange(6).view(1, 6, 1, 1)
    assert channel_shuffle(x, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert channel_shuffle(x, 1) is x


def test_a_k_that_does_not_divide_the_width_is_refused() -> None:
    with pytest.raises(ConfigError, match="must divide the cell's width 8") as error:
        shape(width=8, k=3)
    assert error.value.remedy is not None
    assert "1, 2, 4 or 8" in error.value.remedy


def test_reduced_precision_stays_close() -> None:
    fast = SupernetCell(shape(width=16))
    inputs = [torch.randn(2, 6, 9, 8), torch.randn(2, 5, 9, 8)]
    weights = (
        torch.rand(5, 8).requires_grad_(),
        torch.rand(5).requires_grad_(),
    )
    exact = fast(inputs, *weights)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = fast(inputs, *weights)
    gradients = torch.autograd.grad(rounded.float().square().mean(), weights)
    assert (rounded - exact).abs().mean() < 0.05 * exact.abs().mean()
    assert all(gradient.isfinite().all() for gradient in gradients)


def executed(cell: SearchCell) -> int:
    """Convolutions, poolings and normalisations that one pass dispatches."""
    kinds = ("aten::convolution", "aten::max_pool2d", "aten::avg_pool2d", "aten::batch_norm")
    with torch.profiler.profile() as profile:
        Pass(cell, 0)
    return sum(event.name in kinds for event in profile.events())


def test_fewer_kernels_than_the_oracle_and_fewer_after_pruning() -> None:
    fast, plain = pair(shape(nodes=3))
    full = executed(fast)
    assert 2 * full < executed(plain)
    structure = fast.structure
    for edge in structure.edges:
        for name in ("max_pool_3x3", "sep_conv_5x5", "dil_conv_5x5"):
            structure = structure.without_operation(edge, name)
    fast.restrict(structure)
    assert structure.op_evaluations == 4 * len(structure.edges)
    assert executed(fast) < full
