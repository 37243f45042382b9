"""How well and how fast the built-in network paints, beside the VGG-19 it was trained from.

    python -m benchmarks.lite --weights vgg19.safetensors --pictures DIR --out DIR

Every pair of photograph and painting is painted by ``vgg19`` with the default settings and by ``lite`` at two or more
style weights; every saved picture is read again and scored by VGG-19. With S0 the style loss of the photograph itself,

    share = (S0 - S(lite)) / (S0 - S(vgg19))

is the share of the style loss that lite removes where VGG-19 removes all that it can, with S(lite) read at the content
loss of VGG-19's picture, between the style weights (``content_reached`` 0: no style weight came that near, and the
nearest was taken). ``--pictures`` has ``content`` and ``style`` below it; pairs whose
pictures are not there are left out. Pictures already in ``--out`` are kept: delete lite's after changing the network.
"""

import argparse
import json
import random
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from impasto.assembly import objective_of
from impasto.facade import paint
from impasto.images.files import read, write
from impasto.network.registry import load_network
from impasto.network.vgg import VGG
from impasto.settings import Settings, validated

from .speed import measure, usual_precision

PAIRS = [
    ("tubingen", "starry_night"),
    ("tubingen", "shipwreck"),
    ("tubingen", "the_scream"),
    ("tubingen", "seated-nude"),
    ("tubingen", "composition_vii"),
    ("golden_gate", "wave_kanagawa"),
    ("hoovertowernight", "starry_night"),
    ("sample:chelsea", "sample:swirl"),
    ("sample:astronaut", "sample:composition"),
    ("sample:coffee", "sample:mosaic"),
    ("sample:rocket", "sample:pointillist"),
]
FACTOR, TRIES = 2.5, 3
"""How lite's style weight goes from the default towards VGG-19's content loss, and how often."""

HEIGHT, GAP, CELL, SHEET = 260, 6, 290, 1640
"""px of the sheet: the height of a picture, between pictures, the height of a row, the width of all."""


@dataclass(frozen=True)
class Score:
    """What VGG-19 says of a picture: the paper's L_content and L_style, unweighted."""

    content: float
    style: float


class Pair:
    """A photograph and a painting, and VGG-19's view of what was made of them."""

    def __init__(self, content: str, style: str, settings: Settings, judge: VGG) -> None:
        self.name = f"{Path(content).stem}-{Path(style).stem}".replace("sample:", "")
        self.settings = settings
        self.photograph, self.painting = read(content, size=settings.size), read(style, size=settings.size)
        unweighted = settings.model_copy(update={"content_weight": 1.0, "style_weight": 1.0, "tv_weight": 0.0})
        self.objective = objective_of(unweighted, judge, self.photograph, self.painting)

    def score(self, image: Tensor) -> Score:
        terms, _ = self.objective.value_and_gradient(image)
        return Score(terms["content"], terms["style"])

    def paint(self, out: Path, network: str, weight: float, weights: Path | None) -> Tensor:
        """The picture that ``network`` paints at ``weight`` times the style weight, kept in ``out``."""
        path = out / f"{self.name}-{self.settings.size}-{network}-{weight:g}.png"
        if not path.exists():
            beta = weight * self.settings.style_weight
            options = self.settings.model_dump() | {"network": network, "weights": weights, "style_weight": beta}
            write(paint(self.photograph, self.painting, Settings(**options)), path)
        return read(str(path))


def share(pair: Pair, out: Path, weights: Path | None) -> dict[str, float]:
    """The share of one pair, and what it is made of."""
    nothing = pair.score(pair.photograph).style
    vgg = pair.score(pair.paint(out, "vgg19", 1.0, weights))
    default = pair.score(pair.paint(out, "lite", 1.0, None))
    lite, weight, factor = [default], 1.0, FACTOR if default.content < vgg.content else 1 / FACTOR
    while len(lite) <= TRIES and not reached(lite, vgg):
        weight *= factor
        lite.append(pair.score(pair.paint(out, "lite", weight, None)))
    contents, styles = [np.log([getattr(score, term) for score in lite]) for term in ("content", "style")]
    order = np.argsort(contents)
    style = float(np.exp(np.interp(np.log(vgg.content), contents[order], styles[order])))
    return {
        "share": (nothing - style) / (nothing - vgg.style),
        "share_at_default": (nothing - default.style) / (nothing - vgg.style),
        "removed_by_vgg19": 1 - vgg.style / nothing,
        "content_ratio_at_default": default.content / vgg.content,
        "content_reached": float(reached(lite, vgg)),
    }


def reached(lite: list[Score], vgg: Score) -> bool:
    """Whether VGG-19's content loss lies between those of lite's pictures."""
    contents = [score.content for score in lite]
    return min(contents) <= vgg.content <= max(contents)


