from __future__ import annotations

import numpy as np
import pytest

from distributed_iac.comparison.likeness import SearchEvidence, early_operations, likenesses
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.genotype import CellTopology, Genotype
from distributed_iac.importance.history import ImportanceHistory

CONV = Genotype.shared(2, [[(0, "sep_conv_3x3"), (1, "skip_connect")]])
POOL = Genotype.shared(2, [[(0, "max_pool_3x3"), (1, "skip_connect")]])
EMPTY = ImportanceHistory.start(CellTopology(2, 1))
GROUP = "acdc/unet"


def test_every_two_searches_of_a_group_are_compared_by_their_relation() -> None:
    evidence = [
        SearchEvidence(GROUP, arm, seed, CONV if arm == "full" else POOL, EMPTY)
        for arm in ("lth", "full")
        for seed in (0, 1)
    ]
    found = {(one.arms, one.relation): one for one in likenesses(evidence)}
    same = ("full", "full"), "same arm, other seed"
    assert found[same].shared_genes == pytest.approx((2, 2 / 7, 2))
    across = found[("full", "lth"), "other arm, same seed"]
    assert len(across.genes) == 2
    assert across.shared_genes == pytest.approx((1, 2 / 7, 2))
    assert [match.same for match in across.edges] == [2, 2]
    assert len(found[("full", "lth"), "other arm, other seed"].genes) == 2


def test_groups_are_not_compared_with_each_other_and_nothing_gives_nothing() -> None:
    lone = [SearchEvidence(group, "full", 0, CONV, EMPTY) for group in (GROUP, "kits/unet")]
    assert likenesses(lone) == ()
    assert likenesses([]) == ()
    assert early_operations(lone, ComparisonSettings()) == ()


def history_of(course: list[int]) -> ImportanceHistory:
    """Edge 0's sep_conv_3x3 has the given rank in every epoch; edge 1's skip always leads."""
    history = ImportanceHistory.start(CellTopology(2, 1))
    for epoch, rank in enumerate(course):
        order = [1, 2, 3, 5, 6, 7]
        order.insert(rank - 1, 4)
        weights = np.zeros((2, 8))
        weights[0, order] = np.arange(14, 0, -2)
        weights[1, [3, 1, 2, 4, 5, 6, 7]] = np.arange(14, 0, -2)
        weights[:, 0] = 1
        operations = np.tile(weights / weights.sum(axis=1, keepdims=True), (2, 1, 1))
        history = history.observe(epoch, operations, np.full((2, 2), 0.5))
    return history


def test_early_operations_say_the_share_at_the_epoch_and_when_all_had_settled() -> None:
    history = history_of([7, 2, 5, 3, 1, 1])
    evidence = [
        SearchEvidence(GROUP, "full", 0, CONV, history),
        SearchEvidence(GROUP, "lth", 0, CONV, history),
    ]
    (one,) = early_operations(evidence, ComparisonSettings(epoch=2))
    assert (one.epoch, one.share, one.settled) == (2, 0.5, 3)
    assert one.chance == pytest.approx(3 / 7)
    (late,) = early_operations(evidence, ComparisonSettings(epoch=45))
    assert (late.epoch, late.share) == (5, 1.0)
    never = [SearchEvidence(GROUP, "full", 0, CONV, history_of([7, 7]))]
    assert early_operations(never, ComparisonSettings())[0].settled is None
