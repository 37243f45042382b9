"""Coarse to fine: sizes, how steps are numbered, what is carried up, and a second precision where one gives out."""

import math
from collections.abc import Iterator
from itertools import accumulate, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.pyramid import coarse_to_fine, finer, resized, scaled
from impasto.settings import COARSEST, ENOUGH, Settings


def noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


class Towards:
    """½ Σ d (x - target)² + floor, d from 1 to 100; with ``stuck``, one whose gradient leads nowhere."""

    def __init__(self, target: torch.Tensor, *, stuck: bool = False, floor: float = 0.0) -> None:
        self.target, self.stuck, self.floor = target, stuck, floor
        self.d = torch.logspace(0, 2, target.numel()).view_as(target)

    def value_and_gradient(self, image: torch.Tensor) -> tuple[dict[str, float], torch.Tensor]:
        difference = image - self.target
        value = float((self.d * difference.square()).sum()) / 2 + self.floor
        return {"value": value}, self.d * (-difference if self.stuck else difference)


@given(st.integers(16, 5000), st.integers(1, 16))
def test_sizes_double_from_128_px_to_the_whole(size, scales):
    factors = Settings(size=size, scales=scales).factors
    assert factors[-1] == 1
    assert len(factors) <= scales
    sizes = [round(factor * size) for factor in factors]
    assert all(fine == 2 * coarse for coarse, fine in pairwise(sizes[:-1]))
    assert all(math.log2(side / COARSEST).is_integer() for side in sizes[:-1])
    assert all(2**0.5 * coarse - 0.5 <= size <= 2**1.5 * coarse + 0.5 for coarse in sizes[-2:-1])


def test_a_large_picture_begins_as_a_small_one_does():
    small, large = (Settings(size=size) for size in (512, 6000))
    begun = [[factor * of.size for factor in of.factors] for of in (small, large)]
    assert begun[0] == [128, 256, 512]
    assert [round(size) for size in begun[1]] == [128, 256, 512, 1024, 2048, 4096, 6000]
    assert [large.steps_at(factor) for factor in large.factors] == [176, 176, 176, 176, 88, 44, 11]


@settings(max_examples=30, deadline=None)
@given(st.integers(16, 300), st.integers(16, 300), st.sampled_from([0.125, 0.25, 0.5, 1.0]))
def test_no_side_gets_too_short_for_the_network(height, width, factor):
    """It gets no smaller, then; and its proportions are always the same."""
    small = scaled(noise(height, width), factor)
    assert min(small.shape[2:]) >= 16
    least = max(factor, min(1, 16 / min(height, width)))
    assert all(abs(a - least * b) <= 0.5 for a, b in zip(small.shape[2:], (height, width), strict=True))
    assert small.min() >= 0
    assert small.max() <= 1


def test_enlarging_an_untouched_picture_gives_the_picture():
    """The detail that the small size could not show comes back whole, but for what clamping takes."""
    start = 0.25 + noise(64, 96) / 2
    torch.testing.assert_close(finer(resized(start, 32, 48), start), start, rtol=0, atol=1e-6)


def test_what_was_painted_small_is_carried_up():
    start = 0.25 + noise(64, 96) / 2
    red = torch.tensor([0.2, 0.0, -0.2]).view(1, 3, 1, 1)
    small = resized(start, 32, 48) + red
    torch.testing.assert_close(finer(small, start), start + red, rtol=0, atol=1e-5)


def follow(run: Settings, target: torch.Tensor, *, stuck: bool = False, floor: float = 0.0) -> list:
    def objectives_at(factor: float) -> Iterator[Towards]:
        yield Towards(scaled(target, factor), stuck=stuck, floor=floor)
        if stuck:
            yield Towards(scaled(target, factor))

    return list(coarse_to_fine(objectives_at, torch.full_like(target, 0.5), run))


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_steps_are_numbered_through_and_grow(solver):
    run = Settings(size=400, steps=8, solver=solver)
    steps = follow(run, noise(300, 400))
    widths = [step.image.shape[3] for step in steps]
    assert widths == sorted(widths)
    assert set(widths) == {128, 256, 400}
    indices = [step.index for step in steps]
    assert indices == sorted(set(indices))
    assert indices[0] == 0
    assert indices[-1] <= run.steps_in_all
    assert all(before.evaluations < after.evaluations for before, after in pairwise(steps))
    assert all(before.seconds <= after.seconds for before, after in pairwise(steps))
    if solver == "adam":  # never ends early
        assert indices == list(range(run.steps_in_all + 1))


def test_the_best_step_has_the_full_size_and_the_least_loss_of_that_size():
    steps = follow(Settings(size=400, steps=8), noise(300, 400))
    best = max(steps, key=lambda step: step.merit)
    assert best.image.shape == (1, 3, 300, 400)
    assert best.loss == min(step.loss for step in steps if step.image.shape == best.image.shape)


def test_auto_goes_on_as_long_as_ten_steps_show():
    full = {}
    for quality, enough in ENOUGH.items():
        steps = follow(Settings(size=400, quality=quality, solver="lbfgs"), 0.25 + noise(300, 400) / 2, floor=500.0)
        full[quality] = [step.loss for step in steps if step.image.shape[3] == 400]
        best = list(accumulate(full[quality], min))
        falls = [(before - now) / now for before, now in zip(best, best[10:], strict=False)]
        assert falls[-1] <= enough
        assert all(fall > enough for fall in falls[:-1])
    assert len(full["draft"]) <= len(full["normal"]) <= len(full["fine"])
    assert full["draft"][-1] > full["fine"][-1]


def test_the_next_precision_goes_on_where_one_finds_nothing():
    run = Settings(size=64, steps=6, solver="lbfgs")
    steps = follow(run, noise(64, 64), stuck=True)
    assert [step.index for step in steps] == list(range(len(steps)))
    assert len(steps) > 1
    assert steps[-1].loss < 0.1 * steps[0].loss
