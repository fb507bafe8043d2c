"""From tissues to intensities: texture, partial volume, coil sensitivity, noise.

::

    looks = {FAT: Look(-100, texture=8), LIVER: Look(105, texture=10)}
    image = shade(tissues, looks, space, rng)
    image = blur(image, (0.3, 0.6, 0.6))                       # partial volume
    image = rician(image * bias(space, 0.2, rng), 9.0, rng)    # an MR magnitude image

The order is that of a scanner: the object, its sensitivity, the point spread, the noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from distributed_iac.phantom.space import FloatArray, Space, Tissues

_COIL_LENGTH_MM = 90.0
"""Scale of a receive coil's sensitivity: about half a torso. Our choice."""

_COARSE_MM, _FINE_MM = 14.0, 5.0
"""Two scales of texture inside a tissue: lobules and vessels. Our choice."""


@dataclass(frozen=True)
class Look:
    """How one tissue appears in one channel.

    Args:
        mean: Expected intensity (HU for CT, arbitrary units for MR).
        texture: Standard deviation inside the tissue, before noise.
        spread: Standard deviation of the mean between patients.
    """

    mean: float
    texture: float = 0.0
    spread: float = 0.0


def shade(
    tissues: Tissues, looks: Mapping[int, Look], space: Space, rng: np.random.Generator
) -> FloatArray:
    """Give every voxel its tissue's mean in this patient, and the tissue's texture.

    Args:
        tissues: Tissue ids, every one a key of ``looks``.
        looks: Appearance by tissue id.
        space: The patient.
        rng: Source of the patient's own means and of the texture.
    """
    means = np.zeros(max(looks) + 1, dtype=np.float32)
    textures = np.zeros_like(means)
    for tissue in sorted(looks):
        look = looks[tissue]
        means[tissue] = look.mean + look.spread * rng.standard_normal()
        textures[tissue] = look.texture
    grain = 0.6 * space.field(_COARSE_MM, rng) + 0.8 * space.field(_FINE_MM, rng)
    image: FloatArray = means[tissues] + textures[tissues] * grain
    return image


def blur(image: FloatArray, sigma: tuple[float, float, float]) -> FloatArray:
    """Mix neighbouring voxels, as voxels that straddle a border do.

    Args:
        image: Volume [slice, row, column].
        sigma: Standard deviation of the point spread in voxels, in the same order.
    """
    mixed: FloatArray = ndimage.gaussian_filter(image, sigma, mode="nearest")
    return mixed


def bias(space: Space, strength: float, rng: np.random.Generator) -> FloatArray:
    """Draw a smooth positive gain around 1, as of an MR receive coil.

    Args:
        space: The patient.
        strength: Standard deviation of the gain's logarithm; 0.2 to 0.3 is plainly visible.
        rng: Source of the field.
    """
    gain: FloatArray = np.exp(np.float32(strength) * space.field(_COIL_LENGTH_MM, rng))
    return gain


def rician(image: FloatArray, sigma: float, rng: np.random.Generator) -> FloatArray:
    """Return the magnitude of the image with complex Gaussian noise.

    Reference: Gudbjartsson and Patz, The Rician distribution of noisy MRI data, MRM 1995.

    Args:
        image: Noise-free magnitude.
        sigma: Standard deviation of the noise in each of the two components.
        rng: Source of the noise.
    """
    real = image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    magnitude: FloatArray = np.hypot(real, imaginary)
    return magnitude


def ct_noise(image: FloatArray, sigma: float, rng: np.random.Generator) -> FloatArray:
    """Add Gaussian noise that is correlated within the slice, as filtered back-projection does.

    Args:
        image: Volume [slice, row, column] in HU.
        sigma: Standard deviation in HU.
        rng: Source of the noise.
    """
    white = rng.standard_normal(image.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(white, (0.0, 0.5, 0.5), mode="wrap")  # voxels, our choice
    noisy: FloatArray = image + np.float32(sigma) * noise / noise.std()
    return noisy
