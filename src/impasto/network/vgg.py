"""VGG-19 and VGG-16 as the paper uses them: 3 x 3 convolutions and poolings, and nothing else.

Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition* (arXiv 1409.1556),
configurations E and D. Gatys et al. (section "Methods") take the first, drop the fully connected layers and replace max
pooling by average pooling. A network with fewer filters per layer, or one that ends early, is the same chain with
smaller weights.
"""

from collections.abc import Collection, Iterable, Mapping

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as nnf

from impasto.errors import WeightsError
from impasto.names import entry
from impasto.network.link import PARTS, Link
from impasto.network.pooling import POOLINGS
from impasto.network.protocol import Preprocessing, check_layers

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

    Parameters are frozen: only the image is ever optimised.

    Raises WeightsError where the tensors do not form such a chain.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        preprocessing: Preprocessing,
        pooling: str = "average",
        edges: str = "black",
    ) -> None:
        super().__init__()
        self.pool = entry(POOLINGS, pooling, "pooling")
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
        found, stride = {}, 1
        for layer in self.chain:
            stride *= 1 if layer in self.links else 2
            found[layer] = stride
        return found

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

    def forward(self, image: Float[Tensor, "b 3 h w"], layers: Collection[str]) -> dict[str, Tensor]:
        """Activations ``{layer: (b, N_l, h_l, w_l)}`` of the named layers, nothing computed beyond the deepest.

        ``image`` is sRGB in [0, 1]; h and w at least 2 per pooling on the way (16 for conv5_1). Activations are of the
        precision of the weights.
        Raises UsageError for a layer that this network does not have.
        """
        check_layers(layers, self.layers)
        activations: dict[str, Tensor] = {}
        x, mirrored = self.preprocessing(image).to(self.link(self.chain[0]).weight.dtype), self.edges == "mirrored"
        for layer in self.chain:
            if len(activations) == len(set(layers)):
                break
            if layer in self.links:
                x = self.link(layer)(x, kept=layer in layers, mirrored=mirrored)
            else:
                x = self.pool(even(x) if mirrored else x)
            if layer in layers:
                activations[layer] = x
        return activations

    def features(self, image: Float[Tensor, "1 3 h w"], layers: Collection[str]) -> dict[str, Tensor]:
        """The paper's feature matrices F^l of one image: ``{layer: (N_l, M_l)}``, N_l filters at M_l positions."""
        R = self.readouts
        seen = {layer: x.flatten(2).squeeze(0) for layer, x in self(image, layers).items()}
        return {layer: R[layer] @ F if layer in R else F for layer, F in seen.items()}

    def weights(self) -> dict[str, Tensor]:
        """The tensors this network was made from, under the same names."""
        return {key.removeprefix("links."): value.detach() for key, value in self.named_parameters()}


def even(x: Float[Tensor, "b N h w"]) -> Float[Tensor, "b N h2 w2"]:
    """With a last odd row or column repeated, so that pooling by two leaves nothing out."""
    height, width = x.shape[2:]
    return nnf.pad(x, (0, width % 2, 0, height % 2), mode="replicate") if height % 2 or width % 2 else x


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
