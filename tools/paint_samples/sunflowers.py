"""Sunflowers in an earthenware jug, laid on in thick daubs of the brush and the palette knife."""

import numpy as np
from PIL import Image

from .strokes import Canvas, Floats, Paint, Strokes, choose, noise, ramp, rgb, scatter, vary

ASPECT = 0.8
WALL = rgb("3f8f94", "5fb0a4", "8cc9b0", "b6d8b0", "d9e2b8")
TABLE = rgb("a8431c", "c9622a", "dd8438", "ebaa58")
PETALS = rgb("a8520c", "d07a10", "eda11a", "f8c126", "fddc52", "fff0a0")
HEART = rgb("1e0f0a", "3a1c10", "5c2e14", "8a4a1a", "b8741f")
LEAF = rgb("12301f", "1f4a2a", "3a6f34", "6a9440", "a3b450")
JUG = rgb("3a2140", "2f4a86", "4a7ab0", "8fb4c4", "efe6c8")

FLOWERS = (
    (400, 150, 96, 0.2), (190, 250, 104, 0.7), (610, 240, 108, 0.4), (400, 350, 122, 0.0), (150, 480, 92, 1.0),
    (660, 470, 98, 0.6), (300, 560, 100, 0.3), (520, 575, 104, 0.5), (270, 110, 60, 1.2), (560, 80, 62, 0.9),
    (668, 905, 74, 1.6),
)  # fmt: skip


def paint(size: int) -> Image.Image:
    """Paint the flowers with a long side of ``size`` pixels."""
    rng = np.random.default_rng(1888)
    canvas = Canvas(size, ASPECT, rgb("7a8f70"))
    _background(canvas, rng)
    _stems(canvas, rng)
    _jug(canvas, rng)
    _leaves(canvas, rng)
    for flower in FLOWERS:
        _flower(canvas, rng, *flower)
    return canvas.finish(depth=3.0, gloss=0.34)


def _background(canvas: Canvas, rng: np.random.Generator) -> None:
    """Weave the wall from crossing daubs and sweep the table with long level ones."""
    x, _ = canvas.grid()
    edge = 868 + 10 * np.sin(x / 120)
    tone = 0.52 + 0.15 * noise(rng, canvas.shape, 130 * canvas.scale, 2) + 0.0003 * (x - 400)
    for gap, length, width in ((20, 74, 34), (15, 52, 21), (15, 36, 12)):
        px, py = scatter(rng, canvas.extent, gap, 20)
        wall = py < canvas.sample(edge, px, py)
        angle = np.where(
            wall,
            choose(rng, np.array([0.75, 2.3]), len(px)) + rng.normal(0, 0.25, len(px)),
            rng.normal(0, 0.12, len(px)),
        )
        place = canvas.sample(tone, px, py) + rng.normal(0, 0.17, len(px))
        shade = 0.5 * np.exp(-(((px - 500) / 210) ** 2) - ((py - 930) / 46) ** 2)
        colour = np.where(wall[:, None], ramp(WALL, place), ramp(TABLE, place - shade))
        odd = rng.random(len(px)) < 0.03
        colour[odd] = choose(rng, rgb("f0d890", "3c6fae", "e8a060", "dff0d8"), int(odd.sum()))
        strokes = Strokes.straight(
            px, py, angle.astype(np.float32), (length, width), vary(rng, colour.astype(np.float32), 0.05, 0.014)
        )
        strokes.sway = rng.normal(0, 0.09, len(px)).astype(np.float32)
        canvas.paint(rng, strokes, Paint(body=1.2, streak=0.06, pickup=0.12, dryness=(0.0, 0.7)))
    _contour(
        canvas,
        rng,
        np.stack([np.linspace(-10, 830, 22), 868 + 10 * np.sin(np.linspace(-10, 830, 22) / 120)], axis=1),
        9,
    )


