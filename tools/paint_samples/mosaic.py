"""A peacock with a spread fan in stone and gold-glass mosaic, set row by row along its contours."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.measure import find_contours

from .mosaic_design import ZONES, Zone, design
from .strokes import UNITS, Bools, Floats, Ints, noise, ramp, rgb, to_image

GROUT = rgb("8d7f6c")[0]
LIGHT = (-0.55, -0.8)


@dataclass(slots=True)
class Wall:
    """The growing mosaic: stone colour, its relief, and where the bed is already taken."""

    scale: float
    colour: Floats
    relief: Floats
    shine: Floats
    taken: Floats


def paint(size: int) -> Image.Image:
    """Set the mosaic with a side of ``size`` pixels."""
    rng = np.random.default_rng(547)
    labels = design(size)
    shape = labels.shape
    wall = Wall(size / UNITS, np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32),
                np.zeros(shape, np.float32), np.zeros(shape, np.float32))  # fmt: skip
    for number in sorted(range(len(ZONES)), key=lambda n: ZONES[n].order):
        _set_zone(wall, rng, labels == number, ZONES[number])
    _chips(wall, rng, labels)
    return _light(wall, rng)


def _set_zone(wall: Wall, rng: np.random.Generator, mask: Bools, zone: Zone) -> None:
    """Lay rows of stones parallel to the zone's edge, from the edge inwards."""
    inside = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1] / wall.scale
    inside = ndimage.gaussian_filter(inside, 0.8 * wall.scale)
    rows = int(inside.max() / zone.stone) + 1
    for row in range(rows):
        for line in find_contours(inside, (row + 0.5) * zone.stone):  # type: ignore[no-untyped-call]
            _set_row(wall, rng, line[:, ::-1] + 0.5, zone, row)


def _set_row(wall: Wall, rng: np.random.Generator, line: Floats, zone: Zone, row: int) -> None:
    step = np.hypot(*np.diff(line, axis=0).T)
    run = np.concatenate([[0], np.cumsum(step)])
    pitch = zone.stone * wall.scale
    count = int(run[-1] / pitch)
    if count < 1:
        return
    cuts = np.linspace(0, run[-1], count + 1) + np.append(rng.normal(0, 0.13 * pitch, count), 0)
    middle, breadth = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    spot = np.stack([np.interp(middle, run, line[:, i]) for i in range(2)], axis=1)
    ahead = np.stack([np.interp(middle + 0.45 * pitch, run, line[:, i]) for i in range(2)], axis=1)
    back = np.stack([np.interp(middle - 0.45 * pitch, run, line[:, i]) for i in range(2)], axis=1)
    heading = np.arctan2(ahead[:, 1] - back[:, 1], ahead[:, 0] - back[:, 0]) + rng.normal(0, 0.05, count)
    colours = _tones(rng, zone, spot / wall.scale, row)
    for i in range(count):
        if breadth[i] > 0.4 * pitch:
            corners = _quad(rng, (breadth[i], pitch * rng.uniform(0.9, 1.06)), 0.07 * pitch)
            _set_stone(wall, rng, spot[i], heading[i], corners, colours[i], zone.shine)


def _tones(rng: np.random.Generator, zone: Zone, spot: Floats, row: int) -> Floats:
    """Colour stones by row, by a slow drift over the wall, and by chance."""
    drift = 0.16 * np.sin(spot[:, 0] / 83 + spot[:, 1] / 61) + zone.fade * (spot[:, 1] - 512) / 512
    place = 0.5 + drift + zone.banding * (0.5 if row % 2 else -0.5) + rng.normal(0, zone.spread, len(spot))
    tone = ramp(zone.colours, place) * (1 + rng.normal(0, 0.07, (len(spot), 1)))
    odd = rng.random(len(spot)) < zone.strays
    tone[odd] = zone.stray_colours[rng.integers(0, len(zone.stray_colours), int(odd.sum()))]
    return np.asarray(tone + rng.normal(0, 0.014, tone.shape), dtype=np.float32)


def _quad(rng: np.random.Generator, size: tuple[float, float], wobble: float) -> Floats:
    half_long, half_wide = size[0] / 2, size[1] / 2
    square = np.array(
        [[-half_long, -half_wide], [half_long, -half_wide], [half_long, half_wide], [-half_long, half_wide]]
    )
    return np.asarray(square + rng.normal(0, wobble, (4, 2)), dtype=np.float32)


