"""A swirling night sky in thick oil: glowing stars, rolling hills, a dark flame of a tree and a sleeping village."""

import numpy as np
from PIL import Image
from scipy import ndimage

from .strokes import Canvas, Floats, Paint, Strokes, choose, follow, noise, ramp, rgb, scatter, smoothstep, vary

ASPECT = 1.25
SKY = rgb("0b1440", "14246b", "1d3f9c", "2c62b8", "4f8fc9", "8fbfd0", "d3e2c4")
GLOW = rgb("5f9fc4", "9cc9b4", "d8dc8a", "f4d94a", "f7b52c", "fff3b8")
HILLS = (
    rgb("1b2f70", "27508f", "3f78a8", "6a9fb0"),
    rgb("16285c", "1f4a7d", "35708a", "5f9488", "a5ad6a"),
    rgb("10223f", "1d4a4a", "35684a", "6b8a44", "b9a548"),
)
TREE = rgb("070d1c", "0d1f22", "16331f", "27472a", "3c2c1c", "4d6330", "7d7a36")
ROOFS = rgb("2c3f7a", "7d3b2e", "3d5a86", "96502f", "51456f")
WALLS = rgb("6f8fb0", "b8a878", "8fa3a6", "c9b889", "5a78a8")
INK = rgb("0a1230")

STARS = (
    (90, 330, 34), (330, 78, 40), (480, 130, 26), (610, 70, 36), (732, 178, 42), (300, 262, 24),
    (938, 110, 38), (960, 330, 30), (612, 212, 22), (120, 470, 24), (742, 408, 26),
)  # fmt: skip
MOON = (176.0, 150.0, 92.0)
VORTICES = (
    (470.0, 318.0, 120.0, 1.9),
    (655.0, 340.0, 84.0, -1.7),
    (250.0, 420.0, 70.0, -0.9),
    (850.0, 240.0, 80.0, 0.9),
)


def paint(size: int) -> Image.Image:
    """Paint the night sky with a long side of ``size`` pixels."""
    rng = np.random.default_rng(1889)
    canvas = Canvas(size, ASPECT, rgb("2a2f4a"))
    for step, luck in zip((_sky, _stars, _hills, _village, _tree), rng.spawn(5), strict=True):
        step(canvas, luck)
    return canvas.finish(depth=2.2, gloss=0.3)


def _stream(canvas: Canvas) -> Floats:
    """Give a height-like field whose level lines are the currents of the sky."""
    x, y = canvas.grid()
    stream = y + 26 * np.sin(x / 118 + 0.6) + 9 * np.sin(x / 47 + y / 90)
    for cx, cy, radius, spin in VORTICES:
        away = ((x - cx) ** 2 + 1.5 * (y - cy) ** 2) / radius**2
        stream += spin * radius * np.exp(-away)
    for cx, cy, radius in (*STARS, MOON):
        away = ((x - cx) ** 2 + (y - cy) ** 2) / (1.5 * radius) ** 2
        stream += 2.6 * radius * np.exp(-away)
    return np.asarray(stream, dtype=np.float32)


def _sky(canvas: Canvas, rng: np.random.Generator) -> None:
    stream = _stream(canvas)
    slope_y, slope_x = np.gradient(stream)
    angle = np.arctan2(-slope_x, slope_y).astype(np.float32)
    x, y = canvas.grid()
    drift = noise(rng, canvas.shape, 150 * canvas.scale, 2)
    tone = 0.36 + 0.15 * np.sin(stream / 11.5 + 0.8 * drift) + 0.10 * drift + 0.10 * np.sin(stream / 31)
    for cx, cy, radius, _ in VORTICES:
        tone += 0.24 * np.exp(-((x - cx) ** 2 + 1.5 * (y - cy) ** 2) / (1.1 * radius) ** 2)
    tone += 0.18 * smoothstep(330, 560, y) - 0.16 * smoothstep(160, -40, y)
    passes = ((16, 105, 28, 0.07, 0.9), (11, 66, 15, 0.11, 1.2), (12.5, 50, 10.5, 0.17, 1.6))
    for gap, length, width, spread, body in passes:
        px, py = scatter(rng, (canvas.extent[0], 620), gap, 12)
        colour = ramp(SKY, canvas.sample(tone, px, py) + rng.normal(0, spread, len(px)))
        spark = rng.random(len(px)) < 0.018
        colour[spark] = choose(rng, rgb("d9b24a", "e8dfa8", "3c8f8c", "8a6fae"), int(spark.sum()))
        sizes = (length * rng.uniform(0.7, 1.25, len(px)), width * rng.uniform(0.75, 1.2, len(px)))
        strokes = follow(canvas, angle, (px, py), sizes, vary(rng, colour, 0.06, 0.012))
        canvas.paint(rng, strokes, Paint(body=body, streak=0.075, pickup=0.1))


