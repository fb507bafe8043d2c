from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.oracle_cell import OracleCell
from distributed_iac.cell.implant import DerivedNetwork, SearchNetwork, seeded_by
from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.cell.structure import CellStructure
from distributed_iac.config.cell import CellSettings
from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.genotype import OPERATIONS, Genotype
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.freeze import freeze

Prune = Callable[[CellStructure, torch.Generator], CellStructure]

GENOTYPE = Genotype.shared(
    2,
    [
        [(0, "sep_conv_3x3"), (1, "skip_connect")],
        [(0, "max_pool_3x3"), (2, "dil_conv_5x5")],
    ],
)


def search(
    backbone: Backbone, settings: CellSettings, seed: int = 7, **options: type
) -> SearchNetwork:
    return SearchNetwork(backbone, settings, torch.Generator().manual_seed(seed), **options)


def wake(network: nn.Module) -> None:
    """Let the zero projections speak, so that the cells matter."""
    for name, parameter in network.named_parameters():
        if name.startswith("projections."):
            with torch.no_grad():
                parameter.normal_(generator=torch.Generator().manual_seed(1))


def _draw_and_fail() -> None:
    torch.rand(1)
    raise ConfigError("k must divide the width")


def backbone_state(backbone: Backbone) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in backbone.state_dict().items()}


