"""Minimising an objective over an image, as an iterator of steps. Pictures stay within [0, 1] all the way.

Gatys et al. minimise over all real-valued images and clip the last one. Here every image tried is a picture that can
be saved as it is, so the loss that is reported is the loss of what is seen.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.errors import DivergedError
from impasto.objective import Objective, Terms


@dataclass(frozen=True)
class Step:
    """One step of a solver.

    ``index`` 0 is the start. ``evaluations`` counts calls of the objective so far, ``seconds`` the time since the
    solver began. ``image`` ``(1, 3, h, w)`` is never changed afterwards; ``terms`` are its weighted losses.
    """

    index: int
    image: Tensor
    terms: Terms
    seconds: float
    evaluations: int

    @property
    def loss(self) -> float:
        """The total loss: the sum of the terms."""
        return math.fsum(self.terms.values())

    @property
    def merit(self) -> tuple[int, float]:
        """Of two steps of a run, that of greater merit is the better picture: the larger, then that of lower loss."""
        return self.image.numel(), -self.loss


@dataclass(frozen=True)
class Point:
    """An image, and the objective there."""

    image: Tensor
    terms: Terms
    gradient: Tensor

    @property
    def loss(self) -> float:
        return math.fsum(self.terms.values())

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and bool(torch.isfinite(self.gradient).all())


Evaluate = Callable[[Tensor], Point]
Solver = Callable[[Evaluate, Point], Iterator[Point]]


def minimise(
    objective: Objective, image: Float[Tensor, "1 3 h w"], steps: int, solver: str = "lbfgs"
) -> Iterator[Step]:
    """Minimise ``objective`` from ``image``: yields the start as step 0 and then up to ``steps`` steps.

    ``solver`` names an entry of ``SOLVERS``. Ends early where no step lowers the loss any more. Raises DivergedError
    where the loss or its gradient is not a number.
    """
    began = time.monotonic()
    evaluations = 0

    def evaluate(image: Tensor) -> Point:
        nonlocal evaluations
        evaluations += 1
        return Point(image, *objective.value_and_gradient(image))

    def step(index: int, point: Point) -> Step:
        return Step(index, point.image, point.terms, time.monotonic() - began, evaluations)

    start = evaluate(image.detach().clamp(0, 1))
    if not start.finite:
        raise DivergedError("the loss of the first picture is not a number; check the weights and the loss weights")
    yield step(0, start)
    for index, point in enumerate(islice(SOLVERS[solver](evaluate, start), steps), 1):
        yield step(index, point)


def lbfgs(evaluate: Evaluate, point: Point, history: int = 20) -> Iterator[Point]:
    """Limited-memory BFGS (Nocedal and Wright, *Numerical Optimization*, algorithm 7.5) on pictures within [0, 1].

    Pixels at a bound whose gradient pushes them outwards are held while the others move (Bertsekas' two-metric
    projection, 1982). Each step lowers the loss; ends where none does.
    """
    pairs: deque[Pair] = deque(maxlen=history)
    while True:
        x, g = point.image, point.gradient
        free = ~(((x <= 0) & (g > 0)) | ((x >= 1) & (g < 0)))
        direction = -two_loop(g * free, pairs) * free if pairs else first_direction(g * free)
        found = wolfe_search(evaluate, point, direction)
        if found is None:
            if not pairs:
                return
            pairs.clear()
            continue
        s, y = (found.image - x).flatten(), (found.gradient - g).flatten()
        if (curvature := float(s @ y)) > 0:
            pairs.append(Pair(s, y, curvature))
        point = found
        yield point


def first_direction(gradient: Tensor) -> Tensor:
    """Steepest descent, as long as changes the picture by 1 % on average (root mean square)."""
    rms = float(gradient.square().mean().sqrt())
    return gradient * (-0.01 / rms) if rms > 0 else torch.zeros_like(gradient)


@dataclass(frozen=True)
class Pair:
    """A step s and the change y of the gradient along it, flat, with s · y."""

    s: Tensor
    y: Tensor
    curvature: float


def two_loop(gradient: Tensor, pairs: deque[Pair]) -> Tensor:
    """H g, with H the inverse Hessian that the (s, y) pairs tell of (Nocedal and Wright, algorithm 7.4)."""
    q = gradient.flatten().clone()
    shares = []
    for pair in reversed(pairs):
        shares.append(a := float(pair.s @ q) / pair.curvature)
        q.sub_(pair.y, alpha=a)
    q *= pairs[-1].curvature / float(pairs[-1].y @ pairs[-1].y)
    for pair, a in zip(pairs, reversed(shares), strict=True):
        q.add_(pair.s, alpha=a - float(pair.y @ q) / pair.curvature)
    return q.view_as(gradient)


def wolfe_search(evaluate: Evaluate, start: Point, direction: Tensor, tries: int = 12) -> Point | None:
    """A point along ``direction``, clipped to [0, 1], that meets the weak Wolfe conditions, by doubling and bisection.

    Lewis and Overton, *Nonsmooth optimization via quasi-Newton methods* (2013), algorithm 2.6. Returns the best point
    that lowered the loss when the tries are used up, None if there was none.
    """
    lower, upper, t = 0.0, math.inf, 1.0
    best: Point | None = None
    for _ in range(tries):
        trial = evaluate((start.image + t * direction).clamp(0, 1))
        moved = trial.image - start.image
        slope = float((start.gradient * moved).sum())
        if not trial.finite or trial.loss > start.loss + 1e-4 * slope or slope >= 0:
            upper = t
        else:
            best = trial if best is None or trial.loss < best.loss else best
            if float((trial.gradient * moved).sum()) >= 0.9 * slope:
                return trial
            lower = t
        t = 2 * lower if math.isinf(upper) else (lower + upper) / 2
    return best


def adam(evaluate: Evaluate, point: Point, rate: float = 0.02) -> Iterator[Point]:
    """Adam (Kingma and Ba, arXiv 1412.6980), each step clipped to [0, 1]; ``rate`` is in units of the image."""
    x = point.image.clone()
    optimiser = torch.optim.Adam([x], lr=rate)
    while True:
        x.grad = point.gradient
        optimiser.step()
        x.clamp_(0, 1)
        point = evaluate(x.clone())
        if not point.finite:
            raise DivergedError("the loss is not a number any more; use --solver lbfgs or a lower style weight")
        yield point


SOLVERS: dict[str, Solver] = {"lbfgs": lbfgs, "adam": adam}
