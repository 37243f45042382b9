"""Shared brush machinery: a paint-laden canvas, bristle brushes, flow fields and noise.

Every painting works in *units*: the long side of the canvas is always ``UNITS`` units, whatever the pixel size, so a
layout and its brush strokes scale with the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

UNITS = 1024.0
BRISTLE_LENGTH = 160
BRISTLE_WIDTH = 48
BRISTLE_VARIANTS = 24


def rgb(*codes: str) -> Floats:
    """Turn hexadecimal colours such as ``"1a2b3c"`` into rows of floats between 0 and 1."""
    return np.array([[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in codes], dtype=np.float32)


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """Rise smoothly from 0 to 1 as the value goes from low to high (or fall, when low is the larger)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def ramp(colours: Floats, position: Floats) -> Floats:
    """Interpolate along a row of colours; position 0 is the first colour and 1 the last."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(position, stops, colours[:, i]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float | tuple[float, float], octaves: int = 1
) -> Floats:
    """Make smooth noise with about zero mean and unit spread; cell is the size of its features in pixels."""
    tall, wide = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        rows = max(int(np.ceil(round(shape[0] * 2**octave / tall, 1))), 1) + 4
        columns = max(int(np.ceil(round(shape[1] * 2**octave / wide, 1))), 1) + 4
        coarse = rng.standard_normal((rows, columns)).astype(np.float32)
        y = np.arange(shape[0]) * 2**octave / tall + 1
        x = np.arange(shape[1]) * 2**octave / wide + 1
        grid = np.meshgrid(np.minimum(y, rows - 2), np.minimum(x, columns - 2), indexing="ij")
        total += ndimage.map_coordinates(coarse, grid, order=3, mode="nearest") * 0.55**octave
    spread = float(total.std()) or 1.0
    return np.asarray((total - total.mean()) / spread, dtype=np.float32)


@cache
def bristles() -> tuple[Floats, ...]:
    """Build the brush marks: arrays (length x width, 3) of coverage, streak and relief; later ones are drier."""
    rng = np.random.default_rng(71)
    return tuple(_bristle_mark(rng, i / (BRISTLE_VARIANTS - 1)) for i in range(BRISTLE_VARIANTS))


def _bristle_mark(rng: np.random.Generator, dryness: float) -> Floats:
    shape = (BRISTLE_LENGTH, BRISTLE_WIDTH)
    along = np.linspace(0, 1, BRISTLE_LENGTH, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, BRISTLE_WIDTH, dtype=np.float32)[None, :]
    streak = 0.75 * noise(rng, shape, (150, 3.2)) + 0.5 * noise(rng, shape, (70, 9)) + 0.2 * noise(rng, shape, 5)
    edge = np.abs(across) + 0.07 * noise(rng, shape, (22, 30)) + 0.04 * noise(rng, shape, (9, 5))
    sides = smoothstep(0.97, 0.80, edge)
    corner = 0.10 * across**2
    start = smoothstep(0.01, 0.06, along - corner + 0.012 * noise(rng, (1, BRISTLE_WIDTH), 3))
    finish = smoothstep(0.99, 0.90, along + corner + 0.035 * noise(rng, (1, BRISTLE_WIDTH), 3))
    missing = smoothstep(0.2, 1.0, streak + 2.6 * (along - 1.25 + 0.75 * dryness))
    coverage = sides * start * finish * (1 - missing * (0.35 + 0.65 * dryness))
    coverage[[0, -1], :] = coverage[:, [0, -1]] = 0
    rim = np.exp(-(((np.abs(across) - 0.78) / 0.12) ** 2)) + 1.2 * np.exp(-(((along - 0.9) / 0.05) ** 2))
    relief = 0.55 + 0.22 * streak + 0.35 * rim
    return np.stack([coverage, streak, relief], axis=-1).reshape(-1, 3).astype(np.float32)


@cache
def dabs() -> tuple[Floats, ...]:
    """Build round touches of a brush tip, in the same form as the brush marks."""
    rng = np.random.default_rng(72)
    return tuple(_dab(rng) for _ in range(BRISTLE_VARIANTS))


def _dab(rng: np.random.Generator) -> Floats:
    shape = (BRISTLE_LENGTH, BRISTLE_WIDTH)
    along = np.linspace(-1, 1, BRISTLE_LENGTH, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, BRISTLE_WIDTH, dtype=np.float32)[None, :]
    reach = np.hypot(along, across) + 0.05 * noise(rng, shape, (60, 18))
    coverage = smoothstep(0.96, 0.80, reach)
    coverage[[0, -1], :] = coverage[:, [0, -1]] = 0
    relief = 0.75 - 0.25 * reach**2 + 0.3 * np.exp(-(((reach - 0.72) / 0.12) ** 2))
    return np.stack([coverage, noise(rng, shape, (60, 12)), relief], axis=-1).reshape(-1, 3).astype(np.float32)


@dataclass(slots=True)
class Strokes:
    """Many brush strokes as parallel arrays; sway and twist bend each stroke's spine into a cubic curve."""

    x: Floats
    y: Floats
    angle: Floats
    length: Floats
    width: Floats
    colour: Floats
    sway: Floats
    twist: Floats

    @classmethod
    def straight(cls, x: Floats, y: Floats, angle: Floats, size: tuple[float, float], colour: Floats) -> "Strokes":
        """Make straight strokes of one length and width."""
        ones = np.ones_like(x)
        return cls(x, y, ones * angle, ones * size[0], ones * size[1], colour, ones * 0, ones * 0)


