"""Solvers on a GPU: an evaluation is recorded once, as a CUDA graph, and then replayed.

An evaluation of a small picture is hundreds of kernels of a few µs each, and takes Python several times as long to
ask for as the GPU to do. Here Python asks for a whole one at once. With L-BFGS that is a try of its line search: the
objective, the decision, the next direction, and one answer that is waited for. What it is told decides only what
happens after a try that was no step.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from impasto.solver import (
    LBFGS,
    MORE_TRIES,
    TRIES,
    Evaluate,
    Image,
    LBFGSState,
    Objective,
    Pair,
    Point,
    Solver,
    first_direction,
)
from impasto.tensors import Numbers, free_memory


def at_its_best(solver: Solver, device: torch.device) -> Solver:
    """The same solver as this device does it best."""
    return Replayed(solver) if device.type == "cuda" and isinstance(solver, LBFGS) else solver


def as_asked(objective: Objective, solver: Solver, device: torch.device) -> Objective:
    """``objective`` for a ``solver`` that asks for one evaluation at a time, as this device does them best."""
    return Recorded(objective) if device.type == "cuda" and not isinstance(solver, Replayed) else objective


def asked(objective: Objective, image: Image, solver: Solver) -> Objective:
    """``objective``, asked in the way that ``solver`` will ask it, from ``image`` on."""
    return solver.asked(objective, image) if isinstance(solver, Replayed) else objective


class Again:
    """``call``, to be done again and again; recorded as soon as libraries have made themselves ready, which they do at
    their first call in a process, and no recording may hold."""

    ready = False

    def __init__(self, call: Callable[[], object], device: torch.device) -> None:
        self.call, self.device = call, device
        self.replay: Callable[[], object] | None = None

    def __call__(self) -> None:
        if not Again.ready:
            self.call()
            Again.ready = True
        else:
            self.replay = self.replay or recorded(self.call, self.device)
            self.replay()


class Recorded:
    """An objective whose evaluation is recorded, for pictures of one size. The terms of the latest are known."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.again: Again | None = None

    def value_and_gradient(self, image: Image) -> tuple[Mapping[str, float], Image]:
        if self.again is None:
            self.x, self.again = image.clone(), Again(self.evaluate, image.device)
        self.x.copy_(image)
        self.again()
        return self.terms, self.gradient.clone()

    def evaluate(self) -> None:
        """At x, asking nobody. What is made while this is recorded is where replays put theirs."""
        self.terms, self.gradient = self.objective.value_and_gradient(self.x)


class Replayed:
    """``LBFGS``, with the same steps up to rounding, for a device that is slower to be asked than to compute.

    Of its states only the latest can be gone on from without copying its pairs to where they are used, and only the
    latest knows them.
    """

    def __init__(self, solver: LBFGS) -> None:
        self.history = solver.history
        self.tries: Tries | None = None

    def start(self, point: Point) -> LBFGSState:
        return LBFGSState(point)

    def of(self, objective: Objective) -> "Tries | None":
        """Those of this objective; others are dropped, with what they have on the device."""
        if self.tries is not None and self.tries.objective is not objective:
            self.tries = None
        return self.tries

    def asked(self, objective: Objective, image: Image) -> Objective:
        """``objective`` as it is recorded, or as it is before anything can be."""
        if self.of(objective) is None and Again.ready:
            nowhere = Point(image, {}, torch.zeros_like(image))
            self.tries = Tries(objective, LBFGSState(nowhere), self.history)
        return self.tries or objective

    def step(self, evaluate: Evaluate, state: LBFGSState) -> LBFGSState | None:
        tries = self.of(evaluate.objective)
        if tries is None:
            self.tries = tries = Tries(evaluate.objective, state, self.history)
        elif not (isinstance(state.pairs, Kept) and state.pairs.latest and state.pairs.tries is tries):
            tries.load(state)
        terms = search(tries, evaluate, TRIES if tries.has_pairs else MORE_TRIES)
        if terms is None and tries.has_pairs:
            tries.forget()
            terms = search(tries, evaluate, MORE_TRIES)
        return None if terms is None else LBFGSState(tries.point(terms), Kept(tries, tries.steps))


def search(tries: "Tries", evaluate: Evaluate, most: int) -> dict[str, float] | None:
    """``solver.wolfe_search``, its arithmetic being done by ``tries``: the terms where it ends, or None."""
    lower, upper, t = 0.0, math.inf, 1.0
    best: tuple[float, float] | None = None
    for _ in range(most):
        told = tries.once(t)
        evaluate.count += 1
        if told.accepted:
            return told.terms
        if told.lowers:
            best = min(best or (math.inf, 0.0), (told.loss, t))
            lower = t
        else:
            upper = t
        t = 2 * lower if math.isinf(upper) else (lower + upper) / 2
    if best is None:
        return None
    evaluate.count += 1
    return tries.once(best[1], forced=True).terms


