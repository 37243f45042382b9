"""A summer riverside in dots of pure colour that mix in the eye, after the divisionists."""

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .strokes import Canvas, Floats, Paint, Strokes, noise, ramp, rgb, scatter, smoothstep

ASPECT = 1.5
PIGMENTS = rgb(
    "ffe14a", "fff2a0", "ffb62e", "f47b20", "e03c28", "d8417a", "f2a0b0", "8a3f9a", "4a2f8f", "1d2f8c", "2a5fc4",
    "5aa0e0", "a9d4f2", "0f7f78", "1f8f4a", "5fb53c", "b5d83a", "fbf7e6", "f7d9b8", "d9c2ea", "20204f", "13493a",
)  # fmt: skip
SKY = rgb("6fa8e0", "9cc6ec", "cfdcec", "f6e3c4", "fbd69a")
WATER = rgb("f3dcae", "b4cfe2", "6ba3d6", "3f78bd", "2f5ea6")
SUNLIT = rgb("f1e05a", "c9da4e", "9cc944")
SHADE = rgb("2c6b4a", "27508c", "3d3a86")
STROLLERS = (
    (520, 462, 118, "5a2f86", "e03c28"), (580, 470, 112, "27306e", ""), (420, 560, 150, "d8417a", "fff2c8"),
    (668, 352, 56, "e8f0ff", "f47b20"), (610, 340, 48, "27306e", ""), (742, 372, 62, "c43c50", ""),
    (880, 590, 168, "1d2f6c", "f4c23a"),
)  # fmt: skip
LEAVES = rgb("1b4a5c", "23683f", "4f9a3a", "a8c83c", "f0dc58")


def paint(size: int) -> Image.Image:
    """Paint the riverside with a long side of ``size`` pixels."""
    rng = np.random.default_rng(1886)
    canvas = Canvas(size, ASPECT, rgb("e9d7b4"))
    scene = _scene(canvas, rng)
    passes = ((9.5, 17.0, 1.5, 0.09), (7.0, 11.0, 1.3, 0.12), (6.0, 8.2, 1.2, 0.15), (5.6, 6.4, 1.12, 0.18))
    for gap, width, stretch, spread in passes:
        _dots(canvas, rng, scene, (gap, width, stretch, spread))
    return canvas.finish(depth=1.6, gloss=0.14)


def _dots(canvas: Canvas, rng: np.random.Generator, scene: Floats, how: tuple[float, float, float, float]) -> None:
    """Lay one size of dot, each a pure pigment chosen to pull the blurred picture towards the scene."""
    gap, width, stretch, spread = how
    blurred = ndimage.gaussian_filter(canvas.colour, (9 * canvas.scale, 9 * canvas.scale, 0))
    x, y = scatter(rng, canvas.extent, gap, 4)
    wanted = canvas.sample(scene, x, y)
    wanted = wanted + 0.75 * (wanted - canvas.sample(blurred, x, y))
    wanted = wanted + rng.normal(0, spread, wanted.shape).astype(np.float32)
    weights = np.array([0.35, 0.45, 0.2], dtype=np.float32)
    luma = np.sqrt(weights)
    apart = ((wanted[:, None] - PIGMENTS[None]) ** 2 * luma).sum(axis=-1)
    colour = PIGMENTS[apart.argmin(axis=1)] + rng.normal(0, 0.018, wanted.shape).astype(np.float32)
    angle = canvas.sample(_grain(canvas), x, y) + rng.normal(0, 0.5, len(x)).astype(np.float32)
    dots = Strokes.straight(x, y, angle, (1, 1), colour)
    dots.width = (width * rng.uniform(0.75, 1.2, len(x))).astype(np.float32)
    dots.length = (dots.width * stretch * rng.uniform(0.85, 1.2, len(x))).astype(np.float32)
    canvas.paint(rng, dots, Paint(cover=0.96, body=1.0, streak=0.03, pickup=0.0, dryness=(0, 1), dotted=True))


def _grain(canvas: Canvas) -> Floats:
    """Give the leaning of the dots: level on the water, upright in the grass, tossed in the leaves."""
    x, y = canvas.grid()
    shore = smoothstep(-10, 30, x - _shore(y)) * smoothstep(250, 280, y)
    leaves = 1.2 * np.sin(x / 40) * np.sin(y / 33) * smoothstep(260, 200, y)
    return np.asarray(shore * 1.2 + leaves, dtype=np.float32)


def _shore(y: Floats) -> Floats:
    """Give the x position of the river bank at each height."""
    t = np.clip((y - 262) / 420, 0, 1)
    return np.asarray(640 - 470 * t**0.75 + 16 * np.sin(t * 14), dtype=np.float32)


def _put(scene: Floats, cover: Floats, colour: Floats) -> None:
    scene += np.clip(cover, 0, 1)[..., None] * (colour - scene)


