"""Minimising an objective over an image, as an iterator of steps. Pictures stay within [0, 1] all the way.

Gatys et al. minimise over all real-valued images and clip the last one. Here every image tried is a picture that can
be saved as it is, so the loss that is reported is the loss of what is seen.

A solver makes a state of a point, and of each state the next one. States are values: nothing changes them, and
``states.packed`` puts them into a file. A new solver is a class with these two methods and an entry in ``SOLVERS``.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from jaxtyping import Float

from impasto.errors import DivergedError
from impasto.names import entry
from impasto.tensors import Numbers, Tensor, wide

if TYPE_CHECKING:
    from impasto.disk import Disk
    from impasto.images.metadata import Origin
    from impasto.images.picture import Picture

Terms = dict[str, float]
"""The named terms of the loss, weighted: the loss is their sum."""

Image = Float[Tensor, "1 3 h w"]


@runtime_checkable
class Objective(Protocol):
    """Anything that can be minimised over an image."""

    def value_and_gradient(self, image: Image, /) -> tuple[Mapping[str, float], Image]:
        """The weighted terms, whose sum is the loss, and the gradient of that sum with respect to ``image``. Terms may
        be ``Numbers``, which the solver reads together with its own."""
        ...


@dataclass(frozen=True)
class Step:
    """One step of a solver.

    ``index`` 0 is the start, and of ``total`` steps, where that is known, the last is ``total``. ``evaluations`` counts
    calls of the objective so far, ``seconds`` the time since the solver began. ``image`` ``(1, 3, h, w)`` is the
    caller's own; ``terms`` are its weighted losses, and those of a ``trial`` are with another β. ``best`` says whether
    no step before had more ``merit``. ``recipe`` is what the run was made from, ``origin`` what the photograph says of
    itself; ``alpha`` is that of a transparent one, ``(1, 1, H, W)`` at the run's own size.
    """

    index: int
    image: Tensor
    terms: Terms
    seconds: float
    evaluations: int
    trial: bool = False
    total: int | None = None
    best: bool = True
    recipe: Mapping[str, Any] | None = None
    origin: "Origin | None" = None
    alpha: Tensor | None = None

    @property
    def loss(self) -> float:
        """The total loss: the sum of the terms."""
        return math.fsum(self.terms.values())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of ``image``, in px: the run's own at the last of its sizes, less before."""
        return self.image.shape[3], self.image.shape[2]

    @property
    def picture(self) -> "Picture":
        """``image``, on the CPU, to look at and to save; it carries its recipe."""
        from impasto.images.picture import Picture
        from impasto.images.resizing import resized

        recipe = None if self.recipe is None else {**self.recipe, "step": self.index, "evaluations": self.evaluations}
        alpha = None if self.alpha is None else resized(self.alpha.cpu(), *self.image.shape[2:])
        return Picture(self.image.detach().cpu(), recipe, self.origin, alpha)

    @property
    def whole(self) -> "Picture":
        """``picture``, enlarged where the run was not to end at its size."""
        from impasto.images.resizing import resized
        from impasto.images.transparency import filled, there

        picture, (width, height) = self.picture, (self.recipe or {}).get("size", self.size)
        if (width, height) == self.size:
            return picture
        if picture.alpha is None or self.alpha is None:
            return replace(picture, tensor=resized(picture.tensor, height, width).clamp(0, 1))
        tensor, alpha = filled(picture.tensor, there(picture.alpha)), self.alpha.cpu()
        return replace(picture, tensor=resized(tensor, height, width) * (alpha > 0), alpha=alpha)

    @property
    def merit(self) -> tuple[int, bool, float]:
        """Of two steps of a run, that of greater merit is the better picture: the larger, then that which is no trial,
        then that of lower loss."""
        return self.image.numel(), not self.trial, -self.loss


@dataclass(frozen=True)
class Point:
    """An image ``(1, 3, h, w)``, and the objective there."""

    image: Tensor
    terms: Mapping[str, float]
    gradient: Tensor

    @property
    def loss(self) -> float:
        """The sum of the terms."""
        return math.fsum(self.terms.values())