def _ring(rng: np.random.Generator, centre: tuple[float, float], radius: float, size: tuple[float, float]) -> Strokes:
    """Lay strokes around a circle, each curved to the circle."""
    length, width = size
    count = max(int(2 * np.pi * radius / (length * 0.62)), 3)
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.normal(0, 0.12, count) + rng.uniform(0, 6)
    reach = radius + rng.normal(0, width * 0.16, count)
    x, y = centre[0] + reach * np.cos(turn), centre[1] + reach * np.sin(turn)
    sizes = (length * rng.uniform(0.8, 1.2, count), width * rng.uniform(0.85, 1.15, count))
    white = np.ones((count, 3), dtype=np.float32)
    strokes = Strokes.straight(x.astype(np.float32), y.astype(np.float32), turn + np.pi / 2, (1, 1), white)
    strokes.length, strokes.width = (s.astype(np.float32) for s in sizes)
    strokes.sway = np.clip(strokes.length / (4 * max(radius, 1)), 0, 0.6).astype(np.float32)
    return strokes


def _stars(canvas: Canvas, rng: np.random.Generator) -> None:
    thick = Paint(body=1.5, streak=0.08, pickup=0.08)
    for cx, cy, radius in (*STARS, MOON):
        step = max(radius * 0.17, 6.5)
        for reach in np.arange(radius * 1.35, step * 0.7, -step):
            strokes = _ring(rng, (cx, cy), float(reach), (min(12 + reach * 0.6, 44), step * 1.25))
            tone = 1 - reach / (1.45 * radius) + rng.normal(0, 0.09, len(strokes.x))
            strokes.colour = vary(rng, ramp(GLOW, tone * 0.95), 0.03, 0.015)
            keep = rng.random(len(strokes.x)) < 1.25 - 0.55 * reach / radius
            strokes.length = np.where(keep, strokes.length, 0.1).astype(np.float32)
            canvas.paint(rng, strokes, thick)
        core = _ring(rng, (cx, cy), radius * 0.12, (radius * 0.5, radius * 0.4))
        core.colour = vary(rng, choose(rng, rgb("fff6cf", "fdeb9a", "fbd24a"), len(core.x)), 0.02, 0.01)
        canvas.paint(rng, core, thick)
    _crescent(canvas, rng)


def _crescent(canvas: Canvas, rng: np.random.Generator) -> None:
    """Set a thick orange crescent into the moon's halo."""
    cx, cy, radius = MOON
    for inset in np.linspace(0.56, 0.30, 7):
        turn = np.linspace(-1.1, 1.5, 10) + rng.normal(0, 0.05, 10)
        middle = cx - radius * (0.56 - inset) * 0.9
        x = (middle + radius * inset * np.cos(turn) + 6).astype(np.float32)
        y = (cy + radius * 0.52 * np.sin(turn)).astype(np.float32)
        colour = vary(rng, choose(rng, rgb("f59a23", "f7b733", "e8801a", "fbd75a"), 10), 0.04, 0.02)
        strokes = Strokes.straight(x, y, (turn + np.pi / 2).astype(np.float32), (24, 8), colour)
        strokes.sway += 0.14
        canvas.paint(rng, strokes, Paint(body=1.7, streak=0.08, pickup=0.05))


def _ridges(x: Floats) -> tuple[Floats, ...]:
    far = 500 + 34 * np.sin(x / 150 + 2.1) + 16 * np.sin(x / 61) - 40 * np.exp(-(((x - 610) / 120) ** 2))
    middle = 565 + 30 * np.sin(x / 118 + 4.4) + 10 * np.sin(x / 39 + 1) - 0.03 * x
    near = 650 + 26 * np.sin(x / 140 + 0.4) + 8 * np.sin(x / 45) + 0.04 * (x - 500)
    return far, middle, near


