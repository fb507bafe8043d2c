"""The laws of the Backbone contract, over every family of networks."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distributed_iac.nets.contract import Backbone, identity_implant
from distributed_iac.nets.freeze import freeze
from distributed_iac.nets.wrapped import WrappedBackbone

Forward = Callable[[Tensor], Tensor]


class Gains(nn.Module):
    """An implant with one learnable gain per tap; zero changes nothing."""

    def __init__(self, taps: int, gain: float = 0.0) -> None:
        super().__init__()
        self.gains = nn.Parameter(torch.full((taps,), gain))

    def forward(self, tap: int, skip: Tensor, decoder: Tensor) -> Tensor:
        return skip + self.gains[tap] * (skip.abs() + decoder.mean())


@torch.no_grad()
def test_identity_reproduces_the_plain_network_exactly(
    backbone: WrappedBackbone, case: Any, plain: Callable[[Backbone], Forward]
) -> None:
    x = case.images()
    expected = plain(backbone)(x)
    assert expected.shape == (2, case.out_channels, 64, 96)
    assert torch.equal(backbone.decode(backbone.encode(x), identity_implant), expected)
    assert torch.equal(backbone(x), expected)


@torch.no_grad()
def test_training_mode_reproduces_the_plain_network_exactly(
    backbone: WrappedBackbone,
    case: Any,
    plain: Callable[[Backbone], Forward],
    seeded: Callable[[int], Any],
) -> None:
    x = case.images()
    twin = plain(copy.deepcopy(backbone).train())
    with seeded(5):
        expected = twin(x)
    with seeded(5):
        assert torch.equal(backbone.train()(x), expected)


@torch.no_grad()
def test_every_tap_is_called_once_with_what_it_announces(
    backbone: WrappedBackbone, case: Any
) -> None:
    x = case.images()
    calls: dict[int, tuple[torch.Size, torch.Size]] = {}

    def note(tap: int, skip: Tensor, decoder: Tensor) -> Tensor:
        assert tap not in calls
        calls[tap] = (skip.shape, decoder.shape)
        return skip

    backbone.decode(backbone.encode(x), note)
    assert sorted(calls) == list(range(len(backbone.taps)))
    for index, tap in enumerate(backbone.taps):
        skip, decoder = calls[index]
        assert skip[:2] == (2, tap.channels)
        assert decoder[:2] == (2, tap.decoder_channels)
        assert skip[2:] == decoder[2:]
        assert max(64 / skip[2], 96 / skip[3]) == tap.stride


def test_taps_are_named_apart_and_deepest_first(backbone: WrappedBackbone) -> None:
    strides = [tap.stride for tap in backbone.taps]
    assert strides == sorted(strides, reverse=True)
    assert len({tap.name for tap in backbone.taps}) == len(strides) > 1
    assert all(tap.channels > 0 and tap.decoder_channels > 0 for tap in backbone.taps)


@torch.no_grad()
def test_an_implant_that_adds_zero_changes_nothing(backbone: WrappedBackbone, case: Any) -> None:
    x = case.images()
    features = backbone.encode(x)
    implanted = backbone.decode(features, Gains(len(backbone.taps)))
    assert torch.equal(implanted, backbone(x))


@torch.no_grad()
def test_every_tap_changes_the_output(backbone: WrappedBackbone, case: Any) -> None:
    x = case.images()
    features = backbone.encode(x)
    plain_output = backbone(x)
    for index in range(len(backbone.taps)):
        implant = Gains(len(backbone.taps))
        implant.gains[index] = 5.0
        assert not torch.equal(backbone.decode(features, implant), plain_output)


def test_gradients_reach_every_tap_of_a_frozen_backbone(
    backbone: WrappedBackbone, case: Any
) -> None:
    freeze(backbone)
    implant = Gains(len(backbone.taps))
    with torch.no_grad():
        features = backbone.encode(case.images())
    backbone.decode(features, implant).square().mean().backward()
    assert implant.gains.grad is not None
    assert torch.isfinite(implant.gains.grad).all()
    assert (implant.gains.grad != 0).all()
    assert all(parameter.grad is None for parameter in backbone.parameters())


@torch.no_grad()
@pytest.mark.parametrize("size", [(0, 0), (1, 14), (33, 5), (7, 0)])
def test_any_size_from_the_minimum_is_accepted(
    backbone: WrappedBackbone, case: Any, size: tuple[int, int]
) -> None:
    height, width = (backbone.minimum_size + extra for extra in size)
    x = case.images(height, width)
    assert backbone(x).shape == (2, case.out_channels, height, width)
    assert backbone.train()(x).shape == (2, case.out_channels, height, width)


@torch.no_grad()
@pytest.mark.parametrize("size", [(33, 47), (64, 48)])
def test_slices_of_common_small_sizes_are_accepted(
    backbone: WrappedBackbone, case: Any, size: tuple[int, int]
) -> None:
    assert backbone.minimum_size <= 33
    assert backbone(case.images(*size)).shape == (2, case.out_channels, *size)


@torch.no_grad()
def test_odd_sizes_equal_the_plain_network_on_the_image_with_its_border_repeated(
    backbone: WrappedBackbone, case: Any, plain: Callable[[Backbone], Forward]
) -> None:
    x = case.images(66, 75)
    down, right = -66 % backbone.multiple[0], -75 % backbone.multiple[1]
    padded = torch.nn.functional.pad(x, (0, right, 0, down), "replicate")
    assert torch.equal(backbone(x), plain(backbone)(padded)[..., :66, :75])


def test_encoder_and_decoder_share_no_parameter(backbone: WrappedBackbone, case: Any) -> None:
    x = case.images()
    encoder = {p for module in backbone.encoder_modules for p in module.parameters()}
    if not encoder:
        pytest.skip("its halves are not told apart, so that none is trained alone")
    features = backbone.encode(x)
    sum(feature.square().sum() for feature in features).backward()  # type: ignore[union-attr]
    assert touched(backbone) <= encoder
    assert touched(backbone)
    backbone.zero_grad()
    detached = [feature.detach() for feature in features]
    backbone.decode(detached, identity_implant).square().sum().backward()
    assert touched(backbone)
    assert touched(backbone).isdisjoint(encoder)


def touched(module: nn.Module) -> set[nn.Parameter]:
    return {parameter for parameter in module.parameters() if parameter.grad is not None}


@torch.no_grad()
def test_features_are_tensors_that_decoding_leaves_alone(
    backbone: WrappedBackbone, case: Any
) -> None:
    features = backbone.encode(case.images())
    assert all(isinstance(feature, Tensor) for feature in features)
    before = [feature.clone() for feature in features]
    first = backbone.decode(features, Gains(len(backbone.taps), 0.3))
    assert all(torch.equal(a, b) for a, b in zip(features, before, strict=True))
    assert torch.equal(backbone.decode(features, Gains(len(backbone.taps), 0.3)), first)


@torch.no_grad()
def test_features_of_single_images_can_be_kept_and_batched(
    backbone: WrappedBackbone, case: Any
) -> None:
    x = case.images(50, 41).double()
    backbone.double()
    singles = [backbone.encode(image[None]) for image in x]
    kept = [[torch.from_numpy(f.numpy().copy()) for f in features] for features in singles]
    batched = [torch.cat(parts) for parts in zip(*kept, strict=True)]
    torch.testing.assert_close(backbone.decode(batched, identity_implant), backbone(x))


def test_frozen_statistics_do_not_move(backbone: WrappedBackbone, case: Any) -> None:
    freeze(backbone)
    owner = nn.ModuleDict({"backbone": backbone, "implant": Gains(len(backbone.taps))}).train()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    output = backbone.decode(backbone.encode(case.images()), owner["implant"])
    output.square().mean().backward()
    after = backbone.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    again = backbone.decode(backbone.encode(case.images()), owner["implant"])
    assert torch.equal(output, again), "dropout is not silent"


@torch.no_grad()
def test_state_dict_round_trip(backbone: WrappedBackbone, case: Any) -> None:
    other = case.build(seed=9).eval()
    other.load_state_dict(backbone.state_dict())
    x = case.images()
    assert torch.equal(other(x), backbone(x))


def test_state_dict_holds_every_tensor_once(backbone: WrappedBackbone) -> None:
    tensors = [tensor for tensor in backbone.state_dict().values() if tensor.numel() > 0]
    assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors)
    assert len(list(backbone.parameters())) == len(dict(backbone.named_parameters()))


@torch.no_grad()
def test_copies_and_pickles_work_alike_and_apart(backbone: WrappedBackbone, case: Any) -> None:
    x = case.images()
    expected = backbone(x)
    for twin in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        for parameter in twin.parameters():
            parameter.zero_()
        assert torch.equal(backbone(x), expected)
    twin = pickle.loads(pickle.dumps(backbone))
    assert torch.equal(twin(x), expected)
    assert twin.taps == backbone.taps


@torch.no_grad()
def test_a_frozen_copy_stays_frozen(backbone: WrappedBackbone) -> None:
    freeze(backbone)
    for twin in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        twin.train()
        assert not any(module.training for child in twin.children() for module in child.modules())


@torch.no_grad()
def test_double_precision_works(backbone: WrappedBackbone, case: Any) -> None:
    x = case.images()
    single = backbone(x)
    double = backbone.double()(x.double())
    assert double.dtype == torch.float64
    assert (double - single).abs().max() < 1e-4 * double.abs().max()


def test_the_seed_decides_the_weights_and_nothing_else(case: Any) -> None:
    before = torch.get_rng_state()
    first, again, other = (case.build(seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    same = all(torch.equal(first[name], other[name]) for name in first)
    assert same == case.settings.is_trained


@torch.no_grad()
def test_training_outputs_come_finest_first_at_their_scale(
    backbone: WrappedBackbone, case: Any
) -> None:
    x = case.images(65, 50)
    outputs = backbone.training_outputs(x)
    assert len(outputs) == backbone.supervised_scales
    assert torch.equal(outputs[0], backbone(x))
    sizes = [output.shape[2:] for output in outputs]
    assert sizes == sorted(sizes, reverse=True)
    for output in outputs:
        assert output.shape[:2] == (2, case.out_channels)
        scale = round(65 / output.shape[2])
        assert output.shape[2] == -(-65 // scale)


@torch.no_grad()
def test_training_outputs_pass_through_the_implant(backbone: WrappedBackbone, case: Any) -> None:
    x = case.images()
    neutral = backbone.training_outputs(x)
    moved = backbone.training_outputs(x, Gains(len(backbone.taps), 5.0))
    assert all(not torch.equal(a, b) for a, b in zip(neutral, moved, strict=True))


@torch.no_grad()
def test_another_order_of_channels_and_outputs_gives_the_same_logits(
    backbone: WrappedBackbone, case: Any
) -> None:
    x, outputs = case.images(), [3, 0, 2, 1]
    expected = [output[:, outputs] for output in backbone.training_outputs(x)]
    backbone.reorder((1, 0), outputs)
    for output, wanted in zip(backbone.training_outputs(x[:, [1, 0]]), expected, strict=True):
        rounding = max(1e-4, 1e-5 * float(wanted.abs().max()))
        torch.testing.assert_close(output, wanted, atol=rounding, rtol=1e-4)
