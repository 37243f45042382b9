"""A breaking wave as a woodblock print: Prussian blues on cream paper, foam claws, a far mountain."""

import numpy as np
from PIL import Image

from .foam import LINE, PALE, claw, foam, puff
from .strokes import Floats, rgb
from .woodblock import PAPER, Sheet, curve, ribbon

ASPECT = 1.5
BLUES = rgb("122a5c", "1d4380", "3a6ea5", "8db4c6", "cfdccf")
ROSE = rgb("d98a6c")[0]
SUN = rgb("c9452c")[0]

FACE = curve(
    (
        (-60, 610),
        (170, 652),
        (390, 640),
        (545, 570),
        (628, 455),
        (632, 345),
        (578, 262),
        (500, 226),
        (428, 240),
        (372, 300),
    )
)
BACK = curve(
    (
        (1180, 760),
        (1150, 600),
        (1100, 420),
        (1020, 265),
        (915, 150),
        (790, 84),
        (650, 62),
        (520, 92),
        (425, 168),
        (372, 300),
    )
)
SWELL_FACE = curve(((330, 720), (300, 640), (262, 575), (215, 535), (170, 530), (150, 560)))
SWELL_BACK = curve(((-80, 640), (-30, 560), (40, 505), (110, 482), (165, 500), (150, 560)))


def paint(size: int) -> Image.Image:
    """Print the wave with a long side of ``size`` pixels."""
    rng = np.random.default_rng(1831)
    sheet = Sheet(size, ASPECT, PAPER)
    _sky(sheet, rng)
    _mountain(sheet, rng)
    _far_sea(sheet)
    _boat(sheet)
    _body(sheet, FACE, BACK, 17)
    _crest(sheet, rng)
    _spray(sheet, rng)
    _front(sheet, rng)
    return sheet.pull(rng, PAPER)


def _box(x0: float, y0: float, x1: float, y1: float) -> Floats:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _sky(sheet: Sheet, rng: np.random.Generator) -> None:
    everything = _box(0, 0, 1024, 683)
    sheet.fill(everything, rgb("ead9b4")[0])
    sheet.grade(everything, ROSE, (470, 250), 0.55)
    sheet.dot((250, 205), 84, SUN)
    turn = np.linspace(0, 2 * np.pi, 90)
    disc = np.stack([250 + 84 * np.cos(turn), 205 + 84 * np.sin(turn)], axis=1)
    sheet.grade(disc, rgb("e8a878")[0], (300, 190), 0.75)
    sheet.grade(everything, BLUES[0], (-10, 120), 0.95)
    for _ in range(9):
        x, y = rng.uniform(-60, 620), rng.uniform(95, 330)
        _cloud(sheet, rng, x, y)


def _cloud(sheet: Sheet, rng: np.random.Generator, x: float, y: float) -> None:
    """Print a bank of mist: stacked level bars with rounded ends."""
    bars = []
    for row in range(int(rng.integers(2, 5))):
        reach, tall = rng.uniform(90, 210), rng.uniform(9, 15)
        left = x + rng.uniform(-70, 70)
        path = np.stack([np.linspace(left, left + reach, 30), np.full(30, y + row * tall * 0.95)], axis=1)
        t = np.linspace(-1, 1, 30)
        bars.append(ribbon(path, tall * np.clip(1 - np.abs(t) ** 10, 0, 1) ** 0.5))
    sheet.outline(bars, 0.9, rgb("6d7f94")[0], rgb("f2e8cf")[0])


def _mountain(sheet: Sheet, rng: np.random.Generator) -> None:
    ridge = curve(
        (
            (190, 470),
            (300, 446),
            (392, 408),
            (452, 362),
            (476, 346),
            (492, 351),
            (512, 344),
            (536, 366),
            (590, 412),
            (680, 450),
            (780, 470),
        )
    )
    ridge = ridge + np.stack([np.zeros(160), np.cumsum(rng.normal(0, 0.7, 160)) * 0.5], axis=1)
    shape = np.concatenate([ridge, [[780, 480], [190, 480]]])
    sheet.fill(shape, rgb("5b7fa3")[0])
    sheet.grade(shape, BLUES[0], (345, 440), 0.85)
    sheet.grade(shape, rgb("e6c9a0")[0], (482, 420), 0.8)
    cap = ridge[(ridge[:, 0] > 432) & (ridge[:, 0] < 560)]
    fringe = np.linspace(cap[-1, 0], cap[0, 0], 19)
    drop = np.where(np.arange(19) % 2 == 0, 4.0, 24.0) * rng.uniform(0.6, 1.3, 19)
    lower = np.stack([fringe, np.interp(fringe, cap[:, 0], cap[:, 1]) + drop], axis=1)
    sheet.fill(np.concatenate([cap, lower]), PALE)
    for start in np.linspace(446, 548, 8):
        top = float(np.interp(start, ridge[:, 0], ridge[:, 1]))
        lean = (start - 495) * 0.6
        path = curve(((start, top + 6), (start + lean * 0.5, top + 34), (start + lean, top + 70)), 30)
        sheet.line(path, 2.4, LINE, (0.3, 0.05))
    sheet.line(ridge, 2.6, LINE)


