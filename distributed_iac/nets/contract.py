"""What the search asks of a 2-D segmentation network.

::

    features = backbone.encode(x)                      # frozen in a search: under no_grad
    logits = backbone.decode(features, implant)        # implant(tap, skip, decoder) -> skip

Shapes: B batch, C channels, H x W pixels, K output channels, s stride of a tap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

Features = Sequence[Tensor]
"""What ``encode`` hands to ``decode``: tensors only, so that they can be cached."""

Implant = Callable[[int, Tensor, Tensor], Tensor]
"""``(tap index, skip, decoder feature) -> skip``, called right before the two are joined.

Both tensors have the same B, H and W; the result has the shape of the skip.
"""


@dataclass(frozen=True)
class Tap:
    """One skip connection of a backbone.

    Args:
        name: Stable name, for state_dict keys and reports.
        channels: Channels C of the encoder's skip feature.
        decoder_channels: Channels of the decoder feature that it will be joined with.
        stride: Input pixels per feature pixel along each axis; the larger one where a network
            pools its two axes differently.
    """

    name: str
    channels: int
    decoder_channels: int
    stride: int


def identity_implant(_tap: int, skip: Tensor, _decoder: Tensor) -> Tensor:
    """Leave the skip connection as it is."""
    return skip


class Backbone(nn.Module, ABC):
    """A 2-D encoder-decoder whose skips can be intercepted.

    Laws, held by one conformance test over the whole registry:

    1. ``decode(encode(x), identity_implant)`` equals the wrapped network's own output exactly.
    2. ``implant`` is called once per tap, with tap indices ``0 .. len(taps) - 1``, each with the
       channels that ``taps`` announces, skip and decoder feature of equal size.
    3. A gradient reaches every implant, also when every parameter of the backbone is frozen.
    4. Any H, W from ``minimum_size`` upwards is accepted; the output has the input's H and W.
    5. ``encode`` runs ``encoder_modules`` and ``decode`` runs the others: no parameter is in both.
    """

    _held: tuple[nn.Module, ...] = ()

    @property
    @abstractmethod
    def taps(self) -> tuple[Tap, ...]:
        """The skip connections, deepest (largest stride) first."""

    @abstractmethod
    def encode(self, x: Tensor) -> Features:
        """Encode an image batch of shape (B, C, H, W)."""

    @abstractmethod
    def decode(self, features: Features, implant: Implant) -> Tensor:
        """Decode to logits of shape (B, K, H, W), joining through ``implant``."""

    @property
    def encoder_modules(self) -> tuple[nn.Module, ...]:
        """The modules that ``encode`` runs.

        A backbone that does not tell its halves apart leaves this empty; freezing its encoder
        alone is then refused.
        """
        return ()

    @property
    def modules_before_last_block(self) -> tuple[nn.Module, ...]:
        """The modules that run before the last decoder block, and heads that serve training only.

        Left empty where a backbone does not tell; training the last block alone is then refused.
        """
        return ()

    @property
    def minimum_size(self) -> int:
        """Smallest accepted H and W, in pixels.

        The default leaves two pixels below the deepest tap, because normalising over a single
        pixel has no meaning.
        """
        return 4 * self.taps[0].stride

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K, H, W) of the plain network, nothing implanted."""
        return self.decode(self.encode(x), identity_implant)

    def training_outputs(
        self, x: Tensor, implant: Implant = identity_implant
    ) -> tuple[Tensor, ...]:
        """Return logits at every supervised scale, finest first (deep supervision).

        The default supervises the full resolution only.
        """
        return (self.decode(self.encode(x), implant),)

    def hold_in_eval(self, modules: Sequence[nn.Module]) -> None:
        """Keep these submodules in eval mode from now on, whatever ``train`` is told.

        Running statistics of a frozen network must not move, and whoever owns the backbone calls
        ``train()`` on the whole. An empty sequence lets go of all.
        """
        self._held = tuple(modules)
        for module in self._held:
            module.eval()

    def train(self, mode: bool = True) -> Self:
        """Set the training mode, except of what :meth:`hold_in_eval` holds."""
        super().train(mode)
        for module in self._held:
            module.eval()
        return self