def _set_stone(
    wall: Wall, rng: np.random.Generator, spot: Floats, heading: float, corners: Floats, colour: Floats, shine: float
) -> None:
    """Press one stone into the bed unless others already fill most of its place."""
    cos, sin = np.cos(heading), np.sin(heading)
    points = corners @ np.array([[cos, sin], [-sin, cos]]) + spot
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 2, wall.taken.shape[::-1])
    if (high <= low).any():
        return
    x = np.arange(low[0], high[0], dtype=np.float32)[None, :] + 0.5
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None] + 0.5
    depth = np.full((y.size, x.size), np.inf, dtype=np.float32)
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        edge = (end - start) / (np.hypot(*(end - start)) + 1e-6)
        depth = np.minimum(depth, (y - start[1]) * edge[0] - (x - start[0]) * edge[1])
    gap = 0.65 * wall.scale
    where = (slice(low[1], high[1]), slice(low[0], high[0]))
    cover = np.clip(depth - gap + 0.5, 0, 1)
    free = 1 - wall.taken[where]
    total = float(cover.sum())
    if total < 3 or float((cover * free).sum()) < 0.6 * total:
        return
    cover = cover * free
    tilt = rng.normal(0, 1, 2)
    wall.taken[where] = np.maximum(wall.taken[where], np.clip(depth + 0.9 * wall.scale, 0, 1))
    wall.colour[where] += cover[..., None] * (colour - wall.colour[where])
    slope = ((x - spot[0]) * tilt[0] + (y - spot[1]) * tilt[1]) / (22 * wall.scale)
    dome = np.minimum(depth / (2.6 * wall.scale), 1)
    wall.relief[where] = np.maximum(wall.relief[where], cover * (1.0 + dome + (0.35 + 0.7 * shine) * slope))
    wall.shine[where] = np.maximum(wall.shine[where], cover * shine * max(0.0, 0.35 + 0.5 * float(rng.normal())))


def _chips(wall: Wall, rng: np.random.Generator, labels: Ints) -> None:
    """Fill leftover gaps with small chips of the surrounding colour."""
    for smallest in (4.2, 3.2, 2.3):
        room = ndimage.distance_transform_edt(wall.taken < 0.5)
        spots = peak_local_max(  # type: ignore[no-untyped-call]
            room, min_distance=max(int(3 * wall.scale), 1), threshold_abs=smallest * wall.scale * 0.75
        )
        for row, column in spots:
            zone = ZONES[int(labels[row, column])]
            reach = min(float(room[row, column]) * 2.1, zone.stone * wall.scale)
            spot = np.array([column + 0.5, row + 0.5])
            colour = _tones(rng, zone, spot[None] / wall.scale, 0)[0]
            _set_stone(wall, rng, spot, rng.uniform(0, 3), _quad(rng, (reach, reach), 0.12 * reach), colour, zone.shine)


def _light(wall: Wall, rng: np.random.Generator) -> Image.Image:
    """Light the stones from the upper left, with grout between them and veins and grains in them."""
    shape, scale = wall.taken.shape, wall.scale
    vein = 0.5 * noise(rng, shape, 7 * scale, 2) + 0.35 * noise(rng, shape, 3.5 * scale)
    broad = noise(rng, shape, 300 * scale, 2)
    stone = np.clip(wall.relief, 0, 1)[..., None]
    bed = GROUT * (1 + 0.08 * noise(rng, shape, 3.5 * scale) + 0.05 * broad)[..., None]
    slope_y, slope_x = np.gradient(ndimage.gaussian_filter(wall.relief, 0.8 * scale))
    facing = np.tanh((slope_x * -LIGHT[0] + slope_y * -LIGHT[1]) * 1.15 * scale)
    body = wall.colour * (1 + 0.055 * vein + 0.04 * broad)[..., None] * (1 + 0.36 * facing[..., None])
    glint = (wall.shine * np.clip(0.55 + 0.5 * facing + 0.2 * vein, 0, 1.4))[..., None]
    body = body + glint * (np.array([1.0, 0.90, 0.58]) - body) * 0.7
    lit = bed * (1 - stone) + body * stone
    return to_image(ndimage.gaussian_filter(lit, (0.5 * scale, 0.5 * scale, 0)))
