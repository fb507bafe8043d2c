"""U-Nets of others, as public repositories write them: nothing in them knows of this one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def double(inside: int, outside: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for start in (inside, outside):
        layers += [nn.Conv2d(start, outside, 3, padding=1), nn.BatchNorm2d(outside)]
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class FlatUNet(nn.Module):
    """All in one ``forward``: one pooling for all levels, functional ReLU and concatenation."""

    def __init__(self, n_channels: int, n_classes: int, width: int = 8) -> None:
        super().__init__()
        self.enc1, self.enc2 = double(n_channels, width), double(width, 2 * width)
        self.enc3, self.bottom = double(2 * width, 4 * width), double(4 * width, 4 * width)
        self.dec3, self.dec2 = double(8 * width, 2 * width), double(4 * width, width)
        self.dec1 = double(2 * width, width)
        self.pool = nn.MaxPool2d(2)
        self.squeeze = nn.Conv2d(4 * width, 4 * width, 1)
        self.out = nn.Conv2d(width, n_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        e1 = self.enc1(x)
        e2 = self.enc2(self.pool(e1))
        e3 = self.enc3(self.pool(e2))
        b = self.bottom(F.relu(self.pool(e3)))
        b = b * torch.sigmoid(self.squeeze(F.adaptive_avg_pool2d(b, 1)))
        d = self.dec3(torch.cat([self.up(b, e3), e3], dim=1))
        d = self.dec2(torch.cat([self.up(d, e2), e2], dim=1))
        d = self.dec1(torch.cat([self.up(d, e1), e1], dim=1))
        return self.out(d)

    @staticmethod
    def up(x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class Crop(nn.Module):
    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        top, left = ((x.shape[axis] - like.shape[axis]) // 2 for axis in (2, 3))
        return x[:, :, top : top + like.shape[2], left : left + like.shape[3]]


class Up(nn.Module):
    def __init__(self, inside: int, skip: int, outside: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inside, outside, 2, stride=2)
        self.crop = Crop()
        self.conv = double(outside + skip, outside)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)
        return self.conv(torch.cat((self.crop(skip, x), x), 1))  # type: ignore[no-any-return]


class CroppingUNet(nn.Module):
    """The encoder's features are cut to what the decoder has left: odd rows are lost."""

    def __init__(
        self, in_channels: int = 1, num_classes: int = 2, widths: Any = (8, 12, 16)
    ) -> None:
        super().__init__()
        pairs = list(zip((in_channels, *widths), (*widths, 2 * widths[-1]), strict=True))
        self.downs = nn.ModuleList(double(*pair) for pair in pairs)
        deep = [2 * widths[-1], *reversed(widths)]
        self.ups = nn.ModuleList(Up(inside, skip, skip) for inside, skip in pairwise(deep))
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for down in self.downs[:-1]:
            x = down(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.downs[-1](x)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            x = up(x, skip)
        return self.head(x)  # type: ignore[no-any-return]


class SumUNet(nn.Module):
    """Joins by sums, in place; residual blocks; a gate on one skip; dropout in the bottleneck."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.stem, self.down1 = double(in_channels, 8), nn.Conv2d(8, 16, 3, 2, 1)
        self.down2, self.res = nn.Conv2d(16, 16, 3, 2, 1), double(16, 16)
        self.drop = nn.Dropout2d(0.2)
        self.up2, self.up1 = nn.ConvTranspose2d(16, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.gate, self.out = nn.Conv2d(16, 1, 1), nn.Conv2d(8, classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.stem(x)
        b = F.relu(self.down1(a), inplace=True)
        c = self.down2(b)
        c = self.drop(c + self.res(c))
        up = self.up2(c)
        up += b * torch.sigmoid(self.gate(b))
        return self.out(F.relu(a + self.up1(up)))  # type: ignore[no-any-return]


class SharedUNet(nn.Module):
    """Weights of the encoder serve in the decoder too: the two cannot be run apart."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.stem, self.mix = double(in_channels, 8), double(8, 8)
        self.narrow, self.out = nn.Conv2d(16, 8, 1), nn.Conv2d(16, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.stem(x)
        b = self.mix(F.max_pool2d(a, 2))
        c = F.avg_pool2d(b, 2)
        d = self.mix(self.narrow(torch.cat([F.interpolate(c, scale_factor=2.0), b], 1)))
        return self.out(torch.cat([F.interpolate(d, scale_factor=2.0), a], 1))  # type: ignore[no-any-return]


class Probabilities(FlatUNet):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(1)


class Cut(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


class Detached(FlatUNet):
    """Nothing can be learnt at its deepest concatenation."""

    def __init__(self, n_channels: int, n_classes: int) -> None:
        super().__init__(n_channels, n_classes)
        self.dec3 = nn.Sequential(Cut(), self.dec3)


class Fickle(FlatUNet):
    """Remembers how often it was called."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        Fickle.calls += 1
        return super().forward(x) + Fickle.calls


def several(in_channels: int, classes: int) -> nn.Module:
    class Deep(FlatUNet):
        def forward(self, x: Tensor) -> Any:
            found = super().forward(x)
            return [found, found] if self.training else found

    return Deep(in_channels, classes)


def number(in_channels: int) -> int:
    return in_channels


class SharperUNet(FlatUNet):
    """The same tensors; it upsamples otherwise."""

    @staticmethod
    def up(x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, size=like.shape[2:], mode="nearest")
