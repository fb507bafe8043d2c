"""A copy is known by its voxels, however it lies; other images are not taken for it."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

from distributed_iac.data.volumes.duplicates import VoxelHash
from distributed_iac.data.volumes.image_scan import scan_of


def volume(seed: int = 0, shape: tuple[int, ...] = (5, 6, 7)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def fingerprint_of(image: np.ndarray) -> str:
    return scan_of(image).fingerprint


def test_a_copy_in_any_of_the_48_orientations_is_one() -> None:
    image = volume()
    turned = {
        fingerprint_of(np.flip(image.transpose(axes), [i for i in range(3) if flips[i]]))
        for axes in permutations(range(3))
        for flips in product((False, True), repeat=3)
    }
    assert turned == {fingerprint_of(image)}


def test_blocks_of_any_size_give_the_same() -> None:
    image = volume()
    for size in (1, 7, 64, 1000):
        made = VoxelHash(image.shape)
        flat = image.ravel(order="F")
        for start in range(0, flat.size, size):
            made.add(flat[start : start + size])
        assert made.result() == fingerprint_of(image)


def test_images_of_other_values_or_shapes_are_others() -> None:
    image = volume()
    changed = image.copy()
    changed[0, 0, 0] = np.nextafter(changed[0, 0, 0], np.float32(np.inf))
    exchanged = image.copy()  # the same sum of values, and of squares
    exchanged[0, 0, 0], exchanged[0, 0, 1] = -image[0, 0, 0], image[0, 0, 1]
    others = [
        changed,
        exchanged,
        -image,
        volume(1),
        image[:, :, :-1],
        image.reshape(5, 7, 6).reshape(3, 10, 7),
        np.concatenate([image, image]),
    ]
    prints = [fingerprint_of(one) for one in (image, *others)]
    assert len(set(prints)) == len(prints)


def test_small_whole_numbers_do_not_collide() -> None:
    """Eight-bit pictures differ in how often each grey level occurs."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (64, 64, 1)).astype(np.float32) for _ in range(300)]
    assert len({fingerprint_of(one) for one in pictures}) == len(pictures)


def test_minus_zero_is_zero() -> None:
    zeros = np.zeros((2, 2, 2), np.float32)
    one = zeros.copy()
    one[0] = 1
    negative = -zeros
    negative[0] = 1
    assert fingerprint_of(one) == fingerprint_of(negative)
