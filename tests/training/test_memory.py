"""Out of memory: the batch is split, its gradient stays the same, and the end is reported."""

from __future__ import annotations

import os
import sys
import weakref
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from distributed_iac.training.memory import (
    BatchSplitter,
    OutOfMemoryError,
    forget_peak,
    is_out_of_memory,
    lack_of_memory_named,
    peak_memory,
)


class Narrow:
    """A loss that fits into memory only for few slices at a time, as a small GPU would."""

    def __init__(self, fits: int) -> None:
        self.fits = fits
        self.weight = nn.Parameter(torch.tensor([2.0]))

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        if len(images) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return ((self.weight * images - labels) ** 2).mean()


IMAGES = torch.arange(8.0).reshape(8, 1)
LABELS = torch.ones(8, 1)


@pytest.mark.parametrize(("fits", "parts"), [(8, 1), (4, 2), (3, 4), (1, 8)])
def test_a_split_batch_has_the_gradient_of_the_whole(fits: int, parts: int) -> None:
    whole, narrow = Narrow(8), Narrow(fits)
    expected = BatchSplitter(8).gradients(whole, (IMAGES, LABELS), [whole.weight])
    splitter = BatchSplitter(8)
    loss, gradients = splitter.gradients(narrow, (IMAGES, LABELS), [narrow.weight])
    assert splitter.parts == parts
    assert torch.allclose(loss, expected[0])
    assert torch.allclose(gradients[0], expected[1][0])


def test_the_next_batch_is_split_at_once() -> None:
    narrow = Narrow(2)
    splitter = BatchSplitter(8)
    splitter.gradients(narrow, (IMAGES, LABELS), [narrow.weight])
    splitter.gradients(narrow, (IMAGES, LABELS), [narrow.weight])
    assert splitter.parts == 4


def test_when_nothing_helps_the_message_names_what_does() -> None:
    narrow = Narrow(1)
    with pytest.raises(OutOfMemoryError, match=r"4 parts[\s\S]*batch_size"):
        BatchSplitter(4).gradients(narrow, (IMAGES, LABELS), [narrow.weight])


def test_other_failures_are_not_taken_for_a_lack_of_memory() -> None:
    def broken(_images: Tensor, _labels: Tensor) -> Tensor:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        BatchSplitter(8).gradients(broken, (IMAGES, LABELS), [nn.Parameter(torch.ones(1))])


def test_a_cpu_that_runs_out_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError("Unable to allocate 8.00 GiB for an array"),
    ],
)
def test_lack_of_memory_is_known_whoever_says_so(error: Exception) -> None:
    assert is_out_of_memory(error)
    with (
        pytest.raises(OutOfMemoryError, match=r"batches\.batch_size") as caught,
        lack_of_memory_named(),
    ):
        raise error
    assert not caught.value.retriable, "the same would be asked for again"


def test_other_failures_are_none_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shape"), lack_of_memory_named():
        raise RuntimeError("shape mismatch")


@pytest.mark.parametrize("slices", [1, 3, 6, 7])
def test_single_slices_are_tried_before_it_gives_up(slices: int) -> None:
    splitter, tried = BatchSplitter(32), list[int]()

    def compute() -> None:
        tried.append(splitter.parts)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(OutOfMemoryError):
        splitter.persist(slices, compute)
    assert tried[-1] == slices


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget its peak")
def test_a_peak_is_of_what_came_after_it_was_forgotten() -> None:
    ballast = bytearray(300 * 10**6)
    ballast[::4096] = b"x" * len(ballast[::4096])  # else the memory is only promised
    before = peak_memory()
    del ballast
    forget_peak()
    assert peak_memory() < before - 250 * 10**6


class Allocator:
    """How torch keeps what it has freed of a GPU, as far as peaks go."""

    def __init__(self, held: int, reserved: int) -> None:
        self.held, self.reserved, self.peak = held, reserved, reserved

    def empty_cache(self) -> None:
        self.reserved = self.held

    def reset_peak_memory_stats(self) -> None:
        self.peak = self.reserved


def test_a_peak_of_a_gpu_counts_neither_what_torch_kept_nor_what_lay_in_circles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu, circle = Allocator(held=2, reserved=7), nn.Linear(1, 1)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: gpu.peak)
    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, getattr(gpu, name))
    object.__setattr__(circle, "itself", circle)
    left = weakref.ref(circle)
    del circle
    assert peak_memory() == 7
    forget_peak()
    assert peak_memory() == 2
    assert left() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its rights")
def test_where_the_peak_cannot_be_forgotten_nothing_else_is_lost() -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        forget_peak()
    finally:
        os.seteuid(0)
