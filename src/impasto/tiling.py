"""The places of a picture that is too large to be looked at as a whole."""

from collections.abc import Iterator

from impasto.features import Place
from impasto.network.vgg import VGG

STRIDE, MARGIN = 16, 160
"""px: of the deepest layers, conv5_1 among them, and no less than how far these see."""

SIDE = 2048
"""px, of a place."""


def places_of(height: int, width: int, side: int = SIDE) -> Iterator[Place]:
    """Parts of ``side`` x ``side`` px, or less at the ends, with a margin around."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows, columns = slice(top, min(top + side, height)), slice(left, min(left + side, width))
            yield Place(height, width, rows, columns, around(rows, height), around(columns, width))


def around(counted: slice, size: int) -> slice:
    """``counted`` px with the margin."""
    stop = counted.stop + MARGIN
    return slice(max(0, counted.start - MARGIN), size if stop + STRIDE > size else stop)


def bytes_of(network: VGG, pixels: int) -> int:
    """About what an evaluation needs: every activation, and as much again for what is made of them on the way."""
    strides, kept = network.strides, 0.0
    for layer in network.convolutions:
        kept += network.link(layer).filters * network.link(layer).weight.itemsize / strides[layer] ** 2
    return round(2 * kept * pixels)
