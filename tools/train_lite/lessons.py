"""Lessons without end: crops, and pictures from inside stylisations by the student as it is at the moment."""

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from impasto.assembly import objective_of
from impasto.network.vgg import VGG
from impasto.settings import validated
from impasto.solver import Objective, minimise

from .pictures import Crops
from .student import FEATURES, GRAMS, INPUT, Lesson

KEPT_POSITIONS = 2304  # per picture and layer: neighbours say nearly the same, and memory is better spent on pictures
VISITS = 24  # times that a painting in progress is taken up again before it makes room for a new one
STEPS = 6  # of the solver at each visit


@torch.no_grad()
def ask(teacher: VGG, images: Tensor, layers: Collection[str], *, painted: bool) -> Lesson:
    """What the teacher sees in ``images`` ``(b, 3, h, w)``, down to the deepest of ``layers``."""
    parameter = next(teacher.parameters())
    images = (images * 255).round().to(torch.uint8).to(parameter.device)
    x = (images.float() / 255).to(parameter.dtype).contiguous(memory_format=torch.channels_last)
    positions, features, grams = {}, {}, {}
    for layer, activation in teacher(x, [layer for layer in FEATURES if layer in layers]).items():
        F = activation.flatten(2)
        positions[layer] = torch.randperm(F.shape[2], device=F.device)[:KEPT_POSITIONS].sort().values
        features[layer] = F[:, :, positions[layer]].half().contiguous()
        if layer in GRAMS:
            grams[layer] = F.float() @ F.float().mT / F.shape[2]
    return Lesson(images, painted, positions, features, grams)


@dataclass(eq=False)  # tensors do not compare to one truth
class Painting:
    """A picture in progress."""

    image: Tensor  # (1, 3, side, side)
    content: Tensor
    style: Tensor
    weights: tuple[float, float]  # alpha, beta
    visits: int = 0


class Studio:
    """Paintings in progress, each taken up again and again with the student as it is by then.

    What a student does not see as the teacher does, its optimisation finds and uses; so it learns from just that.
    """

    def __init__(self, crops: Crops, checkpoint: Path, like: Tensor, count: int = 20) -> None:
        self.crops, self.checkpoint, self.like, self.count = crops, checkpoint, like, count
        self.paintings: list[Painting] = []
        self.read_at = 0.0

    def network(self) -> VGG:
        """The student of the last checkpoint."""
        if (written_at := self.checkpoint.stat().st_mtime) != self.read_at:
            self.read_at = written_at
            weights = torch.load(self.checkpoint, weights_only=True)["weights"]
            self.student = VGG(weights, INPUT).to(self.like)
        return self.student

    def begin(self) -> Painting:
        """A new pair of pictures, a start and a strength."""
        rng = self.crops.rng
        content, style = (self.crops.crop()[None].to(self.like.device) for _ in range(2))
        noise = torch.rand_like(content)
        start = rng.choices([content, noise, style, 0.5 * content + 0.5 * noise], [0.7, 0.15, 0.05, 0.1])[0]
        alpha = 0.0 if rng.random() < 0.15 else 1.0
        return Painting(start, content, style, (alpha, 10 ** rng.uniform(7, 9)))

    def picture_and_painting(self, student: VGG) -> tuple[Tensor, Tensor]:
        """Some picture in progress after ``STEPS`` more steps, and its painting, ``(3, side, side)`` each."""
        rng = self.crops.rng
        if len(self.paintings) < self.count:
            self.paintings.append(self.begin())
            painting = self.paintings[-1]
        else:
            painting = rng.choice(self.paintings)
        dtype = self.like.dtype
        alpha, beta = painting.weights
        objective = objective_of(
            validated(preset="paper", content_weight=alpha, style_weight=beta),
            student,
            painting.content.to(dtype),
            painting.style.to(dtype),
        )
        for step in minimise(Converted(objective, dtype), painting.image, rng.randint(STEPS // 2, 2 * STEPS)):
            painting.image = step.image
        painting.visits += 1
        if painting.visits >= VISITS:
            self.paintings.remove(painting)
        return painting.image[0].cpu(), painting.style[0].cpu()


@dataclass
class Converted:
    """An objective computed in ``dtype`` over a float32 image."""

    objective: Objective
    dtype: torch.dtype

    def value_and_gradient(self, image: Tensor) -> tuple[Mapping[str, float], Tensor]:
        x = image.to(self.dtype).contiguous(memory_format=torch.channels_last)
        terms, gradient = self.objective.value_and_gradient(x)
        return terms, gradient.float()


class Lessons(torch.utils.data.IterableDataset[Lesson]):
    """Fresh lessons for a student of these layers, ``painted`` of them from the studio."""

    def __init__(
        self,
        teacher: VGG,
        crops: Crops,
        layers: Collection[str],
        size: int,
        painted: float = 0,
        studio: Studio | None = None,
    ) -> None:
        self.teacher, self.crops, self.layers, self.size = teacher, crops, layers, size
        self.painted, self.studio = painted, studio

    def __iter__(self) -> Iterator[Lesson]:
        while True:
            if self.studio and self.crops.rng.random() < self.painted:
                student = self.studio.network()
                pairs = [self.studio.picture_and_painting(student) for _ in range(self.size // 2)]
                pictures, paintings = zip(*pairs, strict=True)
                yield ask(self.teacher, torch.stack(pictures + paintings), self.layers, painted=True)
            else:
                yield ask(self.teacher, self.crops.batch(self.size), self.layers, painted=False)


def repeated(fresh: Iterator[Lesson], pool: int, reuse: float, rng: random.Random) -> Iterator[Lesson]:
    """Lessons from a pool of ``pool``, each seen ``reuse`` times on average, spaced out."""
    held: list[Lesson] = []
    while True:
        if len(held) < pool:
            held.append(next(fresh))
        elif rng.random() < 1 / reuse:
            held[rng.randrange(pool)] = next(fresh)
        for _ in range(1 if len(held) == pool else round(reuse)):
            yield rng.choice(held)
