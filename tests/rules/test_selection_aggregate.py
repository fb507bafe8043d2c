from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import Genotype
from distributed_iac.selection.aggregate import Aggregate, scores
from distributed_iac.selection.candidate import Candidate

CONV = Genotype.shared(2, [[(0, "sep_conv_3x3"), (1, "skip_connect")]])
POOL = Genotype.shared(2, [[(0, "max_pool_3x3"), (1, "skip_connect")]])


def candidate(seed: int = 0, genotype: Genotype = CONV, arm: str = "lth", **more) -> Candidate:
    key = f"acdc/basic_unet-tiny/search/{arm}/seed{seed}"
    return Candidate(key=key, arm=arm, seed=seed, genotype=genotype, **more)


candidates = st.lists(
    st.builds(
        candidate,
        seed=st.integers(0, 3),
        genotype=st.sampled_from([CONV, POOL]),
        arm=st.sampled_from(["full", "lth"]),
        discrete_val_dice=st.none() | st.sampled_from([0.0, 0.5, float("nan"), 1.0]),
        cost=st.none() | st.integers(0, 2),
        epoch=st.integers(0, 2),
        state=st.sampled_from(["running", "done"]),
    ),
    max_size=8,
)
aggregates = st.builds(Aggregate.of, candidates)


@given(aggregates, aggregates, aggregates)
def test_merging_is_associative_commutative_and_idempotent(a, b, c) -> None:
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(b) == b.merge(a)
    assert a.merge(a) == a
    assert a.merge(Aggregate()) == a == Aggregate().merge(a)


@given(candidates, st.randoms())
def test_the_order_of_reports_does_not_matter(reports, random) -> None:
    one_by_one = Aggregate()
    for report in reports:
        one_by_one = one_by_one.add(report)
    random.shuffle(reports)
    assert Aggregate.of(reports) == one_by_one


def test_the_newest_report_of_a_search_stays() -> None:
    early = candidate(epoch=3, state="running")
    late = candidate(epoch=7, genotype=POOL, state="running")
    end = candidate(epoch=7)
    assert Aggregate.of([late, early]).candidates == (late,)
    assert Aggregate.of([end, late, early]).candidates == (end,)


def test_groups_hold_the_candidates_of_one_arm_by_seed() -> None:
    found = Aggregate.of([candidate(10), candidate(9), candidate(9, arm="full")]).groups
    assert [one.seed for one in found["acdc/basic_unet-tiny", "lth"]] == [9, 10]
    assert [one.seed for one in found["acdc/basic_unet-tiny", "full"]] == [9]
    assert Aggregate().groups == {}


def test_a_genotype_found_twice_is_scored_once_with_the_mean() -> None:
    found = scores(
        [
            candidate(0, discrete_val_dice=0.6, confidence=0.9, cost=5),
            candidate(1, discrete_val_dice=0.8),
            candidate(2, POOL),
        ]
    )
    both = next(one for one in found if one.genotype == CONV)
    alone = next(one for one in found if one.genotype == POOL)
    assert len(found) == 2
    assert (both.dice, both.confidence, both.cost) == (pytest.approx(0.7), 0.9, 5)
    assert both.label == f"{CONV.id} (seed 0, seed 1)"
    assert alone.dice is None


def test_agreement_counts_genes_shared_with_other_searches_against_chance() -> None:
    first, second = scores([candidate(0), candidate(1, POOL)]), scores([candidate(0)])
    # The two cells keep both edges of the only node and share the skip; by chance 2 * (1 / 7).
    assert [one.shared_genes for one in first] == [1.0, 1.0]
    assert first[0].chance_genes == pytest.approx(2 / 7)
    assert second[0].shared_genes is None


def test_nan_is_not_measured_and_a_dice_above_one_is_refused() -> None:
    assert candidate(discrete_val_dice=float("nan")).discrete_val_dice is None
    with pytest.raises(ConfigError, match=r"\[0, 1\]"):
        candidate(discrete_val_dice=1.1)
    with pytest.raises(ConfigError, match="dataset/backbone"):
        Candidate(key="acdc", arm="lth", seed=0, genotype=CONV)