def _contour(canvas: Canvas, rng: np.random.Generator, path: Floats, width: float) -> None:
    """Draw a broken dark outline along a path."""
    span, middle = np.diff(path, axis=0), (path[1:] + path[:-1]) / 2
    colour = vary(rng, choose(rng, rgb("1a1c4a", "2a1f3a", "12303a"), len(span)), 0.1, 0.01)
    strokes = Strokes.straight(
        middle[:, 0].astype(np.float32),
        middle[:, 1].astype(np.float32),
        np.arctan2(span[:, 1], span[:, 0]),
        (1, width),
        colour,
    )
    strokes.length = (np.hypot(span[:, 0], span[:, 1]) * 1.35).astype(np.float32)
    canvas.paint(rng, strokes, Paint(body=1.1, streak=0.04))


def _stems(canvas: Canvas, rng: np.random.Generator) -> None:
    for fx, fy, *_ in FLOWERS[:-1]:
        t = np.linspace(0, 1, 12)
        x = fx + (410 - fx) * t**1.4 + 14 * np.sin(5 * t)
        y = fy + (740 - fy) * t
        slope = np.arctan2(np.gradient(y), np.gradient(x))
        for width, low in ((17, 0.2), (9, 0.65)):
            colour = vary(rng, ramp(LEAF, low + rng.normal(0, 0.12, 12)), 0.08, 0.012)
            strokes = Strokes.straight(
                (x + rng.normal(0, 2, 12)).astype(np.float32), y.astype(np.float32), slope, (72, width), colour
            )
            canvas.paint(rng, strokes, Paint(body=1.2, streak=0.07))


def _profile(t: Floats) -> Floats:
    """Give the jug's half-width from lip (0) to foot (1)."""
    return np.asarray(
        74 + 62 * np.clip(np.sin(np.pi * np.clip(t * 1.08 - 0.1, 0, 1)), 0, 1) ** 0.9 + 18 * np.exp(-((t / 0.07) ** 2)),
        dtype=np.float32,
    )


def _jug(canvas: Canvas, rng: np.random.Generator) -> None:
    top, bottom, centre = 690.0, 945.0, 408.0
    for gap, length, width in ((13, 62, 24), (11, 44, 16), (14, 30, 10)):
        x, y = scatter(rng, canvas.extent, gap)
        t = (y - top) / (bottom - top)
        reach = _profile(t)
        inside = (t > 0) & (t < 1) & (np.abs(x - centre) < reach - width * 0.35)
        x, y, t, reach = x[inside], y[inside], t[inside], reach[inside]
        around = (x - centre) / reach
        light = 0.52 - 0.42 * around + 0.25 * np.exp(-(((around + 0.42) / 0.16) ** 2)) + rng.normal(0, 0.13, len(x))
        glaze = ramp(rgb("6a3a16", "b06a20", "dca640", "f5dc86", "fff3c8"), light)
        body = ramp(JUG, light)
        colour = np.where((t < 0.46 + 0.04 * np.sin(9 * around))[:, None], glaze, body)
        angle = 0.5 * around * (t - 0.4) + rng.normal(0, 0.22, len(x))
        strokes = Strokes.straight(x, y, angle, (length, width), vary(rng, colour, 0.05, 0.014))
        strokes.length = (length * (1 - 0.55 * np.abs(around))).astype(np.float32)
        strokes.sway += 0.10
        canvas.paint(rng, strokes, Paint(body=1.3, streak=0.06, dryness=(0.0, 0.5)))
    t = np.linspace(0.02, 1, 14)
    for side in (-1, 1):
        _contour(canvas, rng, np.stack([centre + side * _profile(t), top + t * (bottom - top)], axis=1), 9)
    foot = np.linspace(-1, 1, 6)
    _contour(canvas, rng, np.stack([centre + foot * 82, bottom + 6 * np.sqrt(1 - foot**2)], axis=1), 10)