def _scene(canvas: Canvas, rng: np.random.Generator) -> Floats:
    """Compose the colours the eye should see from a distance."""
    _, y = canvas.grid()
    drift = noise(rng, canvas.shape, (34 * canvas.scale, 120 * canvas.scale), 2)
    scene = ramp(SKY, y / 250 + 0.10 * drift)
    clouds = smoothstep(0.3, 1.4, noise(rng, canvas.shape, (60 * canvas.scale, 190 * canvas.scale), 3))
    _put(scene, 0.85 * clouds * smoothstep(240, 120, y), rgb("fff4e0")[0])
    _far_bank(canvas, rng, scene)
    _water(canvas, rng, scene)
    _meadow(canvas, rng, scene)
    _sails(canvas, scene)
    _people(canvas, scene)
    _tree(canvas, rng, scene)
    return scene


def _far_bank(canvas: Canvas, rng: np.random.Generator, scene: Floats) -> None:
    x, y = canvas.grid()
    rough = noise(rng, canvas.shape, 16 * canvas.scale, 2)
    hills = 222 + 16 * np.sin(x / 130 + 1) + 4 * rough
    _put(scene, smoothstep(-3, 3, y - hills) * smoothstep(268, 262, y), rgb("8f9fd0")[0])
    crowns = 244 - 12 * np.abs(np.sin(x / 31)) - 16 * np.abs(np.sin(x / 57 + 0.6)) + 5 * rough
    tone = 0.5 + 0.22 * rough + 0.35 * np.sin(x / 31 + y / 24)
    _put(scene, smoothstep(-3, 3, y - crowns) * smoothstep(270, 264, y), ramp(LEAVES, tone))
    for cx in (88, 116, 140, 402, 428, 450, 470):
        tall = 100 + 26 * np.sin(cx)
        poplar = 1 - ((x - cx) / 9.5) ** 2 - ((y - 262 + tall / 2) / (tall / 2)) ** 2
        _put(scene, smoothstep(-0.15, 0.25, poplar + 0.15 * rough), ramp(LEAVES, 0.45 - (x - cx) / 22 + 0.12 * rough))


def _water(canvas: Canvas, rng: np.random.Generator, scene: Floats) -> None:
    x, y = canvas.grid()
    ripple = noise(rng, canvas.shape, (5 * canvas.scale, 52 * canvas.scale), 2)
    deep = (y - 264) / 420
    colour = ramp(WATER, 0.1 + 0.85 * deep + 0.16 * ripple)
    mirror = smoothstep(90, 0, y - 264) * smoothstep(0.2, 0.8, np.abs(np.sin(x / 57 + 0.6)) + 0.4 * ripple)
    colour += (0.7 * mirror)[..., None] * (rgb("3c7a62")[0] - colour)
    glitter = smoothstep(1.0, 1.7, ripple) * smoothstep(150, 30, np.abs(x - 250 + (y - 264) * 0.2))
    colour += (0.9 * glitter)[..., None] * (rgb("fff0b0")[0] - colour)
    _put(scene, smoothstep(262, 266, y), colour)


def _meadow(canvas: Canvas, rng: np.random.Generator, scene: Floats) -> None:
    x, y = canvas.grid()
    rough = noise(rng, canvas.shape, (16 * canvas.scale, 44 * canvas.scale), 2)
    bank = smoothstep(-3, 5, x - _shore(y)) * smoothstep(260, 266, y)
    _put(scene, bank, ramp(SUNLIT, 0.45 + 0.3 * rough))
    edge = smoothstep(34, 0, np.abs(x - _shore(y) - 8)) * smoothstep(262, 270, y)
    _put(scene, 0.75 * edge, rgb("b07a3c")[0])
    shadow = smoothstep(26, -26, np.abs(y - 470 - 0.10 * (x - 700) + 12 * rough) - 48 - 0.06 * (x - 500))
    _put(scene, 0.92 * shadow * bank * smoothstep(430, 560, x), ramp(SHADE, 0.5 + 0.3 * rough))
    front = smoothstep(585, 650, y + 12 * rough - 0.05 * x)
    _put(scene, 0.95 * front * bank, ramp(SHADE, 0.55 + 0.35 * rough))
    flowers = smoothstep(1.5, 1.9, noise(rng, canvas.shape, 8 * canvas.scale))
    tint = ramp(rgb("f0508a", "ff8a3c", "fff0d0", "e03c28"), 0.5 + 0.5 * np.sin(x / 9 + y / 7))
    _put(scene, flowers * bank * smoothstep(520, 600, y), tint)


def _shape(canvas: Canvas, points: tuple[tuple[float, float], ...]) -> Floats:
    """Give the soft coverage of a polygon in units."""
    image = Image.new("L", (canvas.shape[1], canvas.shape[0]))
    ImageDraw.Draw(image).polygon([(px * canvas.scale, py * canvas.scale) for px, py in points], fill=255)
    mask = np.asarray(image, dtype=np.float32) / 255
    return np.asarray(ndimage.gaussian_filter(mask, 1.2 * canvas.scale), dtype=np.float32)