def read(point: Point, *scalars: Tensor) -> tuple[Point, bool, list[float]]:
    """The point with its terms as plain numbers, and its gradient in the order of rows, as it comes back from a file:
    sums depend on the order. Whether both are finite, and ``scalars``. The device is asked once."""
    unread = point.terms.scalars if isinstance(point.terms, Numbers) else point.terms
    finite, *numbers = as_numbers(point.gradient.isfinite().all(), *unread.values(), *scalars)
    terms = dict(zip(unread, numbers, strict=False))
    good = bool(finite) and all(map(math.isfinite, terms.values()))
    point = replace(point, terms=terms, gradient=point.gradient.contiguous())
    return point, good, numbers[len(terms) :]


def as_numbers(*scalars: float | Tensor) -> list[float]:
    """All of them as Python's floats, those on the device in one transfer. The one place where a solver waits."""
    import torch

    on_device = [wide(x) for x in scalars if isinstance(x, torch.Tensor)]
    values = iter(torch.stack(on_device).tolist() if on_device else [])
    return [next(values) if isinstance(x, torch.Tensor) else float(x) for x in scalars]


class Evaluate:
    """The objective at an image, called so many times."""

    def __init__(self, objective: Objective, count: int = 0) -> None:
        self.objective, self.count = objective, count

    def __call__(self, image: Image) -> Point:
        self.count += 1
        return Point(image, *self.objective.value_and_gradient(image))


@runtime_checkable
class Annealed(Protocol):
    """A solver whose steps grow smaller towards the last of so many."""

    def over(self, steps: int, /) -> "Solver":
        """The same, for so many steps."""
        ...


@runtime_checkable
class Solver(Protocol):
    """A way to go down. Its states are frozen dataclasses, as ``states.packed`` wants them; each has a ``point``."""

    def start(self, point: Point, /) -> Any:
        """The state at the first point, which has been read."""
        ...

    def step(self, evaluate: Evaluate, state: Any, /) -> Any:
        """The state after one step from ``state``, its ``point`` read; None where no step lowers the loss."""
        ...


@dataclass(frozen=True)
class Descent:
    """Where a solver is: the solver's own ``state``, steps taken and calls of the objective so far."""

    state: Any
    index: int = 0
    evaluations: int = 1

    def step(self, seconds: float) -> Step:
        """As it is told to others."""
        point = self.state.point
        return Step(self.index, point.image, dict(point.terms), seconds, self.evaluations)


def begin(objective: Objective, image: Image, solver: Solver) -> Descent:
    """The start. Raises DivergedError where the loss or its gradient is not a number."""
    image = image.detach().clamp(0, 1)
    point, finite, _ = read(Point(image, *objective.value_and_gradient(image)))
    if not finite:
        raise DivergedError("the loss of the first picture is not a number; check the weights and the loss weights")
    return Descent(solver.start(point))


def advance(objective: Objective, descent: Descent, solver: Solver) -> Descent | None:
    """One step further; None where none lowers the loss."""
    evaluate = Evaluate(objective, descent.evaluations)
    state = solver.step(evaluate, descent.state)
    return None if state is None else Descent(state, descent.index + 1, evaluate.count)


def minimise(objective: Objective, image: Image, steps: int, solver: str | Solver = "lbfgs") -> Iterator[Step]:
    """Minimise ``objective`` from ``image``: yields the start as step 0 and then up to ``steps`` steps.

    ``solver`` names an entry of ``SOLVERS``, or is one's own. Ends early where no step lowers the loss any more. Raises
    DivergedError where the loss or its gradient is not a number, UsageError for an unknown solver.
    """
    began = time.monotonic()
    chosen = over(steps, solver_of(solver))
    descent: Descent | None = begin(objective, image, chosen)
    while descent is not None:
        yield descent.step(time.monotonic() - began)
        descent = advance(objective, descent, chosen) if descent.index < steps else None


@dataclass(frozen=True)
class Pair:
    """A step s and the change y of the gradient along it, flat, with s · y."""

    s: Tensor
    y: Tensor
    curvature: float


@dataclass(frozen=True)
class LBFGSState:
    """A point, and the pairs of the steps to it, the latest last."""

    point: Point
    pairs: Sequence[Pair] = ()


