"""The student: a narrow VGG-19, with one linear map per matched layer to the features of the wide one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from impasto.network.vgg import CONVOLUTIONS_PER_BLOCK, LAYERS, VGG, Preprocessing

FEATURES = {  # layer: weight of its share in the loss
    "conv1_1": 0.5,
    "conv2_1": 0.5,
    "conv2_2": 0.1,
    "conv3_1": 1.0,
    "conv4_1": 1.0,
    "conv4_2": 1.0,
    "conv4_4": 0.2,
    "conv5_1": 1.5,
    "conv5_2": 0.1,
}
GRAMS = {"conv1_1": 0.5, "conv2_1": 0.5, "conv3_1": 1.0, "conv4_1": 1.0, "conv5_1": 2.0}
INPUT = Preprocessing("RGB", 1.0, (0.45, 0.45, 0.45), (0.25, 0.25, 0.25))
DEEPEST = "conv5_2"
NORMALISED = LAYERS[LAYERS.index("conv3_1") : LAYERS.index(DEEPEST) + 1]


@dataclass
class Lesson:
    """Pictures and what the teacher sees in them: features at some positions, Gram matrices over all."""

    images: Tensor  # (b, 3, h, w) uint8
    painted: bool  # whether they come from inside a stylisation
    positions: dict[str, Tensor]  # layer: (m,) indices into h_l * w_l
    features: dict[str, Tensor]  # layer: (b, N_l, m) bfloat16
    grams: dict[str, Tensor]  # layer: (b, N_l, N_l) bfloat16, divided by h_l * w_l


class Student(nn.Module):
    """The narrow network, trainable, and the maps A_l.

    Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167) makes the deep layers learn faster, and the first
    two blocks slower, which do without; it ends up inside the convolutions.
    """

    def __init__(self, filters: list[int], wide: Mapping[str, int]) -> None:
        super().__init__()
        self.network = VGG(random_chain(filters), INPUT).requires_grad_(True)
        narrow = filter_counts(self.network)
        self.maps = nn.ModuleDict({layer: nn.Linear(narrow[layer], wide[layer], bias=False) for layer in FEATURES})
        for layer in NORMALISED:
            convolution = self.network.convolutions[layer]
            self.network.convolutions[layer] = nn.Sequential(convolution, nn.BatchNorm2d(narrow[layer], momentum=0.02))

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor]:
        """The plain network, its normalisations folded into its convolutions, with the readouts of the matched layers:
        float32 on the CPU."""
        weights = {}
        for layer, module in self.network.convolutions.items():
            if layer in NORMALISED:
                convolution, norm = module
                weight, bias = fuse_conv_bn_weights(
                    convolution.weight,
                    convolution.bias,
                    norm.running_mean,
                    norm.running_var,
                    norm.eps,
                    norm.weight,
                    norm.bias,
                )
            else:
                weight, bias = module.weight, module.bias
            weights |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
        weights |= {f"{layer}.readout": readout(linear.weight) for layer, linear in self.maps.items()}
        return {key: value.detach().float().cpu().contiguous() for key, value in weights.items()}

    def loss(self, lesson: Lesson) -> tuple[Tensor, dict[str, float]]:
        """The weighted sum of the shares missed, and each share by name."""
        activations = self.network(lesson.images.float() / 255, FEATURES)
        total, shares = torch.zeros((), device=lesson.images.device), {}
        for layer, weight in FEATURES.items():
            A = self.maps[layer].weight
            F = activations[layer].flatten(2)
            share = missed(A @ F[:, :, lesson.positions[layer]], lesson.features[layer])
            total, shares[layer] = total + weight * share, share.item()
            if layer in GRAMS:
                G = F @ F.mT / F.shape[2]
                with torch.autocast(F.device.type, enabled=False):
                    share = missed(A @ G.float() @ A.T, lesson.grams[layer])
                total, shares[f"{layer} gram"] = total + GRAMS[layer] * share, share.item()
        return total, shares


def missed(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean over pictures of |found - wanted|^2 / |wanted|^2; a picture with little to see weighs less."""
    error = (found.float() - wanted.float()).square().sum((1, 2))
    energy = wanted.float().square().sum((1, 2))
    return (error / (energy + 0.1 * energy.mean())).mean()


def random_chain(filters: list[int]) -> dict[str, Tensor]:
    """He-initialised weights of VGG-19's shape, ``filters`` per block, down to ``DEEPEST``."""
    widths = [n for n, count in zip(filters, CONVOLUTIONS_PER_BLOCK, strict=True) for _ in range(count)]
    weights, before = {}, 3
    for layer, width in zip(LAYERS[: LAYERS.index(DEEPEST) + 1], widths, strict=False):
        weights[f"{layer}.weight"] = torch.randn(width, before, 3, 3) * math.sqrt(2 / (9 * before))
        weights[f"{layer}.bias"] = torch.zeros(width)
        before = width
    return weights


def filter_counts(network: VGG) -> dict[str, int]:
    """Filters per layer."""
    return {layer: network.convolutions[layer].out_channels for layer in network.layers}


def readout(A: Tensor) -> Tensor:
    """R, symmetric, with R^T R = (N / N_teacher)^2 A^T A: what makes the paper's losses on R F those of A F.

    |R dF|^2 is (N / N_teacher)^2 |A dF|^2, and with 1 / (4 N^2) before it |R dG R^T|^2 is (N / N_teacher)^2 times E_l
    of A F: both losses shrink alike, and alpha/beta means what it means for the teacher.
    """
    values, vectors = torch.linalg.eigh(A.T.double() @ A.double())
    root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
    return (A.shape[1] / A.shape[0] * root).float()
