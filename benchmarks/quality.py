"""The default picture beside a peer's, over pairs of pictures: distances, grain, edges, seconds, and a sheet.

    python -m benchmarks.quality photos/*.jpg --styles paintings/*.jpg --judge judge.py --peer PICTURES --out DIR

Every photograph is painted in the manner of every painting (or of those that ``--pairs`` names) with the default
settings; a picture that is there already, of an earlier call, is not painted again. ``--peer`` is a folder with the
peer's pictures, by the same names; where one is missing, and ``--checkout`` and ``--weights`` are given,
style-transfer-pytorch paints it at its defaults, which takes long. ``--judge`` is a Python file with a function
``judge(result, content, style, size)`` that gives a mapping with ``style`` and ``content``, distances from the painting
and the photograph: a network that nothing here is optimised for. With ``--strengths`` each pair is painted at each of
these as well, and it is told how near to the painting ours is where it is as far from the photograph as the peer's:
between two pictures of which both are known, in proportion.

- grain: the colours' root mean square above 1/4 cycle per pixel, over the larger of the photograph's and the
  painting's.
- edges: by how much the outermost lines differ from the next, over the same of lines inside. 1 is a picture cut from a
  larger one; more is a frame.
"""

import argparse
import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto import read, stylize
from impasto.cli.heap import keep_freed_memory
from impasto.images.files import write

from .peers import StyleTransferPytorch
from .race import run

Judge = Callable[..., dict[str, Any]]


def grain(image: Tensor) -> float:
    """Root mean square of Cb and Cr, of values from 0 to 1, above 1/4 cycle per pixel."""
    pixels = (255 * image[0]).round().byte().permute(1, 2, 0).numpy()
    colours = np.asarray(Image.fromarray(pixels).convert("YCbCr"), np.float64)[..., 1:] / 255
    height, width = colours.shape[:2]
    window = np.outer(np.hanning(height), np.hanning(width))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    power = [np.abs(np.fft.fft2((c - c.mean()) * window)) ** 2 / (window**2).sum() for c in np.moveaxis(colours, 2, 0)]
    return float(np.sqrt(np.mean([p[frequency >= 0.25].sum() / (height * width) for p in power])))


