"""One strength that means one thing: β is set so that the picture is as far from the photograph as was asked for.

Style losses of paintings differ by more than a thousand times, and photographs hold out against the same β quite
differently. So β is found at the smallest size, where an evaluation costs little: a few steps, a look at how far the
picture has gone, another β, and on. At larger sizes the photograph's detail comes back into the picture, and β rises
by what that has brought it back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from impasto.network.protocol import Network

TRIALS = 3
"""How often β is set anew at the smallest size; at larger ones once. With as many steps each, and as many after the
last, they are those of the size."""

FEWEST, FEWEST_LATER = 15, 32
"""Steps without which β is not set anew, at the smallest size and at larger ones."""

NEARLY = 0.9
"""Of how far a picture is to go, what is enough at a larger size: with all of it, texture comes into flat places."""

LARGEST_SIZE = 512
"""px: the long side, at most, of a picture for which β is set anew. In a larger one a higher β takes away from the
photograph and brings it no nearer to the painting."""

SLOPE = 0.3
"""By how much the distance grows, about, where β is ten times as large."""

SMALLEST, LARGEST = -0.5, 2.0
"""Decimal logarithms of the multiple, at least and at most. Some pictures do not go as far as they should; and of a
painting whose contrasts alone take a picture far, a lower β leaves grain instead of strokes."""

LEAST, MOST = 0.1, 0.6
"""What is believed of a slope that was found."""


@dataclass(frozen=True)
class Balance:
    """β as a ``multiple`` of what it began as, and the trials so far: the decimal logarithm of the multiple, and the
    distance that the picture had then."""

    multiple: float = 1.0
    trials: tuple[tuple[float, float], ...] = ()

    def after(self, distance: float, wanted: float) -> "Balance":
        """The next, from the ``distance`` at this one: a secant's step, of a factor of ten at most."""
        here = math.log10(self.multiple)
        slope = SLOPE
        if self.trials and abs(here - self.trials[-1][0]) > 0.05:
            before, distance_before = self.trials[-1]
            slope = min(max((distance - distance_before) / (here - before), LEAST), MOST)
        step = min(max((wanted - distance) / slope, -1.0), 1.0)
        there = min(max(here + step, SMALLEST), LARGEST)
        return Balance(10**there, (*self.trials, (here, distance)))

    def higher(self, distance: float, wanted: float) -> "Balance":
        """The same for ``NEARLY`` as far, or this multiple where that is less: a picture whose contrasts alone take it
        far would have fewer strokes with a lower one, not more of the photograph."""
        after = self.after(distance, NEARLY * wanted)
        return replace(after, multiple=max(after.multiple, self.multiple))


class Dial:
    """What β is multiplied by, where the objectives see it, and how far a picture has gone with it."""

    def __init__(self, distance: Callable[[Tensor], float], device: torch.device) -> None:
        self.distance = distance
        self.multiple = torch.ones((), device=device)
        self.at = 1.0

    def turn(self, multiple: float) -> None:
        """Set it."""
        if multiple != self.at:
            self.multiple.fill_(multiple)
            self.at = multiple


@torch.no_grad()
def content_distance(
    network: Network, layer: str, photograph: Float[Tensor, "1 3 h w"], guide: Float[Tensor, "h_l w_l"] | None = None
) -> Callable[[Float[Tensor, "1 3 h w"]], float]:
    """How far the features F of an image are from the photograph's P in one layer: 1 − the cosine between the two,
    seen from P's mean, on average over the positions; over the same of the photograph turned upside down. 0 is the
    photograph, and 1 as unlike it as another picture. Contrast alone does not count. ``guide`` weighs the positions,
    where not all of the photograph is there.
    """

    @torch.no_grad()
    def features(x: Tensor) -> Tensor:
        return network(x, [layer])[layer].flatten(2).squeeze(0).float()

    def apart(F: Tensor) -> Tensor:
        return 1 - mean(cosine_similarity(F - centre, P - centre, dim=0)).squeeze()

    def mean(x: Tensor) -> Tensor:
        if guide is None:
            return x.mean(dim=-1, keepdim=True)
        weights = guide.flatten()
        return (x * weights).sum(dim=-1, keepdim=True) / weights.sum()

    P = features(photograph)
    centre = mean(P)
    most = apart(features(photograph.flip(2, 3))).clamp_min(1e-6)
    return lambda image: float(apart(features(image)) / most)
