"""How near a picture is to the photograph and to the painting, as numbers that mean the same for every layer."""

from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from impasto import facade
from impasto.network.registry import load_network
from impasto.network.vgg import VGG
from impasto.objective import gram_of
from impasto.settings import Settings

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
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
    seen = network(image, LAYERS)
    if photograph:
        p = facade.picture(photograph, settings)
        if p.shape == image.shape:
            found["pixel_error"] = float((image - p).square().mean().sqrt())
            wanted = network.features(p, LAYERS)
            found["content_error"] = {
                layer: missed(network.link(layer).read(F.flatten(2)[0]), wanted[layer]) for layer, F in seen.items()
            }
    if painting:
        wanted = grams(network, network(facade.picture(painting, settings), LAYERS))
        found["style_error"] = {layer: missed(G, wanted[layer]) for layer, G in grams(network, seen).items()}
    return found


def grams(network: VGG, activations: dict[str, Tensor]) -> dict[str, Tensor]:
    """G / M of every layer."""
    found = {}
    for layer, activation in activations.items():
        F = activation.flatten(2)[0]
        found[layer] = gram_of(network, layer, F) / F.shape[1]
    return found


def missed(found: Tensor, wanted: Tensor) -> float:
    """Σ (found − wanted)² / Σ wanted²."""
    return float((found - wanted).double().square().sum() / wanted.double().square().sum())


_network = cache(lambda name, weights, pooling: load_network(name, weights=weights, pooling=pooling))
