"""Coarse to fine: the picture is painted small first, and enlarged twofold until it has its size.

What a brush stroke of 100 px looks like is soon decided where it has 25; at the full size the solver hardly ever moves
anything that large. Gatys et al., *Controlling Perceptual Factors in Neural Style Transfer* (arXiv 1611.07865), do so.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as nnf

from impasto.images.decoding import MIN_SIDE
from impasto.objective import Objective
from impasto.settings import Settings
from impasto.solver import Step, minimise


def coarse_to_fine(
    objectives_at: Callable[[float], Iterable[Objective]], start: Float[Tensor, "1 3 h w"], settings: Settings
) -> Iterator[Step]:
    """Minimise at each of ``settings.factors`` in turn: the steps of all of them, numbered through.

    ``objectives_at(factor)`` is the objective for an image ``factor`` times the size of ``start``, perhaps in several
    precisions: where the solver finds no lower loss with one, it goes on with the next. Enlarging is a step. Every
    step's image has the size that it was painted at, and its losses are those of that size: the best of all steps is
    the one with the greatest ``merit``. Each size ends after its steps, or where they have settled. Raises what
    ``minimise`` raises.
    """
    began = time.monotonic()
    index = evaluations = 0
    image = None
    for factor in settings.factors:
        small = scaled(start, factor)
        image = small if image is None else finer(image, small)
        best = None
        for step in at_one_size(objectives_at(factor), image, settings.steps_at(factor), settings):
            best = step if best is None or step.merit >= best.merit else best
            yield replace(
                step,
                index=index + step.index,
                evaluations=evaluations + step.evaluations,
                seconds=time.monotonic() - began,
            )
        assert best is not None
        index, evaluations, image = index + step.index + 1, evaluations + step.evaluations, best.image


def at_one_size(
    objectives: Iterable[Objective], image: Float[Tensor, "1 3 h w"], steps: int, settings: Settings
) -> Iterator[Step]:
    """Up to ``steps`` steps by the first of ``objectives``; where it finds no lower loss, the next goes on."""
    index = evaluations = 0
    for attempt, objective in enumerate(objectives):
        losses = []
        for step in minimise(objective, image, steps - index, settings.solver):
            if step.index > 0 or attempt == 0:  # a picture is yielded once
                yield replace(step, index=index + step.index, evaluations=evaluations + step.evaluations)
            losses.append(step.loss)
            if settings.settled(losses):
                return
        index, evaluations, image = index + step.index, evaluations + step.evaluations, step.image
        if index == steps:
            return


def finer(image: Float[Tensor, "1 3 h w"], start: Float[Tensor, "1 3 h2 w2"]) -> Float[Tensor, "1 3 h2 w2"]:
    """``image`` at the size of ``start``, with the detail of ``start`` that the smaller size could not show.

    A picture that is merely enlarged is a blur, and the style loss of the low layers of a blur is high.
    """
    small, large = image.shape[2:], start.shape[2:]
    detail = start - resized(resized(start, *small), *large)
    return (resized(image, *large) + detail).clamp(0, 1)


def scaled(image: Float[Tensor, "1 3 h w"], factor: float) -> Float[Tensor, "1 3 h2 w2"]:
    """``image`` at ``factor`` times its size; no side gets so short that the deepest layer would see nothing."""
    return resized(image, *(max(round(side * factor), min(side, MIN_SIDE)) for side in image.shape[2:]))


def resized(image: Float[Tensor, "1 3 h w"], height: int, width: int) -> Float[Tensor, "1 3 h2 w2"]:
    """``image`` at another size, antialiased."""
    if image.shape[2:] == (height, width):
        return image
    return nnf.interpolate(image, (height, width), mode="bicubic", antialias=True).clamp(0, 1)
