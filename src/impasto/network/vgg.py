"""VGG-19 and VGG-16 as the paper uses them: 3 x 3 convolutions and poolings, and nothing else.

Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition* (arXiv 1409.1556),
configurations E and D. Gatys et al. (section "Methods") take the first, drop the fully connected layers and replace max
pooling by average pooling. A network with fewer filters per layer, or one that ends early, is the same chain with
smaller weights.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from impasto.errors import WeightsError
from impasto.names import entry
from impasto.network.edges import EDGES
from impasto.network.kernels import even, folded, halved, kept_open, opened, together
from impasto.network.link import PARTS, Link
from impasto.network.pooling import POOLINGS, average_pool
from impasto.network.protocol import Preprocessing, Pullback, check_layers

CONVOLUTIONS_PER_BLOCK = (2, 2, 4, 4, 4)
"""VGG-19's."""

CHAINS: dict[str, tuple[str, ...]] = {
    name: tuple(
        layer
        for block, count in enumerate(counts, 1)
        for layer in (*(f"conv{block}_{i}" for i in range(1, count + 1)), f"pool{block}")
    )
    for name, counts in (("VGG-19", CONVOLUTIONS_PER_BLOCK), ("VGG-16", (2, 2, 3, 3, 3)))
}
"""The layers in order, by the paper's names: conv1_1, conv1_2, pool1, conv2_1 … pool5."""

LAYERS: tuple[str, ...] = tuple(layer for layer in CHAINS["VGG-19"] if layer.startswith("conv"))
"""The sixteen convolutions of VGG-19, in order: conv1_1, conv1_2, conv2_1 … conv5_4."""


