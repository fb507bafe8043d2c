from __future__ import annotations

import pytest

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import Genotype
from distributed_iac.selection.candidate import Candidate
from distributed_iac.selection.scores import scores

CONV = Genotype.shared(2, [[(0, "sep_conv_3x3"), (1, "skip_connect")]])
POOL = Genotype.shared(2, [[(0, "max_pool_3x3"), (1, "skip_connect")]])


def candidate(seed: int = 0, genotype: Genotype = CONV, arm: str = "lth", **more) -> Candidate:
    key = f"acdc/basic_unet-tiny/search/{arm}/seed{seed}"
    return Candidate(key=key, arm=arm, seed=seed, genotype=genotype, **more)


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
