"""The frames of a film in order, each painted from the one before it.

Ruder, Dosovitskiy and Brox, *Artistic style transfer for videos* (arXiv 1604.08610): a frame begins with the picture
of the last one, moved as the film moves, and is held to it where that can be trusted. What comes into sight again is
taken from an earlier picture, an anchor, that shows it. What comes into sight for the first time begins as the frame in
the picture's colours, with strokes of the shot's first picture: few steps are too few to paint any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from impasto.facade import Painter, best_step
from impasto.flow import Flow, Frame, flow, trusted, warped
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
        self.strokes: Tensor | None = None
        self.gone = torch.zeros(2)

    def paint(self, frame: Frame) -> Picture:
        """The next frame's picture. Its recipe says under ``film`` which frame it is of, where its shot began, what β
        was multiplied by there, and how far the film has gone to the right and down since, in px. Raises what
        ``stylize`` raises."""
        if self.last is not None and np.array_equal(frame, self.last.frame):
            picture, recipe = Picture(self.last.picture), self.recipe
        else:
            before = self.before(frame)
            run = self.painter.stylize(frame, before=before)
            picture, recipe = best_step(run).picture, run.recipe
            if before is None:
                self.shot, self.multiple, self.gone = self.count, run.multiple, torch.zeros(2)
        self.recipe = recipe
        told = {
            "frame": self.count,
            "shot": self.shot,
            "multiple": self.multiple,
            "gone": self.gone.tolist(),
            "consistency": self.consistency,
        }
        painted = Picture(image_of(picture.numpy()), {**recipe, "film": told})  # as a file of 8 bits has it
        self.keep(Shown(frame, painted.tensor))
        return painted

    def go_on_after(self, frame: Frame, painted: Picture) -> None:
        """Take what was painted of the next frame before."""
        assert painted.recipe is not None
        self.recipe, told = painted.recipe, painted.recipe["film"]
        self.shot, self.multiple = told["shot"], told["multiple"]
        self.gone = torch.tensor(told.get("gone", (0.0, 0.0)))
        self.keep(Shown(frame, painted.tensor))

    def keep(self, shown: Shown) -> None:
        """It is the last one now, and perhaps an anchor."""
        since = self.count - self.shot
        if since == 0:
            self.anchors = []
            frame = image_of(shown.frame)
            self.strokes = shown.picture - recoloured(frame, shown.picture, torch.ones_like(frame[:, :1]))
        if since % ANCHOR_EVERY == 0:
            self.anchors = [shown, *self.anchors][:ANCHORS]
        self.last, self.count = shown, self.count + 1

    def before(self, frame: Frame) -> Before | None:
        """What a frame goes on from; None where it begins a shot."""
        if self.last is None:
            return None
        back = flow(frame, self.last.frame)
        picture, known = moved(self.last, frame, back)
        if float(known.mean()) < CUT:
            return None
        self.gone = self.gone + back[:, known[0, 0] > 0].median(dim=1).values
        for anchor in self.anchors:
            if anchor is not self.last and not bool(known.all()):
                earlier, there = moved(anchor, frame, flow(frame, anchor.frame))
                picture = torch.lerp(earlier, picture, known)
                known = torch.maximum(known, there)
        new = recoloured(image_of(frame), picture, known)
        if self.strokes is not None:
            new = (new + mirrored_on(self.strokes, *self.gone.tolist())).clamp(0, 1)
        start = torch.lerp(new, picture, known)
        return Before(start, known, weight_of(self.consistency), STEPS, self.multiple)


def moved(shown: Shown, frame: Frame, back: Flow) -> tuple[Float[Tensor, "1 3 h w"], Float[Tensor, "1 1 h w"]]:
    """The picture of another frame as this one has moved, from which the flow leads ``back`` there, and where that is
    so: 1, and 0 elsewhere."""
    there = flow(shown.frame, frame)
    return warped(shown.picture, back).clamp(0, 1), trusted(back, there).float()[None, None]


def mirrored_on(image: Float[Tensor, "1 c h w"], right: float, down: float) -> Float[Tensor, "1 c h w"]:
    """What is seen as far to the ``right`` and ``down``, in px, of an image that goes on as its mirror image, again and
    again."""

    def at(size: int, by: float) -> Tensor:
        n = (torch.arange(size, device=image.device) + round(by)) % (2 * size)
        return torch.minimum(n, 2 * size - 1 - n)

    height, width = image.shape[2:]
    return image[:, :, at(height, down)][..., at(width, right)]


def recoloured(
    frame: Float[Tensor, "1 3 h w"], picture: Float[Tensor, "1 3 h w"], known: Float[Tensor, "1 1 h w"]
) -> Float[Tensor, "1 3 h w"]:
    """The frame in the picture's colours, by the linear map that is nearest to it where the picture is ``known``: what
    comes into sight begins so."""
    colours = torch.cat([frame[0].flatten(1), torch.ones(1, known.numel())]).T.double()
    of = known.flatten() > 0
    A: Tensor = torch.linalg.lstsq(colours[of], picture[0].flatten(1).T[of].double(), driver="gelsd").solution
    return (colours @ A).T.reshape(frame.shape).clamp(0, 1).to(frame.dtype)
