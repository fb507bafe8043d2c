"""Settings of the three training stages, pre-training, search and retraining, and of optimisers.

Defaults that are published are marked with their source; the others are our choice.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from distributed_iac.config.base import Before, Count, NonNegative, Positive, Settings

Precision = Literal["auto", "float32", "bfloat16"]
CudaGraphs = Literal["off", "auto"]
Unfreeze = Literal["cells", "cells_and_decoder", "all"]
TrainingPart = Literal["weights", "architecture"]
Fraction = Annotated[float, Field(ge=0, lt=1)]

TRAINING_PARTS: tuple[TrainingPart, ...] = ("weights", "architecture")
"""The parts of a split that networks are trained on, all of them by default."""


class SgdSettings(Settings):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: Positive = 0.1
    """At ``reference_batch``; scaled linearly to the batch in use."""
    reference_batch: Count | None = 256
    """Batch size that the learning rate was published for; None: do not scale."""
    momentum: Fraction = 0.9
    nesterov: Literal["off", "on"] = "off"
    weight_decay: NonNegative = 3e-4


class AdamSettings(Settings):
    """Adam; with decoupled weight decay when ``kind`` is ``adamw``."""

    kind: Literal["adam", "adamw"] = "adam"
    learning_rate: Positive = 6e-4
    reference_batch: Count | None = None
    """Batch size that the learning rate was published for; None: do not scale."""
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NonNegative = 0.0


OptimiserSettings = Annotated[SgdSettings | AdamSettings, Field(discriminator="kind")]


class ConstantSchedule(Settings):
    """The learning rate stays as it is."""

    kind: Literal["constant"] = "constant"


class CosineSchedule(Settings):
    """Half a cosine from 1 to ``floor`` over the epochs (PC-DARTS)."""

    kind: Literal["cosine"] = "cosine"
    floor: Fraction = 0.0
    """Share of the learning rate left at the end."""


class PolySchedule(Settings):
    """``(1 - epoch / epochs) ** power`` (nnU-Net)."""

    kind: Literal["poly"] = "poly"
    power: Positive = 0.9


RateSchedule = Annotated[
    ConstantSchedule | CosineSchedule | PolySchedule, Field(discriminator="kind")
]


class LossSettings(Settings):
    """Dice plus cross-entropy, as nnU-Net (arXiv 1904.08128)."""

    dice_weight: NonNegative = 1.0
    cross_entropy_weight: NonNegative = 1.0
    smooth: Positive = 1e-5
    """Added to numerator and denominator of the soft Dice (nnU-Net)."""

    @model_validator(mode="after")
    def _some_loss(self) -> Self:
        if self.dice_weight + self.cross_entropy_weight == 0:
            raise ValueError("at least one of dice_weight and cross_entropy_weight is above 0")
        return self


class SupervisedSettings(Settings):
    """What pre-training and retraining have in common."""

    epochs: Count
    """An epoch is ``batches.steps_per_epoch`` batches."""
    optimiser: OptimiserSettings
    schedule: RateSchedule = PolySchedule()
    """nnU-Net's, by default."""
    gradient_clip: Positive = 12.0
    """Largest gradient norm (nnU-Net)."""
    loss: LossSettings = LossSettings()
    validate_every: Count = 1
    """Epochs between validations; the last epoch is always validated."""
    patience: Count | None = None
    """Validations without a better score after which training stops; None: never."""
    precision: Precision = "auto"
    """``auto`` is bfloat16 on GPUs that have it, else float32. On a CPU a retraining in bfloat16
    ends within 0.0004 of float32's val Dice (``benchmarks/gpu.py``)."""


class PretrainSettings(SupervisedSettings):
    """Training of the plain backbone; the defaults are nnU-Net's (arXiv 1904.08128)."""

    epochs: Count = 1000
    optimiser: OptimiserSettings = SgdSettings(
        learning_rate=0.01, reference_batch=None, momentum=0.99, nesterov="on", weight_decay=3e-5
    )
    parts: Annotated[tuple[TrainingPart, ...], Field(min_length=1), Before(TRAINING_PARTS)] = (
        TRAINING_PARTS
    )
    """Of the split, the parts that the backbone learns from; baselines learn from all of them.
    Without ``architecture`` a search judges operations on patients that the frozen network has not
    learned by heart, at the cost of a network that has seen fewer."""

    @field_validator("parts")
    @classmethod
    def _parts_differ(cls, given: tuple[TrainingPart, ...]) -> tuple[TrainingPart, ...]:
        if len(set(given)) < len(given):
            raise ValueError(f"parts differ from each other (came {list(given)})")
        return tuple(part for part in TRAINING_PARTS if part in given)


