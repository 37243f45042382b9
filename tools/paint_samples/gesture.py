"""Long gestures: one loaded brush dragged along a whole path until it runs dry."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from .strokes import Canvas, Floats, Ints, noise, smoothstep
from .woodblock import curve, ribbon


def _near(canvas: Canvas, path: Floats, reach: float) -> tuple[Ints, Ints]:
    """List the rows and columns of the pixels around a path given in pixels."""
    low = np.maximum(np.floor(path.min(axis=0) - reach).astype(int), 0)
    high = np.minimum(np.ceil(path.max(axis=0) + reach).astype(int) + 1, canvas.shape[::-1])
    columns, rows = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    return rows.ravel(), columns.ravel()


def drag(
    canvas: Canvas, rng: np.random.Generator, knots: Sequence[tuple[float, float]], width: float, colour: Floats,
    dryness: float = 0.5,
) -> None:  # fmt: skip
    """Drag a brush through the knots; the drier it is, the sooner its bristles part and leave streaks."""
    # its own generator, so that the next gesture does not depend on how many pixels this one covers
    rng = np.random.default_rng(int(rng.integers(2**32)))
    scale = canvas.scale
    path = curve(knots, 60 * len(knots)) * scale
    run = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    dense = np.arange(0, run[-1], 0.75)
    path = np.stack([np.interp(dense, run, path[:, i]) for i in range(2)], axis=1)
    t = np.linspace(0, 1, len(path))
    swell = (0.62 + 0.38 * np.sin(np.pi * t**0.8)) * (1 + 0.07 * np.sin(9 * t + rng.uniform(0, 6)))
    half = np.maximum(width * scale * swell / 2, 0.6)
    rows, columns = _near(canvas, path, float(half.max()) + 2)
    spots = np.stack([columns + 0.5, rows + 0.5], axis=1)
    away, nearest = cKDTree(path).query(spots, distance_upper_bound=float(half.max()) + 1)
    close = np.isfinite(away)
    rows, columns, spots, nearest = rows[close], columns[close], spots[close], nearest[close]
    outline = ribbon(path, np.full(len(path), 2.0))[: len(path)] - path
    across = ((spots - path[nearest]) * outline[nearest]).sum(axis=1) / half[nearest]
    along = ((spots - path[nearest]) * np.roll(outline, 1, axis=1)[nearest] * np.array([1, -1])).sum(axis=1)
    inside = (np.abs(across) < 1.2) & (np.abs(along) < 1.5)
    rows, columns, across, nearest = rows[inside], columns[inside], across[inside], nearest[inside]
    _lay(canvas, (rows, columns), _hair(rng, len(path), width, dryness, (across, nearest)), colour)


def _hair(
    rng: np.random.Generator, length: int, width: float, dryness: float, place: tuple[Floats, Ints]
) -> tuple[Floats, Floats]:
    """Give coverage and thickness of the paint that each pixel takes from the passing bristles."""
    across, nearest = place
    hairs = max(int(width * 2), 12)
    streak = 0.8 * noise(rng, (length, hairs), (420, 2.4)) + 0.45 * noise(rng, (length, hairs), (90, 5))
    grit = noise(rng, (length, hairs), (7, 2))
    t = np.linspace(0, 1, length)[:, None]
    ends = smoothstep(0.0, 0.02, t + 0.012 * streak) * smoothstep(1.0, 0.965, t + 0.03 * streak)
    load = smoothstep(-0.35, 0.25, 2.3 - 2.9 * dryness * t**1.3 - 0.85 * np.abs(streak) + 0.35 * grit)
    column = np.clip((across + 1) / 2 * hairs, 0, hairs - 1).astype(np.intp)
    edge = smoothstep(1.06, 0.86, np.abs(across) + 0.08 * streak[nearest, column])
    cover = (load * ends)[nearest, column] * edge
    rim = np.exp(-(((np.abs(across) - 0.84) / 0.12) ** 2))
    return cover, 0.6 + 0.2 * streak[nearest, column] + 0.4 * rim


def _lay(canvas: Canvas, where: tuple[Ints, Ints], paint: tuple[Floats, Floats], colour: Floats) -> None:
    cover, body = paint
    tone = colour.reshape(1, 3) + 0.05 * (body[:, None] - 0.6)
    canvas.colour[where] += (0.97 * cover)[:, None] * (tone - canvas.colour[where])
    canvas.relief[where] += cover * (1.3 * body - 0.8 * canvas.relief[where])