@dataclass(slots=True)
class Paint:
    """How the paint goes on; body is its thickness, pickup the share of wet colour it takes from below."""

    cover: float = 0.95
    body: float = 1.0
    streak: float = 0.05
    pickup: float = 0.12
    dryness: tuple[float, float] = (0.0, 0.6)
    dotted: bool = False


class Canvas:
    """A picture in progress: a colour layer and a height map of the paint on it."""

    def __init__(self, size: int, aspect: float, ground: Floats) -> None:
        """Stretch a canvas whose long side is ``size`` pixels; aspect is width over height."""
        width, height = (size, round(size / aspect)) if aspect >= 1 else (round(size * aspect), size)
        self.scale = size / UNITS
        self.shape = (height, width)
        self.extent = (width / self.scale, height / self.scale)
        self.colour = np.broadcast_to(ground.reshape(-1, 3)[0], (height, width, 3)).astype(np.float32)
        self.relief = np.zeros((height, width), dtype=np.float32)

    def grid(self) -> tuple[Floats, Floats]:
        """Give the x and y position in units of every pixel centre."""
        y, x = np.mgrid[0 : self.shape[0], 0 : self.shape[1]].astype(np.float32)
        return (x + 0.5) / self.scale, (y + 0.5) / self.scale

    def sample(self, field: Floats, x: Floats, y: Floats) -> Floats:
        """Read a pixel field at positions in units."""
        row = np.clip((y * self.scale).astype(np.intp), 0, self.shape[0] - 1)
        column = np.clip((x * self.scale).astype(np.intp), 0, self.shape[1] - 1)
        return np.asarray(field[row, column], dtype=np.float32)

    def paint(self, rng: np.random.Generator, strokes: Strokes, how: Paint) -> None:
        """Lay the strokes one after another."""
        marks = dabs() if how.dotted else bristles()
        low, high = (round(d * (BRISTLE_VARIANTS - 1)) for d in how.dryness)
        count = len(strokes.x)
        variant = rng.integers(low, high + 1, count)
        tint = rng.normal(0, 1, (count, 3)).astype(np.float32) * 0.35 + 1.0
        for i in range(count):
            self._stamp(strokes, i, marks[variant[i]], tint[i] * how.streak, how)

    def _stamp(self, strokes: Strokes, i: int, mark: Floats, tint: Floats, how: Paint) -> None:
        scale = self.scale
        half, wide = float(strokes.length[i]) * scale / 2, float(strokes.width[i]) * scale / 2
        cos, sin = float(np.cos(strokes.angle[i])), float(np.sin(strokes.angle[i]))
        sway, twist = float(strokes.sway[i]), float(strokes.twist[i])
        steep = float(np.hypot(1, 2 * abs(sway) + 3 * abs(twist)))
        reach = wide * steep + half * (abs(sway) + abs(twist))
        cx, cy = float(strokes.x[i]) * scale, float(strokes.y[i]) * scale
        box_x, box_y = abs(cos) * half + abs(sin) * reach + 1, abs(sin) * half + abs(cos) * reach + 1
        x0, x1 = max(int(cx - box_x), 0), min(int(cx + box_x) + 1, self.shape[1])
        y0, y1 = max(int(cy - box_y), 0), min(int(cy + box_y) + 1, self.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        px = np.arange(x0, x1, dtype=np.float32) + (0.5 - cx)
        py = (np.arange(y0, y1, dtype=np.float32) + (0.5 - cy))[:, None]
        u = (px * cos + py * sin) / half
        v = (py * cos - px * sin) - half * u * u * (sway + twist * u)
        v /= wide * np.sqrt(1 + (u * (2 * sway + 3 * twist * u)) ** 2)
        row = np.clip((u + 1) * (BRISTLE_LENGTH / 2), 0, BRISTLE_LENGTH - 1).astype(np.intp)
        column = np.clip((v + 1) * (BRISTLE_WIDTH / 2), 0, BRISTLE_WIDTH - 1).astype(np.intp)
        texel = mark[row * BRISTLE_WIDTH + column]
        self._blend((slice(y0, y1), slice(x0, x1)), texel, strokes.colour[i], tint, how)

    def _blend(self, where: tuple[slice, slice], texel: Floats, colour: Floats, tint: Floats, how: Paint) -> None:
        under, relief = self.colour[where], self.relief[where]
        alpha = texel[..., 0:1] * how.cover
        if how.pickup:
            weight = float(alpha.sum()) + 1e-6
            colour = colour + how.pickup * ((under * alpha).sum(axis=(0, 1)) / weight - colour)
        under += alpha * (colour + texel[..., 1:2] * tint - under)
        relief += texel[..., 0] * how.cover * (texel[..., 2] * how.body - 0.75 * relief)

    def finish(self, depth: float = 1.0, gloss: float = 0.25, weave: float = 0.0) -> Image.Image:
        """Light the relief from the upper left and give the finished picture."""
        relief = ndimage.gaussian_filter(self.relief, 0.75 * self.scale)
        if weave:
            x, y = self.grid()
            relief += weave * np.sin(x * 1.9) * np.sin(y * 1.9) * np.exp(-relief)
        slope_y, slope_x = np.gradient(relief)
        facing = np.tanh((slope_x * 0.6 + slope_y * 0.8) * depth * self.scale * 2.2)
        # a touch of softness: hairlines thinner than a pixel only cost file size
        blur = 0.5 * self.scale
        lit = ndimage.gaussian_filter(self.colour, (blur, blur, 0)) * (1 + 0.34 * facing[..., None])
        lit += gloss * (np.clip(facing - 0.35, 0, 1) ** 2)[..., None]
        return to_image(lit)


def to_image(colour: Floats) -> Image.Image:
    """Turn floats between 0 and 1 into an 8-bit picture."""
    return Image.fromarray((np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8))


def scatter(
    rng: np.random.Generator, extent: tuple[float, float], gap: float, overhang: float = 0.0
) -> tuple[Floats, Floats]:
    """Spread points evenly yet irregularly over the canvas, in random order."""
    xs = np.arange(-overhang, extent[0] + overhang + gap, gap)
    ys = np.arange(-overhang, extent[1] + overhang + gap, gap)
    x, y = (grid.ravel() for grid in np.meshgrid(xs, ys))
    order = rng.permutation(len(x))
    x = x + rng.uniform(-0.5, 0.5, len(x)) * gap
    y = y + rng.uniform(-0.5, 0.5, len(y)) * gap
    return x[order].astype(np.float32), y[order].astype(np.float32)


def follow(
    canvas: Canvas,
    angle: Floats,
    at: tuple[Floats, Floats],
    size: tuple[Floats | float, Floats | float],
    colour: Floats,
) -> Strokes:
    """Make strokes that bend along a field of angles, through the given points."""
    x, y = at
    length = np.ones_like(x) * size[0]
    heading = canvas.sample(angle, x, y)
    ends = [_trace(canvas, angle, at, length * side / 2) for side in (-1, 1)]
    cos, sin = np.cos(heading), np.sin(heading)
    along = [(ex - x) * cos + (ey - y) * sin for ex, ey in ends]
    off = [(ey - y) * cos - (ex - x) * sin for ex, ey in ends]
    half = np.maximum((along[1] - along[0]) / 2, 0.25 * length)
    sway = np.clip((off[1] + off[0]) / 2 / half, -0.9, 0.9)
    twist = np.clip((off[1] - off[0]) / 2 / half, -0.5, 0.5)
    return Strokes(x, y, heading, 2 * half, np.ones_like(x) * size[1], colour, sway, twist)


def _trace(
    canvas: Canvas, angle: Floats, at: tuple[Floats, Floats], reach: Floats, steps: int = 5
) -> tuple[Floats, Floats]:
    x, y = at
    last = canvas.sample(angle, x, y)
    for _ in range(steps):
        x, y = x + np.cos(last) * reach / steps, y + np.sin(last) * reach / steps
        turn = canvas.sample(angle, x, y)
        last = np.where(np.cos(turn - last) < 0, turn + np.pi, turn).astype(np.float32)
    return x, y


def vary(rng: np.random.Generator, colour: Floats, light: float, hue: float) -> Floats:
    """Shift each row's lightness and its tint at random."""
    count = len(colour)
    return np.asarray(
        colour * (1 + rng.normal(0, light, (count, 1))) + rng.normal(0, hue, (count, 3)), dtype=np.float32
    )


def choose(rng: np.random.Generator, palette: Floats, count: int, weights: Sequence[float] | None = None) -> Floats:
    """Pick colours from a palette."""
    odds = None if weights is None else np.asarray(weights) / np.sum(weights)
    return palette[rng.choice(len(palette), count, p=odds)]
