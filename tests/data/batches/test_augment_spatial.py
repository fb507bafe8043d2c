from __future__ import annotations

import pytest
import torch

from distributed_iac.data.batches import augment_spatial as spatial


def disc(height: int, width: int, row: float, column: float, radius: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((rows - row) ** 2 + (columns - column) ** 2 < radius**2).to(torch.uint8)


def maps(
    size: tuple[int, int], degrees: float = 0, scale: float = 1, shift: tuple[float, float] = (0, 0)
) -> torch.Tensor:
    return spatial.affine(
        torch.tensor([float(degrees)]), torch.tensor([float(scale)]), torch.tensor([shift]), size
    )


def extent(label: torch.Tensor) -> tuple[int, int]:
    rows, columns = label[0].nonzero().T
    return int(rows.max() - rows.min() + 1), int(columns.max() - columns.min() + 1)


def test_the_neutral_map_changes_nothing() -> None:
    images = torch.randn(1, 3, 17, 30)
    labels = torch.randint(0, 5, (1, 17, 30), dtype=torch.uint8)
    moved, masks = spatial.warp(images, labels, maps((17, 30)))
    torch.testing.assert_close(moved, images, atol=1e-4, rtol=1e-4)
    assert torch.equal(masks, labels)


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    labels = torch.randint(0, 5, (1, 32, 32), dtype=torch.uint8)
    images = labels[:, None].float()
    for degrees, turns in ((90, (1, 2)), (-90, (2, 1)), (180, None)):
        moved, masks = spatial.warp(images, labels, maps((32, 32), degrees))
        expected = labels.flip(1, 2) if turns is None else torch.rot90(labels, 1, turns)
        assert torch.equal(masks, expected)
        torch.testing.assert_close(moved[:, 0], expected.float(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_a_disc_stays_a_disc_on_a_picture_that_is_not_square(degrees: float) -> None:
    label = disc(60, 96, 29.5, 47.5, 12)[None]
    _, moved = spatial.warp(label[:, None].float(), label, maps((60, 96), degrees))
    height, width = extent(moved)
    assert abs(height - width) <= 1
    assert abs(int(moved.sum()) - int(label.sum())) <= 0.04 * int(label.sum())


def test_scale_above_one_shrinks_and_shift_moves_by_a_share_of_the_side() -> None:
    label = disc(80, 80, 39.5, 39.5, 20)[None]
    images = label[:, None].float()
    _, small = spatial.warp(images, label, maps((80, 80), scale=1.25))
    assert extent(small) == (32, 32)
    _, moved = spatial.warp(images, label, maps((80, 80), shift=(0.05, -0.1)))
    assert torch.equal(moved, torch.roll(label, (-4, 8), (1, 2)))


def test_labels_move_with_the_image_and_stay_among_their_values() -> None:
    label = (disc(64, 48, 30, 20, 14) * 7 + disc(64, 48, 50, 40, 6) * 11)[None]
    images = label[:, None].float()
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        degrees, scale, down, right = torch.rand(4, generator=generator).tolist()
        theta = maps((64, 48), 360 * degrees, 0.7 + 0.7 * scale, (down / 5, right / 5))
        moved, masks = spatial.warp(images, label, theta)
        assert masks.dtype == torch.uint8
        assert set(masks.unique().tolist()) <= {0, 7, 11}
        for value in (0, 7, 11):
            inside = (moved[:, 0] - value).abs() < 1e-4
            exact = (masks[inside] == value).float().mean()
            assert exact > 0.999 or not inside.any()
        overlap = ((moved[:, 0] > 3.5) & (masks > 0)).sum() * 2
        assert overlap / ((moved[:, 0] > 3.5).sum() + (masks > 0).sum()) > 0.95


def test_outside_the_picture_is_background_at_the_border_level_of_each_channel() -> None:
    images = torch.stack([torch.full((40, 40), -3.0), torch.full((40, 40), 0.5)])[None]
    images[:, :, 15:25, 15:25] = 2.0
    labels = torch.ones(1, 40, 40, dtype=torch.uint8)
    moved, masks = spatial.warp(images, labels, maps((40, 40), scale=1.4))
    torch.testing.assert_close(moved[0, :, 0, 0], torch.tensor([-3.0, 0.5]))
    assert masks[0, 0, 0] == 0
    assert masks[0, 20, 20] == 1
