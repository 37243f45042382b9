"""The peers' own programs, run as they are from a checkout, and what each of them minimises.

A peer is read and measured against; nothing of it is part of impasto.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as nnf

from impasto.network.vgg import CAFFE, LAYERS, VGG
from impasto.network.weights import Weights, read_weights, save_weights
from impasto.settings import CONTENT_LAYERS, STYLE_LAYERS

STAND_IN = Path(__file__).parent / "stand_in"
"""On the peers' path where torchvision would be."""


class Peer(Protocol):
    """Another program that does what impasto does."""

    def command(self, content: Path, style: Path, size: int, out: Path) -> list[str]:
        """What to run, in its checkout, so that pictures appear in the folder ``out``."""
        ...

    def settings(self) -> dict[str, object]:
        """Those with which impasto minimises the same."""
        ...

    def judge(self, photograph: Tensor, painting: Tensor) -> Callable[[Tensor], float]:
        """What it minimises for this pair, of a picture ``(1, 3, h, w)`` in [0, 1]."""
        ...


@dataclass(frozen=True)
class NeuralStylePt:
    """ProGamerGov's neural-style-pt with its defaults: noise, L-BFGS, max pooling, VGG-19 as it is, not normalised.

    Its loss: 5 mean((F - P)^2) + 100 sum_l mean((G_l / N_l M_l - A_l / N_l M_l')^2) + 1e-3 sum |differences|, pixels
    from 0 to 255.
    """

    folder: Path  # of what is prepared for the race
    weights: Path
    evaluations: int = 500

    def prepared(self) -> tuple[Path, Path]:
        """The weights as it reads them, and as impasto does without normalising them."""
        theirs, ours = self.folder / "vgg19.pth", self.folder / "vgg19-as-it-is.safetensors"
        if not ours.exists():
            tensors = read_weights(self.weights).tensors
            torch.save(named_as_in_torchvision(tensors), theirs)
            save_weights(ours, Weights(tensors, CAFFE, normalised=True))  # it is not, and is to stay so
        return theirs, ours

    def command(self, content: Path, style: Path, size: int, out: Path) -> list[str]:
        theirs, _ = self.prepared()
        return [
            *[
                sys.executable,
                "neural_style.py",
                "-gpu",
                "c",
                "-seed",
                "0",
                "-disable_check",
                "-model_file",
                str(theirs),
            ],
            *["-content_image", str(content), "-style_image", str(style), "-image_size", str(size)],
            *["-num_iterations", str(self.evaluations), "-save_iter", "25", "-print_iter", "0"],
            *["-output_image", str(out / "picture.png")],
        ]

    def settings(self) -> dict[str, object]:
        """Our L_content is half a sum for 512 x 512 px, so 64 x 64 positions of conv4_2; our E_l has a 4, and N where
        theirs has N^2."""
        _, ours = self.prepared()
        tensors = read_weights(ours).tensors
        filters = {layer: len(tensors[f"{layer}.bias"]) for layer in (*CONTENT_LAYERS, *STYLE_LAYERS)}
        return {
            "network": "vgg19",
            "weights": ours,
            "pooling": "max",
            "content_weight": 5 * 2 / (filters["conv4_2"] * 64 * 64),
            "style_weight": 100 * 4,
            "style_layers": {layer: 1 / filters[layer] ** 2 for layer in STYLE_LAYERS},
        }

    @torch.no_grad()
    def judge(self, photograph: Tensor, painting: Tensor) -> Callable[[Tensor], float]:
        network = VGG(read_weights(self.prepared()[1]).tensors, CAFFE, pooling="max")
        P = network.features(photograph, CONTENT_LAYERS)["conv4_2"]
        A = {layer: F @ F.T / F.numel() for layer, F in network.features(painting, STYLE_LAYERS).items()}

        @torch.no_grad()
        def loss(image: Tensor) -> float:
            F = network.features(image, {*CONTENT_LAYERS, *STYLE_LAYERS})
            content = 5 * nnf.mse_loss(F["conv4_2"], P)
            style = sum(100 * nnf.mse_loss(F[layer] @ F[layer].T / F[layer].numel(), A[layer]) for layer in A)
            differences = (255 * image.diff(dim=2)).abs().sum() + (255 * image.diff(dim=3)).abs().sum()
            return float(content + style + 1e-3 * differences)

        return loss


def named_as_in_torchvision(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """``features.0.weight`` … as torchvision numbers them: a convolution, its ReLU, and a pooling after each block."""
    named, number = {}, 0
    for layer in LAYERS:
        if layer.endswith("_1") and layer != "conv1_1":
            number += 1  # the pooling
        for part in ("weight", "bias"):
            named[f"features.{number}.{part}"] = tensors[f"{layer}.{part}"]
        number += 2
    return named


PEERS = {"neural-style-pt": NeuralStylePt}
