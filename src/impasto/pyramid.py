"""Coarse to fine: the picture is painted small first, and enlarged twofold until it has its size.

What a brush stroke of 100 px looks like is soon decided where it has 25; at the full size the solver hardly ever moves
anything that large. Gatys et al., *Controlling Perceptual Factors in Neural Style Transfer* (arXiv 1611.07865), do so.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from jaxtyping import Float

from impasto.balance import FEWEST, FEWEST_LATER, LARGEST_SIZE, TRIALS, Balance, Dial
from impasto.errors import DivergedError
from impasto.images.resizing import resized, scaled
from impasto.replay import as_asked, asked, at_its_best
from impasto.settings import Settings
from impasto.solver import Descent, Objective, Step, advance, begin, over, solver_of
from impasto.tensors import Tensor

ObjectivesAt = Callable[[float], Iterable[Objective]]
"""For an image so many times as large as the start: the objective, in one precision after another."""


@dataclass(frozen=True)
class Ascent:
    """How far a picture is: a value, of which all that follows can be made.

    ``size`` and ``precision`` count those that are done, ``descent`` is where the solver is with these. ``losses`` are
    those of its steps; ``better`` is the best step of this size, where that is an earlier one. ``steps`` and
    ``evaluations`` were taken before, ``steps_of_size`` of them at this size.
    """

    descent: Descent
    losses: tuple[float, ...]
    better: Step | None = None
    size: int = 0
    precision: int = 0
    steps: int = 0
    steps_of_size: int = 0
    evaluations: int = 0
    balance: Balance = field(default_factory=Balance)
    trial: bool = False

    def step(self, seconds: float) -> Step:
        """As it is told to others: numbered through."""
        step = self.descent.step(seconds)
        index, evaluations = self.steps + step.index, self.evaluations + step.evaluations
        return replace(step, index=index, evaluations=evaluations, trial=self.trial)

    @property
    def best(self) -> Step:
        """The best step of this size."""
        return self.better or self.step(0.0)


class CoarseToFine:
    """The solver of ``settings`` at each of its ``factors`` in turn, with each precision, from ``start`` on.

    ``objectives_at(factor)`` is the objective for an image ``factor`` times the size of ``start``, perhaps in several
    precisions: where the solver finds no lower loss with one, it goes on with the next. Enlarging is a step. Every
    size ends after its steps, or where they have settled; one that is annealed begins anew at each, and with each β.
    """

    def __init__(
        self, objectives_at: ObjectivesAt, start: Float[Tensor, "1 3 h w"], settings: Settings, dial: Dial | None = None
    ) -> None:
        self.objectives_at, self.image, self.settings, self.dial = objectives_at, start, settings, dial
        self.solver = at_its_best(solver_of(settings.solver), start.device)
        self.objectives = Objectives(self.objectives_of_size)

    def objectives_of_size(self, size: int) -> Iterator[Objective]:
        """In one precision after another."""
        for objective in self.objectives_at(self.settings.factors[size]):
            yield as_asked(objective, self.solver, self.image.device)

    def start(self) -> Ascent:
        """The state at the smallest size. Raises DivergedError where the loss is not a number."""
        return self.begun(scaled(self.image, self.settings.factors[0]))

    def step(self, state: Ascent) -> Ascent | None:
        """The state after one step more; None where there is no more to be done."""
        if self.dial is not None:
            self.dial.turn(state.balance.multiple)
            if self.trial_is_over(state):
                return self.step(self.balanced(state, self.dial))
        objective = self.objectives.at(state.size, state.precision)
        assert objective is not None
        if not self.size_is_done(state):
            descent = self.advanced(state, objective)
            if descent is not None:
                loss, best = descent.state.point.loss, state.best
                better = None if loss <= best.loss else best
                return replace(state, descent=descent, losses=(*state.losses, loss), better=better)
            if (objective := self.objectives.at(state.size, state.precision + 1)) is not None:
                return self.step(self.with_next_precision(state, objective))
        return self.enlarged(state) if state.size + 1 < len(self.settings.factors) else None

    def advanced(self, state: Ascent, objective: Objective) -> Descent | None:
        """The solver one step further; None where it finds none. Raises DivergedError where it finds no numbers, and
        there is no other precision to find them with."""
        try:
            return advance(objective, state.descent, over(self.steps_of_descent(state), self.solver))
        except DivergedError:
            if self.objectives.at(state.size, state.precision + 1) is None:
                raise
            return None

    def size_is_done(self, state: Ascent) -> bool:
        """Whether the steps of this size are taken, or have settled."""
        return state.descent.index >= self.steps_of_descent(state) or self.settings.settled(state.losses)

    def steps_of_descent(self, state: Ascent) -> int:
        """How many the solver has, from where it began last: those of a trial, or what is left of the size."""
        of_size = self.settings.steps_at(self.settings.factors[state.size])
        return of_size // (self.trials_at(state.size) + 1) if state.trial else of_size - state.steps_of_size

    def with_next_precision(self, state: Ascent, objective: Objective) -> Ascent:
        """The same picture, seen by the next objective: no step of its own."""
        return replace(self.begun_again(state, objective), precision=state.precision + 1)

    def trials_at(self, size: int) -> int:
        """How often β is set anew there; not at all with few steps, nor at large sizes."""
        factor = self.settings.factors[size]
        trials, fewest = (TRIALS, FEWEST) if size == 0 else (1, FEWEST_LATER)
        small = size == 0 or max(self.image.shape[2:]) * factor <= LARGEST_SIZE
        return trials if self.dial is not None and small and self.settings.steps_at(factor) >= fewest else 0

    def trial_is_over(self, state: Ascent) -> bool:
        """Whether it is to be seen how far the picture has gone."""
        return state.trial and self.size_is_done(state)

    def balanced(self, state: Ascent, dial: Dial) -> Ascent:
        """The same picture, seen with another β: no step of its own."""
        wanted = self.settings.distance
        assert wanted is not None
        found = state.balance.higher if state.size else state.balance.after
        balance = found(dial.distance(state.descent.state.point.image), wanted)
        dial.turn(balance.multiple)
        objective = self.objectives.at(state.size, state.precision)
        assert objective is not None
        again = self.begun_again(state, objective)
        return replace(again, better=None, balance=balance, trial=len(balance.trials) < self.trials_at(state.size))

    def begun_again(self, state: Ascent, objective: Objective) -> Ascent:
        """The solver anew, where it is, with another objective."""
        before = state.descent
        descent = self.descent(objective, before.state.point.image)
        loss, best = descent.state.point.loss, state.best
        return replace(
            state,
            descent=descent,
            losses=(loss,),
            better=None if loss <= best.loss else best,
            steps=state.steps + before.index,
            steps_of_size=state.steps_of_size + before.index,
            evaluations=state.evaluations + before.evaluations,
        )

    def enlarged(self, state: Ascent) -> Ascent:
        """The best picture of this size at the next."""
        start = scaled(self.image, self.settings.factors[state.size + 1])
        return replace(
            self.begun(finer(state.best.image, start), state.size + 1),
            balance=Balance(state.balance.multiple),
            steps=state.steps + state.descent.index + 1,
            evaluations=state.evaluations + state.descent.evaluations,
        )

    def descent(self, objective: Objective, image: Float[Tensor, "1 3 h w"]) -> Descent:
        """The solver at its start."""
        return begin(asked(objective, image, self.solver), image, self.solver)

    def begun(self, image: Float[Tensor, "1 3 h w"], size: int = 0) -> Ascent:
        """The first state at a size."""
        objective = self.objectives.at(size, 0)
        assert objective is not None
        descent = self.descent(objective, image)
        return Ascent(descent, (descent.state.point.loss,), size=size, trial=self.trials_at(size) > 0)


class Objectives:
    """Objectives by size and precision, made when they are asked for; one at a time is kept."""

    def __init__(self, of_size: Callable[[int], Iterable[Objective]]) -> None:
        self.of_size = of_size
        self.made: tuple[int, int] | None = None
        self.current: Objective | None = None
        self.following: Iterator[Objective] = iter(())

    def at(self, size: int, precision: int) -> Objective | None:
        """None where there is no such precision."""
        if self.made is None or self.made[0] != size or precision < self.made[1]:
            self.following, self.made = iter(self.of_size(size)), (size, -1)
        while self.made[1] < precision:
            self.current = None
            self.current, self.made = next(self.following, None), (size, self.made[1] + 1)
        return self.current


class Course(Iterator[Step]):
    """The steps of ``painting``, numbered through; from ``state`` on, the best of its size and itself first, which
    took so many ``seconds``. ``state`` is that of the latest step."""

    def __init__(self, painting: CoarseToFine, state: Ascent | None = None, seconds: float = 0.0) -> None:
        self.painting, self.state = painting, state
        self.began = time.monotonic() - seconds
        known = [] if state is None else [state.better, state.step(seconds)]
        self.known = [replace(step, seconds=seconds) for step in known if step is not None]

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def __next__(self) -> Step:
        if self.known:
            return self.known.pop(0)
        state = self.painting.start() if self.state is None else self.painting.step(self.state)
        if state is None:
            raise StopIteration
        self.state = state
        return state.step(self.seconds)


def coarse_to_fine(
    objectives_at: ObjectivesAt, start: Float[Tensor, "1 3 h w"], settings: Settings, dial: Dial | None = None
) -> Course:
    """Minimise at each of ``settings.factors`` in turn: the steps of ``CoarseToFine``, numbered through.

    Every step's image has the size that it was painted at, and its losses are those of that size: the best of all steps
    is the one with the greatest ``merit``. Raises what ``minimise`` raises.
    """
    return Course(CoarseToFine(objectives_at, start, settings, dial))


def finer(image: Float[Tensor, "1 3 h w"], start: Float[Tensor, "1 3 h2 w2"]) -> Float[Tensor, "1 3 h2 w2"]:
    """``image`` at the size of ``start``, with the detail of ``start`` that the smaller size could not show.

    A picture that is merely enlarged is a blur, and the style loss of the low layers of a blur is high.
    """
    small, large = image.shape[2:], start.shape[2:]
    detail = start - resized(resized(start, *small), *large)
    return (resized(image, *large) + detail).clamp(0, 1)
