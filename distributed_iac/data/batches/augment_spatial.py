"""Changes of geometry, the same for images and labels.

::

    theta = affine(degrees, scale, shift, size=(256, 224))
    images, labels = warp(images, labels, theta)

Shapes: n samples, C channels, H x W pixels. Coordinates are torch's: x along columns, y along
rows, both in [-1, 1] over the picture, ``align_corners=False``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def affine(degrees: Tensor, scale: Tensor, shift: Tensor, size: tuple[int, int]) -> Tensor:
    """Build output-to-input maps: turn and scale about the centre, then shift.

    Args:
        degrees: (n,) angles.
        scale: (n,) input pixels per output pixel.
        shift: (n, 2) along rows and columns, as a share of H and W.
        size: H and W. Pixels are square, so a turn in torch's coordinates, where a long side
            counts as much as a short one, has to undo the picture's proportions.

    Returns:
        (n, 2, 3) matrices for ``F.affine_grid``.
    """
    height, width = size
    cosine = torch.cos(torch.deg2rad(degrees)) * scale
    sine = torch.sin(torch.deg2rad(degrees)) * scale
    x = torch.stack([cosine, -sine * (height / width), 2 * shift[:, 1]], dim=1)
    y = torch.stack([sine * (width / height), cosine, 2 * shift[:, 0]], dim=1)
    return torch.stack([x, y], dim=1)


def warp(images: Tensor, labels: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Resample along affine maps.

    Args:
        images: (n, C, H, W) float, resampled bilinearly.
        labels: (n, H, W) integers, nearest neighbour (nnU-Net interpolates one-hot masks and
            takes the largest: smoother borders at K times the cost; our choice is speed).
        theta: (n, 2, 3) output-to-input maps.

    Returns:
        Both, in their shapes and types. What comes from outside the picture is background in the
        labels and the image's own border level in the images: nnU-Net's 0 is the mean of the
        foreground after CT normalisation, which would paint bright corners into air.
    """
    shape = (images.shape[0], 1, *images.shape[2:])
    grid = F.affine_grid(theta, list(shape), align_corners=False)
    level = border_level(images)
    moved = F.grid_sample(images - level, grid, "bilinear", "zeros", align_corners=False) + level
    masks = F.grid_sample(
        labels[:, None].to(images.dtype), grid, "nearest", "zeros", align_corners=False
    )
    return moved, masks[:, 0].to(labels.dtype)


def border_level(images: Tensor) -> Tensor:
    """Return (n, C, 1, 1), the median of each channel's outermost pixels."""
    frame = [images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]]
    return torch.cat(frame, dim=-1).median(dim=-1).values[..., None, None]
