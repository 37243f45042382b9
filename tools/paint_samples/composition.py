"""An analytic composition: shattered planes of red, yellow and blue under a scaffold of heavy black gestures."""

import numpy as np
from PIL import Image

from .gesture import drag
from .strokes import Canvas, Floats, Paint, Strokes, choose, follow, noise, ramp, rgb, scatter, vary

ASPECT = 1.0
HUES = (
    rgb("5c0c14", "a8141c", "d8241c", "f0553a"),
    rgb("a86a0c", "e0a010", "f8cc1c", "fde88c"),
    rgb("0a1450", "12349c", "1f5cd0", "6fa8e8"),
    rgb("8c3408", "d8641a", "f59434", "fcc684"),
    rgb("0a3a40", "12706e", "35a496", "a4dac8"),
    rgb("9c8f7c", "d8ccb4", "f4ecdc", "ffffff"),
    rgb("100e14", "2a2630", "5a5458", "948c88"),
    rgb("2f1440", "5a2468", "904c94", "c894c0"),
)
AXES = (0.32, -0.86, 1.36, -0.24)
BLACK = rgb("0b0a0e")[0]

GESTURES: tuple[tuple[float, float, tuple[tuple[float, float], ...]], ...] = (
    (40, 0.55, ((-20, 236), (250, 240), (600, 150), (1050, 96))),
    (48, 0.45, ((322, -30), (372, 300), (340, 660), (436, 1050))),
    (30, 0.7, ((1050, 470), (700, 640), (320, 640), (-20, 742))),
    (42, 0.6, ((850, -30), (792, 300), (866, 640), (790, 1050))),
    (26, 0.75, ((40, 1010), (300, 700), (560, 420), (980, 40))),
    (34, 0.5, ((140, 410), (330, 548), (560, 566), (700, 430), (650, 270), (500, 262))),
    (22, 0.8, ((540, 1020), (640, 800), (820, 742), (1000, 850))),
    (20, 0.7, ((50, 60), (176, 260), (150, 480), (40, 640))),
    (18, 0.7, ((470, 700), (560, 640), (664, 700), (640, 824), (520, 852), (440, 780))),
    (24, 0.8, ((690, 372), (830, 408), (990, 320))),
)


def paint(size: int) -> Image.Image:
    """Paint the composition with a long side of ``size`` pixels."""
    rng = np.random.default_rng(1950)
    canvas = Canvas(size, ASPECT, rgb("cdbb98"))
    _ground(canvas, rng)
    for gap, reach, lined in ((150, 250, 0.3), (112, 170, 0.5), (118, 95, 0.6)):
        for x, y in zip(*scatter(rng, canvas.extent, gap), strict=True):
            _facet(canvas, rng, (float(x), float(y)), reach * float(rng.uniform(0.7, 1.3)), lined)
    _discs(canvas, rng)
    for width, dryness, knots in GESTURES:
        drag(canvas, rng, knots, width, BLACK, dryness)
    _accents(canvas, rng)
    return canvas.finish(depth=2.2, gloss=0.22, weave=0.03)


def _hue(rng: np.random.Generator, x: float, y: float) -> Floats:
    """Pick a palette: reds and yellows gather in the middle, cool and dark tones around them."""
    warm = float(np.exp(-((x - 560) ** 2 + (y - 420) ** 2) / 330**2))
    low, right = y / 1024, x / 1024
    odds = np.array([
        0.25 + 2.6 * warm, 0.25 + 2.2 * warm + 0.3 * right, 0.35 + 0.9 * (1 - warm) * (1 - right),
        0.2 + 0.4 * warm + 0.4 * (1 - low), 0.15 + 0.6 * low * (1 - right), 0.75, 0.28, 0.05 + 0.45 * low * right,
    ])  # fmt: skip
    return HUES[int(rng.choice(len(HUES), p=odds / odds.sum()))]


def _ground(canvas: Canvas, rng: np.random.Generator) -> None:
    angle = 1.1 * noise(rng, canvas.shape, 300 * canvas.scale, 2)
    tone = 0.5 + 0.3 * noise(rng, canvas.shape, 170 * canvas.scale, 2)
    shades = rgb("8c8478", "b8a888", "dcccae", "f0e6d2", "c4a878")
    for gap, length, width in ((26, 150, 46), (20, 90, 26)):
        x, y = scatter(rng, canvas.extent, gap, 20)
        colour = ramp(shades, canvas.sample(tone, x, y) + rng.normal(0, 0.2, len(x)))
        strokes = follow(canvas, angle, (x, y), (length, width), vary(rng, colour, 0.05, 0.01))
        canvas.paint(rng, strokes, Paint(body=0.9, streak=0.05, dryness=(0.1, 0.8)))


def _facet(canvas: Canvas, rng: np.random.Generator, at: tuple[float, float], reach: float, lined: float) -> None:
    """Brush one skewed plane, dense along its first side and dissolving towards the opposite one."""
    lean = float(rng.choice(AXES)) + float(rng.normal(0, 0.09)) + np.pi * float(rng.integers(0, 2))
    skew = lean + float(rng.choice([1.57, 1.25, 1.95, 0.9])) * float(rng.choice([-1, 1]))
    long_side = reach * np.array([np.cos(lean), np.sin(lean)])
    short_side = reach * float(rng.uniform(0.4, 0.9)) * np.array([np.cos(skew), np.sin(skew)])
    taper = float(rng.uniform(0.25, 1.1))
    first = np.array([np.array(at) - long_side / 2, np.array(at) + long_side / 2])
    second = np.array([np.array(at) - long_side * taper / 2, np.array(at) + long_side * taper / 2]) + short_side
    hues = _hue(rng, *at)
    brush = lean if rng.random() < 0.6 else skew
    _hatch(canvas, rng, (first, second), hues, brush)
    if rng.random() < lined:
        tone = BLACK if rng.random() < 0.8 else hues[0]
        for start, end in ((first[0], first[1]), (first[int(rng.integers(0, 2))], second[1])):
            overshoot = (end - start) * 0.08
            middle = (start + end) / 2 + rng.normal(0, 0.02 * reach, 2)
            knots = [tuple(map(float, point)) for point in (start - overshoot, middle, end + overshoot)]
            drag(canvas, rng, [(x, y) for x, y in knots], float(rng.uniform(4.5, 11)), tone, 0.75)