SMALL = 2 * 10**6
"""Bytes, of a picture for whose pairs there is always memory."""


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS (Nocedal and Wright, *Numerical Optimization*, algorithm 7.5) on pictures within [0, 1].

    Pixels at a bound whose gradient pushes them outwards are held while the others move (Bertsekas' two-metric
    projection, 1982). Each step lowers the loss; ends where none does. Pairs are in memory, or those of large pictures,
    in bfloat16, on a ``disk``.
    """

    history: int = 20
    disk: "Disk | None" = None

    def start(self, point: Point) -> LBFGSState:
        return LBFGSState(point)

    def step(self, evaluate: Evaluate, state: LBFGSState) -> LBFGSState | None:
        point, pairs = state.point, state.pairs
        x, g = point.image, point.gradient
        free = ~(((x <= 0) & (g > 0)) | ((x >= 1) & (g < 0)))
        direction = two_loop(g * free, pairs, self.rest).neg_().mul_(free) if pairs else first_direction(g * free)
        del free
        try:
            found = wolfe_search(evaluate, point, direction, TRIES if pairs else MORE_TRIES)
        except DivergedError:
            if not pairs:
                raise
            found = None
        if found is None:
            return self.step(evaluate, LBFGSState(point)) if pairs else None
        if found.curvature > 0:
            del direction
            s, y = (self.kept((there - here).flatten()) for there, here in ((found.image, x), (found.gradient, g)))
            pairs = (*pairs, Pair(s, y, found.curvature))[-self.history :]
        return LBFGSState(Point(found.image, found.terms, found.gradient), pairs)

    def kept(self, x: Tensor) -> Tensor:
        """``x``, where pairs are."""
        import torch

        return x if self.disk is None or x.nbytes < SMALL else self.disk.put(x, torch.bfloat16)

    def rest(self) -> None:
        """A pair is not looked at for a while."""
        if self.disk is not None:
            self.disk.rest()


def first_direction(gradient: Image) -> Image:
    """Steepest descent, as long as changes the picture by 1 % on average (root mean square)."""
    rms = wide(gradient.square().mean().sqrt())
    return gradient * (-0.01 / rms).where(rms > 0, 0.0).to(gradient.dtype)


def two_loop(gradient: Image, pairs: Sequence[Pair], rest: Callable[[], None] = lambda: None) -> Image:
    """H g, with H the inverse Hessian that the (s, y) pairs tell of (Nocedal and Wright, algorithm 7.4). Changes
    ``gradient``; ``rest`` is called after each pair.

    The scalars stay on the device.
    """
    q = gradient.flatten()
    shares = []
    for pair in reversed(pairs):
        shares.append(a := wide(pair.s.to(q.dtype) @ q) / pair.curvature)
        q.addcmul_(pair.y, a.to(q.dtype), value=-1)
        rest()
    y = pairs[-1].y.to(q.dtype)
    q *= (pairs[-1].curvature / wide(y @ y)).to(q.dtype)
    for pair, a in zip(pairs, reversed(shares), strict=True):
        q.addcmul_(pair.s, (a - wide(pair.y.to(q.dtype) @ q) / pair.curvature).to(q.dtype))
        rest()
    return q.view_as(gradient)


@dataclass(frozen=True)
class Found(Point):
    """A point that a line search ends at, with s · y of the step to it."""

    curvature: float


TRIES, MORE_TRIES = 5, 24
"""Of one line search, at most: where pairs tell the direction, and without them, when nothing else is left. Where
bfloat16's rounding hides the descent more are in vain: with 12 throughout, half of a run's evaluations were. The last
ones are 1e-7 of ``first_direction``: near a minimum nothing longer goes down."""


def wolfe_search(
    evaluate: Callable[[Tensor], Point], start: Point, direction: Image, tries: int = TRIES
) -> Found | None:
    """A point along ``direction``, clipped to [0, 1], that meets the weak Wolfe conditions, by doubling and bisection.

    Lewis and Overton, *Nonsmooth optimization via quasi-Newton methods* (2013), algorithm 2.6. Returns the best point
    that lowered the loss when the tries are used up, None if there was none. Asks the device for numbers once a try.
    Raises DivergedError where no try gave any.
    """
    lower, upper, t = 0.0, math.inf, 1.0
    best: Found | None = None
    diverged = True
    for _ in range(tries):
        trial = evaluate(start.image.add(direction, alpha=t).clamp_(0, 1))
        s, y = trial.image - start.image, trial.gradient - start.gradient
        scalars = (start.gradient * s).sum(), (trial.gradient * s).sum(), s.flatten() @ y.flatten()
        trial, finite, (slope, slope_there, curvature) = read(trial, *scalars)
        diverged = diverged and not finite
        if not finite or trial.loss > start.loss + 1e-4 * slope or slope >= 0:
            upper = t
        else:
            found = Found(trial.image, trial.terms, trial.gradient, curvature)
            best = found if best is None or found.loss < best.loss else best
            if slope_there >= 0.9 * slope:
                return found
            lower = t
        t = 2 * lower if math.isinf(upper) else (lower + upper) / 2
    if diverged:
        raise DivergedError("the loss is not a number any more, however small the step; use a lower `style_weight`")
    return best


USUAL = 70
"""Steps that Adam's means are for, where nobody says how many there are."""


