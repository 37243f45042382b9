"""A woodblock press: flat inks, carved lines of swelling width, graded inking, wood grain and paper fibres."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .strokes import UNITS, Floats, noise, rgb, smoothstep, to_image

OVERSAMPLE = 2


def curve(knots: Sequence[tuple[float, float]], count: int = 160) -> Floats:
    """Pass a smooth curve through the knots."""
    points = np.array(knots, dtype=np.float64)
    padded = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    t = np.linspace(0, len(points) - 1, count)
    i = np.clip(t.astype(np.intp), 0, len(points) - 2)
    f = (t - i)[:, None]
    a, b, c, d = (padded[i + k] for k in range(4))
    return np.asarray(0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3))


def ribbon(path: Floats, width: Floats) -> Floats:
    """Give the outline of a line whose width changes along the path."""
    ahead = np.gradient(path, axis=0)
    side = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / (np.hypot(ahead[:, 0], ahead[:, 1])[:, None] + 1e-6)
    off = side * width[:, None] / 2
    return np.concatenate([path + off, (path - off)[::-1]])


class Sheet:
    """A sheet of paper to which inked shapes are printed, in units."""

    def __init__(self, size: int, aspect: float, paper: Floats) -> None:
        """Cut a sheet whose long side is ``size`` pixels."""
        self.shape = (round(size / aspect), size)
        self.scale = size / UNITS
        self.image = Image.new("RGB", (self.shape[1] * OVERSAMPLE, self.shape[0] * OVERSAMPLE), _ink(paper))
        self.draw = ImageDraw.Draw(self.image)

    def _points(self, shape: Floats) -> list[tuple[float, float]]:
        zoom = self.scale * OVERSAMPLE
        return [(float(x) * zoom, float(y) * zoom) for x, y in shape]

    def fill(self, shape: Floats, colour: Floats) -> None:
        """Print a flat shape."""
        self.draw.polygon(self._points(shape), fill=_ink(colour))

    def line(self, path: Floats, width: float, colour: Floats, ends: tuple[float, float] = (0.25, 0.25)) -> None:
        """Print a carved line that swells in its middle."""
        t = np.linspace(0, 1, len(path))
        swell = np.sin(np.pi * t) ** 0.7
        self.fill(ribbon(path, width * (ends[0] * (1 - t) + ends[1] * t + swell * 0.8)), colour)

    def dot(self, at: tuple[float, float], radius: float, colour: Floats) -> None:
        """Print a disc."""
        zoom = self.scale * OVERSAMPLE
        x, y, r = at[0] * zoom, at[1] * zoom, radius * zoom
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=_ink(colour))

    def outline(self, shapes: Sequence[Floats], width: float, line: Floats, fill: Floats) -> None:
        """Print the union of several shapes with one contour around it."""
        thick = max(round(width * 2 * self.scale * OVERSAMPLE), 1)
        for shape in shapes:
            points = self._points(shape)
            self.draw.line([*points, points[0]], fill=_ink(line), width=thick, joint="curve")
        for shape in shapes:
            self.fill(shape, fill)

    def grade(self, shape: Floats, colour: Floats, span: tuple[float, float], strength: float = 1.0) -> None:
        """Wipe ink over a shape from full at the first height to none at the second (bokashi)."""
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon(self._points(shape), fill=255)
        y = (np.arange(self.image.size[1], dtype=np.float32) + 0.5) / (self.scale * OVERSAMPLE)
        fade = smoothstep(span[1], span[0], y)[:, None] * strength
        weight = Image.fromarray((np.asarray(mask, dtype=np.float32) * fade).astype(np.uint8))
        self.image.paste(_ink(colour), (0, 0, *self.image.size), weight)

    def pull(self, rng: np.random.Generator, paper: Floats) -> Image.Image:
        """Pull the print: let grain and paper show through the ink."""
        small = self.image.resize((self.shape[1], self.shape[0]), Image.Resampling.BOX)
        plate = np.asarray(small, dtype=np.float32) / 255
        inked = np.clip(np.abs(plate - paper).sum(axis=-1) / 0.9, 0, 1)
        grain, mottle = _grain(rng, self.shape, self.scale), noise(rng, self.shape, 2.0 * self.scale, 2)
        thin = np.clip(0.05 + 0.13 * grain + 0.045 * mottle, 0, 0.6) * (0.35 + 0.65 * inked)
        colour = plate + thin[..., None] * (paper - plate)
        colour *= (1 - 0.07 * np.clip(-grain, 0, 2) - 0.02 * mottle)[..., None]
        fibres = _fibres(rng, self.shape, self.scale)
        return to_image(np.asarray(colour * (1 + 0.05 * fibres)[..., None], dtype=np.float32))


def _ink(colour: Floats) -> tuple[int, int, int]:
    red, green, blue = (round(float(c) * 255) for c in np.clip(colour.reshape(-1), 0, 1))
    return red, green, blue


def _grain(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Floats:
    """Give the year rings of a cherry board, flowing around a few knots."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / scale
    rings = y + 9 * noise(rng, shape, (170 * scale, 420 * scale), 2)
    for _ in range(5):
        kx, ky = rng.uniform(0, UNITS), rng.uniform(0, shape[0] / scale)
        rings += 26 * np.sign(y - ky) * np.exp(-(((x - kx) / 90) ** 2) - np.abs(y - ky) / 34)
    pitch = 6.5 + 1.4 * np.sin(rings / 47)
    lines = np.sin(2 * np.pi * rings / pitch.mean() + 2.0 * np.sin(rings / 31))
    streaks = noise(rng, shape, (2.2 * scale, 130 * scale))
    patches = 0.55 + 0.45 * np.tanh(noise(rng, shape, (90 * scale, 260 * scale)))
    return np.asarray(0.85 * lines * patches + 0.55 * streaks, dtype=np.float32)


def _fibres(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Floats:
    """Give a felt of short paper fibres, about zero mean."""
    felt = Image.new("L", (shape[1], shape[0]), 128)
    draw = ImageDraw.Draw(felt)
    for _ in range(2600):
        x, y = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        lean, reach = rng.uniform(0, np.pi), rng.uniform(5, 26) * scale
        bend = rng.normal(0, 0.3)
        t = np.linspace(-0.5, 0.5, 5) * reach
        px, py = x + t * np.cos(lean + bend * t / reach), y + t * np.sin(lean + bend * t / reach)
        draw.line(list(zip(px.tolist(), py.tolist(), strict=True)), fill=int(rng.choice([70, 190, 215])), width=1)
    soft = ndimage.gaussian_filter(np.asarray(felt, dtype=np.float32) / 64 - 2, 0.5)
    return np.asarray(soft, dtype=np.float32)


PAPER = rgb("efe3c6")[0]