def _hatch(
    canvas: Canvas, rng: np.random.Generator, sides: tuple[Floats, Floats], hues: Floats, heading: float
) -> None:
    first, second = sides
    reach = float(np.hypot(*(first[1] - first[0])))
    depth = float(np.hypot(*(second.mean(axis=0) - first.mean(axis=0))))
    turned = float(rng.choice([-0.35, 0.35]))
    for length, width, cover in ((0.42, 0.15, 0.75), (0.30, 0.09, 0.85), (0.22, 0.05, 0.9)):
        count = max(int(1.5 * reach * depth / (length * width * reach**2) * 0.7), 6)
        across, down = rng.random(count), rng.random(count) ** 1.35
        top = first[0] + across[:, None] * (first[1] - first[0])
        foot = second[0] + across[:, None] * (second[1] - second[0])
        spot = top + down[:, None] * (foot - top)
        room = 1 - 2 * np.abs(across - 0.5)
        strokes = Strokes.straight(spot[:, 0], spot[:, 1], rng.normal(heading, 0.07, count), (1, 1), hues)
        strokes.length = reach * length * np.clip(0.4 + 1.5 * room, 0.4, 1)
        strokes.width = np.full(count, max(reach * width, 7.0)) * rng.uniform(0.8, 1.2, count)
        strokes.sway = rng.normal(0, 0.03, count)
        tone = 0.2 + 0.75 * down + turned * (across - 0.5) + rng.normal(0, 0.12, count)
        strokes.colour = vary(rng, ramp(hues, tone), 0.05, 0.014)
        canvas.paint(rng, strokes, Paint(cover=cover, body=1.1, streak=0.065, pickup=0.18, dryness=(0.1, 0.95)))


def _discs(canvas: Canvas, rng: np.random.Generator) -> None:
    """Turn a few spiralling suns among the planes, each half lost in shadow."""
    for cx, cy, radius, hue in ((768, 196, 84, 1), (236, 806, 96, 0), (440, 452, 60, 2), (884, 716, 54, 3)):
        count = int(radius * radius / 26)
        turn, reach = rng.uniform(0, 2 * np.pi, count), radius * np.sqrt(rng.random(count))
        tone = 0.55 - 0.5 * (reach / radius) * np.cos(turn - 0.8) + rng.normal(0, 0.14, count)
        colour = vary(rng, ramp(HUES[hue], tone), 0.04, 0.012)
        x, y = cx + reach * np.cos(turn), cy + reach * np.sin(turn)
        strokes = Strokes.straight(x, y, turn + np.pi / 2, (34, 12), colour)
        strokes.sway = np.clip(8.5 / np.maximum(reach, 18), 0, 0.5)
        canvas.paint(rng, strokes, Paint(cover=0.9, body=1.3, streak=0.08, dryness=(0.1, 0.7)))
        arc = np.linspace(0.4, 4.4, 9) + rng.uniform(0, 6)
        rim = [(float(cx + radius * np.cos(a)), float(cy + radius * np.sin(a))) for a in arc]
        drag(canvas, rng, rim, 11, BLACK, 0.7)


def _accents(canvas: Canvas, rng: np.random.Generator) -> None:
    """Add ladders of short black marks, whites dragged over the lines, and a spatter of thick drops."""
    for cx, cy, lean, count in (
        (150, 890, 0.3, 7),
        (650, 66, -0.2, 6),
        (930, 590, 1.2, 8),
        (480, 940, 0.1, 6),
        (90, 330, 1.4, 6),
    ):
        for i in range(count):
            x, y = cx + 15 * i * np.cos(lean), cy + 15 * i * np.sin(lean)
            dx, dy = 36 * np.sin(lean) + rng.normal(0, 3), 36 * np.cos(lean) + rng.normal(0, 5)
            drag(canvas, rng, [(x + dx, y - dy), (x + rng.normal(0, 2), y), (x - dx, y + dy)], 8, BLACK, 0.6)
    for _ in range(6):
        x, y, lean = rng.uniform(60, 960), rng.uniform(60, 960), float(rng.choice(AXES))
        reach = rng.uniform(50, 120)
        knots = [(x + reach * s * np.cos(lean), y + reach * s * np.sin(lean) + rng.normal(0, 5)) for s in (-1, 0, 1)]
        tone = choose(rng, rgb("fbf6ea", "fbf6ea", "f8cc1c"), 1)[0]
        drag(canvas, rng, knots, float(rng.uniform(9, 24)), tone, 1.0)
    count = 120
    x, y = 540 + rng.normal(0, 250, count), 500 + rng.normal(0, 270, count)
    drops = Strokes.straight(
        x, y, rng.uniform(0, 3, count), (1, 1), choose(rng, np.concatenate([HUES[5], HUES[6][:1]]), count)
    )
    drops.width = 2.0 + rng.gamma(1.2, 1.2, count)
    drops.length = drops.width * rng.uniform(1, 2.6, count)
    canvas.paint(rng, drops, Paint(body=1.6, streak=0.02, pickup=0.0, dryness=(0, 0.1)))
