"""Kept features: the bits of computed ones, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from distributed_iac.data.batches.loader import Batch, IntArray
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.contract import Backbone, Features
from distributed_iac.training.features import FeatureCache, Part, admit
from tests.backbones import INSTALLED

SLICES = torch.randn(20, 1, 64, 64, generator=torch.Generator().manual_seed(0))


def batch_of(rows: Sequence[int] | IntArray) -> Batch:
    ids = np.asarray(rows, dtype=np.int64)
    return Batch(SLICES[ids], torch.zeros(len(ids), 64, 64, dtype=torch.uint8), ids)


class Counting:
    """An encoder that counts what it encodes."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone.eval()
        self.calls = 0

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Features:
        self.calls += 1
        return self.backbone.encode(images)


def assert_same(ours: Features, theirs: Features) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)
        assert other.numel() == 0 or one.stride() == other.stride()


@pytest.fixture(params=INSTALLED)
def encoder(request: pytest.FixtureRequest) -> Iterator[Counting]:
    with torch.random.fork_rng(devices=[]):
        yield Counting(build_backbone(INSTALLED[request.param], 1, 3, None, seed=0))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_batches_in_any_order_have_the_bits_and_strides_that_encoding_gives(
    encoder: Counting, layout: torch.memory_format
) -> None:
    encoder.backbone.to(memory_format=layout)
    generator = np.random.default_rng(0)
    cache = FeatureCache(encoder, [Part("drawn", np.arange(12))], 2**30)
    batches = [batch_of(generator.permutation(12)[:4]) for _ in range(8)]
    batches.append(batch_of([3, 3, 5, 3]))
    for batch in batches:
        assert_same(cache(batch), encoder(batch.images))
    assert cache.hits >= 3


def test_what_is_changed_outside_does_not_change_what_is_kept(encoder: Counting) -> None:
    cache = FeatureCache(encoder, [Part("val", np.arange(4), batch=4)], 2**30)
    batch = batch_of(range(4))
    for _ in range(3):
        features = cache(batch)
        assert_same(features, encoder(batch.images))
        for feature in features:
            feature.zero_()


@pytest.mark.parametrize("slices", [0, 3, 4, 9, 10, 19, 20])
def test_the_budget_is_kept_and_the_rest_is_computed(
    backbone: Callable[[], Backbone], slices: int
) -> None:
    encoder = Counting(backbone())
    one = sum(feature.nbytes for feature in encoder(SLICES[:1]))
    parts = [Part("val", np.arange(10), batch=4), Part("drawn", np.arange(10, 20))]
    cache = FeatureCache(encoder, parts, slices * one)
    order = [batch_of(rows) for rows in (range(4), range(4, 8), range(8, 10), range(10, 20))]
    for _ in range(2):
        for batch in order:
            assert_same(cache(batch), encoder.backbone.encode(batch.images))
            assert cache.held <= slices * one
    expected = {0: 0, 3: 0, 4: 1, 9: 2, 10: 3, 19: 3, 20: 4}[slices]
    assert cache.hits == expected
    assert encoder.calls == 1 + 2 * len(order) - expected


def test_slices_that_were_not_offered_are_never_kept(backbone: Callable[[], Backbone]) -> None:
    cache = FeatureCache(Counting(backbone()), [Part("val", np.arange(4), batch=4)], 2**30)
    for rows in ([0, 1, 2, 9], [0, 1, 2, 9], [9, 18]):
        cache(batch_of(rows))
    assert cache.hits == 0
    assert list(cache.admission.rows) == [0, 1, 2, 3]


def test_memory_that_is_given_back_is_not_taken_again(backbone: Callable[[], Backbone]) -> None:
    cache = FeatureCache(Counting(backbone()), [Part("val", np.arange(4), batch=4)], 2**30)
    cache(batch_of(range(4)))
    assert cache.held
    assert cache.drop()
    cache(batch_of(range(4)))
    assert cache.held == cache.hits == 0
    assert not cache.drop()


def test_features_with_gaps_in_memory_are_not_kept() -> None:
    cache = FeatureCache(lambda x: [x[..., ::2]], [Part("val", np.arange(4), batch=4)], 2**30)
    for _ in range(2):
        assert_same(cache(batch_of(range(4))), [SLICES[:4, ..., ::2]])
    assert cache.hits == cache.held == 0
    assert "gaps" in cache.admission.reason


@given(
    st.lists(st.tuples(st.integers(1, 40), st.none() | st.integers(1, 9)), max_size=4),
    st.integers(1, 9),
    st.integers(0, 400),
)
def test_what_is_admitted_fits_and_is_whole(
    shapes: list[tuple[int, int | None]], slice_bytes: int, budget: int
) -> None:
    starts = np.cumsum([0, *(size for size, _ in shapes)])
    parts = [
        Part(f"p{i}", np.arange(start, start + size), batch)
        for i, ((size, batch), start) in enumerate(zip(shapes, starts, strict=False))
    ]
    admission = admit(parts, slice_bytes, budget)
    assert admission.rows.size * slice_bytes <= budget
    for part in parts:
        kept = np.isin(part.rows, admission.rows)
        count = int(kept.sum())
        assert kept[:count].all()
        assert count == part.rows.size or count % (part.batch or part.rows.size) == 0
        assert f"{part.name}: " in admission.reason
