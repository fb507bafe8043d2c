"""Networks of others, looked at before anything is prepared or trained.

::

    for sentence in require_custom(config):         # where cells will be implanted
        print(sentence)
"""

from __future__ import annotations

from collections.abc import Iterator

from distributed_iac.config.backbone import CustomSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.nets.trained import card_of_data, size_for


def require_custom(config: RunConfig) -> Iterator[str]:
    """Prove of every custom network that cells can be implanted, and say where.

    A data set of which neither source nor store is there is left to the job that prepares it.

    Raises:
        ConfigError: A network cannot be built, or a join fails; it is named.
        DataError: A source or store cannot be read.
    """
    networks = [o for o in (*config.backbones, *config.baselines) if isinstance(o, CustomSettings)]
    for settings in networks:
        for dataset in config.data:
            data = card_of_data(config, dataset)
            if data is not None:
                yield described(settings, *size_for(settings, data))


def described(settings: CustomSettings, in_channels: int, out_channels: int) -> str:
    """Say where cells will be implanted into a network, once it is proven."""
    from distributed_iac.nets.custom_proof import wiring_of  # only now: it brings torch

    wiring = wiring_of(settings, in_channels, out_channels)
    taps = ", ".join(
        f"{tap.name} (stride {tap.stride}, {tap.channels} + {tap.decoder_channels} channels)"
        for tap in wiring.taps
    )
    padded = f"; images are padded to multiples of {wiring.multiple}" * (wiring.multiple > 1)
    whole = "" if wiring.encoder else "; its encoder is computed anew for every step"
    return f"{settings.key} is itself with cells at {taps}{padded}{whole}"
