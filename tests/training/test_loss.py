"""The loss equals MONAI's where both apply, and ignores what is unknown."""

from __future__ import annotations

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss

from distributed_iac.config.training import LossSettings
from distributed_iac.data.contract import LabelScheme, Region
from distributed_iac.training.loss import SegmentationLoss, deep_supervision_loss
from distributed_iac.training.targets import TargetCoder

CLASSES = LabelScheme("test", {1: "a", 2: "b", 4: "c"})
REGIONS = LabelScheme(
    "test",
    {1: "a", 2: "b", 4: "c"},
    (Region("whole", (1, 2, 4)), Region("core", (1, 4)), Region("c", (4,))),
    region_order=(2, 1, 4),
)


def random_labels(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.tensor([0, 1, 2, 4])[torch.randint(0, 4, shape, generator=generator)]


def test_with_classes_it_equals_monais_dice_ce() -> None:
    generator = torch.Generator().manual_seed(0)
    coder = TargetCoder(CLASSES)
    logits = torch.randn(3, len(coder.paint), 9, 7, generator=generator, dtype=torch.float64)
    target, known = coder.encode(random_labels(generator, 3, 9, 7))
    theirs = DiceCELoss(
        include_background=False, softmax=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5
    )
    ours = SegmentationLoss(LossSettings(), coder.activation)(logits, target, known)
    assert ours.item() == pytest.approx(theirs(logits, target.double()).item(), rel=1e-9)


def test_with_regions_it_equals_monais_dice_plus_binary_cross_entropy() -> None:
    # MONAI's DiceCELoss takes a softmax cross-entropy over the regions, which overlap.
    generator = torch.Generator().manual_seed(0)
    coder = TargetCoder(REGIONS)
    logits = torch.randn(3, len(coder.paint), 9, 7, generator=generator, dtype=torch.float64)
    target, known = coder.encode(random_labels(generator, 3, 9, 7))
    dice = DiceLoss(sigmoid=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)
    theirs = dice(logits, target) + torch.nn.BCEWithLogitsLoss()(logits, target.double())
    ours = SegmentationLoss(LossSettings(), coder.activation)(logits, target, known)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-9)


@pytest.mark.parametrize("scheme", [CLASSES, REGIONS], ids=["softmax", "sigmoid"])
def test_ignored_pixels_have_neither_loss_nor_gradient(scheme: LabelScheme) -> None:
    generator = torch.Generator().manual_seed(1)
    ignoring = LabelScheme("t", scheme.classes, scheme.regions, scheme.region_order, ignore=9)
    coder = TargetCoder(ignoring)
    labels = random_labels(generator, 2, 8, 8)
    labels[:, :3] = 9
    logits = torch.randn(2, len(coder.paint), 8, 8, generator=generator, requires_grad=True)
    loss = SegmentationLoss(LossSettings(), coder.activation)
    value = loss(logits, *coder.encode(labels))
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.all(gradient[:, :, :3] == 0)
    assert torch.any(gradient[:, :, 3:] != 0)
    cropped = loss(logits[:, :, 3:], *coder.encode(labels[:, 3:]))
    assert value.item() == pytest.approx(cropped.item(), rel=1e-5)


def test_a_batch_without_any_known_pixel_is_finite() -> None:
    coder = TargetCoder(LabelScheme("t", {1: "a"}, ignore=9))
    logits = torch.zeros(1, 2, 4, 4, requires_grad=True)
    value = SegmentationLoss(LossSettings(), "softmax")(
        logits, *coder.encode(torch.full((1, 4, 4), 9))
    )
    value.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(value)
    assert logits.grad is not None
    assert torch.all(torch.isfinite(logits.grad))


@pytest.mark.parametrize("scheme", [CLASSES, REGIONS], ids=["softmax", "sigmoid"])
def test_decoding_confident_logits_gives_the_labels_back(scheme: LabelScheme) -> None:
    coder = TargetCoder(scheme)
    labels = random_labels(torch.Generator().manual_seed(2), 2, 6, 5)
    target, _ = coder.encode(labels)
    assert torch.equal(coder.decode(20 * target - 10).long(), labels)
    masks = coder.masks(labels)
    for index, region in enumerate(scheme.targets):
        expected = torch.isin(labels, torch.tensor(region.values))
        assert torch.equal(masks[:, index], expected)


def test_deep_supervision_halves_weights_and_drops_the_coarsest_scale() -> None:
    coder = TargetCoder(CLASSES)
    loss = SegmentationLoss(LossSettings(), "softmax")
    target, known = coder.encode(random_labels(torch.Generator().manual_seed(3), 1, 8, 8))
    logits = [torch.randn(1, 4, size, size) for size in (8, 4, 2)]
    fine = loss(logits[0], target, known)
    half = loss(
        logits[1],
        torch.nn.functional.interpolate(target, (4, 4), mode="nearest-exact"),
        torch.nn.functional.interpolate(known, (4, 4), mode="nearest-exact"),
    )
    combined = deep_supervision_loss(loss, logits, target, known)
    assert combined.item() == pytest.approx((2 * fine.item() + half.item()) / 3, rel=1e-6)
