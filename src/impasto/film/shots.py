"""The frames of a film in order, each painted from the one before it.

Ruder, Dosovitskiy and Brox, *Artistic style transfer for videos* (arXiv 1604.08610): a frame begins with the picture
of the last one, moved as the film moves, and is held to it where that can be trusted. What comes into sight again is
taken from an earlier picture, an anchor, that shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from impasto.facade import Painter, best_step
from impasto.flow import Frame, flow, trusted, warped
from impasto.images.arrays import image_of
from impasto.images.picture import Picture
from impasto.preparation import Before

STEPS = 15
"""Of the solver, for a frame that goes on from another."""

WEIGHT = 1e3
"""Of ``terms.Temporal`` at the default consistency."""

CUT = 0.25
"""Where less of a frame than this is found in the one before, a shot begins. Of three clips' frames 0.5 and more were,
and of the first after their cuts 0.1 at most."""

ANCHOR_EVERY, ANCHORS = 10, 4
"""Frames from one anchor to the next, and how many are kept."""


def weight_of(consistency: float) -> float:
    """What the temporal term weighs: nothing at 0, ``WEIGHT`` at 0.5 and 11 times as much at 1."""
    return float(WEIGHT * (100**consistency - 1) / 9)


@dataclass(frozen=True, eq=False)
class Shown:
    """A frame and the picture of it, ``(1, 3, h, w)``."""

    frame: Frame
    picture: Float[Tensor, "1 3 h w"]


class Shots:
    """Where a film is: paints its frames, given one after another, all of the same size."""

    def __init__(self, painter: Painter, consistency: float = 0.5) -> None:
        self.painter, self.consistency = painter, consistency
        self.count, self.shot, self.multiple = 0, 0, 1.0
        self.last: Shown | None = None
        self.recipe: Mapping[str, Any] = {}
        self.anchors: list[Shown] = []

    def paint(self, frame: Frame) -> Picture:
        """The next frame's picture. Its recipe says under ``film`` which frame it is of, where its shot began, and what
        β was multiplied by there. Raises what ``stylize`` raises."""
        if self.last is not None and np.array_equal(frame, self.last.frame):
            picture, recipe = Picture(self.last.picture), self.recipe
        else:
            before = self.before(frame)
            run = self.painter.stylize(frame, before=before)
            picture, recipe = best_step(run).picture, run.recipe
            if before is None:
                self.shot, self.multiple = self.count, run.multiple
        self.recipe = recipe
        told = {"frame": self.count, "shot": self.shot, "multiple": self.multiple, "consistency": self.consistency}
        painted = Picture(image_of(picture.numpy()), {**recipe, "film": told})  # as a file of 8 bits has it
        self.keep(Shown(frame, painted.tensor))
        return painted

    def go_on_after(self, frame: Frame, painted: Picture) -> None:
        """Take what was painted of the next frame before."""
        assert painted.recipe is not None
        self.recipe, told = painted.recipe, painted.recipe["film"]
        self.shot, self.multiple = told["shot"], told["multiple"]
        self.keep(Shown(frame, painted.tensor))

    def keep(self, shown: Shown) -> None:
        """It is the last one now, and perhaps an anchor."""
        since = self.count - self.shot
        if since == 0:
            self.anchors = []
        if since % ANCHOR_EVERY == 0:
            self.anchors = [shown, *self.anchors][:ANCHORS]
        self.last, self.count = shown, self.count + 1

    def before(self, frame: Frame) -> Before | None:
        """What a frame goes on from; None where it begins a shot."""
        if self.last is None:
            return None
        picture, known = moved(self.last, frame)
        if float(known.mean()) < CUT:
            return None
        for anchor in self.anchors:
            if anchor is not self.last and not bool(known.all()):
                earlier, there = moved(anchor, frame)
                picture = torch.lerp(earlier, picture, known)
                known = torch.maximum(known, there)
        start = torch.lerp(recoloured(image_of(frame), picture, known), picture, known)
        return Before(start, known, weight_of(self.consistency), STEPS, self.multiple)


def moved(shown: Shown, frame: Frame) -> tuple[Float[Tensor, "1 3 h w"], Float[Tensor, "1 1 h w"]]:
    """The picture of another frame as this one has moved, and where that is so: 1, and 0 elsewhere."""
    back, there = flow(frame, shown.frame), flow(shown.frame, frame)
    return warped(shown.picture, back).clamp(0, 1), trusted(back, there).float()[None, None]


def recoloured(
    frame: Float[Tensor, "1 3 h w"], picture: Float[Tensor, "1 3 h w"], known: Float[Tensor, "1 1 h w"]
) -> Float[Tensor, "1 3 h w"]:
    """The frame in the picture's colours, by the linear map that is nearest to it where the picture is ``known``: what
    comes into sight begins so."""
    colours = torch.cat([frame[0].flatten(1), torch.ones(1, known.numel())]).T.double()
    of = known.flatten() > 0
    A: Tensor = torch.linalg.lstsq(colours[of], picture[0].flatten(1).T[of].double(), driver="gelsd").solution
    return (colours @ A).T.reshape(frame.shape).clamp(0, 1).to(frame.dtype)
