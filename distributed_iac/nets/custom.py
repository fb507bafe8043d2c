"""Any U-Net, by the import path of what builds it.

::

    settings = CustomSettings(import_="unet:UNet", joins=("up1.cat", "up2.cat"))
    backbone = build(settings, Wanted(in_channels=1, out_channels=4))
    [tap.name for tap in backbone.taps]         # up1.cat, up2.cat: deepest first
"""

from __future__ import annotations

from distributed_iac.config.backbone import CustomSettings
from distributed_iac.nets.custom_network import network_of
from distributed_iac.nets.custom_proof import wiring_of
from distributed_iac.nets.opened import OpenedBackbone
from distributed_iac.nets.wrapped import Wanted


def build(settings: CustomSettings, wanted: Wanted) -> OpenedBackbone:
    """Build the network, randomly initialised, once it is known to keep its promises.

    Raises:
        ConfigError: It cannot be imported, built or run, or breaks a promise; says which join.
    """
    wiring = wiring_of(settings, wanted.in_channels, wanted.out_channels)
    return OpenedBackbone(network_of(settings, wanted), wiring)
