"""The peers' own programs, run as they are from a checkout, and what each of them minimises.

A peer is read and measured against; nothing of it is part of impasto.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as nnf

from impasto import Step, load_network, read, stylize
from impasto.devices import precisions_of
from impasto.features import precise
from impasto.images.resizing import scaled
from impasto.losses import gram
from impasto.network.pooling import max_pool
from impasto.network.protocol import CAFFE, TORCHVISION
from impasto.network.vgg import CHAINS, VGG
from impasto.network.weights import Weights, read_weights, save_weights, torchvision_names
from impasto.pyramid import coarse_to_fine
from impasto.settings import STYLE_LAYERS, validated

STAND_IN = Path(__file__).parent / "stand_in"
"""On the peers' path where torchvision would be."""


class Peer(Protocol):
    """Another program that does what impasto does."""

    @property
    def weights(self) -> Path:
        """VGG-19's."""
        ...

    def command(self, checkout: Path, content: Path, style: Path, size: int, out: Path, device: str) -> list[str]:
        """What to run so that pictures appear in the folder ``out``."""
        ...

    def steps(self, content: Path, style: Path, options: dict[str, Any]) -> Iterator[Step]:
        """impasto's, to the same end. ``options`` are fields of ``Settings``."""
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

    def command(self, checkout: Path, content: Path, style: Path, size: int, out: Path, device: str) -> list[str]:
        theirs, _ = self.prepared()
        return [
            *[sys.executable, str(checkout / "neural_style.py"), "-gpu", "c" if device == "cpu" else "0", "-seed", "0"],
            *["-disable_check", "-model_file", str(theirs)],
            *["-content_image", str(content), "-style_image", str(style), "-image_size", str(size)],
            *["-num_iterations", str(self.evaluations), "-save_iter", "25", "-print_iter", "0"],
            *["-output_image", str(out / "picture.png")],
        ]

    def steps(self, content: Path, style: Path, options: dict[str, Any]) -> Iterator[Step]:
        return stylize(str(content), str(style), **{**self.settings(), **options})

    def settings(self) -> dict[str, Any]:
        """Our L_content is half a sum for 512 x 512 px, so 64 x 64 positions of conv4_2; our E_l has a 4, and N where
        theirs has N^2."""
        _, ours = self.prepared()
        tensors = read_weights(ours).tensors
        filters = {layer: len(tensors[f"{layer}.bias"]) for layer in ("conv4_2", *STYLE_LAYERS)}
        return {
            "preset": "paper",
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
        P = network.features(photograph, {"conv4_2"})["conv4_2"]
        A = {layer: F @ F.T / F.numel() for layer, F in network.features(painting, STYLE_LAYERS).items()}

        @torch.no_grad()
        def loss(image: Tensor) -> float:
            F = network.features(image, {"conv4_2", *STYLE_LAYERS})
            content = 5 * nnf.mse_loss(F["conv4_2"], P)
            style = sum(100 * nnf.mse_loss(F[layer] @ F[layer].T / F[layer].numel(), A[layer]) for layer in A)
            differences = (255 * image.diff(dim=2)).abs().sum() + (255 * image.diff(dim=3)).abs().sum()
            return float(content + style + 1e-3 * differences)

        return loss


@dataclass(frozen=True)
class StyleTransferPytorch:
    """crowsonkb's style-transfer-pytorch with its defaults: from the photograph, Adam, from 128 px on, max pooling.

    Its loss: 0.015 mean((F - P)^2) + sum_l w_l W_l + 2 TV, w_l as 256 to 64 to 16 to 4 to 1. W_l is the squared
    Wasserstein distance of the normal distributions that have the means and covariances of the features (Olkin and
    Pukelsheim 1982), over N_l. The image is padded by its edge. It gets VGG-19 normalised, as impasto has it: the
    weights that it was made for have activations of about that size. (Its matrix roots are of twelve Newton-Schulz
    iterations, which makes its W_l some percent larger; here they are exact.)
    """

    folder: Path
    weights: Path
    evaluations: int = 500

    def prepared(self) -> Path:
        """The weights as it reads them: for pictures normalised as torchvision's are."""
        path = self.folder / "vgg19-normalised.pth"
        if not path.exists():
            tensors = load_network("vgg19", weights=self.weights).weights()
            K = tensors["conv1_1.weight"].flip(1)  # RGB
            scale = 255 * torch.tensor(TORCHVISION.std).view(1, 3, 1, 1)
            shift = 255 * torch.tensor(TORCHVISION.mean) - torch.tensor(CAFFE.mean).flip(0)
            tensors["conv1_1.bias"] = tensors["conv1_1.bias"] + (K * shift.view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
            torch.save(named_as_in_torchvision(tensors | {"conv1_1.weight": K * scale}), path)
        return path

    def command(self, checkout: Path, content: Path, style: Path, size: int, out: Path, device: str) -> list[str]:
        """Its pictures of smaller sizes are overwritten by the next, so that one is left."""
        run = f"import sys; sys.path.insert(0, {str(checkout)!r}); from style_transfer.cli import main; main()"
        return [
            *["env", f"VGG19={self.prepared()}", sys.executable, "-c", run, str(content), str(style)],
            *["--devices", device, "--end-scale", str(size), "--output", str(out / "picture.png")],
            *["--iterations", str(self.evaluations), "--initial-iterations", str(2 * self.evaluations)],
        ]

    def steps(self, content: Path, style: Path, options: dict[str, Any]) -> Iterator[Step]:
        settings = validated(**options)
        photograph, painting = (read(str(path), size=settings.size) for path in (content, style))
        networks = [
            load_network("vgg19", weights=self.weights, pooling="max").to(precision)
            for precision in precisions_of(settings.precision, torch.device("cpu"))
        ]

        def objectives_at(factor: float) -> Iterator[WassersteinObjective]:
            for network in networks:
                yield WassersteinObjective(network, scaled(photograph, factor), scaled(painting, factor))

        return coarse_to_fine(objectives_at, photograph, settings)

    def judge(self, photograph: Tensor, painting: Tensor) -> Callable[[Tensor], float]:
        network = load_network("vgg19", weights=self.weights, pooling="max")
        objective = WassersteinObjective(network, photograph, painting)
        return lambda image: float(sum(objective.terms(image).values()))


class WassersteinObjective:
    """What ``StyleTransferPytorch`` minimises, for impasto's solver."""

    def __init__(self, network: VGG, photograph: Tensor, painting: Tensor) -> None:
        self.network = network
        with torch.no_grad():
            self.P = self.features(photograph)["conv4_2"]
            self.style = {layer: normal(F) for layer, F in self.features(painting).items() if layer in STYLE_LAYERS}
        self.roots = {layer: square_root(C) for layer, (_, C) in self.style.items()}

    def features(self, image: Tensor) -> dict[str, Tensor]:
        """Of the image with its edge repeated once around: VGG's own padding is cut away again."""
        wanted = {"conv4_2", *STYLE_LAYERS}
        x = self.network.preprocessing(nnf.pad(image, (1, 1, 1, 1), mode="replicate"))
        x = x.to(self.network.link("conv1_1").weight.dtype)
        found = {}
        for layer in self.network.layers[: self.network.layers.index("conv5_1") + 1]:
            x = self.network.link(layer)(x) if layer in self.network.convolutions else max_pool(x)
            x = x[..., 1:-1, 1:-1] if layer == "conv1_1" else x
            if layer in wanted:
                found[layer] = x.flatten(2).squeeze(0)
        return found

    def terms(self, image: Tensor) -> dict[str, Tensor]:
        F = self.features(image)
        distances = {
            layer: wasserstein(normal(F[layer]), *self.style[layer], self.roots[layer]) for layer in self.style
        }
        weights = dict(zip(STYLE_LAYERS, (256 / 341, 64 / 341, 16 / 341, 4 / 341, 1 / 341), strict=True))
        return {
            "content": 0.015 * nnf.mse_loss(precise(F["conv4_2"]), precise(self.P)),
            "style": torch.stack([weights[layer] * distance for layer, distance in distances.items()]).sum(),
            "tv": 2 * nine_point_variation(image),
        }

    def value_and_gradient(self, image: Tensor) -> tuple[dict[str, float], Tensor]:
        x = image.detach().requires_grad_(True)
        terms = self.terms(x)
        (gradient,) = torch.autograd.grad(sum(terms.values()), x)
        return {name: float(value.detach()) for name, value in terms.items()}, gradient


def normal(F: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(N,)`` and covariance ``(N, N)`` of features ``(N, M)``, with 1e-4 on the diagonal, in float64: roots of
    small eigenvalues need it."""
    F = precise(F)
    m, second = F.mean(dim=1).double(), gram(F).double() / F.shape[1]
    return m, second - torch.outer(m, m) + 1e-4 * torch.eye(len(m))


def square_root(C: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(C)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def wasserstein(of_image: tuple[Tensor, Tensor], m_a: Tensor, C_a: Tensor, root_a: Tensor) -> Tensor:
    """(|m - m_a|^2 + tr(C + C_a - 2 (C_a^1/2 C C_a^1/2)^1/2)) / N."""
    m, C = of_image
    cross = torch.linalg.eigvalsh(root_a @ C @ root_a).clamp(min=1e-12).sqrt().sum()
    return ((m - m_a).square().sum() + torch.trace(C) + torch.trace(C_a) - 2 * cross) / len(m)


def nine_point_variation(image: Tensor) -> Tensor:
    x = nnf.pad(image, (1, 1, 1, 1), mode="replicate")
    middle = x[..., 1:-1, 1:-1]
    straight = (x[..., 1:-1, 2:] - middle).square().mean() + (x[..., 2:, 1:-1] - middle).square().mean()
    falling, rising = x[..., 1:, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, 1:]
    return 2 * (straight / 3 + (falling.square().mean() + rising.square().mean()) / 12)


def named_as_in_torchvision(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """``features.0.weight`` … as torchvision numbers them."""
    return {
        f"{theirs}.{part}": tensors[f"{layer}.{part}"]
        for theirs, layer in torchvision_names(CHAINS["VGG-19"]).items()
        for part in ("weight", "bias")
        if f"{layer}.{part}" in tensors
    }


PEERS = {"neural-style-pt": NeuralStylePt, "style-transfer-pytorch": StyleTransferPytorch}
