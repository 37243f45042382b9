"""The paper's normalised network: every filter's mean activation over images and positions is 1.

Gatys et al., section "Methods": "we normalised the network by scaling the weights such that the mean activation of
each convolutional filter over images and positions is equal to one. Such re-scaling can be done for the VGG network
without changing its output, because it contains only rectifying linear activation functions and no normalization or
pooling over feature maps." Only with this does a ratio alpha/beta mean what it means in the paper.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from impasto.network.vgg import VGG, layers_of

FLOOR = 1e-2
"""A filter is scaled as if its mean were at least this share of its layer's average mean: a nearly dead filter stays
quiet instead of being blown up a thousandfold."""


@torch.no_grad()
def mean_activations(network: VGG, images: Iterable[Tensor]) -> dict[str, Tensor]:
    """Mean activation of every filter over images ``(b, 3, h, w)`` and positions: ``{layer: (N_l,)}``, float32."""
    sums = {layer: torch.zeros(()) for layer in network.convolutions}
    positions = dict.fromkeys(network.convolutions, 0)
    for image in images:
        for layer, x in network(image, network.convolutions).items():
            sums[layer] = sums[layer] + x.sum(dim=(0, 2, 3)).cpu().double()
            positions[layer] += x.shape[0] * x.shape[2] * x.shape[3]
    return {layer: (sums[layer] / positions[layer]).float() for layer in network.convolutions}


def normalised(weights: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same network with filter i of layer l divided by its mean activation m_i.

    w'_l[i, j] = w_l[i, j] · m_{l-1}[j] / m_l[i] and b'_l[i] = b_l[i] / m_l[i]: activations become F[i] / m_i, and the
    next layer undoes it. Means below ``FLOOR`` times the layer's average count as that, in a layer that is
    all dead as 1. Where a kernel comes with a squeeze or an expansion, those take its place; a readout takes the
    division back, since what it gives has a scale of its own.
    """
    scale = {layer: m.clamp_min(FLOOR * float(m.mean()) or 1.0) for layer, m in means.items()}
    rescaled: dict[str, Tensor] = {}
    layers = layers_of(weights)
    before = {after: layer for layer, after in pairwise(layers)}
    for layer in layers:
        weight = weights[f"{layer}.weight"]
        m = scale[layer].to(weight)
        if f"{layer}.expand" in weights:
            rescaled[f"{layer}.expand"] = weights[f"{layer}.expand"] / m[:, None]
        else:
            weight = weight / m.view(-1, 1, 1, 1)
        if layer in before:
            undone = scale[before[layer]].to(weight)
            if f"{layer}.squeeze" in weights:
                rescaled[f"{layer}.squeeze"] = weights[f"{layer}.squeeze"] * undone
            else:
                weight = weight * undone.view(1, -1, 1, 1)
        rescaled[f"{layer}.weight"] = weight
        rescaled[f"{layer}.bias"] = weights[f"{layer}.bias"] / m
        if f"{layer}.readout" in weights:
            rescaled[f"{layer}.readout"] = weights[f"{layer}.readout"] * m
    return rescaled