def assert_unmoved(backbone: Backbone, before: dict[str, Tensor]) -> None:
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("inputs", ["skip", "skip_and_decoder"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_before_the_first_step_a_searched_network_is_the_plain_one_to_the_bit(
    backbone: Backbone, images: Tensor, inputs: str, mode: bool, layout: torch.memory_format
) -> None:
    backbone = backbone.to(memory_format=layout)  # type: ignore[call-overload]
    images = images.contiguous(memory_format=layout)
    plain = backbone(images)
    settings = CellSettings.model_validate({"inputs": inputs, "nodes": 2})
    assert torch.equal(search(backbone, settings).train(mode)(images), plain)


def test_before_the_first_step_a_discrete_network_is_the_plain_one_to_the_bit(
    backbone: Backbone, images: Tensor, settings: CellSettings, generator: torch.Generator
) -> None:
    plain = backbone(images)
    network = DerivedNetwork(backbone, GENOTYPE, settings, generator).eval()
    assert torch.equal(network(images), plain)
    assert torch.equal(network.training_outputs(images)[0], plain)


def test_replacing_the_skip_makes_no_such_promise(
    backbone: Backbone, images: Tensor, generator: torch.Generator
) -> None:
    plain = backbone(images)
    settings = CellSettings(nodes=2, residual="replace")
    for network in (
        search(backbone, settings),
        DerivedNetwork(backbone, GENOTYPE, settings, generator),
    ):
        assert network(images).shape == plain.shape
        assert not torch.allclose(network(images), plain)


def test_training_a_search_does_not_move_the_frozen_backbone(
    backbone: Backbone, images: Tensor, settings: CellSettings
) -> None:
    before = backbone_state(backbone)
    network = search(backbone, settings).train()
    weights = list(network.cell_parameters())
    optimiser = torch.optim.SGD([*weights, *network.architecture_parameters()], lr=0.1)
    for _ in range(3):
        loss = network(images).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert_unmoved(backbone, before)
    assert all(parameter.grad is None for parameter in backbone.parameters())
    assert not any(module.training for module in backbone.modules() if module is not backbone)
    assert all(cell.training for cell in network.cells)


def test_training_changes_the_output_and_reaches_every_weight(
    backbone: Backbone, images: Tensor, settings: CellSettings
) -> None:
    network = search(backbone, settings)
    plain = network(images)
    wake(network)
    assert not torch.allclose(network(images), plain)
    parameters = [*network.cell_parameters(), *network.architecture_parameters()]
    gradients = torch.autograd.grad(network(images).square().mean(), parameters)
    assert all(gradient.any() for gradient in gradients)


def test_an_architecture_step_computes_gradients_of_alpha_and_beta_alone(
    backbone: Backbone, images: Tensor, settings: CellSettings
) -> None:
    network = search(backbone, settings)
    wake(network)
    loss = network(images).square().mean()
    gradients = torch.autograd.grad(loss, list(network.architecture_parameters()))
    assert [gradient.shape for gradient in gradients] == [(1, 5, 8), (1, 5)]
    assert all(gradient.any() for gradient in gradients)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_alpha_and_beta_are_in_the_state_dict_and_all_parameters_are_listed_once(
    backbone: Backbone, settings: CellSettings
) -> None:
    network = search(backbone, settings)
    assert {"architecture.alpha", "architecture.beta", "architecture.live"} <= set(
        network.state_dict()
    )
    listed = [
        *network.cell_parameters(),
        *network.architecture_parameters(),
        *backbone.parameters(),
    ]
    assert len({id(p) for p in listed}) == len(listed) == len(list(network.parameters()))


def test_both_implementations_give_the_same_network(
    backbone: Backbone, images: Tensor, settings: CellSettings
) -> None:
    fast, plain = search(backbone, settings), search(backbone, settings, cell=OracleCell)
    wake(fast)
    wake(plain)
    assert list(fast.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(fast(images), plain(images), atol=1e-4, rtol=1e-4)


def test_equal_generators_build_equal_networks_whatever_the_global_one_does(
    backbone: Backbone, settings: CellSettings
) -> None:
    before = torch.get_rng_state()
    one = search(backbone, settings)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    same, other = search(backbone, settings), search(backbone, settings, seed=8)
    states = [network.search_state() for network in (one, same, other)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert any(not torch.equal(value, states[2][name]) for name, value in states[0].items())
    discrete = [
        DerivedNetwork(backbone, GENOTYPE, settings, torch.Generator().manual_seed(3)).state_dict()
        for _ in range(2)
    ]
    assert all(torch.equal(value, discrete[1][name]) for name, value in discrete[0].items())


def test_seeding_ends_with_an_error_too(generator: torch.Generator) -> None:
    before = torch.get_rng_state()
    with pytest.raises(ConfigError, match="k must divide"), seeded_by(generator):
        _draw_and_fail()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_pruned_search_is_continued_by_a_fresh_network_to_the_bit(
    backbone: Backbone,
    images: Tensor,
    settings: CellSettings,
    prune_once: Prune,
    generator: torch.Generator,
) -> None:
    network = search(backbone, settings)
    wake(network)
    (structure,) = network.architecture.structures
    for _ in range(15):
        structure = prune_once(structure, generator)
    network.restrict([structure])
    network(images)
    fresh = search(backbone, settings, seed=99)
    fresh.load_search_state(network.search_state())
    assert fresh.architecture.structures == (structure,)
    assert list(fresh.state_dict()) == list(network.state_dict())
    assert torch.equal(fresh(images), network(images))
    with pytest.raises(CheckpointError, match="do not come back"):
        network.load_search_state(search(backbone, settings).search_state())


def test_a_relaxed_search_is_continued_by_a_fresh_network_to_the_bit(
    backbone: Backbone, images: Tensor, prune_once: Prune
) -> None:
    steps = ({"alive": 0.6, "partial_channels": 2}, {"alive": 0.3, "partial_channels": 1})
    relaxing = CellSettings.model_validate(
        {"nodes": 2, "partial_channels": 4, "relax_partial_channels": steps}
    )
    network, twin = (search(backbone, relaxing) for _ in range(2))
    wake(network)
    twin.load_search_state(network.search_state())
    generator = torch.Generator().manual_seed(0)
    structure, seen = network.architecture.structures[0], [4]
    while structure.live_operations > 4:
        structure = prune_once(structure, generator)
        for one in (network, twin):
            torch.rand(3)  # What is drawn elsewhere makes no difference.
            one.restrict([structure])
            growth = one.relax()
        if growth:
            seen.append(network.partial_channels)
            assert {id(one.new) for one in growth} <= {id(p) for p in twin.cell_parameters()}
            fresh = search(backbone, relaxing)
            fresh.load_search_state(network.search_state())
            assert torch.equal(fresh.eval()(images), network.eval()(images))
    assert seen == [4, 2, 1]
    assert torch.equal(twin.eval()(images), network.eval()(images))


def test_search_state_leaves_the_frozen_backbone_out(
    backbone: Backbone, settings: CellSettings
) -> None:
    names = set(search(backbone, settings).search_state())
    assert names
    assert not any(name.startswith("backbone.") for name in names)


def test_pruning_makes_the_network_smaller_in_architecture_and_every_cell(
    backbone: Backbone, settings: CellSettings
) -> None:
    network = search(backbone, settings)
    full = CellStructure.full(settings.topology)
    assert network.cells_per_architecture == 2
    assert network.op_evaluations == 2 * full.op_evaluations == 2 * 5 * 7
    size = sum(p.numel() for p in network.cell_parameters())
    pruned = full.without_edge(0).without_operation(3, "sep_conv_5x5").without_operation(3, "none")
    network.restrict([pruned])
    assert network.op_evaluations == 2 * (4 * 7 - 1)
    assert sum(p.numel() for p in network.cell_parameters()) < size
    assert all(cell.structure == pruned for cell in network.cells)


def test_every_skip_may_have_an_architecture_of_its_own(backbone: Backbone, images: Tensor) -> None:
    settings = CellSettings(nodes=2, genotype_scope="per_skip")
    network = search(backbone, settings)
    wake(network)
    assert network.architecture.alpha.shape == (2, 5, len(OPERATIONS))
    full, pruned = network.architecture.structures[0], network.architecture.structures[1]
    network.restrict([full, pruned.without_edge(0)])
    assert network.op_evaluations == 5 * 7 + 4 * 7
    assert [cell.structure.live_edges for cell in network.cells] == [5, 4]
    (alpha,) = torch.autograd.grad(network(images).square().mean(), [network.architecture.alpha])
    assert alpha[0, 0].any()
    assert not alpha[1, 0].any()


def test_leaving_an_operation_out_changes_the_output_and_restores_it(
    backbone: Backbone, images: Tensor, settings: CellSettings
) -> None:
    network = search(backbone, settings).eval()
    wake(network)
    before = network(images)
    with network.architecture.masked(0, 0, "sep_conv_3x3"):
        assert not torch.equal(network(images), before)
    assert torch.equal(network(images), before)


def test_retraining_may_free_the_decoder_alone(
    backbone: Backbone, images: Tensor, settings: CellSettings, generator: torch.Generator
) -> None:
    network = DerivedNetwork(backbone, GENOTYPE, settings, generator)
    freeze(backbone, "encoder")
    before = backbone_state(backbone)
    network.train()(images).square().mean().backward()
    moved = {n for n, v in backbone.state_dict().items() if not torch.equal(v, before[n])}
    assert moved
    assert not any(name.startswith("down.") for name in moved)
    assert all(p.grad is None for p in backbone.encoder_modules[0].parameters())
    assert all(p.grad is not None for p in backbone.get_submodule("join").parameters())


def test_a_discrete_network_learns(
    backbone: Backbone, images: Tensor, settings: CellSettings, generator: torch.Generator
) -> None:
    network = DerivedNetwork(backbone, GENOTYPE, settings, generator)
    freeze(backbone)
    target = torch.randn(backbone(images).shape, generator=torch.Generator().manual_seed(2))
    optimiser = torch.optim.Adam(network.cell_parameters(), lr=0.01)
    losses = []
    for _ in range(12):
        loss = (network.train()(images) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_genotypes_that_do_not_fit_are_refused(
    backbone: Backbone, settings: CellSettings, generator: torch.Generator
) -> None:
    with pytest.raises(ConfigError, match="needs a genotype of 1-input cells"):
        DerivedNetwork(backbone, GENOTYPE, CellSettings(inputs="skip"), generator)
    three = Genotype("per_skip", GENOTYPE.cells * 3)
    with pytest.raises(ConfigError, match="for this backbone has 2 cells"):
        DerivedNetwork(backbone, three, settings, generator)


def test_any_random_genotype_can_be_implanted(
    backbone: Backbone, images: Tensor, generator: torch.Generator
) -> None:
    settings = CellSettings(nodes=3, width=0.5, genotype_scope="per_skip")
    draw = np.random.default_rng(0)
    for _ in range(5):
        genotype = random_genotype(settings.topology, draw, "per_skip", cells=2)
        network = DerivedNetwork(backbone, genotype, settings, generator)
        assert network(images).shape == (2, 3, 16, 20)