class SearchSettings(Settings):
    """First-order bilevel search for a cell in a frozen backbone.

    The optimisers' defaults are PC-DARTS's for CIFAR (arXiv 1907.05737). On small data sets they
    leave the importance near uniform (measured, see the README): configs/ has the settings
    that do not, under ``search_small.yaml``.
    """

    epochs: Count = 200
    """The original IAC's number (arXiv 2405.03420)."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 15
    """Epochs that train only the cells' weights (PC-DARTS: 15 of 50)."""
    weights: OptimiserSettings = SgdSettings()
    architecture: OptimiserSettings = AdamSettings(
        learning_rate=6e-4, betas=(0.5, 0.999), weight_decay=1e-3
    )
    schedule: RateSchedule = CosineSchedule()
    """Of the weight optimiser; the architecture optimiser's rate is constant."""
    gradient_clip: Positive = 5.0
    """Largest gradient norm of the weight step (PC-DARTS)."""
    beta_decay: NonNegative = 0.0
    """Factor of ``mean(logsumexp(alpha))`` added to the architecture loss (beta-DARTS)."""
    loss: LossSettings = LossSettings()
    validate_every: Count = 1
    precision: Precision = "float32"
    """``auto`` is bfloat16 on GPUs that have it. It has to be asked for: on a CPU its rounding
    changed what was pruned from epoch 6 of 12 on, as moving every weight by its last bit did not;
    the cells at the end were the same (``benchmarks/gpu.py``)."""
    feature_cache: NonNegative = 0.5
    """GiB at most for features of the frozen encoder, on the device that computes; 0 keeps none.

    Slices that are never augmented are encoded once: those of ``val``, and those trained on under
    ``batches.augmentation: none``. Results are the same to the bit. Measured on a CPU it saves 7 to
    57 % of a validation and 3 to 38 % of a step, more with a heavy encoder and with pruned cells
    (``benchmarks/feature_cache.py``), and a slice of 256 x 256 takes 3 to 9 MiB. What does not fit
    is computed; all is given back when memory runs out."""
    cuda_graphs: CudaGraphs = "off"
    """``auto`` records the two steps as CUDA graphs, anew after each pruning, where that is
    possible, and says why where it is not. Written against torch's documentation and not yet run
    on a GPU, hence not the default."""
    largest_split: Count = 8
    """When memory runs out a batch is computed in up to this many parts before giving up."""

    @property
    def architecture_momentum(self) -> float:
        """First-moment decay of the architecture optimiser, which the signal guard must know."""
        optimiser = self.architecture
        return optimiser.momentum if isinstance(optimiser, SgdSettings) else optimiser.betas[0]

    @model_validator(mode="after")
    def _search_follows_warmup(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs must be below epochs, so that the architecture is searched at all "
                f"(warmup_epochs {self.warmup_epochs}, epochs {self.epochs})"
            )
        return self


class RetrainSettings(SupervisedSettings):
    """Training of a discrete cell in the pre-trained network; the defaults are our choice."""

    epochs: Count = 100
    optimiser: OptimiserSettings = AdamSettings(kind="adamw", learning_rate=1e-3, weight_decay=1e-4)
    unfreeze: Unfreeze = "all"
    """What is trained besides the cells."""
    rates: Annotated[tuple[Positive, ...], Before(())] = (1.0, 0.1)
    """Learning rates to choose from, as shares of the optimiser's. Every model of a run, arm or
    control, is trained for ``epochs`` with each of them, and the one with the best val Dice is
    kept: a control that nobody tuned makes anything look good beside it. They are the rates of the
    network where it is trained (cells beside it keep the optimiser's, being fresh), else of what
    is implanted. The default is our choice: what a frozen network of another hospital takes, and
    what one leaves unharmed that has converged."""
    backbone_rate: Positive = 0.1
    """With ``rates: []``, as releases before ``rates`` trained: the one rate of the network's part,
    as a share of that of the cells, which nobody chose."""

    @model_validator(mode="after")
    def _one_way_to_a_rate(self) -> Self:
        if self.rates and self.backbone_rate != type(self).model_fields["backbone_rate"].default:
            raise ValueError(
                f"backbone_rate counts with rates: [] only (rates {list(self.rates)}, "
                f"backbone_rate {self.backbone_rate}): put the share among rates, or empty them"
            )
        if len({f"{rate:g}" for rate in self.rates}) < len(self.rates):
            raise ValueError(f"rates differ from each other (came {list(self.rates)})")
        return self

    @property
    def all_epochs(self) -> int:
        """Epochs of a retraining, over all rates."""
        return self.epochs * max(1, len(self.rates))