def _leaves(canvas: Canvas, rng: np.random.Generator) -> None:
    spots = ((250, 690, 2.6), (560, 690, 0.5), (90, 370, 2.9), (720, 350, 0.2), (300, 240, 3.9), (505, 250, -0.9),
             (430, 680, 1.4), (200, 620, 2.4), (640, 620, 0.8), (520, 455, 0.4), (270, 440, 2.8), (690, 140, -0.4),
             (100, 150, 3.6), (380, 40, 4.4))  # fmt: skip
    for cx, cy, lean in spots:
        for i in range(26):
            t = rng.uniform(-1, 1)
            off = rng.normal(0, 15) * (1 - t * t)
            x, y = cx + 52 * t * np.cos(lean) - off * np.sin(lean), cy + 52 * t * np.sin(lean) + off * np.cos(lean)
            tone = 0.15 + 0.028 * i + 0.012 * off
            colour = vary(rng, ramp(LEAF, np.array([tone])), 0.08, 0.015)
            stroke = Strokes.straight(np.array([x]), np.array([y]), np.array([lean + 0.03 * off]), (58, 15), colour)
            stroke.sway = rng.normal(0, 0.12, 1)
            canvas.paint(rng, stroke, Paint(body=1.3, streak=0.08))


def _flower(canvas: Canvas, rng: np.random.Generator, cx: float, cy: float, radius: float, lean: float) -> None:
    """Build one head: dark petals behind, bright petals before, and a stippled heart."""
    squash = 1 - 0.22 * lean
    for ring, (reach, tone, count) in enumerate(((0.84, 0.06, 24), (0.76, 0.46, 28), (0.62, 0.76, 22))):
        turn = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.normal(0, 0.13, count) + ring
        out = radius * reach * rng.uniform(0.86, 1.12, count)
        x = cx + out * np.cos(turn)
        y = cy + out * np.sin(turn) * squash
        light = tone + 0.10 * np.cos(turn + 2.3) + rng.normal(0, 0.12, count)
        size = (radius * 0.66, radius * 0.20)
        angle = np.arctan2(np.sin(turn) * squash, np.cos(turn)) + rng.normal(0, 0.16, count)
        strokes = Strokes.straight(
            x.astype(np.float32), y.astype(np.float32), angle, size, vary(rng, ramp(PETALS, light), 0.05, 0.016)
        )
        strokes.sway = rng.normal(0, 0.2, count).astype(np.float32)
        strokes.width *= rng.uniform(0.7, 1.2, count).astype(np.float32)
        canvas.paint(rng, strokes, Paint(body=1.7, streak=0.10, pickup=0.08, dryness=(0.0, 0.5)))
    _heart(canvas, rng, (cx, cy), radius * 0.42, squash)


def _heart(canvas: Canvas, rng: np.random.Generator, at: tuple[float, float], radius: float, squash: float) -> None:
    count = int(radius * 5)
    rank = (np.arange(count) + 0.5) / count
    turn = np.arange(count) * 2.39996 + rng.normal(0, 0.1, count)
    out = radius * np.sqrt(rank[::-1])
    x, y = at[0] + out * np.cos(turn), at[1] + out * np.sin(turn) * squash
    rim = out / radius
    tone = 0.12 + 0.75 * np.exp(-(((rim - 0.72) / 0.17) ** 2)) + rng.normal(0, 0.12, count)
    colour = vary(rng, ramp(HEART, tone), 0.12, 0.014)
    spark = rng.random(count) < 0.08
    colour[spark] = choose(rng, rgb("e0a030", "6f8f3a", "c25a1c"), int(spark.sum()))
    daubs = Strokes.straight(x.astype(np.float32), y.astype(np.float32), turn + 0.6, (13, 8.5), colour)
    canvas.paint(rng, daubs, Paint(body=1.9, streak=0.06, pickup=0.03, dryness=(0.0, 0.3)))