def _far_sea(sheet: Sheet) -> None:
    """Print rows of scalloped wavelets that grow towards the viewer."""
    sheet.fill(_box(0, 466, 1024, 683), BLUES[3])
    sheet.grade(_box(0, 466, 1024, 683), BLUES[1], (466, 520), 0.9)
    y = 470.0
    row = 0
    while y < 690:
        pitch = 20 + (y - 466) * 0.42
        tall = 3.5 + (y - 466) * 0.09
        x = np.arange(-40, 1064, 2.0)
        top = (
            y
            - tall * np.abs(np.sin(np.pi * (x / pitch + 0.5 * row + 0.25 * np.sin(x / 90))))
            + 3 * np.sin(x / 70 + row)
        )
        path = np.stack([x, top], axis=1)
        sheet.fill(np.concatenate([path, [[1064, 700], [-40, 700]]]), BLUES[(1, 2, 3, 2)[row % 4]])
        for low in range(0, len(x) - 60, 60):
            sheet.line(
                path[low : low + 60] + np.array([0, tall * 0.7]), 2.2 + tall * 0.1, PALE if row % 2 else BLUES[4]
            )
        sheet.fill(ribbon(path, np.full(len(x), 1.6 + tall * 0.1) * (1 + 0.5 * np.sin(x / 23))), LINE)
        y += 5 + tall * 1.05
        row += 1


def _boat(sheet: Sheet) -> None:
    hull = np.concatenate(
        [
            curve(((70, 470), (130, 500), (220, 506), (300, 478)), 40),
            curve(((300, 478), (215, 492), (130, 488), (70, 470)), 40),
        ]
    )
    sheet.outline([hull], 1.6, LINE, rgb("d8a95a")[0])
    for side in (-1, 1):
        sail = np.array([(190, 380), (190 + side * 42, 388), (190 + side * 46, 474), (190, 480)])
        sheet.outline([sail], 1.5, LINE, rgb("efe0bc")[0] if side < 0 else rgb("e0c896")[0])
    for y in np.linspace(398, 466, 6):
        sheet.line(curve(((146, y), (190, y + 3), (234, y)), 20), 1.6, LINE)
    for x in np.linspace(105, 275, 8):
        sheet.dot((x, 479 + 6 * np.sin((x - 70) / 73)), 5.2, LINE)


def _between(face: Floats, back: Floats, share: float) -> Floats:
    return np.asarray(face + (back - face) * share)


def _body(sheet: Sheet, face: Floats, back: Floats, bands: int) -> None:
    """Print the rising water as bands that run from the trough up to the lip."""
    sheet.fill(np.concatenate([face, back[::-1]]), BLUES[1])
    cuts = np.linspace(0, 1, bands + 1) ** 1.25
    tones = (4, 1, 3, 0, 2, 0, 4, 1, 0, 2, 1, 3, 0, 1, 2, 0, 1, 0)
    for i in range(bands):
        wobble = 0.012 * np.sin(np.linspace(0, 9, len(face)) + 2 * i)[:, None]
        low, high = _between(face, back, cuts[i]), face + (back - face) * (cuts[i + 1] + wobble)
        sheet.fill(np.concatenate([low, high[::-1]]), BLUES[tones[i % len(tones)]])
        for share, width in ((0.0, 3.4), (0.36, 1.7), (0.66, 1.3)):
            place = cuts[i] + (cuts[i + 1] - cuts[i]) * share
            ink = LINE if tones[i % len(tones)] > 1 or share == 0 else BLUES[3]
            sheet.line(_between(face, back, place), width, ink, (0.5, 0.2))
    sheet.line(face, 5.5, LINE)
    sheet.line(back, 5.5, LINE)