def _hills(canvas: Canvas, rng: np.random.Generator) -> None:
    x, y = canvas.grid()
    for ridge, palette, reach in zip(_ridges(x), HILLS, (110, 130, 240), strict=True):
        below = y - ridge
        roll = below + 12 * np.sin(x / 36 + below / 24) + 0.25 * below * np.sin(x / 85)
        slope_y, slope_x = np.gradient(roll)
        angle = np.arctan2(-slope_x, slope_y).astype(np.float32)
        tone = 0.52 - 0.0012 * below + 0.26 * np.sin(roll / 12) + 0.12 * noise(rng, canvas.shape, 90 * canvas.scale)
        for gap, length, width in ((12, 76, 19), (9.5, 50, 12.5), (12, 38, 8.5)):
            px, py = scatter(rng, canvas.extent, gap, 10)
            depth = canvas.sample(below.astype(np.float32), px, py)
            inside = (depth > width * 0.3) & (depth < reach)
            px, py = px[inside], py[inside]
            colour = ramp(palette, canvas.sample(tone.astype(np.float32), px, py) + rng.normal(0, 0.14, len(px)))
            strokes = follow(canvas, angle, (px, py), (length, width), vary(rng, colour, 0.07, 0.014))
            canvas.paint(rng, strokes, Paint(body=1.1, streak=0.07, pickup=0.1))
        _outline(canvas, rng, ridge[0])


def _outline(canvas: Canvas, rng: np.random.Generator, ridge: Floats) -> None:
    """Run dark, broken contour strokes along a ridge."""
    x = np.arange(0, canvas.extent[0], 27, dtype=np.float32) + rng.uniform(-6, 6)
    column = np.clip(x * canvas.scale, 0, len(ridge) - 1).astype(np.intp)
    slope = np.gradient(ridge)[column] * canvas.scale
    colour = vary(rng, choose(rng, rgb("0a1538", "14225c", "0d2a4a"), len(x)), 0.1, 0.01)
    strokes = Strokes.straight(x, ridge[column], np.arctan(slope).astype(np.float32), (40, 7), colour)
    canvas.paint(rng, strokes, Paint(body=1.1, streak=0.04))


def _fill(
    canvas: Canvas, rng: np.random.Generator, corners: tuple[tuple[float, float], ...], colour: Floats, width: float
) -> None:
    """Fill a four-sided facet (top-left, top-right, bottom-right, bottom-left) with strokes across it."""
    points = np.array(corners, dtype=np.float32)
    rows = max(int(np.hypot(*(points[3] - points[0])) / (width * 0.7)), 2)
    t = ((np.arange(rows) + 0.5) / rows)[:, None]
    left, right = points[0] + (points[3] - points[0]) * t, points[1] + (points[2] - points[1]) * t
    middle, span = (left + right) / 2, right - left
    tones = vary(rng, np.repeat(colour.reshape(1, 3), rows, axis=0), 0.09, 0.02)
    strokes = Strokes.straight(middle[:, 0], middle[:, 1], np.arctan2(span[:, 1], span[:, 0]), (1, width), tones)
    strokes.length = (np.hypot(span[:, 0], span[:, 1]) * 1.08).astype(np.float32)
    canvas.paint(rng, strokes, Paint(body=1.2, streak=0.07, pickup=0.08))


def _line(canvas: Canvas, rng: np.random.Generator, points: tuple[tuple[float, float], ...], width: float) -> None:
    """Draw dark strokes from point to point."""
    path = np.array(points, dtype=np.float32)
    span = path[1:] - path[:-1]
    middle = (path[1:] + path[:-1]) / 2
    strokes = Strokes.straight(
        middle[:, 0], middle[:, 1], np.arctan2(span[:, 1], span[:, 0]), (1, width), np.repeat(INK, len(span), axis=0)
    )
    strokes.length = (np.hypot(span[:, 0], span[:, 1]) * 1.1).astype(np.float32)
    canvas.paint(rng, strokes, Paint(body=1.1, streak=0.04, pickup=0.05))


def _village(canvas: Canvas, rng: np.random.Generator) -> None:
    houses = [(float(x), 655 + 60 * float(rng.random()) + 20 * (i % 2)) for i, x in enumerate(range(60, 700, 58))]
    _church(canvas, rng, 392, 690)
    for x, y in sorted(houses, key=lambda spot: spot[1]):
        _house(canvas, rng, (x + float(rng.normal(0, 9)), y), 40 + 18 * float(rng.random()))


