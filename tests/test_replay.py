"""L-BFGS as a GPU does it, here on the CPU: the steps of the plain one, from whatever state."""

import pytest
import torch

from impasto import replay
from impasto.errors import DivergedError
from impasto.replay import Again, Kept, Recorded, Replayed, Tries, as_asked, asked, at_its_best, recorded
from impasto.solver import (
    LBFGS,
    Adam,
    Evaluate,
    LBFGSState,
    Pair,
    Point,
    advance,
    begin,
    minimise,
    two_loop,
)
from impasto.states import packed, unpacked
from impasto.tensors import Numbers


class Valley:
    """Rosenbrock's, with its minimum perhaps outside [0, 1]; or, ``kinked``, one with an edge along its floor."""

    def __init__(self, kinked: bool = False, target: float = 0.4) -> None:
        self.kinked, self.target = kinked, target

    def value_and_gradient(self, image):
        x = image.detach().requires_grad_(True)
        v = x.flatten()
        across = (v[1:] - v[:-1] ** 2).abs() if self.kinked else 100 * (v[1:] - v[:-1] ** 2) ** 2
        terms = {"across": across.sum(), "along": (self.target - v[:-1]).square().sum()}
        (gradient,) = torch.autograd.grad(sum(terms.values()), x)
        return Numbers({name: value.detach() for name, value in terms.items()}), gradient


def start(seed: int) -> torch.Tensor:
    return torch.rand(1, 3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("of", [{}, {"target": 1.7}, {"kinked": True}], ids=["smooth", "bounds", "kinks"])
def test_the_steps_are_those_of_the_plain_solver(of, seed):
    plain_steps, steps = (list(minimise(Valley(**of), start(seed), 30, by)) for by in (LBFGS(), Replayed(LBFGS())))
    assert len(steps) > 5
    for plain, replayed in zip(plain_steps, steps, strict=True):
        assert replayed.evaluations == plain.evaluations
        assert replayed.loss == pytest.approx(plain.loss, rel=1e-6)
        torch.testing.assert_close(replayed.image, plain.image, rtol=0, atol=1e-5)


def test_a_step_never_raises_the_loss_and_ends_where_none_lowers_it():
    steps = list(minimise(Valley(kinked=True), start(0), 3000, Replayed(LBFGS(history=5))))
    losses = [step.loss for step in steps]
    assert losses == sorted(losses, reverse=True)
    assert steps[-1].index < 3000


@pytest.mark.parametrize("count", [0, 1, 3, 5, 8])
def test_the_direction_is_that_of_the_two_loops(count):
    generator = torch.Generator().manual_seed(count)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    half = random(90, 90)
    steps = [random(90) for _ in range(count)]
    changes = [half @ half.T @ s + 0.1 * s for s in steps]
    pairs = tuple(Pair(s, y, float(s @ y)) for s, y in zip(steps, changes, strict=True))
    point = Point(0.5 + 0 * random(1, 3, 6, 5), {"loss": 1.0}, random(1, 3, 6, 5))
    tries = Tries(Valley(), LBFGSState(point, pairs), history=5)
    g = point.gradient
    expected = -two_loop(g, pairs[-5:]) if pairs else -0.01 * g / g.square().mean().sqrt()
    torch.testing.assert_close(tries.d, expected)
    assert [pair.curvature for pair in tries.pairs()] == pytest.approx([pair.curvature for pair in pairs[-5:]])


def test_it_goes_on_from_a_state_that_was_packed():
    solver, objective = Replayed(LBFGS()), Valley()
    descent = begin(objective, start(1), solver)
    for _ in range(12):
        descent = advance(objective, descent, solver)
    again = unpacked(*packed(descent))
    assert isinstance(again.state.pairs, tuple)
    on = [descent := advance(objective, descent, solver) for _ in range(6)]
    other, plain = again, again
    for expected in on:
        other = advance(objective, other, Replayed(LBFGS()))
        plain = advance(objective, plain, LBFGS())
        for found in (other, plain):
            assert found.state.point.loss == pytest.approx(expected.state.point.loss, rel=1e-9)
            torch.testing.assert_close(found.state.point.image, expected.state.point.image)


def test_it_goes_back_only_to_what_was_kept():
    solver, objective = Replayed(LBFGS()), Valley()
    first = begin(objective, start(2), solver).state
    second = solver.step(Evaluate(objective), first)
    third = solver.step(Evaluate(objective), second)
    assert isinstance(third.pairs, Kept)
    assert len(third.pairs) == 2
    with pytest.raises(RuntimeError, match="gone on"):
        list(second.pairs)
    again = solver.step(Evaluate(objective), first)
    torch.testing.assert_close(again.point.image, second.point.image)


def test_a_start_is_a_try_that_goes_nowhere(monkeypatch):
    """Of an objective that was not asked before, and again in the middle, as where β is set anew."""
    solver, objective = Replayed(LBFGS()), Valley()
    monkeypatch.setattr(Again, "ready", False)
    assert asked(objective, start(1), solver) is objective
    assert asked(objective, start(1), LBFGS()) is objective
    monkeypatch.setattr(Again, "ready", True)
    image, plain = start(1), LBFGS()
    for target in (0.4, 0.7):
        objective.target = target
        descent = begin(asked(objective, image, solver), image, solver)
        expected = begin(objective, image, plain)
        for _ in range(8):
            descent, expected = advance(objective, descent, solver), advance(objective, expected, plain)
            assert descent.evaluations == expected.evaluations
            assert descent.state.point.terms == pytest.approx(expected.state.point.terms, rel=1e-6)
            torch.testing.assert_close(descent.state.point.image, expected.state.point.image, rtol=0, atol=1e-6)
        image = descent.state.point.image
    with pytest.raises(DivergedError):
        begin(asked(Valley(target=float("nan")), image, solver), image, solver)


@pytest.mark.parametrize("ready", [False, True])
def test_an_evaluation_that_is_recorded_gives_the_same_steps(monkeypatch, ready):
    """What was told before stays as it was: the next evaluation has a gradient of its own."""
    monkeypatch.setattr(Again, "ready", ready)
    objective = Recorded(Valley())
    kept = [objective.value_and_gradient(start(seed))[1] for seed in range(3)]
    for seed, gradient in enumerate(kept):
        torch.testing.assert_close(gradient, Valley().value_and_gradient(start(seed))[1], rtol=0, atol=0)
    plain_steps, steps = (list(minimise(of, start(0), 30, Adam())) for of in (Valley(), Recorded(Valley())))
    for plain, recorded_too in zip(plain_steps, steps, strict=True):
        assert recorded_too.terms == plain.terms
        torch.testing.assert_close(recorded_too.image, plain.image, rtol=0, atol=0)


def test_what_cannot_be_recorded_is_called_as_it_is(monkeypatch):
    def refuses(call):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(replay, "captured", refuses)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert recorded(start, torch.device("cuda")) is start
    assert recorded(start, torch.device("cpu")) is start


def test_gpus_get_it_in_the_place_of_the_plain_one():
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert isinstance(at_its_best(LBFGS(history=7), gpu), Replayed)
    assert at_its_best(LBFGS(history=7), gpu).history == 7
    assert at_its_best(LBFGS(), cpu) == LBFGS()
    assert at_its_best(Adam(), gpu) == Adam()
    valley = Valley()
    assert isinstance(as_asked(valley, Adam(), gpu), Recorded)
    assert as_asked(valley, Adam(), cpu) is valley
    assert as_asked(valley, Replayed(LBFGS()), gpu) is valley
