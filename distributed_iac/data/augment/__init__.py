"""Random variation of training batches, on the device, from one saved generator."""

from distributed_iac.data.augment.pipeline import Augmentation
from distributed_iac.data.augment.recipe import LIGHT, RECIPES, STRONG, Chance, Recipe

__all__ = ["LIGHT", "RECIPES", "STRONG", "Augmentation", "Chance", "Recipe"]
