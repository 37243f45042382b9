"""The student: what shape it has, and how far what it sees is from what the teacher sees."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.features import gram_of
from impasto.network.protocol import Preprocessing
from impasto.network.vgg import VGG

SHAPE: dict[str, tuple[int, int, int]] = {
    # what the filters before it are squeezed to, what its kernel gives, what that is expanded to: its filters
    "conv1_1": (0, 0, 12),  # 0: no such factor
    "conv1_2": (0, 0, 16),
    "conv2_1": (0, 0, 40),
    "conv2_2": (0, 0, 48),
    "conv3_1": (0, 0, 192),
    "conv3_2": (48, 0, 192),
    "conv3_3": (64, 64, 192),
    "conv3_4": (40, 56, 160),
    "conv4_1": (48, 96, 384),
    "conv4_2": (96, 160, 512),
    "conv4_3": (112, 0, 384),
    "conv4_4": (144, 0, 384),
    "conv5_1": (256, 0, 512),
    "conv5_2": (64, 0, 512),
}
FIRST_WIDE = "conv3_1"
"""Before it the student's filters are its own, found by gradient descent; from it on they are the teacher's."""
FEATURES = {  # layer that the paper uses, in one of its two versions: weight of its share in the loss
    "conv1_1": 0.5,
    "conv1_2": 0.2,
    "conv2_1": 1.0,
    "conv2_2": 0.2,
    "conv3_1": 2.0,
    "conv3_2": 0.1,
    "conv4_1": 1.0,
    "conv4_2": 2.0,
    "conv5_1": 1.0,
    "conv5_2": 0.1,
}
GRAMS = {"conv1_1": 0.5, "conv2_1": 0.5, "conv3_1": 0.5, "conv4_1": 0.5, "conv5_1": 1.0}
STYLE = 10.0
"""Weight of the share of the style that is misjudged: of the style loss between a picture and the painting it is to
be like."""
INPUT = Preprocessing("RGB", 1.0, (0.45, 0.45, 0.45), (0.25, 0.25, 0.25))


@dataclass
class Lesson:
    """Pictures and what the teacher sees in them: features at some positions, Gram matrices over all."""

    images: Tensor  # (b, 3, h, w) uint8
    painted: bool  # whether the first half come from inside a stylisation, the second half being their paintings
    positions: dict[str, Tensor]  # layer: (m,) indices into h_l * w_l
    features: dict[str, Tensor]  # layer: (b, N_l, m) half precision
    grams: dict[str, Tensor]  # layer: (b, N_l, N_l) divided by h_l * w_l


def loss_of(student: VGG, lesson: Lesson, gram_weights: Mapping[str, float] = GRAMS) -> tuple[Tensor, dict[str, float]]:
    """The weighted sum of the shares missed in the layers that the student has, and each share by name."""
    layers = [layer for layer in FEATURES if layer in student.convolutions]
    activations = student(lesson.images.float() / 255, layers)
    grams, weighted = {}, {}
    for layer in layers:
        F = activations[layer].flatten(2)
        share = missed(student.link(layer).read(F[:, :, lesson.positions[layer]]), lesson.features[layer])
        weighted[layer] = FEATURES[layer], share
        if layer in gram_weights:
            grams[layer] = torch.stack([gram_of(f, student.link(layer).readout) for f in F]) / F.shape[2]
            weighted[f"{layer} gram"] = gram_weights[layer], missed(grams[layer], lesson.grams[layer])
    if grams and lesson.painted:
        weighted["style"] = STYLE, misjudged(grams, lesson.grams)
    total = torch.stack([weight * share for weight, share in weighted.values()]).sum()
    return total, {name: share.item() for name, (_, share) in weighted.items()}


def missed(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean over pictures of |found - wanted|^2 / |wanted|^2."""
    error = (found.float() - wanted.float()).square().sum((1, 2))
    return mean_share(error, wanted.float().square().sum((1, 2)))


def mean_share(error: Tensor, energy: Tensor) -> Tensor:
    """Mean over pictures of error / energy; a picture with little to see weighs less."""
    return (error / (energy + 0.1 * energy.mean())).mean()


def misjudged(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
    """Of the Gram matrices G of pictures (first half) and A of their paintings (second half) G - A moves the pictures:

        sum_l |(G - A)_student - (G - A)_teacher|^2 / N_l^2  /  sum_l |A_teacher|^2 / N_l^2,

    layers weighed as in the paper's equations 4 and 5. Errors that G and A have in common do no harm.
    """
    error = energy = torch.zeros(())
    for layer, G in found.items():
        of_pictures, of_paintings = (G.float() - wanted[layer]).chunk(2)
        error = error + (of_pictures - of_paintings).square().mean((1, 2))
        energy = energy + wanted[layer].chunk(2)[1].square().mean((1, 2))
    return mean_share(error, energy)


def filters_of(layer: str, wide: Mapping[str, int]) -> int:
    """Those of ``SHAPE``, and no more than the teacher has."""
    return min(SHAPE[layer][2], wide[layer])


def filter_counts(network: VGG) -> dict[str, int]:
    """Filters per layer."""
    return {layer: network.link(layer).filters for layer in network.convolutions}


def beginner(wide: Mapping[str, int]) -> dict[str, Tensor]:
    """He-initialised weights down to ``FIRST_WIDE``, which has all its filters yet, with random readouts."""
    weights, before = {}, 3
    for layer in SHAPE:
        filters = wide[layer] if layer == FIRST_WIDE else filters_of(layer, wide)
        weights[f"{layer}.weight"] = torch.randn(filters, before, 3, 3) * math.sqrt(2 / (9 * before))
        weights[f"{layer}.bias"] = torch.zeros(filters)
        if layer == FIRST_WIDE:
            return weights
        weights[f"{layer}.readout"] = torch.randn(wide[layer], filters) / math.sqrt(filters)
        before = filters
    raise AssertionError("SHAPE has no FIRST_WIDE")
