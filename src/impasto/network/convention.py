"""Whose weights are these? What a network does to a photograph tells which input it was trained on.

Caffe's networks see colours from −128 to 128, torchvision's from −2 to 2. With the other's input a network sees a
photograph sixty times too faint, and its deepest layer says hardly anything but its biases; or sixty times too bright,
and its biases are lost.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from impasto.errors import WeightsError
from impasto.images.files import read
from impasto.network.protocol import CAFFE, TORCHVISION, Preprocessing
from impasto.network.vgg import CHAINS, VGG, layers_of

FILTERS = {"1": 64, "2": 128, "3": 256, "4": 512, "5": 512}
"""Of the published networks, by block."""

FAINT, BRIGHT = 0.9, 0.025
"""Shares of the biases in what the deepest layer says. The paper's network: 0.2, and with the other's input 0.99 or
0.003."""

OTHER = {CAFFE: ("torchvision's", TORCHVISION), TORCHVISION: ("Caffe's", CAFFE)}


def check_convention(weights: Mapping[str, Tensor], preprocessing: Preprocessing) -> None:
    """Raise WeightsError for a whole VGG that plainly wants the other convention's input.

    A network that ends early or has other filters than the published ones is taken at its word.
    """
    if preprocessing not in OTHER or not is_published(weights):
        return
    name, other = OTHER[preprocessing]
    if BRIGHT < share_of_biases(weights, preprocessing) < FAINT:
        return
    if BRIGHT < share_of_biases(weights, other) < FAINT:
        raise WeightsError(f"these weights see a photograph as {name} do; say whose they are")


def is_published(weights: Mapping[str, Tensor]) -> bool:
    """Whether they have all convolutions of VGG-16 or VGG-19, as wide as these are."""
    layers = set(layers_of(weights))
    whole = any(layers == {layer for layer in chain if layer.startswith("conv")} for chain in CHAINS.values())
    return whole and all(len(weights[f"{layer}.bias"]) == FILTERS[layer[4]] for layer in layers)


@torch.no_grad()
def share_of_biases(weights: Mapping[str, Tensor], preprocessing: Preprocessing) -> float:
    """|h − h₀| / |h|, with h what the deepest convolution says of a photograph and h₀ the same without biases."""
    deepest = layers_of(weights)[-1]
    unbiased = {key: torch.zeros_like(x) if key.endswith(".bias") else x for key, x in weights.items()}
    photograph = read("sample:chelsea", size=128)
    h, h_0 = (VGG(each, preprocessing)(photograph, [deepest])[deepest] for each in (weights, unbiased))
    return float((h - h_0).norm() / h.norm())
