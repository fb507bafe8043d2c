"""Which device to compute on, and in which precision."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext

import torch

from distributed_iac.config.training import Precision
from distributed_iac.errors import ConfigError

KNOWN = re.compile(r"cpu|cuda(:(0|[1-9]\d?))?")
"""Devices besides ``auto``. torch knows more: ``meta`` computes nothing, and others were never
tried."""


def choose_device(name: str) -> torch.device:
    """Resolve a device name; ``auto`` takes the first accelerator there is.

    Raises:
        ConfigError: There is no such device, or it is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("cpu")
    if not KNOWN.fullmatch(name):
        raise ConfigError(
            "a device is auto, cpu, cuda or cuda:<number>",
            came=repr(name),
            remedy="use device: auto, the first GPU or else the CPU",
        )
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"the device {name} is not available here",
            came=f"{torch.cuda.device_count()} CUDA devices visible",
            remedy="use device: auto or device: cpu, or run where the GPU and its driver are",
        )
    return device


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Context for forward passes.

    ``auto`` is bfloat16 on CUDA devices that have it in hardware and float32 elsewhere. Our
    choice of bfloat16 over float16: it needs no loss scaling, hence no state and no skipped steps.
    """
    wanted = precision == "bfloat16" or (
        precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
    )
    return torch.autocast(device.type, torch.bfloat16) if wanted else nullcontext()