def edges(image: Tensor) -> float:
    """The difference between the outermost lines and the next, over the mean of such differences inside; of the four
    sides the largest."""
    of_sides = []
    for x in (image[0], image[0].transpose(1, 2)):
        jumps = x.diff(dim=1).square().mean(dim=(0, 2)).sqrt()
        inside = float(jumps[len(jumps) // 8 : -(len(jumps) // 8)].mean())
        of_sides += [float(jumps[0]) / max(inside, 1e-9), float(jumps[-1]) / max(inside, 1e-9)]
    return max(of_sides)


def painted(content: Path, style: Path, out: Path, options: dict[str, Any]) -> float:
    """Our picture at ``out``; the seconds that it took, also where it was there before."""
    told = out.with_suffix(".json")
    if not (out.exists() and told.exists()):
        began = time.perf_counter()
        best = max(stylize(content, style, **options), key=lambda step: step.merit)
        write(best.image, out)
        told.write_text(json.dumps({"seconds": time.perf_counter() - began}))
    return float(json.loads(told.read_text())["seconds"])


def by_the_peer(content: Path, style: Path, out: Path, args: argparse.Namespace) -> None:
    """The peer's picture at ``out``, where it can be had."""
    if out.exists() or args.checkout is None or args.weights is None:
        return
    folder = out.parent / "peer"
    folder.mkdir(parents=True, exist_ok=True)
    peer = StyleTransferPytorch(folder.absolute(), args.weights.absolute())
    pair = [folder.absolute() / f"{role}.png" for role in ("content", "style")]
    for source, picture in zip((content, style), pair, strict=True):
        write(read(source, size=args.size), picture)
    made = folder / out.stem
    made.mkdir(exist_ok=True)
    run(peer.command(args.checkout.absolute(), *pair, args.size, made.absolute(), "cpu"), made, made)
    (made / "picture.png").rename(out)


def measures(picture: Path, content: Path, style: Path, size: int, judge: Judge | None) -> dict[str, float]:
    """What is told of one picture."""
    image = read(picture)
    of_inputs = max(grain(read(path, size=size)) for path in (content, style))
    found = {"grain": grain(image) / max(of_inputs, 1e-4), "edges": edges(image)}
    if judge is not None:
        judged = judge(str(picture), str(content), str(style), size=size)
        found |= {name: float(judged[name]) for name in ("style", "content")}
    return found


def style_at(content: float, of_strengths: Sequence[dict[str, float]]) -> float:
    """The distance from the painting where that from the photograph is ``content``; beyond what there is, the last."""
    contents, styles = zip(*sorted((of["content"], of["style"]) for of in of_strengths), strict=True)
    return float(np.interp(content, contents, styles))


def judge_in(path: Path | None) -> Judge | None:
    """The function of that file."""
    if path is None:
        return None
    spec = importlib.util.spec_from_file_location("judge", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Judge = module.judge
    return found


def sheet(rows: list[list[Path]], out: Path, width: int = 400) -> None:
    """Photograph, painting and pictures, a pair a row."""
    pictures = [[scaled_to(path, width) for path in row if path.exists()] for row in rows]
    page = Image.new(
        "RGB", (width * max(map(len, pictures)), sum(max(p.height for p in row) for row in pictures)), "white"
    )
    top = 0
    for row in pictures:
        for at, picture in enumerate(row):
            page.paste(picture, (at * width, top))
        top += max(picture.height for picture in row)
    page.save(out, quality=92)


def scaled_to(path: Path, width: int) -> Image.Image:
    with Image.open(path) as picture:
        height = round(picture.height * width / picture.width)
        return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contents", type=Path, nargs="+", metavar="CONTENT")
    parser.add_argument("--styles", type=Path, nargs="+", required=True)
    parser.add_argument("--pairs", nargs="+", help="CONTENT-STYLE, names without endings; without, all")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--strengths", type=float, nargs="+", default=[], help="at which each pair is painted as well")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="another of our settings")
    parser.add_argument("--judge", type=Path, help="a Python file with the judge")
    parser.add_argument("--peer", type=Path, help="folder with the peer's pictures")
    parser.add_argument("--checkout", type=Path, help="of style-transfer-pytorch, for pictures that are missing")
    parser.add_argument("--weights", type=Path, help="VGG-19's, for it")
    parser.add_argument("--out", type=Path, default=Path("quality"))
    args = parser.parse_args()
    keep_freed_memory()
    args.out.mkdir(parents=True, exist_ok=True)
    judge, options = judge_in(args.judge), {"size": args.size} | dict(o.split("=", 1) for o in args.option)
    results: dict[str, dict[str, dict[str, float]]] = {}
    nearer: dict[str, float] = {}
    rows = []
    print(f"{'':32}{'who':9}{'style':>7}{'content':>9}{'grain':>7}{'edges':>7}{'s':>6}")
    for content in args.contents:
        for style in args.styles:
            name = f"{content.stem}-{style.stem}"
            if args.pairs and name not in args.pairs:
                continue
            ours = {"impasto": options} | {f"at {s:g}": options | {"strength": s} for s in args.strengths}
            pictures = {who: args.out / f"{name}{who.removeprefix('impasto')}.png" for who in ours}
            seconds = {who: painted(content, style, pictures[who], ours[who]) for who in ours}
            if args.peer is not None:
                pictures["peer"] = args.peer / f"{name}.png"
                by_the_peer(content, style, pictures["peer"], args)
            results[name] = {
                who: measures(path, content, style, args.size, judge) for who, path in pictures.items() if path.exists()
            }
            rows.append([content, style, *pictures.values()])
            if args.strengths and judge and "peer" in results[name]:
                at = style_at(results[name]["peer"]["content"], [results[name][who] for who in ours])
                nearer[name] = at / results[name]["peer"]["style"]
            for who, of in results[name].items():
                numbers = "".join(f"{of.get(key, float('nan')):{w}.3f}" for key, w in (("style", 7), ("content", 9)))
                numbers += f"{of['grain']:7.2f}{of['edges']:7.2f}{seconds.get(who, float('nan')):6.0f}"
                print(f"{name:32}{who:9}{numbers}", flush=True)
            told = {"seconds": seconds, "pairs": results, "as far as the peer's": nearer}
            (args.out / "results.json").write_text(json.dumps(told, indent=1))
            sheet(rows, args.out / "sheet.jpg")
    for name, ratio in nearer.items():
        print(f"{name:32}as far as the peer's, its distance from the painting {ratio:.2f} times the peer's")
    if nearer:
        print(f"on average {sum(nearer.values()) / len(nearer):.2f} times")
    for who in ("impasto", "peer"):
        distances = [of[who]["content"] for of in results.values() if who in of and "content" in of[who]]
        if len(distances) > 1:
            spread = float(torch.tensor(distances).std())
            print(f"{who}: content distance {sum(distances) / len(distances):.3f} ± {spread:.3f}")


if __name__ == "__main__":
    main()