def _house(canvas: Canvas, rng: np.random.Generator, at: tuple[float, float], w: float) -> None:
    x, y = at
    tall, side, peak = w * 0.62, w * 0.5, w * 0.55
    wall, roof = choose(rng, WALLS, 1)[0], choose(rng, ROOFS, 1)[0]
    _fill(canvas, rng, ((x, y), (x + w, y), (x + w, y + tall), (x, y + tall)), wall, 9)
    _fill(canvas, rng, ((x - side, y), (x, y), (x, y + tall), (x - side, y + tall)), wall * 0.62, 8)
    eave = ((x - side / 2, y - peak), (x + w - side / 3, y - peak), (x + w + 4, y), (x, y))
    _fill(canvas, rng, eave, roof, 8)
    _line(
        canvas, rng, ((x - side, y + 2), (x - side / 2, y - peak), (x + w - side / 3, y - peak), (x + w + 4, y + 2)), 5
    )
    _line(canvas, rng, ((x, y + 2), (x, y + tall), (x + w, y + tall), (x + w, y)), 4)
    for spot in (0.3, 0.7):
        light = choose(rng, rgb("ffd23a", "ffe780", "f79a1e"), 1)[0]
        px, py = x + w * spot, y + tall * 0.45
        _fill(canvas, rng, ((px - 4, py - 5), (px + 4, py - 5), (px + 4, py + 6), (px - 4, py + 6)), light, 7)


def _church(canvas: Canvas, rng: np.random.Generator, x: float, y: float) -> None:
    _fill(canvas, rng, ((x - 17, y - 95), (x + 17, y - 95), (x + 18, y), (x - 18, y)), WALLS[4], 10)
    _fill(canvas, rng, ((x + 3, y - 95), (x + 17, y - 95), (x + 18, y), (x + 3, y)), WALLS[0] * 1.1, 9)
    _fill(canvas, rng, ((x - 2, y - 205), (x + 2, y - 205), (x + 20, y - 92), (x - 20, y - 92)), ROOFS[0], 9)
    _line(canvas, rng, ((x - 21, y - 92), (x - 6, y - 160), (x, y - 212), (x + 6, y - 160), (x + 21, y - 92)), 5)
    _line(canvas, rng, ((x - 19, y), (x - 18, y - 94), (x + 18, y - 94), (x + 19, y)), 5)
    _fill(canvas, rng, ((x + 5, y - 78), (x + 13, y - 78), (x + 13, y - 60), (x + 5, y - 60)), rgb("ffcf40")[0], 7)


def _tree(canvas: Canvas, rng: np.random.Generator) -> None:
    x, y = canvas.grid()
    plumes = ((862, 34, 78), (798, 270, 52), (926, 215, 58), (850, 420, 132))
    angle = np.pi / 2 + 0.5 * np.sin(y / 52 + x / 40) + 0.12 * np.sin(y / 24 + 1)
    tone = 0.34 + 0.22 * np.sin(x / 9 + 5 * np.sin(y / 60)) + 0.12 * noise(rng, canvas.shape, 40 * canvas.scale)
    blurred = ndimage.gaussian_filter(tone.astype(np.float32), 2 * canvas.scale)
    for gap, length, width in ((14, 96, 22), (11, 70, 14), (12, 52, 9.5)):
        px, py = scatter(rng, canvas.extent, gap, 20)
        inside = np.zeros(len(px), dtype=bool)
        for centre, top, breadth in plumes:
            rise = np.clip((py - top) / (canvas.extent[1] - top), 0, 1)
            bulge = breadth * np.sin(np.pi * rise**0.95 * 0.8) + rng.normal(0, 4, len(px))
            inside |= (np.abs(px - centre - 13 * np.sin(py / 44 + centre)) < bulge) & (py > top)
        px, py = px[inside], py[inside]
        colour = ramp(TREE, canvas.sample(blurred, px, py) + rng.normal(0, 0.16, len(px)))
        strokes = follow(canvas, angle.astype(np.float32), (px, py), (length, width), vary(rng, colour, 0.1, 0.012))
        canvas.paint(rng, strokes, Paint(body=1.3, streak=0.06, pickup=0.06))