class VGG(nn.Module):
    """A chain of named 3 x 3 convolutions, each with its ReLU, and a pooling by two after each block.

    ``weights`` holds ``conv1_1.weight`` ``(N, 3, 3, 3)``, ``conv1_1.bias`` ``(N,)`` and so on, without gaps, as deep
    as the network goes. A network trained to imitate another, of N′ filters, may bring three more matrices for a layer:

    - ``conv3_2.squeeze`` ``(r, N_before)``: the r combinations of the filters before it that the kernel, then
      ``(N, r, 3, 3)``, is applied to. A kernel of low rank, in its two factors (Zhang et al., arXiv 1505.06798).
    - ``conv3_2.expand`` ``(N, r′)``: the N filters as combinations of the r′ that the kernel, then
      ``(r′, r, 3, 3)``, gives.
    - ``conv3_2.readout`` ``(N′, N)``, R: the other network's features as R F, where it has other filters than this one.

    ``edges`` says what a convolution sees beyond them: "black", which is 0, as VGG was trained, or the mirror image,
    "mirrored". With that a last odd row or column is pooled too, and a layer of stride s has ⌈h / s⌉ x ⌈w / s⌉
    positions instead of ⌊h / s⌋ x ⌊w / s⌋.

    Parameters are frozen: only the image is ever optimised. ``stride`` is the px between two positions of what it looks
    at: 1, a picture's, or, of what comes after a layer of another network, that layer's. With ``sparing`` a CPU takes
    less memory and 15 % more time in bfloat16 (float32 is as quick that way), for the same numbers.

    Raises WeightsError where the tensors do not form such a chain, UsageError for unknown edges or pooling.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        preprocessing: Preprocessing,
        pooling: str = "average",
        edges: str = "black",
    ) -> None:
        super().__init__()
        self.stride = 1
        self.sparing = False
        self.pool = entry(POOLINGS, pooling, "pooling")
        entry(EDGES, edges, "edges")
        self.edges = edges
        self.chain = check_chain(weights)
        self.preprocessing = preprocessing
        self.pooling = pooling
        self.links = nn.ModuleDict(
            {
                layer: Link({part: weights[key] for part in PARTS if (key := f"{layer}.{part}") in weights})
                for layer in self.chain
                if f"{layer}.weight" in weights
            }
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers this network has, in order, poolings among them."""
        return self.chain

    @property
    def convolutions(self) -> tuple[str, ...]:
        """Those that have a kernel."""
        return tuple(self.links)

    @property
    def strides(self) -> dict[str, int]:
        """px between two positions of each layer."""
        found, stride = {}, self.stride
        for layer in self.chain:
            stride *= 1 if layer in self.links else 2
            found[layer] = stride
        return found

    @property
    def reach(self) -> dict[str, int]:
        """px beyond its own that a position of each layer sees, on each side."""
        found, far, stride = {}, 0, self.stride
        for layer in self.chain:
            if layer in self.links:
                far += stride
            else:
                stride *= 2
            found[layer] = far
        return found

    def map_size(self, layer: str, height: int, width: int) -> tuple[int, int]:
        """h_l and w_l of this layer, of a picture of ``height`` x ``width`` px."""
        stride = self.strides[layer]
        up = (stride - 1) * self.mirrored
        return (height + up) // stride, (width + up) // stride

    @property
    def readouts(self) -> dict[str, Tensor]:
        """R ``(N′, N)`` of the layers that have one. Means of what a convolution gives are read as it is."""
        found: dict[str, Tensor] = {}
        readout = None
        for layer in self.chain:
            if layer in self.links:
                readout = self.link(layer).readout
            if readout is not None:
                found[layer] = readout
        return found

    def link(self, layer: str) -> Link:
        """One convolution with what belongs to it."""
        found = self.links[layer]
        assert isinstance(found, Link)
        return found

    def forward(self, image: Float[Tensor, "b C h w"], layers: Collection[str]) -> dict[str, Tensor]:
        """Activations ``{layer: (b, N_l, h_l, w_l)}`` of the named layers, nothing computed beyond the deepest.

        ``image`` is sRGB in [0, 1]; h and w at least 2 per pooling on the way (16 for conv5_1). Activations are of the
        precision of the weights.
        Raises UsageError for a layer that this network does not have.
        """
        activations: dict[str, Tensor] = {}
        x = self.preprocessed(image)
        for layer in self.until(layers):
            if layer in self.links:
                x = self.link(layer)(x, self.mirrored)
            else:
                x = self.pool(even(x) if self.mirrored else x)
            if layer in layers:
                activations[layer] = x
        return activations

    def look(self, image: Float[Tensor, "1 C h w"], layers: Collection[str]) -> tuple[dict[str, Tensor], Pullback]:
        """Activations as of ``forward``, of one image, and the way back, which takes less than autograd's.

        Autograd would keep every activation that a convolution or a pooling has seen, for gradients of weights that
        nobody asks for; the gradient with respect to the image takes the kernels and where the ReLUs were open: on a
        CPU one bit an activation instead of four bytes, twice over; elsewhere one byte, or with bfloat16, unless it is
        ``sparing``, the two of the activation itself.
        """
        image = image.detach().requires_grad_(True)
        with torch.enable_grad():
            wanted = self.preprocessed(image)
        activations: dict[str, Tensor] = {}
        way: list[tuple[str, Any]] = []
        x = wanted.detach()
        sparing = x.device.type == "cpu" and (self.sparing or x.itemsize > 2)
        for layer in self.until(layers):
            if layer in self.links:
                x = self.link(layer).ahead(x, self.mirrored)
                way.append((layer, x if layer in layers else kept_open(x, sparing)))
            elif self.pool is average_pool:
                x = halved(x, whole=self.mirrored)
                way.append((layer, None))
            else:
                x, back = self.pooled(x)
                way.append((layer, back))
            if layer in layers:
                activations[layer] = x

        def pullback(own: Callable[[str], Tensor]) -> Tensor:
            gradient: Tensor | None = None
            pooled = padded = False
            while way:
                layer, kept = way.pop()
                mine = own(layer) if layer in layers else None
                if layer in self.links:
                    how = {"padded": padded, "pooled": pooled, "whole": self.mirrored, "sparing": sparing}
                    gradient = opened(kept, gradient, mine, **how)
                    del kept, mine  # while the convolution is made, nothing is there but what it needs
                    gradient = self.link(layer).back(gradient, self.mirrored)
                    padded, pooled = self.mirrored, False
                    continue
                if padded and (mine is not None or kept is not None):
                    assert gradient is not None
                    gradient, padded = folded(gradient), False
                gradient = gradient if mine is None else together(mine, gradient)
                pooled = kept is None
                gradient = gradient if pooled else kept(gradient)
            assert gradient is not None
            gradient = folded(gradient) if padded else gradient
            return torch.autograd.grad(wanted, image, gradient)[0]

        return activations, pullback

    def preprocessed(self, image: Float[Tensor, "b C h w"]) -> Float[Tensor, "b C h w"]:
        """What the first layer wants to see, in the precision of the weights."""
        seen = self.preprocessing(image) if self.stride == 1 else image
        return seen.to(self.link(self.chain[0]).weight.dtype)

    def after(self, layer: str) -> "VGG":
        """The rest of the network, which looks at what ``layer`` gives. Strides and reach are in px as before."""
        rest = copy(self)
        rest.stride, rest.chain = self.strides[layer], self.chain[self.chain.index(layer) + 1 :]
        rest._modules = {"links": nn.ModuleDict()}
        rest.links = nn.ModuleDict({name: link for name, link in self.links.items() if name in rest.chain})
        return rest

    def until(self, layers: Collection[str]) -> tuple[str, ...]:
        """The chain, up to the deepest of ``layers``. Raises UsageError for one that this network does not have."""
        check_layers(layers, self.layers)
        return self.chain[: 1 + max((self.chain.index(layer) for layer in layers), default=-1)]

    @property
    def mirrored(self) -> bool:
        """Whether a convolution sees the mirror image beyond the edges."""
        return self.edges == "mirrored"

    def pooled(self, x: Float[Tensor, "1 N h w"]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """By any pooling, with autograd's way back."""
        x = x.detach().requires_grad_(True)
        with torch.enable_grad():
            y = self.pool(even(x) if self.mirrored else x)
        return y.detach(), lambda gradient: torch.autograd.grad(y, x, gradient)[0]

    def features(self, image: Float[Tensor, "1 3 h w"], layers: Collection[str]) -> dict[str, Tensor]:
        """The paper's feature matrices F^l of one image: ``{layer: (N_l, M_l)}``, N_l filters at M_l positions."""
        R = self.readouts
        seen = {layer: x.flatten(2).squeeze(0) for layer, x in self(image, layers).items()}
        return {layer: R[layer] @ F if layer in R else F for layer, F in seen.items()}

    def widened(self) -> "VGG":
        """The same network with filters added that are always 0, to numbers that a GPU multiplies well. Layers that get
        some have a readout, without them."""
        return VGG(widened(self.weights()), self.preprocessing, self.pooling, self.edges)

    def weights(self) -> dict[str, Tensor]:
        """The tensors this network was made from, under the same names."""
        return {key.removeprefix("links."): value.detach() for key, value in self.named_parameters()}


def missing(count: int) -> int:
    """To the next multiple of 16, or, from 32 on, of 64."""
    return -count % (16 if count <= 32 else 64)


def widened(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the chain with filters that are 0 added, as many as are ``missing``."""
    found: dict[str, Tensor] = {}
    before = 0  # of the filters that the layer before was given

    def grown(x: Tensor, rows: int, columns: int = 0) -> Tensor:
        return torch.nn.functional.pad(x, (0, 0) * (x.ndim - 2) + ((0, columns) if x.ndim > 1 else ()) + (0, rows))

    for layer in layers_of(weights):
        parts = {part: weights[key] for part in PARTS if (key := f"{layer}.{part}") in weights}
        filters = missing(len(parts["bias"]))
        inner, given = (missing(size) for size in parts["weight"].shape[1::-1])
        if "squeeze" in parts:
            parts["squeeze"] = grown(parts["squeeze"], inner, before)
        if "expand" in parts:
            parts["expand"] = grown(parts["expand"], filters, given)
        rows, columns = given if "expand" in parts else filters, inner if "squeeze" in parts else before
        parts["weight"] = grown(parts["weight"], rows, columns)
        if filters and "readout" not in parts:
            parts["readout"] = torch.eye(len(parts["bias"]))
        if "readout" in parts:
            parts["readout"] = grown(parts["readout"], 0, filters)
        parts["bias"] = grown(parts["bias"], filters)
        found |= {f"{layer}.{part}": value for part, value in parts.items()}
        before = filters
    return found


def layers_of(weights: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The convolutions for which ``weights`` has a kernel, in the order of the chain."""
    named = {layer for chain in CHAINS.values() for layer in chain}
    return tuple(sorted(layer for layer in named if f"{layer}.weight" in weights))


def chain_of(convolutions: Collection[str], names: Iterable[str] = CHAINS) -> tuple[str, ...] | None:
    """Which of these chains begins with just these convolutions, up to the pooling after the last block that is whole;
    None if there is none."""
    for chain in map(CHAINS.__getitem__, names):
        kernels = [layer for layer in chain if layer.startswith("conv")]
        if convolutions and set(convolutions) == set(kernels[: len(convolutions)]):
            end = chain.index(kernels[len(convolutions)]) if len(convolutions) < len(kernels) else len(chain)
            return chain[:end]
    return None


def check_chain(weights: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The chain that the tensors make. Raises WeightsError unless they are one of 3 x 3 convolutions, from an RGB image
    and without gaps."""
    layers = layers_of(weights)
    chain = chain_of(layers)
    if chain is None:
        raise WeightsError(
            f"the convolutions are not a chain from conv1_1 without gaps, such as {' or '.join(CHAINS)} has: "
            f"{', '.join(layers) or 'none'}"
        )
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
    return chain


def check_matrix(name: str, matrix: Tensor, columns: int) -> None:
    """Raise WeightsError unless it has that many columns."""
    if matrix.ndim != 2 or matrix.shape[1] != columns:
        raise WeightsError(f"{name} has shape {tuple(matrix.shape)}; (any, {columns}) expected")
