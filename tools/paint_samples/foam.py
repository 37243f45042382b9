"""Foam for the woodblock wave: hooked fingers that branch into smaller ones, and round puffs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .strokes import Floats, rgb
from .woodblock import Sheet, ribbon

LINE = rgb("0f2148")[0]
PALE = rgb("f6efdd")[0]
SHADE = rgb("a9c6cc")[0]


@dataclass(frozen=True, slots=True)
class Finger:
    """One hooked finger of foam: its shape and the shaded half of it."""

    shape: Floats
    shade: Floats


def claw(at: Floats, heading: float, reach: float, turn: float, depth: int) -> list[Finger]:
    """Give a hooked foam finger and the smaller ones that spring from its outer side."""
    t = np.linspace(0, 1, 26)
    bend = heading + turn * t**1.5
    step = np.stack([np.cos(bend), np.sin(bend)], axis=1) * reach / 26
    spine = at + np.cumsum(step, axis=0)
    width = reach * 0.34 * (1 - t) ** 0.75 * (1 + 0.2 * np.sin(5 * t)) * np.minimum(1, np.sqrt(t / 0.14)) + 0.4
    shape = ribbon(spine, width)
    inner = shape[:26] if turn > 0 else shape[26:][::-1]
    fingers = [Finger(shape, np.concatenate([spine + (inner - spine) * 0.25, inner[::-1]]))]
    if depth:
        side = -np.sign(turn)
        for place, grow in ((4, 0.60), (10, 0.55), (16, 0.45)):
            off = np.array([-np.sin(bend[place]), np.cos(bend[place])]) * side * width[place] * 0.3
            fingers += claw(spine[place] + off, bend[place] + side * 0.8, reach * grow, turn * 1.05, depth - 1)
    return fingers


def foam(sheet: Sheet, fingers: Sequence[Finger], width: float = 1.7) -> None:
    """Print one clump of foam: a contour around the whole, and a pale shadow in every finger."""
    sheet.outline([finger.shape for finger in fingers], width, LINE, PALE)
    for finger in fingers:
        sheet.fill(finger.shade, SHADE)


def puff(sheet: Sheet, at: Floats, radius: float, towards: float) -> None:
    """Print a round of foam with contour lines inside its far edge."""
    turn = np.linspace(0, 2 * np.pi, 40)
    lumps = radius * (1 + 0.07 * np.cos(5 * turn + at[0]))
    round_ = at + lumps[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    sheet.outline([round_], 1.3, LINE, PALE)
    for share in (0.76, 0.54):
        arc = np.linspace(towards - 1.2, towards + 1.2, 24)
        path = at + radius * share * np.stack([np.cos(arc), np.sin(arc)], axis=1)
        sheet.line(path, 0.13 * radius, SHADE)
