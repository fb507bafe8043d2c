"""Every family of networks at sizes for a processor, each beside the plain network it wraps."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distributed_iac.config.backbone import (
    BackboneSettings,
    BasicUnetSettings,
    CustomSettings,
    DynUnetSettings,
    FlexibleUnetSettings,
    NnUnetSettings,
    SmpUnetSettings,
    UnetSettings,
)
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.wrapped import WrappedBackbone
from tests.backbones import COMPACT, REQUIRES

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Case:
    """One network of the conformance tests."""

    name: str
    settings: BackboneSettings
    fingerprint: Fingerprint2d | None = None
    in_channels: int = 2
    out_channels: int = 4
    requires: tuple[str, ...] = field(default=())

    def build(self, seed: int = 0) -> WrappedBackbone:
        backbone = build_backbone(
            self.settings, self.in_channels, self.out_channels, self.fingerprint, seed=seed
        )
        assert isinstance(backbone, WrappedBackbone)
        return backbone

    def images(self, height: int = 64, width: int = 96, batch: int = 2) -> Tensor:
        generator = torch.Generator().manual_seed(7)
        return torch.randn(batch, self.in_channels, height, width, generator=generator)


def _cases() -> Iterator[Case]:
    for name, settings in COMPACT.items():
        requires = (REQUIRES[name],) if name in REQUIRES else ()
        yield Case(name, settings, requires=requires)
    yield Case(
        "basic_unet-options",
        BasicUnetSettings(
            features=(4, 6, 8, 10, 12, 5), norm="batch", dropout=0.2, upsample="nontrainable"
        ),
    )
    yield Case(
        "basic_unet-pixelshuffle",
        BasicUnetSettings(features=(4, 6, 8, 10, 12, 5), upsample="pixelshuffle"),
    )
    yield Case("unet-plain", UnetSettings(channels=(4, 6, 8, 10), dropout=0.2, bias=False))
    yield Case(
        "unet-options",
        UnetSettings(
            channels=(4, 6, 8),
            strides=(2, 4),
            kernel_size=5,
            up_kernel_size=3,
            num_res_units=2,
            act="relu",
            norm="batch",
            adn_ordering="ADN",
        ),
    )
    yield Case(
        "dynunet-planned",
        DynUnetSettings(base_features=4, supervised_scales="all"),
        Fingerprint2d((64, 48), (1.0, 1.0)),
    )
    yield Case(
        "dynunet-anisotropic",
        DynUnetSettings(
            base_features=4,
            strides=((1, 1), (2, 1), (2, 2), (2, 2)),
            kernels=((3, 1), (3, 3), (3, 3), (3, 3)),
            supervised_scales=2,
        ),
    )
    yield Case(
        "flexible_unet-efficientnet",
        FlexibleUnetSettings(encoder="efficientnet-b0", decoder_channels=(16, 16, 8, 8, 8)),
    )
    yield Case(
        "smp_unet-mit",
        SmpUnetSettings(encoder="mit_b0", decoder_channels=(16, 16, 8, 8, 8)),
        requires=("segmentation_models_pytorch",),
    )
    yield Case("custom-crop", CustomSettings(import_="tests.foreign:CroppingUNet"))
    yield Case("custom-sum", CustomSettings(import_="tests.foreign:SumUNet"))
    yield Case("custom-whole", CustomSettings(import_="tests.foreign:SharedUNet"))
    yield Case(
        "custom-smp",
        CustomSettings(
            import_="segmentation_models_pytorch:Unet",
            settings={
                "encoder_name": "resnet18",
                "encoder_weights": None,
                "decoder_channels": [32, 32, 16, 16, 8],
            },
        ),
        requires=("segmentation_models_pytorch",),
    )
    for kind in ("plain", "residual"):
        yield Case(f"nnunet-{kind}", NnUnetSettings(folder=DATA / f"nnunet_{kind}"))


CASES = {case.name: case for case in _cases()}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def _torchvision_schemas() -> Any:
    """Declare what torchvision declares in its compiled half, where that half does not load.

    With a torch of another build (a CPU build, for one) its Python half cannot be imported
    otherwise. None of these operators is ever called by a segmentation network.
    """
    importing = [sys.executable, "-c", "import torchvision"]
    if subprocess.run(importing, capture_output=True, check=False).returncode == 0:
        return None
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def require(case: Case) -> None:
    """Skip where a package that the case needs is not installed."""
    for package in case.requires:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if "segmentation_models_pytorch" in case.requires:
        _torchvision_schemas()


@cache
def _built(name: str) -> WrappedBackbone:
    """Build once; move every number off its initial zero or one, which would hide mistakes."""
    backbone = CASES[name].build()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in backbone.state_dict().items():
            if tensor.is_floating_point():
                noise = 0.05 * torch.randn(tensor.shape, generator=generator)
                tensor.add_(noise.abs() if name.endswith("running_var") else noise)
    return backbone


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    chosen = CASES[request.param]
    require(chosen)
    return chosen


@pytest.fixture
def backbone(case: Case) -> WrappedBackbone:
    """A network of the case, in eval mode, free to change."""
    return copy.deepcopy(_built(case.name)).eval()


@pytest.fixture
def make_case() -> Callable[[str], Case]:
    """Find a case by name; skip where a package is missing."""

    def find(name: str) -> Case:
        require(CASES[name])
        return CASES[name]

    return find


@pytest.fixture
def nnunet_data() -> Path:
    """Folder of the models that nnU-Net's own trainer wrote."""
    return DATA


