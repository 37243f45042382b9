"""What the peers take from torchvision.transforms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor


@dataclass
class Compose:
    steps: Sequence[Callable[[Any], Any]]

    def __call__(self, x: Any) -> Any:
        for step in self.steps:
            x = step(x)
        return x


@dataclass
class Resize:
    size: tuple[int, int]  # height, width

    def __call__(self, image: Image.Image) -> Image.Image:
        return image.resize(self.size[::-1], Image.Resampling.BILINEAR)


class ToTensor:
    def __call__(self, image: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


@dataclass
class Lambda:
    function: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor) -> Tensor:
        return self.function(x)


@dataclass
class Normalize:
    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, x: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, dtype=x.dtype).view(3, 1, 1) for values in (self.mean, self.std))
        return (x - mean.to(x)) / std.to(x)


class ToPILImage:
    def __call__(self, image: Tensor) -> Image.Image:
        return Image.fromarray(image.mul(255).byte().permute(1, 2, 0).cpu().numpy())
