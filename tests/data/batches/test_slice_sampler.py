from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.config.batches import BatchSettings
from distributed_iac.data.batches.sampler import SliceSampler
from distributed_iac.errors import CheckpointError, DataError


def make(rows: Any, foreground: Any, seed: int = 0, **settings: Any) -> SliceSampler:
    return SliceSampler(
        np.asarray(rows, dtype=np.int64),
        np.asarray(foreground, dtype=np.int64),
        BatchSettings(**settings),
        np.random.default_rng(seed),
    )


@st.composite
def parts(draw: st.DrawFn) -> tuple[list[int], list[int], dict[str, Any]]:
    """Rows with class masks (at least one with foreground), and settings that fit them."""
    rows = draw(st.lists(st.integers(0, 10_000), min_size=1, max_size=40, unique=True))
    masks = draw(st.lists(st.sampled_from([0, 1, 2, 6, 8, 1 << 15]), min_size=len(rows) - 1))
    masks = [2, *masks[: len(rows) - 1]]
    masks += [0] * (len(rows) - len(masks))
    size = draw(st.integers(1, 12))
    fraction = draw(st.sampled_from([0.0, 0.33, 0.5, 1.0]))
    advances = round(size * (1 - fraction)) > 0
    steps = draw(st.sampled_from(["pass", 5]) if advances else st.just(5))
    return (
        rows,
        masks,
        {"batch_size": size, "foreground_fraction": fraction, "steps_per_epoch": steps},
    )


@given(parts(), st.integers(0, 2**32))
def test_every_batch_is_full_of_rows_of_the_part_and_keeps_its_share_of_foreground(
    part: tuple[list[int], list[int], dict[str, Any]], seed: int
) -> None:
    rows, masks, settings = part
    sampler = make(rows, masks, seed, **settings)
    mask_of = dict(zip(rows, masks, strict=True))
    guaranteed = BatchSettings(**settings).foreground_slots
    for _ in range(7):
        batch = sampler.draw()
        assert batch.shape == (settings["batch_size"],)
        assert batch.dtype == np.int64
        assert set(batch.tolist()) <= set(rows)
        reserved = batch[len(batch) - guaranteed :]
        assert all(mask_of[row] & ~1 for row in reserved.tolist())


@given(parts(), st.integers(0, 2**32), st.integers(0, 9), st.integers(1, 9))
def test_a_loaded_sampler_continues_the_sequence_it_was_saved_in(
    part: tuple[list[int], list[int], dict[str, Any]], seed: int, before: int, after: int
) -> None:
    rows, masks, settings = part
    sampler = make(rows, masks, seed, **settings)
    for _ in range(before):
        sampler.draw()
    state = json.loads(json.dumps(sampler.state_dict()))
    expected = [sampler.draw().tolist() for _ in range(after)]

    resumed = make(rows, masks, seed=seed + 1, **settings)
    resumed.draw()
    resumed.load_state_dict(state)
    assert resumed.state_dict()["step"] == before
    assert [resumed.draw().tolist() for _ in range(after)] == expected


@given(parts())
def test_saving_neither_disturbs_nor_follows_the_sampler(
    part: tuple[list[int], list[int], dict[str, Any]],
) -> None:
    rows, masks, settings = part
    watched, alone = make(rows, masks, **settings), make(rows, masks, **settings)
    state = watched.state_dict()
    text = json.dumps(state)
    assert [watched.draw().tolist() for _ in range(4)] == [alone.draw().tolist() for _ in range(4)]
    assert json.dumps(state) == text


@pytest.mark.parametrize("size", [1, 3, 8, 50])
def test_an_epoch_of_one_pass_shows_every_slice_empty_or_not(size: int) -> None:
    rows, masks = np.arange(100, 137), np.arange(37) % 4
    sampler = make(rows, masks, batch_size=size, foreground_fraction=0.33)
    for _ in range(3):
        drawn = [sampler.draw() for _ in range(sampler.steps_per_epoch)]
        assert set(np.concatenate(drawn).tolist()) == set(rows.tolist())


def test_pass_slots_repeat_nothing_before_everything_was_shown_across_epochs() -> None:
    sampler = make(np.arange(20), np.full(20, 2), batch_size=4, foreground_fraction=0.0)
    fixed = make(
        np.arange(20), np.full(20, 2), batch_size=4, foreground_fraction=0, steps_per_epoch=2
    )
    assert sampler.steps_per_epoch == 5
    assert fixed.steps_per_epoch == 2
    drawn = np.concatenate([fixed.draw() for _ in range(5)])
    assert sorted(drawn.tolist()) == list(range(20))


def test_classes_are_equally_likely_however_rare_they_are() -> None:
    masks = np.zeros(1000, dtype=np.int64)
    masks[:900], masks[900:990], masks[990:995] = 1 << 1, 1 << 2, 1 << 5
    sampler = make(
        np.arange(1000), masks, batch_size=30, foreground_fraction=1, steps_per_epoch=100
    )
    drawn = np.concatenate([sampler.draw() for _ in range(200)])
    shares = np.array([(masks[drawn] == bit).mean() for bit in (1 << 1, 1 << 2, 1 << 5)])
    # 6000 draws: the standard deviation of a share of 1/3 is 0.006
    np.testing.assert_allclose(shares, 1 / 3, atol=0.025)
    rare = np.bincount(drawn[masks[drawn] == 1 << 5] - 990, minlength=5)
    np.testing.assert_allclose(rare / rare.sum(), 0.2, atol=0.04)


def test_the_reserved_share_is_a_third_of_nnunets_batch() -> None:
    for size, slots in {12: 4, 56: 18, 105: 35, 2: 1, 1: 0}.items():
        assert BatchSettings(batch_size=size).foreground_slots == slots
        assert size - round(size * (1 - 0.33)) == slots


def test_seeds_differ_and_a_seed_repeats_itself() -> None:
    first, again, other = (make(np.arange(50), np.full(50, 2), seed) for seed in (0, 0, 1))
    assert first.draw().tolist() == again.draw().tolist()
    assert first.draw().tolist() != other.draw().tolist()


def test_a_part_without_slices_or_without_foreground_is_refused() -> None:
    with pytest.raises(DataError, match="at least one slice"):
        make([], [])
    with pytest.raises(DataError, match="foreground"):
        make([1, 2], [0, 1], batch_size=8)
    assert make([1, 2], [0, 1], foreground_fraction=0, batch_size=2).draw().size == 2


def test_a_state_of_other_slices_is_refused() -> None:
    state = make([1, 2, 3], [2, 2, 2]).state_dict()
    for rows, masks in (([1, 2, 4], [2, 2, 2]), ([1, 2, 3], [2, 2, 4]), ([1, 2], [2, 2])):
        with pytest.raises(CheckpointError, match="slices"):
            make(rows, masks).load_state_dict(state)
