"""How near a picture is to the photograph and to the painting, as numbers that mean the same for every layer."""

from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.features import Features
from impasto.kept import picture
from impasto.network.registry import load_network
from impasto.objective import seen
from impasto.settings import STYLE_LAYERS, Settings

LAYERS = tuple(STYLE_LAYERS)
"""Whose features and Gram matrices are compared: those of Figure 1."""


@torch.no_grad()
def measures(
    settings: Settings, image: Float[Tensor, "1 3 h w"], photograph: str = "", painting: str = ""
) -> dict[str, Any]:
    """What ``image`` ``(1, 3, h, w)`` misses.

    ``pixel_error``: root mean square difference to the photograph, of values in [0, 1]. ``content_error``: per layer
    Σ (F − P)² / Σ P². ``style_error``: per layer Σ (G/M − A/M_a)² / Σ (A/M_a)². 0 is a perfect likeness; 1 is as far
    away as nothing at all.
    """
    found: dict[str, Any] = {}
    network, image = _network(settings.network, settings.weights, settings.pooling), image.cpu()
    features = seen(network, image, LAYERS)
    if photograph:
        p = picture(photograph, settings)
        if p.shape == image.shape:
            found["pixel_error"] = float((image - p).square().mean().sqrt())
            wanted = seen(network, p, LAYERS)
            found["content_error"] = {layer: missed(F.matrix, wanted[layer].matrix) for layer, F in features.items()}
    if painting:
        wanted = seen(network, picture(painting, settings), LAYERS)
        found["style_error"] = {layer: missed(mean_gram(F), mean_gram(wanted[layer])) for layer, F in features.items()}
    return found


def mean_gram(F: Features) -> Tensor:
    """G / M."""
    mean: Tensor = F.gram / F.positions
    return mean


def missed(found: Tensor, wanted: Tensor) -> float:
    """Σ (found − wanted)² / Σ wanted²."""
    return float((found - wanted).double().square().sum() / wanted.double().square().sum())


_network = cache(lambda name, weights, pooling: load_network(name, weights=weights, pooling=pooling))
