"""The cartoon for the mosaic: a map of numbered zones, and the stones each zone is set with."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from .strokes import UNITS, Floats, Ints, rgb

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Zone:
    """The stones of one zone; zones with a lower order are set first."""

    name: str
    order: int
    colours: Floats
    stone: float = 10.0
    spread: float = 0.22
    banding: float = 0.0
    fade: float = 0.0
    shine: float = 0.0
    strays: float = 0.03
    stray_colours: Floats = field(default_factory=lambda: rgb("d8b04a", "c9c0a8", "3a5a8c"))


ZONES = (
    Zone("gold", 9, rgb("6e4610", "a8741a", "cf9a28", "e6bb44", "fbe08a"), 13.0, 0.26, shine=0.75, strays=0.025,
         stray_colours=rgb("b9602c", "efe2b8", "7d7a3a")),
    Zone("fan", 8, rgb("0c3a3c", "12574a", "1d7a58", "3f9a5c", "8aae4a"), 9.5, 0.16, 0.30, -0.28),
    Zone("rim", 2, rgb("a8962e", "c9b44a", "e6d67a"), 9.0, 0.3, shine=0.35),
    Zone("bronze", 3, rgb("7a2f18", "a8481f", "c8682c"), 9.0, 0.25),
    Zone("turquoise", 4, rgb("1d8a94", "35b0ac", "7fd4c0"), 8.5, 0.25),
    Zone("pupil", 4, rgb("10174f", "1c2a80", "2c3fa6"), 8.0, 0.25, strays=0.0),
    Zone("shaft", 2, rgb("c7a03a", "e0c268", "efe0a0"), 8.0, 0.25, shine=0.3),
    Zone("neck", 1, rgb("0d1a5c", "16308c", "2250b4", "2f86c4", "4cc0c4"), 8.5, 0.13, 0.34, 0.42, strays=0.01),
    Zone("wing", 1, rgb("5c1f14", "8a3a1c", "b9602c", "dc9a52", "efd0a0"), 8.5, 0.16, 0.5),
    Zone("face", 0, rgb("e6dcc4", "f6f0e0"), 6.5, 0.3, strays=0.0),
    Zone("eye", 0, rgb("0a0a10", "1a1420"), 5.0, 0.3, strays=0.0),
    Zone("beak", 0, rgb("c99a30", "e8c04c"), 6.5, 0.3, strays=0.0),
    Zone("vine", 2, rgb("1f4a2c", "35703a", "6a9a44"), 8.5, 0.25),
    Zone("fruit", 1, rgb("7d1a1c", "a82c24", "d0553a"), 8.5, 0.25),
    Zone("ground", 7, rgb("1d4a34", "3a6a3a", "6f8a3c", "a8a450"), 11.0, 0.2, 0.3, 0.3),
    Zone("terracotta", 5, rgb("7d2c18", "a3442a", "c0623c"), 12.0, 0.28),
    Zone("cream", 4, rgb("cfc2a0", "e6dcbc", "f4eed8"), 11.0, 0.3, strays=0.0),
    Zone("lapis", 5, rgb("121c5a", "1d318c", "2f4db0", "4f78c8"), 10.5, 0.24),
    Zone("outline", 1, rgb("12101c", "241c2c"), 7.5, 0.3, strays=0.0),
)  # fmt: skip
NUMBER = {zone.name: i for i, zone in enumerate(ZONES)}


class Cartoon:
    """A drawing of zones in units."""

    def __init__(self, size: int) -> None:
        """Start from an all-gold square."""
        self.scale = size / UNITS
        self.image = Image.new("L", (size, size), NUMBER["gold"])
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, zone: str, points: Floats) -> None:
        """Fill a polygon."""
        self.draw.polygon([(float(x) * self.scale, float(y) * self.scale) for x, y in points], fill=NUMBER[zone])

    def ellipse(self, zone: str, centre: Point, radii: Point, lean: float = 0.0) -> None:
        """Fill an ellipse whose first radius points along the lean."""
        turn = np.linspace(0, 2 * np.pi, 72)
        x, y = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
        cos, sin = np.cos(lean), np.sin(lean)
        self.polygon(zone, np.stack([centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos], axis=1))

    def limb(self, zone: str, knots: tuple[tuple[float, float, float], ...]) -> None:
        """Sweep a disc of changing radius along a smooth path."""
        points = np.array(knots)
        t = np.linspace(0, 1, len(points))
        smooth = np.linspace(0, 1, 400)
        fit = np.polynomial.Polynomial.fit
        degree = min(len(points) - 1, 4)
        x, y, r = (fit(t, points[:, i], degree)(smooth) for i in range(3))
        for px, py, pr in zip(x, y, r, strict=True):
            box = [(px - pr) * self.scale, (py - pr) * self.scale, (px + pr) * self.scale, (py + pr) * self.scale]
            self.draw.ellipse(box, fill=NUMBER[zone])


def design(size: int) -> Ints:
    """Draw the cartoon and give the zone number of every pixel."""
    cartoon = Cartoon(size)
    _ground(cartoon)
    _vines(cartoon)
    _fan(cartoon)
    _bird(cartoon)
    _border(cartoon)
    return np.asarray(cartoon.image).astype(np.intp)


def _ground(cartoon: Cartoon) -> None:
    x = np.linspace(0, UNITS, 100)
    top = 846 + 14 * np.sin(x / 70) - 26 * np.exp(-(((x - 512) / 190) ** 2))
    cartoon.polygon("ground", np.concatenate([np.stack([x, top], axis=1), [[UNITS, UNITS], [0, UNITS]]]))


def _vines(cartoon: Cartoon) -> None:
    """Curl a vine with fruit into each corner of the gold."""
    for side in (-1, 1):
        for cy, reach, lift in ((190.0, 62.0, 1), (770.0, 58.0, -1)):
            cx = 512 + side * 330
            turn = np.linspace(0.6, 3.9 * np.pi, 90)
            radius = reach * (turn / turn[-1]) ** 0.8
            x, y = cx + side * radius * np.cos(turn), cy + lift * radius * np.sin(turn)
            for px, py in zip(x, y, strict=True):
                cartoon.ellipse("vine", (px, py), (5.5, 5.5))
            cartoon.ellipse("fruit", (cx, cy), (19, 19))
            for i in (40, 56, 70, 82):
                lean = np.arctan2(y[i] - cy, x[i] - cx)
                cartoon.ellipse("vine", (x[i] + 16 * np.cos(lean), y[i] + 16 * np.sin(lean)), (19, 9), lean + 0.5)
    for cx, cy in ((160, 900), (300, 888), (420, 905), (620, 900), (742, 886), (870, 902)):
        for petal in np.arange(5) * 2 * np.pi / 5 + cx:
            cartoon.ellipse("fruit", (cx + 15 * np.cos(petal), cy + 15 * np.sin(petal)), (11, 8), petal)
        cartoon.ellipse("cream", (cx, cy), (8, 8))


def _fan(cartoon: Cartoon) -> None:
    hub = np.array([512.0, 650.0])
    turn = np.linspace(np.pi - 0.12, 2 * np.pi + 0.12, 400)
    scallop = 442 + 17 * np.abs(np.sin((turn - np.pi) * 11 / 2))
    for zone, inset in (("outline", 0), ("fan", 9)):
        edge = hub + np.stack([(scallop - inset) * np.cos(turn), (scallop - inset) * np.sin(turn)], axis=1)
        cartoon.polygon(zone, np.concatenate([edge, [[hub[0], hub[1] + 90]]]))
    for radius, count, _ in ((388, 11, 1.0), (292, 10, 0.84), (207, 8, 0.72)):
        margin = 0.14 if count % 2 else 0.10
        for angle in np.linspace(np.pi + margin, 2 * np.pi - margin, count):
            ray = np.array([np.cos(angle), np.sin(angle)])
            stem = [hub + ray * 120 + [-ray[1] * 4, ray[0] * 4], hub + ray * radius + [-ray[1] * 4, ray[0] * 4]]
            stem += [hub + ray * radius - [-ray[1] * 4, ray[0] * 4], hub + ray * 120 - [-ray[1] * 4, ray[0] * 4]]
            cartoon.polygon("shaft", np.array(stem))
    for radius, count, grow in ((388, 11, 1.0), (292, 10, 0.84), (207, 8, 0.72)):
        margin = 0.14 if count % 2 else 0.10
        for angle in np.linspace(np.pi + margin, 2 * np.pi - margin, count):
            _feather_eye(cartoon, hub, float(angle), radius, grow)


def _feather_eye(cartoon: Cartoon, hub: Floats, angle: float, radius: float, grow: float) -> None:
    ray = np.array([np.cos(angle), np.sin(angle)])
    layers = (("rim", 50, 41, -4), ("bronze", 41, 32, -1), ("turquoise", 30, 23, 3), ("pupil", 18, 15, 6))
    for zone, along, across, shift in layers:
        x, y = hub + ray * (radius + shift * grow)
        cartoon.ellipse(zone, (float(x), float(y)), (along * grow, across * grow), angle)


def _bird(cartoon: Cartoon) -> None:
    for side in (-1, 1):
        foot = 512 + side * 34
        cartoon.polygon("beak", np.array([[foot - 6, 790], [foot + 6, 790], [foot + 6, 872], [foot - 6, 872]]))
        for toe in (-22, 0, 22):
            tip = [[foot - 5, 862], [foot + 5, 862], [foot + toe + 4, 888], [foot + toe - 6, 888]]
            cartoon.polygon("beak", np.array(tip))
        cartoon.ellipse("outline", (512 + side * 92, 712), (116, 52), np.pi / 2 - side * 0.30)
        cartoon.ellipse("wing", (512 + side * 92, 712), (107, 43), np.pi / 2 - side * 0.30)
    path = ((512, 742, 92), (514, 640, 84), (534, 530, 56), (520, 430, 38), (486, 366, 34), (462, 340, 33))
    cartoon.limb("outline", tuple((x, y, r + 8) for x, y, r in path))
    cartoon.limb("neck", path)
    spread = np.linspace(-2.5, -0.6, 24)
    crown = np.stack([472 + 94 * np.cos(spread), 322 + 94 * np.sin(spread)], axis=1)
    cartoon.polygon("outline", np.concatenate([crown, [[486.0, 330.0], [458.0, 330.0]]]))
    for lean, reach in ((-2.15, 66), (-1.85, 76), (-1.55, 80), (-1.25, 74), (-0.95, 64)):
        top_x, top_y = 472 + reach * float(np.cos(lean)), 322 + reach * float(np.sin(lean))
        cartoon.limb("shaft", ((472, 322, 3.6), ((472 + top_x) / 2, (322 + top_y) / 2, 3.6), (top_x, top_y, 3.6)))
        cartoon.ellipse("turquoise", (top_x, top_y), (12, 9), lean)
    cartoon.polygon("beak", np.array([[434, 330], [440, 358], [384, 366], [398, 350]]))
    cartoon.ellipse("face", (456, 340), (24, 14), 0.1)
    cartoon.ellipse("eye", (456, 338), (8.5, 8.5))


def _border(cartoon: Cartoon) -> None:
    bands = (("terracotta", 0, 26), ("cream", 26, 38), ("lapis", 38, 84), ("cream", 84, 96))
    for zone, outer, inner in bands:
        a, b, c, d = outer, inner, UNITS - inner, UNITS - outer
        for box in ([[a, a], [d, a], [d, b], [a, b]], [[a, c], [d, c], [d, d], [a, d]],
                    [[a, a], [b, a], [b, d], [a, d]], [[c, a], [d, a], [d, d], [c, d]]):  # fmt: skip
            cartoon.polygon(zone, np.array(box))
    for place in np.linspace(61, UNITS - 61, 13):
        for x, y in ((place, 61), (place, UNITS - 61), (61, place), (UNITS - 61, place)):
            cartoon.ellipse("rim", (x, y), (17, 17))
            cartoon.ellipse("fruit", (x, y), (8, 8))
