"""What is learnt from: crops of the pictures given, and what is made of them."""

import math
import random
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as nnf


def load_pictures(folder: Path) -> dict[str, list[np.ndarray]]:
    """Every picture below ``folder`` as uint8 arrays, by the name of the sub-folder that holds it."""
    pictures: dict[str, list[np.ndarray]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"}):
        pictures.setdefault(path.parent.name, []).append(np.asarray(Image.open(path).convert("RGB")))
    if not pictures:
        sys.exit(f"no pictures (.jpg, .png) below {folder}")
    return pictures


class Crops:
    """Random crops at many scales of every kind of picture, as they are or altered."""

    def __init__(self, pictures: dict[str, list[np.ndarray]], side: int, rng: random.Random) -> None:
        self.pictures, self.side, self.rng = pictures, side, rng

    def crop(self) -> Tensor:
        """One crop ``(3, side, side)`` in [0, 1]; each kind of picture is equally likely, photographs twice as much."""
        rng, side = self.rng, self.side
        kinds = list(self.pictures)
        array = rng.choice(self.pictures[rng.choice(kinds + [k for k in kinds if k == "photos"])])
        height, width = array.shape[:2]
        scale = max(side / min(height, width), math.exp(rng.uniform(math.log(0.35), math.log(1.6))))
        window = min(round(side / scale), height, width)
        top, left = rng.randint(0, height - window), rng.randint(0, width - window)
        picture = Image.fromarray(array[top : top + window, left : left + window])
        resized = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32) / 255
        x = torch.from_numpy(resized).permute(2, 0, 1)
        return x.flip(2) if rng.random() < 0.5 else x

    def altered(self) -> Tensor:
        """A crop, sometimes with another's detail, odd colours, blur or noise."""
        rng, x = self.rng, self.crop()
        if rng.random() < 0.25:
            x = blur(x, sigma := rng.uniform(1, 6)) + rng.uniform(0.5, 1.2) * ((y := self.crop()) - blur(y, sigma))
        if rng.random() < 0.25:
            gain = torch.tensor([rng.uniform(0.6, 1.4) for _ in range(3)]).view(3, 1, 1)
            x = (x - 0.5) * gain + 0.5 + rng.uniform(-0.15, 0.15)
        if rng.random() < 0.10:
            x = blur(x, rng.uniform(0.5, 4))
        if rng.random() < 0.20:
            x = x + math.exp(rng.uniform(math.log(0.01), math.log(0.4))) * torch.randn_like(x)
        return x.clamp(0, 1)

    def batch(self, count: int) -> Tensor:
        """``(count, 3, side, side)`` of altered crops."""
        return torch.stack([self.altered() for _ in range(count)])


def blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of ``(3, h, w)``, edges repeated."""
    radius = math.ceil(2.5 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).repeat(3, 1)
    padded = nnf.pad(x[None], (radius,) * 4, mode="replicate")
    rows = nnf.conv2d(padded, kernel.view(3, 1, 1, -1), groups=3)
    return nnf.conv2d(rows, kernel.view(3, 1, -1, 1), groups=3)[0]
