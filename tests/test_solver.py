"""Solvers on problems with known answers."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from impasto.errors import DivergedError
from impasto.solver import LBFGS, SOLVERS, Adam, Point, advance, begin, minimise, over, wolfe_search

SHAPE = (1, 3, 4, 5)


def noise(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Quadratic:
    """½ (x − target)ᵀ D (x − target) with a diagonal D of a given condition number."""

    def __init__(self, target: torch.Tensor, condition: float = 1e3) -> None:
        self.target = target
        self.scales = torch.logspace(0, math.log10(condition), target.numel(), dtype=target.dtype).view(SHAPE)

    def value_and_gradient(self, image: torch.Tensor) -> tuple[dict[str, float], torch.Tensor]:
        difference = image - self.target
        return {"value": float(0.5 * (self.scales * difference**2).sum())}, self.scales * difference


class Rosenbrock:
    """A curved valley whose floor ends at 0.5 everywhere (Nocedal and Wright, exercise 2.1, moved into [0, 1])."""

    def value_and_gradient(self, image: torch.Tensor) -> tuple[dict[str, float], torch.Tensor]:
        x = (2 * image).detach().requires_grad_(True)
        flat = x.flatten()
        valley, floor = 100 * (flat[1::2] - flat[::2] ** 2).square().sum(), (1 - flat[::2]).square().sum()
        (gradient,) = torch.autograd.grad(valley + floor, x)
        return {"valley": float(valley.detach()), "floor": float(floor.detach())}, 2 * gradient


class Broken:
    """Not a number from the n-th evaluation on, or where ``where`` says so."""

    def __init__(self, inner: Quadratic, after: int) -> None:
        self.inner, self.left = inner, after

    def value_and_gradient(self, image: torch.Tensor) -> tuple[dict[str, float], torch.Tensor]:
        self.left -= 1
        terms, gradient = self.inner.value_and_gradient(image)
        return ({"value": math.nan}, gradient) if self.left < 0 else (terms, gradient)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_finds_the_minimum_of_a_quadratic(solver):
    steps = list(minimise(Quadratic(noise(1), 10), noise(2), 600, solver))
    torch.testing.assert_close(steps[-1].image, noise(1), rtol=0, atol=5e-3)


def test_lbfgs_solves_an_ill_conditioned_quadratic():
    steps = list(minimise(Quadratic(noise(1), 1e4), noise(2), 150))
    assert steps[-1].loss < 1e-5 * steps[0].loss  # steepest descent leaves 0.9 of it


def test_lbfgs_solves_rosenbrock():
    steps = list(minimise(Rosenbrock(), noise(3), 200))
    torch.testing.assert_close(steps[-1].image, torch.full(SHAPE, 0.5, dtype=torch.float64), rtol=0, atol=1e-4)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(1, 1e4), st.sampled_from(sorted(SOLVERS)))
@example(332, 464.68108204843475, "lbfgs")  # ended after 50 steps, 1.8e-4 away, when the last search had 12 tries
def test_pictures_stay_pictures_and_reach_the_nearest_one(seed, condition, solver):
    """A minimum outside [0, 1]: with a diagonal Hessian the constrained minimum is the clipped one."""
    target = 3 * noise(seed) - 1
    steps = list(minimise(Quadratic(target, condition), noise(seed + 1), 600, solver))
    assert all(((step.image >= 0) & (step.image <= 1)).all() for step in steps)
    if solver == "lbfgs":
        torch.testing.assert_close(steps[-1].image, target.clamp(0, 1), rtol=0, atol=1e-4)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_lbfgs_never_raises_the_loss(seed):
    losses = [step.loss for step in minimise(Rosenbrock(), noise(seed), 40)]
    assert losses == sorted(losses, reverse=True)


def test_steps_count_and_their_images_are_never_changed():
    kept, copies = [], []
    for step in minimise(Quadratic(noise(1)), noise(2), 10):
        kept.append(step)
        copies.append(step.image.clone())
    assert [step.index for step in kept] == list(range(len(kept)))
    assert kept[0].evaluations == 1
    assert all(earlier.evaluations < later.evaluations for earlier, later in pairwise(kept))
    assert all(torch.equal(step.image, copy) for step, copy in zip(kept, copies, strict=True))
    torch.testing.assert_close(kept[0].image, noise(2))


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_terms_are_those_of_the_image(solver):
    problem = Rosenbrock()
    for step in minimise(problem, noise(4), 5, solver):
        assert step.terms == problem.value_and_gradient(step.image)[0]
        assert step.loss == pytest.approx(sum(step.terms.values()))


def test_lbfgs_ends_where_nothing_lowers_the_loss():
    steps = list(minimise(Quadratic(noise(1)), noise(1), 50))
    assert len(steps) < 5
    assert steps[-1].loss == 0


def test_zero_steps_give_the_start():
    assert [step.index for step in minimise(Quadratic(noise(1)), noise(2), 0)] == [0]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_start_that_is_not_a_number_diverges(solver):
    with pytest.raises(DivergedError):
        list(minimise(Broken(Quadratic(noise(1)), 0), noise(2), 5, solver))


@pytest.mark.parametrize(("solver", "words"), [("adam", "`solver` lbfgs"), ("lbfgs", "however small the step")])
def test_where_there_are_no_numbers_any_more_the_steps_before_are_good(solver, words):
    steps = []
    with pytest.raises(DivergedError, match=words):
        steps.extend(minimise(Broken(Quadratic(noise(1)), 4), noise(2), 20, solver))
    assert len(steps) >= 2
    assert all(math.isfinite(step.loss) for step in steps)


class WithoutNumbersBeyond:
    """½ |x − 0.1|², and no numbers for an image that went farther than ``most`` from the last good one."""

    def __init__(self, most: float) -> None:
        self.most = most
        self.last: torch.Tensor | None = None

    def value_and_gradient(self, image: torch.Tensor) -> tuple[dict[str, float], torch.Tensor]:
        far = self.last is not None and float((image - self.last).abs().max()) > self.most
        self.last = self.last if far else image
        return {"value": math.nan if far else float(0.5 * (image - 0.1).square().sum())}, image - 0.1


def test_adam_goes_on_with_a_smaller_step_once():
    """Its steps are 0.02 long: a tenth of that is short enough for the one, and not for the other."""
    solver, objective = Adam(rate=0.02), WithoutNumbersBeyond(0.01)
    first = descent = begin(objective, torch.full(SHAPE, 0.9), solver)
    for _ in range(5):
        descent = advance(objective, descent, solver)
    assert descent.state.point.loss < first.state.point.loss
    assert descent.evaluations == 11
    strict = WithoutNumbersBeyond(0.001)
    with pytest.raises(DivergedError):
        advance(strict, begin(strict, torch.full(SHAPE, 0.9), solver), solver)


@pytest.mark.parametrize("steps", [1, 2, 30])
@pytest.mark.parametrize("given", [{}, {"beta1": 0.9, "beta2": 0.999, "rate": 0.02}])
def test_adam_is_torchs_with_its_rate_falling_along_a_cosine(steps, given):
    """Towards a minimum that is partly beyond what a picture may be."""
    objective = Quadratic(1.6 * noise(1).double() - 0.3)
    found = list(minimise(objective, noise(2).double(), steps, Adam(**given)))
    x = noise(2).double().requires_grad_(True)
    solver = Adam(**given).over(steps)
    theirs = torch.optim.Adam([x], lr=solver.rate, betas=solver.betas, eps=solver.epsilon)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=steps)
    for step in found[1:]:
        x.grad = objective.value_and_gradient(x.detach())[1]
        theirs.step()
        falling.step()
        with torch.no_grad():
            x.clamp_(0, 1)
        torch.testing.assert_close(step.image, x.detach())
    assert len(found) == steps + 1


def test_adams_memory_grows_with_the_steps_it_has():
    of = [Adam().over(steps).betas for steps in (1, 12, 70, 300)]
    assert of == sorted(of)
    assert of[0] == (0.5, 0.6)
    assert Adam().betas == of[2] == pytest.approx((0.8, 0.6), abs=0.005)
    assert Adam(beta1=0.3).over(300).betas == (0.3, of[3][1])


def test_only_what_is_annealed_is_told_how_many_steps_there_are():
    assert over(7, Adam()) == Adam(steps=7)
    assert over(7, LBFGS()) == LBFGS()


def test_the_line_search_backs_off_from_where_there_are_no_numbers():
    def evaluate(x: torch.Tensor) -> Point:
        loss = float((x - 0.1).square().sum()) if float(x.max()) < 0.6 else math.nan
        return Point(x, {"value": loss}, 2 * (x - 0.1))

    start = evaluate(torch.full(SHAPE, 0.5))
    found = wolfe_search(evaluate, start, torch.full(SHAPE, 8.0) * -0.1 + 0.0)
    assert found is not None
    assert found.loss < start.loss
    assert wolfe_search(evaluate, start, torch.full(SHAPE, 0.05)) is None  # upwards
    with pytest.raises(DivergedError):
        wolfe_search(evaluate, start, torch.full(SHAPE, 1e9))
