"""Small networks of VGG-19's shape."""

from dataclasses import dataclass

import torch

from impasto.network.protocol import Preprocessing
from impasto.network.vgg import CONVOLUTIONS_PER_BLOCK, LAYERS, VGG

INPUT = Preprocessing("BGR", 2.0, (0.9, 1.0, 1.1), (0.5, 0.6, 0.7))
FILTERS = (4, 5, 6, 7, 8)


def tiny_weights(
    filters: tuple[int, ...] = FILTERS, deepest: str = "conv5_4", seed: int = 0, factored: bool = False
) -> dict[str, torch.Tensor]:
    """Random weights that keep activations alive, float32, under the paper's names.

    ``factored`` adds squeezes and expansions, from conv1_2 on and not in every layer, and readouts to more features
    than there are filters.
    """
    generator = torch.Generator().manual_seed(seed)
    widths = [n for n, count in zip(filters, CONVOLUTIONS_PER_BLOCK, strict=True) for _ in range(count)]
    weights: dict[str, torch.Tensor] = {}
    before = 3
    for layer, width in zip(LAYERS[: LAYERS.index(deepest) + 1], widths, strict=False):
        if factored and layer not in ("conv1_1", "conv3_1"):
            weights[f"{layer}.squeeze"] = torch.randn(before - 1, before, generator=generator) / before**0.5
            before -= 1
        given = width - 2 if factored and layer not in ("conv1_1", "conv3_2") else width
        weights[f"{layer}.weight"] = torch.randn(given, before, 3, 3, generator=generator) * (2 / (9 * before)) ** 0.5
        if given < width:
            weights[f"{layer}.expand"] = torch.randn(width, given, generator=generator) / given**0.5
        weights[f"{layer}.bias"] = 0.2 * torch.rand(width, generator=generator)
        if factored:
            weights[f"{layer}.readout"] = torch.randn(width + 2, width, generator=generator)
        before = width
    return weights


def tiny_network(pooling: str = "average", **options: object) -> VGG:
    return VGG(tiny_weights(**options), INPUT, pooling)


@dataclass(frozen=True)
class Own:
    """A style loss of one's own."""

    name: str = "own"

    def statistic(self, F):
        return F.sum, F.positions

    def loss(self, x, a):
        return (x[0] / x[1] - a[0] / a[1]).square().sum()