@dataclass(frozen=True)
class Told:
    """What a try was: a step, one that is ``lowers`` the loss but not enough, or neither."""

    accepted: bool
    lowers: bool
    terms: dict[str, float]

    @property
    def loss(self) -> float:
        return math.fsum(self.terms.values())


class Tries:
    """A point, the pairs that led there, and the direction from it, all in the same place of the device's memory; a try
    that is a step changes them.

    The direction is that of Byrd, Nocedal and Schnabel, *Representations of quasi-Newton matrices and their use in
    limited memory methods* (1994), equation 3.1: with the pairs as rows of S and Y, the oldest first, R the upper
    triangle of S Yᵀ, D its diagonal, and γ = sᵀy / yᵀy of the latest pair,

        H g = γ g + Sᵀ R⁻ᵀ ((D + γ Y Yᵀ) p − γ Y g) − γ Yᵀ p,    p = R⁻¹ S g,

    which is ``solver.two_loop`` in a few products.
    """

    def __init__(self, objective: Objective, state: LBFGSState, history: int) -> None:
        self.objective = objective
        if state.point.image.is_cuda:  # half of the memory there is may hold pairs
            history = max(3, min(history, free_memory(state.point.image.device) // (4 * state.point.image.nbytes)))
        self.x, self.g = state.point.image.clone(), state.point.gradient.clone()
        self.d = torch.empty_like(self.x)
        new = self.x.new_zeros
        self.S, self.Y = new(history, self.x.numel()), new(history, self.x.numel())
        self.SY, self.YY = (new(history, history, dtype=torch.float64) for _ in range(2))
        self.newest = new(1, dtype=torch.int64)
        self.loss, self.t = new((), dtype=torch.float64), new((), dtype=torch.float64)
        self.forced = new((), dtype=torch.bool)
        self.told = new(0, dtype=torch.float64)
        self.names: list[str] = []
        self.again = Again(self.attempt, self.x.device)
        self.steps, self.has_pairs = 0, False
        self.load(state)

    def load(self, state: LBFGSState) -> None:
        """Go on from ``state``."""
        self.x.copy_(state.point.image)
        self.g.copy_(state.point.gradient)
        self.loss.fill_(state.point.loss)
        pairs = list(state.pairs)
        self.steps += 1
        self.forget()
        for pair in pairs:
            self.remember(pair.s, pair.y, torch.ones_like(self.forced))
        if pairs:
            self.has_pairs = True
            self.d.copy_(self.direction())

    def forget(self) -> None:
        """Go on without pairs, straight down."""
        for of_pairs in (self.S, self.Y, self.SY, self.YY, self.newest):
            of_pairs.zero_()
        self.has_pairs = False
        self.d.copy_(self.direction())

    def once(self, t: float, forced: bool = False) -> Told:
        """Try a step of ``t`` times the direction; it is one where the weak Wolfe conditions hold, or ``forced``."""
        self.t.fill_(t)
        self.forced.fill_(forced)
        self.again()
        accepted, lowers, kept, *terms = self.told.tolist()
        self.steps += bool(accepted)
        self.has_pairs |= bool(kept)
        return Told(bool(accepted), bool(lowers), dict(zip(self.names, terms, strict=True)))

    def attempt(self) -> None:
        """All of a try, asking nobody."""
        trial = (self.x + self.t.to(self.x.dtype) * self.d).clamp(0, 1)
        terms, gradient = self.objective.value_and_gradient(trial)
        scalars = dict(terms.scalars) if isinstance(terms, Numbers) else dict(terms)
        values = torch.stack([torch.as_tensor(x, dtype=torch.float64, device=trial.device) for x in scalars.values()])
        s, y = (trial - self.x).flatten(), (gradient - self.g).flatten()
        slope, slope_there, curvature = ((a.flatten() @ b).double() for a, b in ((self.g, s), (gradient, s), (s, y)))
        finite = gradient.isfinite().all() & values.isfinite().all()
        lowers = finite & (values.sum() <= self.loss + 1e-4 * slope) & (slope < 0)
        accepted = (lowers & (slope_there >= 0.9 * slope)) | self.forced
        kept = accepted & (curvature > 0)
        if len(self.told) == 0:
            self.names, self.told = list(scalars), values.new_zeros(3 + len(values))
        self.told.copy_(torch.cat([torch.stack([accepted, lowers, kept]).double(), values]))
        self.remember(s, y, kept)
        for mine, new in ((self.x, trial), (self.g, gradient), (self.loss, values.sum())):
            mine.copy_(torch.where(accepted, new, mine))
        self.d.copy_(torch.where(accepted, self.direction(), self.d))

    def remember(self, s: Float[Tensor, " n"], y: Float[Tensor, " n"], kept: Bool[Tensor, ""]) -> None:
        """The pair s, y, if it is to be ``kept``, in the place of the oldest."""
        self.newest.copy_((self.newest + kept) % len(self.S))
        at = self.newest
        for rows, new in ((self.S, s), (self.Y, y)):
            rows.index_copy_(0, at, torch.where(kept, new, rows.index_select(0, at)))
        y = self.Y.index_select(0, at).flatten()
        self.SY.index_copy_(1, at, (self.S @ y).double()[:, None])
        by_y = (self.Y @ y).double()
        self.YY.index_copy_(0, at, by_y[None])
        self.YY.index_copy_(1, at, by_y[:, None])

    def direction(self) -> Image:
        """−H g, of the pixels that are free to move: those at a bound that would be pushed outwards are held."""
        free = ~(((self.x <= 0) & (self.g > 0)) | ((self.x >= 1) & (self.g < 0)))
        gradient = self.g * free
        q, count = gradient.flatten(), len(self.S)
        oldest_first = (self.newest + 1 + torch.arange(count, device=q.device)) % count
        SY, YY = (of.index_select(0, oldest_first).index_select(1, oldest_first) for of in (self.SY, self.YY))
        Sg, Yg = ((rows @ q).double().index_select(0, oldest_first)[:, None] for rows in (self.S, self.Y))
        D = SY.diagonal()[:, None]
        gamma = SY[-1, -1] / YY[-1, -1]
        R = SY.triu() + torch.diag_embed((SY.diagonal() == 0).double())  # where there is no pair yet, all is 0
        p = torch.linalg.solve_triangular(R, Sg, upper=True)
        a = torch.linalg.solve_triangular(R.mT, D * p + gamma * (YY @ p - Yg), upper=False)
        of_S, of_Y = (torch.empty_like(D).index_copy_(0, oldest_first, of).to(q).flatten() for of in (a, gamma * p))
        Hg = gamma.to(q.dtype) * q + of_S @ self.S - of_Y @ self.Y
        return torch.where(SY[-1, -1] > 0, -Hg.view_as(gradient) * free, first_direction(gradient))

    def value_and_gradient(self, image: Image) -> tuple[dict[str, float], Image]:
        """The objective's, by a try that goes nowhere."""
        self.x.copy_(image)
        terms = self.once(0.0, forced=True).terms
        return terms, self.g.clone()

    def point(self, terms: dict[str, float]) -> Point:
        """Where it is, as a value."""
        return Point(self.x.clone(), terms, self.g.clone())

    def pairs(self) -> list[Pair]:
        """Those there are, the oldest first, as values."""
        curvatures = self.SY.diagonal().tolist()
        count, newest = len(curvatures), int(self.newest)
        slots = [(newest + 1 + at) % count for at in range(count)]
        return [Pair(self.S[at].clone(), self.Y[at].clone(), curvatures[at]) for at in slots if curvatures[at] > 0]


class Kept(Sequence[Pair]):
    """The pairs of a state, where they are used; copied when they are asked for."""

    def __init__(self, tries: Tries, steps: int) -> None:
        self.tries, self.steps = tries, steps

    @property
    def latest(self) -> bool:
        """Whether they are there still."""
        return self.steps == self.tries.steps

    def _copied(self) -> list[Pair]:
        if not self.latest:
            raise RuntimeError("the solver has gone on, and the pairs of this state are gone: keep it packed instead")
        return self.tries.pairs()

    def __len__(self) -> int:
        return len(self._copied())

    @overload
    def __getitem__(self, at: int) -> Pair: ...
    @overload
    def __getitem__(self, at: slice) -> list[Pair]: ...
    def __getitem__(self, at: int | slice) -> Pair | list[Pair]:
        return self._copied()[at]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._copied())


def recorded(call: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """``call``, which was called before, as one CUDA graph: what is to be launched, all at once. As it is on other
    devices, and where it asks for numbers on the way, as a loss of one's own may."""
    if device.type != "cuda":
        return call
    try:
        return captured(call)
    except RuntimeError:
        torch.cuda.synchronize()
        return call


def captured(call: Callable[[], object]) -> Callable[[], object]:
    """What ``call`` launches, to be launched again."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()  # a graph has memory of its own
    graph, here, aside = torch.cuda.CUDAGraph(), torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(here)
    with torch.cuda.stream(aside):
        graph.capture_begin()
        try:
            call()
        finally:
            graph.capture_end()
    here.wait_stream(aside)
    return graph.replay
