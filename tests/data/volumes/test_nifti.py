"""Files are read to the last byte, and each kind of damage has one name."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from distributed_iac.data.faults import FaultError
from distributed_iac.data.volumes import nifti
from distributed_iac.data.volumes.nifti import open_nifti, read_blocks

Write = Callable[..., Path]
RNG = np.random.default_rng(0)
VOXELS: NDArray[np.float32] = RNG.normal(size=(16, 12, 10)).astype(np.float32)


def read_all(path: Path) -> list[NDArray[np.float64]]:
    header = open_nifti(path)
    frames: list[list[NDArray[np.float64]]] = [[] for _ in range(header.grid.frames)]
    for frame, block in read_blocks(header):
        frames[frame].append(block)
    return [np.concatenate(blocks).reshape(header.grid.shape, order="F") for blocks in frames]


def damage_of(path: Path) -> str:
    with pytest.raises(FaultError) as caught:
        read_all(path)
    assert caught.value.fault.path == path
    return caught.value.fault.code


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("block", [7, 16 * 12 * 10, 1 << 20])
def test_blocks_put_together_are_what_nibabel_reads(
    write_nifti: Write, monkeypatch: pytest.MonkeyPatch, name: str, block: int
) -> None:
    monkeypatch.setattr(nifti, "BLOCK_VOXELS", block)
    path = write_nifti(name, VOXELS)
    (read,) = read_all(path)
    np.testing.assert_array_equal(read, nibabel.load(path).get_fdata())


def test_every_frame_of_a_4d_file_comes_by_itself(write_nifti: Write) -> None:
    stack = np.stack([VOXELS, VOXELS + 1, VOXELS * 2], axis=-1)
    frames = read_all(write_nifti("a.nii.gz", stack))
    np.testing.assert_array_equal(np.stack(frames, axis=-1), stack)


def test_stored_integers_are_scaled_as_nibabel_scales_them(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, np.eye(4))
    image.set_data_dtype(np.int16)
    path = tmp_path / "scaled.nii.gz"
    nibabel.save(image, path)
    assert open_nifti(path).slope != 1
    (read,) = read_all(path)
    np.testing.assert_array_equal(read, nibabel.load(path).get_fdata())


def test_big_endian_files_are_read(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">f4")
    path = tmp_path / "big.nii"
    nibabel.save(nibabel.Nifti1Image(VOXELS.astype(">f4"), np.eye(4), header), path)
    (read,) = read_all(path)
    np.testing.assert_array_equal(read, VOXELS)


@pytest.mark.parametrize("kept", [0, 8, 60, 0.5, -9, -1])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_cut_anywhere_is_truncated(write_nifti: Write, name: str, kept: float) -> None:
    path = write_nifti(name, VOXELS)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])
    assert damage_of(path) == "truncated"


def test_a_whole_gzip_stream_with_too_few_voxels_is_truncated(write_nifti: Write) -> None:
    path = write_nifti("a.nii.gz", VOXELS)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-4]))
    assert damage_of(path) == "truncated"


def test_a_flipped_bit_behind_the_last_voxel_is_found(write_nifti: Write) -> None:
    """Only the checksum in the trailer shows it, which a reader of voxels alone never sees."""
    path = write_nifti("a.nii.gz", VOXELS)
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    nibabel.load(path)
    assert damage_of(path) == "unreadable"


def rest_after(path: Path, rest: bytes) -> None:
    """Append to the uncompressed content."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + rest))
    else:
        path.write_bytes(path.read_bytes() + rest)


def patch(path: Path, at: int, content: bytes) -> None:
    """Overwrite bytes of the uncompressed content."""
    packed = path.suffix == ".gz"
    plain = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    plain[at : at + len(content)] = content
    path.write_bytes(gzip.compress(bytes(plain)) if packed else bytes(plain))


@pytest.mark.parametrize("rest", [b"x", bytes(1), bytes(5000), bytes(480) + b"x", b"y" * 700])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_bytes_that_the_header_does_not_account_for_are_an_error(
    write_nifti: Write, name: str, rest: bytes
) -> None:
    path = write_nifti(name, VOXELS)
    rest_after(path, rest)
    assert damage_of(path) == "surplus_bytes"


@pytest.mark.parametrize(
    ("at", "content"),
    [
        (42, (15).to_bytes(2, "little")),  # a column less
        (46, (9).to_bytes(2, "little")),  # a slice less
        (40, b"\2\0"),  # two axes
        (70, b"\4\0\x10\0"),  # 16-bit integers
    ],
    ids=["column", "slice", "axis", "type"],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_header_that_announces_less_than_there_is_is_an_error(
    write_nifti: Write, name: str, at: int, content: bytes
) -> None:
    path = write_nifti(name, VOXELS)
    patch(path, at, content)
    assert damage_of(path) == "surplus_bytes"


def test_a_second_gzip_member_belongs_to_the_content(write_nifti: Write) -> None:
    """Voxels may come in several members, as bgzip writes them; more than voxels may not."""
    path = write_nifti("a.nii.gz", VOXELS)
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain[:2000]) + gzip.compress(plain[2000:]))
    np.testing.assert_array_equal(read_all(path)[0], VOXELS)
    path.write_bytes(gzip.compress(plain) + gzip.compress(b"x" * 700))
    assert damage_of(path) == "surplus_bytes"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_zeros_up_to_a_whole_block_are_padding(write_nifti: Write, name: str) -> None:
    path = write_nifti(name, VOXELS)
    rest_after(path, bytes(-(352 + VOXELS.nbytes) % nifti.PADDING))
    np.testing.assert_array_equal(read_all(path)[0], VOXELS)
    rest_after(path, bytes(nifti.PADDING))
    assert damage_of(path) == "surplus_bytes"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.img"])