def _heading(path: Floats, i: int) -> float:
    ahead = path[min(i + 1, len(path) - 1)] - path[max(i - 1, 0)]
    return float(np.arctan2(ahead[1], ahead[0]))


def _crest(sheet: Sheet, rng: np.random.Generator) -> None:
    """Heap foam along the lip: claws that reach out and claws that hang into the hollow."""
    lip = BACK[64:]
    last = len(lip) - 1
    for i in range(0, last, 2):
        t = i / last
        lean = _heading(lip, i)
        radius = (7 + 15 * np.sin(np.pi * min(t * 0.9, 1)) ** 0.8) * float(rng.uniform(0.8, 1.2))
        inward = np.array([np.cos(lean - np.pi / 2), np.sin(lean - np.pi / 2)])
        puff(sheet, lip[i] + inward * radius * rng.uniform(-0.7, 0.9), radius, lean + 2.3)
        if i % 6 == 4:
            reach = (26 + 66 * np.sin(np.pi * (0.12 + 0.76 * t)) ** 1.3) * float(rng.uniform(0.85, 1.2))
            start = lip[i] + inward * radius * 0.6
            foam(sheet, claw(start, lean - 0.45 + float(rng.normal(0, 0.12)), reach, -1.7, 2))
        if i % 6 == 0 and t > 0.34:
            reach = (30 + 50 * t) * float(rng.uniform(0.85, 1.15))
            foam(sheet, claw(lip[i] - inward * 4, lean + 0.75, reach, -2.1, 2))
    for lean in (2.9, 2.3, 1.7, 1.1):
        foam(sheet, claw(lip[last] - np.array([0, 14]), lean, 84.0, -1.9, 2))


def _spray(sheet: Sheet, rng: np.random.Generator) -> None:
    """Fling drops off the lip, away from the wave."""
    for _ in range(300):
        i = int(rng.integers(66, 159))
        lean = _heading(BACK, i) + rng.normal(1.2, 0.55)
        fly = 26 + rng.gamma(1.5, 34)
        x, y = BACK[i] + fly * np.array([np.cos(lean), np.sin(lean)])
        radius = float(rng.choice([1.4, 2.0, 2.8, 4.0], p=[0.4, 0.3, 0.2, 0.1]))
        sheet.dot((float(x), float(y)), radius + 0.9, LINE)
        sheet.dot((float(x), float(y)), radius, PALE)


def _front(sheet: Sheet, rng: np.random.Generator) -> None:
    """Print the near swell at the left and the churned water along the bottom edge."""
    _body(sheet, SWELL_FACE, SWELL_BACK, 9)
    for i in range(70, 158, 5):
        lean = _heading(SWELL_BACK, i)
        puff(sheet, SWELL_BACK[i], float(rng.uniform(8, 13)), lean - 2.3)
        if i % 2:
            foam(sheet, claw(SWELL_BACK[i], lean - 0.5, float(rng.uniform(36, 58)), 2.0, 2))
    x = np.linspace(-20, 1044, 220)
    for row in range(6):
        top = 596 + 17 * row + 17 * np.sin(x / (112 + 9 * row) + 1.9 * row) - 6 * np.abs(np.sin(x / 61 + row))
        path = np.stack([x, top], axis=1)
        below = np.concatenate([path, [[1044.0, 700.0], [-20.0, 700.0]]])
        sheet.fill(below, BLUES[(1, 3, 0, 2, 4, 1)[row]])
        for drop, ink in ((5.0, (3, 1, 2, 4, 2, 3)[row]), (10.0, (2, 2, 1, 3, 3, 2)[row])):
            sheet.line(path + np.array([0.0, drop]), 2.4, BLUES[ink], (0.8, 0.8))
        sheet.line(path, 4.2, LINE, (0.8, 0.8))
        if row % 2 == 0:
            _break(sheet, rng, path, row)


def _break(sheet: Sheet, rng: np.random.Generator, path: Floats, row: int) -> None:
    """Let a near crest spill over in runs of small claws."""
    for start in range(8 + 9 * row, 205, 46):
        for i in range(start, min(start + int(rng.integers(12, 24)), 212), 3):
            puff(sheet, path[i], float(rng.uniform(5, 9)), -0.8)
            foam(sheet, claw(path[i], float(rng.normal(-0.55, 0.2)), float(rng.uniform(24, 40)), 2.1, 1), 1.4)
