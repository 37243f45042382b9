"""Small networks of VGG-19's shape, and an independent NumPy implementation to compare with."""

import numpy as np
import torch

from impasto.network.vgg import CONVOLUTIONS_PER_BLOCK, LAYERS, VGG, Preprocessing

INPUT = Preprocessing("BGR", 2.0, (0.9, 1.0, 1.1), (0.5, 0.6, 0.7))
FILTERS = (4, 5, 6, 7, 8)


def tiny_weights(
    filters: tuple[int, ...] = FILTERS, deepest: str = "conv5_4", seed: int = 0, factored: bool = False
) -> dict[str, torch.Tensor]:
    """Random weights that keep activations alive, float32, under the paper's names.

    ``factored`` adds squeezes, from conv1_2 on and not in every layer, and readouts to more features than filters.
    """
    generator = torch.Generator().manual_seed(seed)
    widths = [n for n, count in zip(filters, CONVOLUTIONS_PER_BLOCK, strict=True) for _ in range(count)]
    weights: dict[str, torch.Tensor] = {}
    before = 3
    for layer, width in zip(LAYERS[: LAYERS.index(deepest) + 1], widths, strict=False):
        if factored and layer not in ("conv1_1", "conv3_1"):
            weights[f"{layer}.squeeze"] = torch.randn(before - 1, before, generator=generator) / before**0.5
            before -= 1
        weights[f"{layer}.weight"] = torch.randn(width, before, 3, 3, generator=generator) * (2 / (9 * before)) ** 0.5
        weights[f"{layer}.bias"] = 0.2 * torch.rand(width, generator=generator)
        if factored:
            weights[f"{layer}.readout"] = torch.randn(width + 2, width, generator=generator)
        before = width
    return weights


def tiny_network(pooling: str = "average", **options: object) -> VGG:
    return VGG(tiny_weights(**options), INPUT, pooling)


def reference_activations(network: VGG, image: np.ndarray) -> dict[str, np.ndarray]:
    """``{layer: (N, h, w)}`` in float64: convolutions as sums over shifted pictures, nothing of torch."""
    weights = {key: value.double().numpy() for key, value in network.weights().items()}
    readouts = {key.removesuffix(".readout"): value for key, value in weights.items() if key.endswith(".readout")}
    wants = network.preprocessing
    x = wants.scale * (image[0][::-1] if wants.channels == "BGR" else image[0])
    x = (x - np.reshape(wants.mean, (3, 1, 1))) / np.reshape(wants.std, (3, 1, 1))
    found = {}
    for layer in network.layers:
        if layer in ("conv2_1", "conv3_1", "conv4_1", "conv5_1"):
            x = reference_pool(x, network.pooling)
        if f"{layer}.squeeze" in weights:
            x = np.einsum("rn,nhw->rhw", weights[f"{layer}.squeeze"], x)
        kernel, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        h, w = x.shape[1:]
        shifted = np.stack([padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)])
        x = np.einsum("ncs,schw->nhw", kernel.reshape(*kernel.shape[:2], 9), shifted) + bias[:, None, None]
        x = np.maximum(x, 0)
        found[layer] = np.einsum("mn,nhw->mhw", readouts[layer], x) if layer in readouts else x
    return found


def reference_pool(x: np.ndarray, pooling: str) -> np.ndarray:
    h, w = x.shape[1] // 2, x.shape[2] // 2
    blocks = x[:, : 2 * h, : 2 * w].reshape(-1, h, 2, w, 2)
    return blocks.mean(axis=(2, 4)) if pooling == "average" else blocks.max(axis=(2, 4))
