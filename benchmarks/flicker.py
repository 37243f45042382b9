"""How much painted films flicker: a pan over a photograph, an object that moves in front of another, and a film.

    python -m benchmarks.flicker [--film FILE] [--sheet film.jpg]

Every film is painted with each frame alone, as `impasto batch` does; with each begun from the last one as that has
moved, and not held to it (consistency 0); and as `impasto film` does, by default and with consistency 1. What is told:
the warping error, how far a pixel is from where it was a frame before, mean square over what both frames show, by the
motion that is known, or of a film that was found in it; and the ratio to frames painted alone. Sharp is the mean square
difference of neighbouring pixels in the last frame: what moves often must not get soft.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto import Painter
from impasto.film.clips import opened
from impasto.film.shots import Shots
from impasto.flow import Frame, flow, trusted, warped
from impasto.images.arrays import image_of, levels
from impasto.images.decoding import decode
from impasto.images.limits import Limits

Motion = Callable[[int], tuple[Tensor, Tensor]]
"""Of the frame with this index to the one before: the flow, and where it is right."""


def pan(count: int, size: int) -> tuple[list[Frame], Motion]:
    """Over the astronaut, 6.3 px to the right and 2.2 px down a frame."""
    height = 2 * round(0.3 * size)
    scene = image_of(decode("sample:astronaut", size=round(2.5 * size)))
    by = torch.tensor([6.3, 2.2]).view(2, 1, 1).expand(2, height, size)
    begin = torch.tensor([0.23, 0.23]).view(2, 1, 1) * size
    frames = []
    for n in range(count):
        y, x = torch.meshgrid(torch.arange(height), torch.arange(size), indexing="ij")
        at = torch.stack([x, y]) + begin + n * by
        across, down = scene.shape[3] - 1, scene.shape[2] - 1
        grid = torch.stack([2 * at[0] / across - 1, 2 * at[1] / down - 1], -1)[None]
        seen = torch.nn.functional.grid_sample(scene, grid, mode="bicubic", align_corners=True)
        frames.append(levels(seen))
    inside = torch.zeros(height, size, dtype=torch.bool)
    inside[:-3, :-7] = True
    return frames, lambda _: (by, inside)


def thing(count: int, size: int) -> tuple[list[Frame], Motion]:
    """A cup that goes to the right before a cat, 6 px a frame."""
    cat = Image.fromarray(decode("sample:chelsea", size=round(1.5 * size)))
    cup = Image.fromarray(decode("sample:coffee", size=round(0.35 * size)))
    height, left, top = 2 * round(0.3 * size), round(0.25 * size), round(0.15 * size)
    y, x = np.mgrid[-1 : 1 : cup.height * 1j, -1 : 1 : cup.width * 1j]
    round_cup = Image.fromarray((255 * (x**2 + y**2 < 0.9)).astype(np.uint8))
    frames, masks = [], []
    for n in range(count):
        frame = cat.crop((left, top, left + size, top + height))
        mask = Image.new("L", frame.size)
        at = round(0.08 * size) + 6 * n, round(0.22 * size)
        frame.paste(cup, at, round_cup)
        mask.paste(round_cup, at)
        frames.append(np.asarray(frame))
        masks.append(torch.tensor(np.asarray(mask) > 0))

    def motion(n: int) -> tuple[Tensor, Tensor]:
        by = torch.zeros(2, *masks[n].shape)
        by[0][masks[n]] = -6.0
        uncovered = masks[n - 1] & ~masks[n]
        return by, ~uncovered

    return frames, motion


def film(file: Path, count: int, size: int) -> tuple[list[Frame], Motion]:
    """The first frames of one."""
    clip = opened(file, size, Limits(), Fraction(25))
    frames = [timed.frame for timed in islice(clip.frames(), count)]

    def motion(n: int) -> tuple[Tensor, Tensor]:
        back = flow(frames[n], frames[n - 1])
        return back, trusted(back, flow(frames[n - 1], frames[n]))

    return frames, motion


def flicker(pictures: list[Tensor], motion: Motion) -> float:
    """The warping error."""
    errors = []
    for n, (before, after) in enumerate(pairwise(pictures), 1):
        by, known = motion(n)
        apart = (after - warped(before, by, "bilinear"))[0].square().mean(0)
        errors.append(float(apart[known].mean()))
    return float(np.mean(errors))


def sharp(picture: Tensor) -> float:
    """Mean square of differences from left to right, of luminance."""
    return float(picture.mean(1).diff(dim=-1).square().mean())


def ways(painter: Painter, frames: list[Frame]) -> Iterator[tuple[str, list[Tensor], float]]:
    """Each way to paint them, its pictures, and seconds a frame after the first."""
    for name, consistency in {"alone": None, "begun from the last": 0.0, "film": 0.5, "film, 1": 1.0}.items():
        shots = Shots(painter, consistency or 0.0)
        pictures, began = [], 0.0
        for n, frame in enumerate(frames):
            began = time.monotonic() if n == 1 else began
            painted = painter.paint(frame) if consistency is None else shots.paint(frame)
            pictures.append(painted.tensor)
        yield name, pictures, (time.monotonic() - began) / (len(frames) - 1)


def strip(pictures: list[Tensor]) -> np.ndarray:
    """Four of them, side by side."""
    at = [0, 1, 2, len(pictures) - 1]
    return np.concatenate([levels(pictures[n]) for n in at], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--film", type=Path, help="a film, besides the two that are made")
    parser.add_argument("--style", default="sample:swirl")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument(
        "--sheet", type=Path, help="a picture of the pan: the film, frames alone, as impasto film paints"
    )
    args = parser.parse_args()
    painter = Painter(args.style, size=args.size)
    films = {"pan": pan(args.frames, args.size), "object": thing(args.frames, args.size)}
    if args.film:
        films[args.film.name] = film(args.film, args.frames, args.size)
    print(f"{args.style}, {args.size} px, {args.frames} frames")
    for name, (frames, motion) in films.items():
        rows = [strip([image_of(frame) for frame in frames])]
        first = 0.0
        for way, pictures, seconds in ways(painter, frames):
            error = flicker(pictures, motion)
            first = first or error
            told = f"{error:.5f} ({error / first:.3f})  sharp {sharp(pictures[-1]):.5f}  {seconds:.2f} s a frame"
            print(f"{name:12} {way:20} {told}", flush=True)
            rows += [strip(pictures)] if way in ("alone", "film") else []
        if args.sheet and name == "pan":
            Image.fromarray(np.concatenate(rows)).save(args.sheet, quality=88)


if __name__ == "__main__":
    main()
