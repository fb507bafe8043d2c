"""A network that nnU-Net planned, without the folder it was trained in.

::

    plan = read_nnunet_plan(settings.folder).architecture    # at export
    plan = architecture_from_json(card["nnunet"])            # wherever the model is used
    backbone = build_planned(settings, plan, in_channels=1, out_channels=4)

Only the architecture travels: ``plans.json`` and ``dataset.json`` may name the cases of a
hospital.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.nets.nnunet_plan import NnUnetArchitecture

if TYPE_CHECKING:
    from distributed_iac.nets.nnunet import NnUnetBackbone

_LAYERS = ("norm", "nonlinearity", "dropout")


def architecture_from_json(value: Mapping[str, Any]) -> NnUnetArchitecture:
    """Rebuild an architecture from the plain values of ``dataclasses.asdict``.

    Raises:
        KeyError, TypeError, ValueError: It is not one.
    """
    known: dict[str, Any] = {
        field.name: (_layer if field.name in _LAYERS else _tuples)(value[field.name])
        for field in fields(NnUnetArchitecture)
    }
    return NnUnetArchitecture(**known)


def build_planned(
    settings: NnUnetSettings, plan: NnUnetArchitecture, in_channels: int, out_channels: int
) -> NnUnetBackbone:
    """Build the network with fresh weights, to be loaded next."""
    from distributed_iac.nets.nnunet import NnUnetBackbone
    from distributed_iac.nets.nnunet_network import NnUnetNetwork

    net = NnUnetNetwork(plan, in_channels, out_channels)
    return NnUnetBackbone(net, plan, settings.supervised_scales)


def _layer(value: Any) -> tuple[str, Mapping[str, Any]] | None:
    if value is None:
        return None
    name, options = value
    return str(name), dict(options)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
