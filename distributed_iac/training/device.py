"""Which device to compute on, in which precision and which memory layout."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

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


def lay_out(network: nn.Module, device: torch.device) -> None:
    """Choose the memory layout of a frozen network's weights, which its activations follow.

    ``channels_last`` on CUDA: torch's documentation recommends it for convolutions in reduced
    precision, and the cells compute in it too, so that nothing is transposed between them and the
    decoder. Elsewhere nothing is changed: another layout would change the last bits.
    """
    if device.type == "cuda":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
