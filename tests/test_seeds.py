"""Seeds differ by purpose and are the same in every process."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.seeds import derive_seed


def test_the_value_is_fixed_for_all_time() -> None:
    assert derive_seed(0, "search", "acdc") == 6551105903193040866


@given(st.integers(), st.lists(st.text() | st.integers(), max_size=3))
def test_a_seed_fits_every_generator(seed: int, purpose: list[str | int]) -> None:
    assert 0 <= derive_seed(seed, *purpose) < 2**63


def test_neighbouring_seeds_and_purposes_differ() -> None:
    seeds = {derive_seed(s, p) for s in range(100) for p in ("search", "retrain")}
    assert len(seeds) == 200
