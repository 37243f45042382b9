"""Regions: parts of a picture in the manner of paintings of their own, or left as they are.

Gatys et al., *Controlling Perceptual Factors in Neural Style Transfer* (arXiv 1611.07865), section 4: a mask says what
belongs to a region, is carried to every layer, and weighs the positions that the region's statistics are taken over.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, max_pool2d, pad

from impasto.errors import UsageError
from impasto.images.files import Source
from impasto.losses import luminance
from impasto.network.protocol import Network
from impasto.network.vgg import VGG
from impasto.terms import PIXELS

Mask = Float[Tensor, "1 1 h w"]
"""1 where the region is, 0 elsewhere, and between at soft edges."""

Carried = Float[Tensor, "1 1 h_l w_l"]
"""A mask at the size of a layer: the weights of its positions."""

NEAR = 32 / 255
"""By how much a colour of a label picture may be off, in each channel."""

LEAST = 0.25
"""Of a region, what has to be left of it where only its inside counts."""

DISTORTION = 0.02
"""By how much the proportions of a mask and its picture may differ."""


@dataclass(frozen=True)
class Region:
    """A part of the picture, where ``mask`` is white or has this ``colour``, as ``#ff8000``; to be painted in the
    manner of ``style``, or of what ``style_mask`` leaves of that; without one it is left as it is."""

    mask: Source
    style: Source | None = None
    colour: str | None = None
    style_mask: Source | None = None


@dataclass(frozen=True)
class Painted:
    """A region at one size: its ``mask``, its painting, if it has one, and the part of that which counts."""

    mask: Mask
    painting: Float[Tensor, "1 3 h_a w_a"] | None = None
    of_painting: Float[Tensor, "1 1 h_a w_a"] | None = None


@dataclass(frozen=True)
class Guides:
    """What a region's statistics are taken over: the weight of every position, by layer, ``(h_l, w_l)``; and the
    ``part`` of the picture that it is."""

    of_layer: Mapping[str, Tensor]
    part: float


def mask_in(picture: Float[Tensor, "1 3 h w"], colour: str | None = None) -> Mask:
    """The region in a mask: where it is white, or has this colour, ``#rrggbb``. Raises UsageError for what is none."""
    if colour is None:
        return luminance(picture)
    try:
        red_green_blue = [int(colour.removeprefix("#")[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    except ValueError:
        raise UsageError(f"'{colour}' is no colour: write it as #ff8000") from None
    wanted = torch.tensor(red_green_blue, dtype=picture.dtype, device=picture.device).view(1, 3, 1, 1)
    return ((picture - wanted).abs().amax(dim=1, keepdim=True) <= NEAR).to(picture.dtype)


def fitted(mask: Mask, height: int, width: int) -> Float[Tensor, "1 1 {height} {width}"]:
    """``mask`` at the size of its picture. Raises UsageError where it has other proportions, or is empty."""
    if abs(mask.shape[3] * height / (mask.shape[2] * width) - 1) > DISTORTION:
        size, wanted = f"{mask.shape[3]} x {mask.shape[2]}", f"{width} x {height}"
        raise UsageError(f"a mask of {size} px does not fit a picture of {wanted}: it has other proportions")
    found = interpolate(mask, (height, width), mode="bilinear", antialias=True).clamp(0, 1)
    if float(found.max()) < 0.5:
        raise UsageError("a mask has nothing in it: a region is white, or has the colour that is named")
    return found


def guides(network: Network, mask: Mask, layers: Collection[str], carried: str = "inside") -> Guides:
    """``mask`` carried to these layers of a picture of its size, by an entry of ``CARRIED``."""
    sizes = map_sizes(network, layers, mask)
    found = {layer: CARRIED[carried](mask, sizes[layer], reach(network, layer))[0, 0] for layer in layers}
    return Guides(found, float(mask.mean()))


def map_sizes(network: Network, layers: Collection[str], mask: Mask) -> dict[str, Sequence[int]]:
    """h_l and w_l of these layers, of a picture as large as ``mask``; a network that cannot tell is asked to look."""
    if PIXELS in layers:
        rest = set(layers) - {PIXELS}
        return {PIXELS: mask.shape[2:], **(map_sizes(network, rest, mask) if rest else {})}
    if isinstance(network, VGG):
        return {layer: network.map_size(layer, *mask.shape[2:]) for layer in layers}
    seen = network(mask.expand(-1, 3, -1, -1).to(dtype_of(network)), layers)
    return {layer: seen[layer].shape[2:] for layer in layers}


def inside(mask: Mask, shape: Sequence[int], far: int) -> Carried:
    """Only positions whose filters, which see ``far`` px, see nothing else than the region, so that no style bleeds
    across its edge; where less than a quarter of the region would be left, those that see half as far beyond it, and so
    on."""
    whole = simple(mask, shape)
    while far >= 1 and (found := simple(eroded(mask, far), shape)).sum() < LEAST * whole.sum():
        far //= 2
    return found if far >= 1 else whole


def simple(mask: Mask, shape: Sequence[int], far: int = 0) -> Carried:  # noqa: ARG001
    """The mask at the size of the layer."""
    return adaptive_avg_pool2d(mask, (shape[0], shape[1]))


def all_that_see(mask: Mask, shape: Sequence[int], far: int) -> Carried:
    """All positions whose filters see something of the region."""
    return simple(1 - eroded(1 - mask, far), shape) if far >= 1 else simple(mask, shape)


CARRIED: dict[str, Callable[[Mask, Sequence[int], int], Carried]] = {
    "inside": inside,
    "simple": simple,
    "all": all_that_see,
}
"""The ways of carrying a mask to a layer, by the name that ``--carried`` takes: a mask, h_l and w_l, and how far beyond
its own px a position sees. Gatys et al. (arXiv 1611.07865, section 4 and supplement) compare all three."""


def rest_of(masks: Collection[Mask]) -> Mask:
    """What no mask has."""
    left: Mask = 1 - torch.stack(list(masks)).sum(dim=0)
    return left.clamp(0, 1)


def eroded(mask: Mask, far: int) -> Mask:
    """The least of ``mask`` within so many px. Beyond its edges it is what it is there."""
    around = pad(1 - mask, (far,) * 4, mode="replicate")
    rows = max_pool2d(around, (2 * far + 1, 1), stride=1)
    return 1 - max_pool2d(rows, (1, 2 * far + 1), stride=1)


def reach(network: Network, layer: str) -> int:
    """How many px beyond its own a position of this layer sees, on each side; 0 where it is not known."""
    found: int = getattr(network, "reach", {}).get(layer, 0)
    return found


def dtype_of(network: Network) -> torch.dtype:
    """What a network computes in."""
    parameters = getattr(network, "parameters", None)
    first = next(parameters(), None) if callable(parameters) else None
    return torch.float32 if first is None else first.dtype
