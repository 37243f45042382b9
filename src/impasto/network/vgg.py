"""VGG-19 as the paper uses it: sixteen convolutions, five poolings, and nothing else.

Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition* (arXiv 1409.1556),
configuration E. Gatys et al. (section "Methods") drop the fully connected layers and replace max pooling by average
pooling. A network with fewer filters per layer, or one that ends early, is the same chain with smaller weights.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from impasto.errors import UsageError, WeightsError
from impasto.network.link import PARTS, Link, average_pool, max_pool

CONVOLUTIONS_PER_BLOCK = (2, 2, 4, 4, 4)

LAYERS: tuple[str, ...] = tuple(
    f"conv{block}_{i}" for block, count in enumerate(CONVOLUTIONS_PER_BLOCK, 1) for i in range(1, count + 1)
)
"""The layers in order, by the paper's names: conv1_1, conv1_2, conv2_1 … conv5_4."""

POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {"average": average_pool, "max": max_pool}


@dataclass(frozen=True)
class Preprocessing:
    """What a set of weights wants to see: ``(scale · x − mean) / std`` in its own channel order.

    ``channels`` is "RGB" or "BGR"; ``mean`` and ``std`` are in that order and in units of ``scale · [0, 1]``.
    """

    channels: str
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        ordered = image.flip(1) if self.channels == "BGR" else image
        return (self.scale * ordered - self._column(image, self.mean)) / self._column(image, self.std)

    @staticmethod
    def _column(like: Tensor, values: tuple[float, float, float]) -> Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 3, 1, 1)


CAFFE = Preprocessing("BGR", 255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
TORCHVISION = Preprocessing("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class VGG(nn.Module):
    """A chain of named 3 x 3 convolutions, each with its ReLU, pooled by two at the start of blocks 2 to 5.

    ``weights`` holds ``conv1_1.weight`` ``(N, 3, 3, 3)``, ``conv1_1.bias`` ``(N,)`` and so on, without gaps, as deep
    as the network goes. A network trained to imitate another, of N′ filters, may bring three more matrices for a layer:

    - ``conv3_2.squeeze`` ``(r, N_before)``: the r combinations of the filters before it that the kernel, then
      ``(N, r, 3, 3)``, is applied to. A kernel of low rank, in its two factors (Zhang et al., arXiv 1505.06798).
    - ``conv3_2.expand`` ``(N, r′)``: the N filters as combinations of the r′ that the kernel, then
      ``(r′, r, 3, 3)``, gives.
    - ``conv3_2.readout`` ``(N′, N)``, R: the other network's features as R F, where it has other filters than this one.

    Parameters are frozen: only the image is ever optimised.

    Raises WeightsError where the tensors do not form such a chain.
    """

    def __init__(self, weights: Mapping[str, Tensor], preprocessing: Preprocessing, pooling: str = "average") -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise UsageError(f"pooling '{pooling}' is unknown; choose one of: {', '.join(POOLINGS)}")
        check_chain(weights)
        self.preprocessing = preprocessing
        self.pooling = pooling
        self.links = nn.ModuleDict(
            {
                layer: Link({part: weights[key] for part in PARTS if (key := f"{layer}.{part}") in weights})
                for layer in layers_of(weights)
            }
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers this network has, in order."""
        return tuple(self.links)

    def link(self, layer: str) -> Link:
        """One layer."""
        found = self.links[layer]
        assert isinstance(found, Link)
        return found

    def forward(self, image: Float[Tensor, "b 3 h w"], layers: Collection[str]) -> dict[str, Tensor]:
        """Activations ``{layer: (b, N_l, h_l, w_l)}`` of the named layers, nothing computed beyond the deepest.

        ``image`` is sRGB in [0, 1]; h and w at least 2 per pooling on the way (16 for conv5_1). Activations are of the
        precision of the weights.
        Raises UsageError for a layer that this network does not have.
        """
        check_layers(layers, self.layers)
        pool = POOLINGS[self.pooling]
        activations: dict[str, Tensor] = {}
        x = self.preprocessing(image).to(self.link(self.layers[0]).weight.dtype)
        for layer in self.layers:
            if len(activations) == len(set(layers)):
                break
            if layer.endswith("_1") and layer != "conv1_1":
                x = pool(x)
            x = self.link(layer)(x, kept=layer in layers)
            if layer in layers:
                activations[layer] = x
        return activations

    def features(self, image: Float[Tensor, "1 3 h w"], layers: Collection[str]) -> dict[str, Tensor]:
        """The paper's feature matrices F^l of one image: ``{layer: (N_l, M_l)}``, N_l filters at M_l positions."""
        return {layer: self.link(layer).read(x.flatten(2).squeeze(0)) for layer, x in self(image, layers).items()}

    def weights(self) -> dict[str, Tensor]:
        """The tensors this network was made from, under the same names."""
        return {key.removeprefix("links."): value.detach() for key, value in self.named_parameters()}


def layers_of(weights: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The layers for which ``weights`` has a kernel, in the order of the chain."""
    return tuple(layer for layer in LAYERS if f"{layer}.weight" in weights)


def check_chain(weights: Mapping[str, Tensor]) -> None:
    """Raise WeightsError unless the tensors are a gapless chain of 3 x 3 convolutions from an RGB image."""
    layers = layers_of(weights)
    if not layers or layers != LAYERS[: len(layers)]:
        raise WeightsError(f"the convolutions are not a chain from conv1_1 without gaps: {', '.join(layers) or 'none'}")
    before = 3
    for layer in layers:
        kernel = weights[f"{layer}.weight"]
        squeeze, expand, bias, readout = (
            weights.get(f"{layer}.{part}") for part in ("squeeze", "expand", "bias", "readout")
        )
        if squeeze is not None:
            check_matrix(f"{layer}.squeeze", squeeze, before)
            before = squeeze.shape[0]
        filters = given = kernel.shape[0] if kernel.ndim else 0
        if expand is not None:
            check_matrix(f"{layer}.expand", expand, given)
            filters = expand.shape[0]
        if kernel.shape != (given, before, 3, 3) or bias is None or bias.shape != (filters,):
            raise WeightsError(
                f"{layer} has a kernel of shape {tuple(kernel.shape)}; (N, {before}, 3, 3) and N biases expected"
            )
        if readout is not None:
            check_matrix(f"{layer}.readout", readout, filters)
        before = filters


def check_matrix(name: str, matrix: Tensor, columns: int) -> None:
    """Raise WeightsError unless it has that many columns."""
    if matrix.ndim != 2 or matrix.shape[1] != columns:
        raise WeightsError(f"{name} has shape {tuple(matrix.shape)}; (any, {columns}) expected")


def check_layers(wanted: Collection[str], available: Collection[str]) -> None:
    """Raise UsageError for a layer that is not there, naming the ones that are."""
    for layer in wanted:
        if layer not in available:
            raise UsageError(f"there is no layer '{layer}'; this network has {', '.join(available)}")
