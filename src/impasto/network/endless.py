"""A network for pictures whose edges join."""

import math
from collections.abc import Callable, Collection, Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from impasto.network.protocol import Pullback
from impasto.network.vgg import VGG


class Endless:
    """``network``, as it sees a picture that goes on without end: left joins right and top joins bottom.

    It looks at the picture with a margin of its opposite edges around it, no narrower than its deepest layer sees, and
    gives the ⌊h / s⌋ x ⌊w / s⌋ positions of a layer of stride s that are of the picture itself, one at least. Where a
    side is no multiple of s, what is left over is seen, but is not the middle of any position.
    """

    def __init__(self, network: VGG) -> None:
        self.network = network
        self.layers, self.convolutions = network.layers, network.convolutions
        self.strides, self.reach, self.readouts = network.strides, network.reach, network.readouts
        self.preprocessing = network.preprocessing

    def __call__(self, image: Float[Tensor, "1 3 h w"], layers: Collection[str]) -> dict[str, Tensor]:
        margin = self.margin(layers)
        seen = self.network(around(image, margin), layers)
        return {layer: x[..., *self.inner(layer, image, margin)] for layer, x in seen.items()}

    def look(self, image: Float[Tensor, "1 3 h w"], layers: Collection[str]) -> tuple[Mapping[str, Tensor], Pullback]:
        """Activations and the way back, as of ``VGG.look``."""
        margin = self.margin(layers)
        image = image.detach().requires_grad_(True)
        with torch.enable_grad():
            wide = around(image, margin)
        seen, back = self.network.look(wide, layers)
        places = {layer: self.inner(layer, image, margin) for layer in seen}
        sizes = {layer: x.shape[2:] for layer, x in seen.items()}

        def pullback(own: Callable[[str], Tensor]) -> Tensor:
            gradient = back(lambda layer: within(own(layer), places[layer], sizes[layer]))
            return torch.autograd.grad(wide, image, gradient)[0]

        return {layer: x[..., *places[layer]] for layer, x in seen.items()}, pullback

    def margin(self, layers: Collection[str]) -> int:
        """px around the picture: how far the deepest of ``layers`` sees, in whole strides of it."""
        deepest = self.network.until(layers)[-1]
        stride = self.strides[deepest]
        return math.ceil(self.reach[deepest] / stride) * stride

    def inner(self, layer: str, image: Float[Tensor, "1 3 h w"], margin: int) -> tuple[slice, slice]:
        """Rows and columns of a layer that are of the picture itself."""
        stride = self.strides[layer]
        rows, columns = (slice(margin // stride, margin // stride + max(1, n // stride)) for n in image.shape[2:])
        return rows, columns


def around(image: Float[Tensor, "1 c h w"], margin: int) -> Float[Tensor, "1 c h2 w2"]:
    """``image`` with ``margin`` px around it of what is at its opposite edges, over and over where it is smaller."""
    height, width = (side + 2 * margin for side in image.shape[2:])
    times = math.ceil(height / image.shape[2]), math.ceil(width / image.shape[3])
    return image.roll((margin, margin), (2, 3)).repeat(1, 1, *times)[..., :height, :width]


def within(x: Float[Tensor, "1 N h w"], place: tuple[slice, slice], size: torch.Size) -> Float[Tensor, "1 N h2 w2"]:
    """``x`` at its ``place`` in a map of this size, with 0 around it."""
    (rows, columns), (height, width) = place, size
    return pad(x, (columns.start, width - columns.stop, rows.start, height - rows.stop))