@pytest.fixture
def seeded() -> Callable[[int], Any]:
    """A context in which torch's generator is seeded, and restored afterwards."""

    @contextmanager
    def context(seed: int) -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield

    return context


@pytest.fixture
def plain() -> Callable[[WrappedBackbone], Callable[[Tensor], Tensor]]:
    """The wrapped library's own forward pass, sharing the backbone's tensors."""
    return _plain


def _plain(backbone: WrappedBackbone) -> Callable[[Tensor], Tensor]:
    kind = type(backbone).__name__
    if kind == "DynUnetBackbone":
        return _monai_dynunet(backbone)
    if kind == "NnUnetBackbone":
        return lambda x: _nnunet_forward(backbone.net, x)
    if kind == "BasicUnetPlusPlusBackbone":
        return lambda x: backbone.net(x)[0]
    return backbone.net  # type: ignore[no-any-return]


def _monai_dynunet(backbone: WrappedBackbone) -> nn.Module:
    """A DynUNet of MONAI's, complete with its recursive forward."""
    from monai.networks.nets.dynunet import DynUNet

    own = backbone.net
    net = DynUNet(
        spatial_dims=2,
        in_channels=own.in_channels,
        out_channels=own.out_channels,
        kernel_size=own.kernel_size,
        strides=own.strides,
        upsample_kernel_size=own.upsample_kernel_size,
        filters=own.filters,
        norm_name=own.norm_name,
    )
    heads = {name for name in own.state_dict() if name.startswith("deep_supervision_heads")}
    missing, unexpected = net.load_state_dict(own.state_dict(), strict=False)
    assert all(name.startswith("skip_layers.") for name in missing)
    assert set(unexpected) == heads
    return net.train(backbone.training)  # type: ignore[no-any-return]


def _nnunet_forward(net: Any, x: Tensor) -> Tensor:
    """Run the decoder as ``dynamic_network_architectures`` does, without deep supervision."""
    skips = net.encoder(x)
    below = skips[-1]
    for stage in range(len(net.decoder.stages)):
        up = net.decoder.transpconvs[stage](below)
        below = net.decoder.stages[stage](torch.cat((up, skips[-(stage + 2)]), 1))
    logits: Tensor = net.decoder.seg_layers[-1](below)
    return logits