@dataclass(frozen=True)
class AdamState:
    """A point, and the running means of the gradient and of its square, over ``count`` steps."""

    point: Point
    mean: Tensor
    square: Tensor
    count: int = 0


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980), each step clipped to [0, 1]; ``rate`` is in units of the image. Over so
    many ``steps`` it falls to 0 along half a cosine (Loshchilov and Hutter, arXiv 1608.03983), else it stays.

    Where ``beta1`` and ``beta2`` are not said, the running mean of the gradient is over 0.6 √steps, and that of its
    square over half as many, of a few steps at least: with few steps, long memories only delay. With 80 evaluations
    in bfloat16, whose rounding ends a line search, losses are 2 to 10 % lower than L-BFGS's.
    """

    rate: float = 0.06
    beta1: float | None = None
    beta2: float | None = None
    epsilon: float = 1e-8
    steps: int | None = None

    def over(self, steps: int) -> "Adam":
        return replace(self, steps=max(1, steps))

    @property
    def betas(self) -> tuple[float, float]:
        """β₁ and β₂: 1 − 1/n is the mean over about n steps."""
        memory = max(2.0, 0.6 * math.sqrt(self.steps or USUAL))
        usual = 1 - 1 / memory, 1 - 1 / max(2.5, memory / 2)
        return usual[0] if self.beta1 is None else self.beta1, usual[1] if self.beta2 is None else self.beta2

    def start(self, point: Point) -> AdamState:
        return AdamState(point, 0 * point.image, 0 * point.image)

    def step(self, evaluate: Evaluate, state: AdamState) -> AdamState:
        g, t, (beta1, beta2) = state.point.gradient, state.count + 1, self.betas
        m = state.mean.lerp(g, 1 - beta1)
        v = (state.square * beta2).addcmul(g, g, value=1 - beta2)

        def moved(rate: float) -> Tensor:  # so that the root is gone when x is evaluated
            root = v.sqrt().div_((1 - beta2**t) ** 0.5).add_(self.epsilon)
            return state.point.image.addcdiv(m, root, value=-rate / (1 - beta1**t)).clamp_(0, 1)

        now = self.rate * (1.0 if self.steps is None else cosine(state.count / self.steps))
        for rate in (now, 0.1 * now):  # where that gives no numbers, a smaller step, once
            point, finite, _ = read(evaluate(moved(rate)))
            if finite:
                return AdamState(point, m, v, t)
        raise DivergedError("the loss is not a number any more; use `solver` lbfgs, or a lower `style_weight`")


def cosine(part: float) -> float:
    """From 1 to 0 while ``part`` goes from 0 to 1."""
    return (1 + math.cos(math.pi * min(part, 1.0))) / 2


SOLVERS: dict[str, Solver] = {"adam": Adam(), "lbfgs": LBFGS()}
"""By the name that ``--solver`` takes."""


def over(steps: int, solver: Solver) -> Solver:
    """``solver``, told how many steps it has if that is something to it."""
    return solver.over(steps) if isinstance(solver, Annealed) else solver


def solver_of(solver: str | Solver) -> Solver:
    """The one of that name. Raises UsageError for a name that is not in ``SOLVERS``."""
    return entry(SOLVERS, solver, "solver") if isinstance(solver, str) else solver