def test_extensions_of_a_header_are_accounted_for(tmp_path: Path, name: str) -> None:
    kind = nibabel.Nifti1Pair if name == "a.img" else nibabel.Nifti1Image
    image = kind(VOXELS, np.eye(4))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"x" * 1000))
    path = tmp_path / name
    nibabel.save(image, path)
    np.testing.assert_array_equal(read_all(path)[0], VOXELS)
    rest_after(path, b"x")
    assert damage_of(path) == "surplus_bytes"


def test_a_gap_before_the_voxels_is_accounted_for_by_their_offset(write_nifti: Write) -> None:
    path = write_nifti("a.nii", VOXELS)
    patch(path, 108, np.float32(416).tobytes())
    plain = path.read_bytes()
    path.write_bytes(plain[:352] + b"g" * 64 + plain[352:])
    np.testing.assert_array_equal(read_all(path)[0], VOXELS)


def test_bytes_flipped_in_the_middle_are_found(write_nifti: Write) -> None:
    path = write_nifti("a.nii.gz", VOXELS)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(255 - byte for byte in data[middle : middle + 8])
    path.write_bytes(data)
    assert damage_of(path) == "unreadable"


@pytest.mark.parametrize(
    "content",
    [b"<!DOCTYPE html><html>log in first</html>" * 30, gzip.compress(b"no image " * 100)],
    ids=["web page", "compressed text"],
)
def test_what_is_no_image_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)
    assert damage_of(path) == "unreadable"


def test_a_compressed_file_with_a_plain_name_is_unreadable(write_nifti: Write) -> None:
    path = write_nifti("a.nii.gz", VOXELS)
    assert damage_of(path.rename(path.with_name("a.nii"))) == "unreadable"


def test_a_git_lfs_pointer_is_named_with_its_own_remedy(tmp_path: Path) -> None:
    path = tmp_path / "imaging.nii.gz"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(FaultError) as caught:
        open_nifti(path)
    assert "git lfs pull" in (caught.value.fault.remedy or "")


def test_a_folder_in_place_of_a_file_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.mkdir()
    assert damage_of(path) == "unreadable"


def test_a_missing_file_is_not_damage(tmp_path: Path) -> None:
    assert damage_of(tmp_path / "a.nii.gz") == "missing_image"


def test_a_link_that_leads_nowhere_says_where_it_leads(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.symlink_to(tmp_path / "moved.nii.gz")
    with pytest.raises(FaultError, match=r"moved\.nii\.gz, which does not exist"):
        open_nifti(path)


def test_an_image_without_voxels_has_zero_size(write_nifti: Write) -> None:
    assert damage_of(write_nifti("a.nii.gz", np.zeros((4, 0, 3), np.float32))) == "zero_size"


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3, 2, 2), np.uint8),
        np.zeros((4, 4, 3), np.complex64),
        np.zeros((4, 4, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")]),
    ],
    ids=["5-D", "complex", "RGB"],
)
def test_what_is_no_scalar_volume_has_a_wrong_channel_count(
    write_nifti: Write, array: NDArray[np.generic]
) -> None:
    assert damage_of(write_nifti("a.nii.gz", array)) == "channel_count"


@pytest.mark.parametrize("zoom", [0.0, np.nan, np.inf])
def test_an_impossible_voxel_size_is_named_although_nibabel_mends_it(
    write_nifti: Write, zoom: float
) -> None:
    path = write_nifti("a.nii", VOXELS)
    data = bytearray(path.read_bytes())
    data[80:84] = np.float32(zoom).tobytes()  # pixdim[1]
    path.write_bytes(data)
    assert damage_of(path) == "invalid_geometry"


def test_an_affine_that_spans_no_space_is_invalid(write_nifti: Write) -> None:
    path = write_nifti("a.nii", VOXELS)
    data = bytearray(path.read_bytes())
    data[280:328] = bytes(48)  # srow_x, srow_y, srow_z
    path.write_bytes(data)
    assert damage_of(path) == "invalid_geometry"


def test_nibabel_is_a_version_whose_inner_parts_were_looked_at(bound: Callable[[str], str]) -> None:
    """After an upgrade: scaling and silence, below, are what `nifti.py` builds on."""
    assert bound("nibabel") == ">=5.3,<6"
    assert (5, 3) <= tuple(map(int, nibabel.__version__.split(".")[:2])) < (6,)
    scaled = apply_read_scaling(np.array([1, 2], np.int16), np.float32(0.5), np.float32(1.0))
    assert scaled.tolist() == [1.5, 2.0]
    with LoggingOutputSuppressor():
        logging.getLogger("nibabel.global").error("said to nobody")
