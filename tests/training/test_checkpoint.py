"""Checkpoints are verified before they are trusted, and hold data only."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import CheckpointError
from distributed_iac.training.checkpoint import checkpoint_bytes, read_checkpoint


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(checkpoint_bytes({"x": torch.arange(3), "n": [1, "a", None, 2.5]}))
    state = read_checkpoint(path)
    assert torch.equal(state["x"], torch.arange(3))
    assert state["n"] == [1, "a", None, 2.5]


@given(st.data())
def test_a_single_changed_byte_or_a_cut_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("c") / "c.pt"
    path.write_bytes(checkpoint_bytes({"x": torch.arange(30)}))
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[position] ^= data.draw(st.integers(1, 255))
    else:
        del content[position:]
    path.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match=r"checksum|cannot read"):
        read_checkpoint(path)


class Poison:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('the file ran code')",))


def test_a_poisoned_checkpoint_runs_nothing(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"x": Poison()}, buffer)
    data = buffer.getvalue()
    path = tmp_path / "c.pt"
    path.write_bytes(data + hashlib.sha256(data).digest())
    with pytest.raises(CheckpointError, match="tensors and plain values only"):
        read_checkpoint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.pt"):
        read_checkpoint(tmp_path / "absent.pt")