def _sails(canvas: Canvas, scene: Floats) -> None:
    x, y = canvas.grid()
    for cx, base, tall, tint in ((196, 330, 120, "fff6dc"), (330, 292, 66, "ffd9a0"), (60, 300, 74, "f7e8d8")):
        wide = tall * 0.42
        hull = (
            (cx - wide, base),
            (cx + wide * 0.9, base),
            (cx + wide * 0.6, base + tall * 0.1),
            (cx - wide * 0.7, base + tall * 0.1),
        )
        main = ((cx, base - tall), (cx + wide * 0.9, base - 6), (cx + 2, base - 6))
        jib = ((cx - 3, base - tall * 0.9), (cx - 3, base - 6), (cx - wide * 0.75, base - 6))
        glow = (
            smoothstep(wide * 0.8, 0, np.abs(x - cx)) * smoothstep(base, base + 6, y) * smoothstep(base + tall, base, y)
        )
        _put(scene, 0.75 * glow, rgb(tint)[0])
        _put(scene, _shape(canvas, hull), rgb("7a2f3c")[0])
        _put(scene, _shape(canvas, main), rgb(tint)[0])
        _put(scene, _shape(canvas, jib), rgb(tint)[0] * rgb("c9c4ea")[0])


def _people(canvas: Canvas, scene: Floats) -> None:
    """Stand strollers on the grass, each a dress, a bodice, a head and perhaps a parasol."""
    for cx, foot, tall, dress, parasol in STROLLERS:
        w = tall * 0.17
        skirt = (
            (cx - w * 0.4, foot - tall * 0.6),
            (cx + w * 0.4, foot - tall * 0.6),
            (cx + w * 1.5, foot - tall * 0.3),
            (cx + w * 1.2, foot),
            (cx - w, foot),
        )
        bodice = (
            (cx - w * 0.6, foot - tall * 0.84),
            (cx + w * 0.6, foot - tall * 0.84),
            (cx + w * 0.45, foot - tall * 0.55),
            (cx - w * 0.45, foot - tall * 0.55),
        )
        shade = (
            (cx - w, foot - 3),
            (cx + w, foot - 3),
            (cx + tall * 0.9, foot + tall * 0.12),
            (cx + tall * 0.6, foot + tall * 0.16),
        )
        _put(scene, 0.8 * _shape(canvas, shade), rgb("2f3f86")[0])
        _put(scene, _shape(canvas, skirt), rgb(dress)[0])
        _put(scene, _shape(canvas, bodice), rgb(dress)[0] * 0.75)
        _put(scene, _disc(canvas, (cx + w * 0.1, foot - tall * 0.97), w * 0.62), rgb("4a1c34")[0])
        _put(scene, _disc(canvas, (cx - w * 0.2, foot - tall * 0.91), w * 0.34), rgb("e89a60")[0])
        if parasol:
            _parasol(canvas, scene, (cx - w, foot - tall * 1.06), tall * 0.34, rgb(parasol)[0])


def _disc(canvas: Canvas, centre: tuple[float, float], radius: float) -> Floats:
    x, y = canvas.grid()
    return smoothstep(radius + 1.5, radius - 1.5, np.hypot(x - centre[0], y - centre[1]))


def _parasol(canvas: Canvas, scene: Floats, at: tuple[float, float], reach: float, colour: Floats) -> None:
    x, y = canvas.grid()
    dome = smoothstep(1.06, 0.94, np.hypot((x - at[0]) / reach, (y - at[1]) / (reach * 0.62))) * smoothstep(
        2, -2, y - at[1]
    )
    light = 1.05 - 0.45 * (x - at[0] + reach) / (2 * reach)
    _put(scene, dome, colour * light[..., None])


def _tree(canvas: Canvas, rng: np.random.Generator, scene: Floats) -> None:
    x, y = canvas.grid()
    rough = noise(rng, canvas.shape, 30 * canvas.scale, 3)
    for cx, foot, wide in ((930.0, 500.0, 21.0), (778.0, 420.0, 12.0)):
        lean = cx + 10 * np.sin(y / 90) - 0.04 * (500 - y)
        flare = wide * (1 + 0.9 * smoothstep(foot - 60, foot, y))
        trunk = smoothstep(3, -3, np.abs(x - lean) - flare) * smoothstep(foot + 4, foot - 4, y)
        _put(scene, trunk, ramp(rgb("f09a4a", "8a4a5c", "2c2560"), 0.5 + (x - lean) / (2 * flare)))
    crown = 250 - y + 0.42 * (x - 700) - 120 * np.abs(np.sin(x / 90)) * 0.4 + 34 * rough - 0.0006 * (x - 1024) ** 2
    cover = smoothstep(-4, 10, crown) * smoothstep(-0.9, -0.3, rough + 0.02 * crown)
    clumps = noise(rng, canvas.shape, 46 * canvas.scale, 2)
    _put(scene, cover, ramp(LEAVES, 0.42 + 0.27 * clumps + 0.0009 * (250 - y) - 0.0004 * (x - 700)))