def costs(size: int, weights: Path | None, rounds: int) -> dict[str, dict[str, float]]:
    """Of ``vgg19`` and ``lite`` what an evaluation takes, in the precision that a run here would have."""
    precision = usual_precision()
    found = measure([("vgg19", precision), ("lite", precision)], size, weights, rounds, "cpu")
    return {network: found[f"{network} {precision}"] for network in ("vgg19", "lite")}


def sheet(pairs: list[Pair], out: Path, weights: Path | None) -> tuple[Path, dict[str, str]]:
    """The two pictures of every pair side by side, A and B by lot, for a friend to say which is whose:
    ``out/sheet.jpg``, and who painted A in each."""
    lots = random.Random(1)
    cells, key = [], {}
    for pair in pairs:
        order = lots.sample(["vgg19", "lite"], 2)
        key[pair.name] = order[0]
        painted = [pair.paint(out, network, 1.0, weights if network == "vgg19" else None) for network in order]
        cells.append(cell(pair.name, [Image.fromarray(to_bytes(image)) for image in painted]))
    page = flowed(cells, SHEET)
    path = out / "sheet.jpg"
    page.save(path, quality=80)
    return path, key


def flowed(cells: list[Image.Image], width: int) -> Image.Image:
    """Cells in rows of at most ``width`` px."""
    rows: list[list[Image.Image]] = [[]]
    for one in cells:
        if sum(other.width for other in rows[-1]) + one.width > width:
            rows.append([])
        rows[-1].append(one)
    page = Image.new("RGB", (width, CELL * len(rows)), "white")
    for number, row in enumerate(rows):
        left = 0
        for one in row:
            page.paste(one, (left, CELL * number))
            left += one.width
    return page


def cell(name: str, pictures: list[Image.Image]) -> Image.Image:
    """Pictures of one height in a row, with their names above."""
    small = [p.resize((round(p.width * HEIGHT / p.height), HEIGHT), Image.Resampling.LANCZOS) for p in pictures]
    row = Image.new("RGB", (sum(p.width + GAP for p in small) + 2 * GAP, CELL), "white")
    left = 0
    for letter, picture in zip("AB", small, strict=True):
        ImageDraw.Draw(row).text((left + 2, 4), f"{name}  {letter}", fill="black")
        row.paste(picture, (left, CELL - HEIGHT - GAP))
        left += picture.width + GAP
    return row


def to_bytes(image: Tensor) -> np.ndarray:
    return (image[0].permute(1, 2, 0) * 255).round().byte().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="VGG-19's weights; without, those in the cache")
    parser.add_argument("--pictures", type=Path, help="folder with content/ and style/")
    parser.add_argument("--out", type=Path, default=Path("lite-benchmark"), help="folder for pictures and results")
    parser.add_argument("--size", type=int, default=384, help="long side in px")
    parser.add_argument("--steps", type=int, default=validated(preset="paper").steps)
    parser.add_argument("--pairs", type=int, nargs="*", help="only these of the pairs, from 0")
    parser.add_argument("--rounds", type=int, default=10, help="how often the seconds are measured")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    judge = load_network("vgg19", weights=args.weights)
    settings = validated(preset="paper", size=args.size, steps=args.steps)
    pairs, results = [], {}
    for number, names in enumerate(PAIRS):
        content, style = (
            found(name, kind, args.pictures) for name, kind in zip(names, ("content", "style"), strict=True)
        )
        if content is None or style is None or (args.pairs is not None and number not in args.pairs):
            continue
        pairs.append(pair := Pair(content, style, settings, judge))
        results[pair.name] = share(pair, args.out, args.weights)
        print(pair.name, {key: round(value, 3) for key, value in results[pair.name].items()}, flush=True)
    shares = [result["share"] for result in results.values()]
    cost_of = costs(512, args.weights, args.rounds)
    summary = {
        "mean_share": statistics.mean(shares),
        "least_share": min(shares),
        "seconds_ratio": cost_of["lite"]["seconds"] / cost_of["vgg19"]["seconds"],
        "memory_ratio": cost_of["lite"]["memory"] / cost_of["vgg19"]["memory"],
    }
    print(json.dumps(summary | cost_of, indent=1))
    path, key = sheet(pairs, args.out, args.weights)
    everything = summary | cost_of | {"pairs": results, "painted_a": key}
    (args.out / "results.json").write_text(json.dumps(everything, indent=1))
    print(path)


def found(name: str, kind: str, pictures: Path | None) -> str | None:
    """The picture's file, None where it is not there."""
    if name.startswith("sample:"):
        return name
    path = pictures / kind / f"{name}.jpg" if pictures else None
    return str(path) if path and path.exists() else None


if __name__ == "__main__":
    main()
