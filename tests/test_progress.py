"""Percent and time left, on machines that take differently long for small pictures."""

import pytest
import torch

from impasto.cli.console import duration
from impasto.progress import Work
from impasto.settings import Settings
from impasto.solver import Step

SIZE = (512, 340)

MACHINES = {
    "lite, float32, two cores": {128: 0.066, 256: 0.149, 512: 0.368},
    "lite, bfloat16, two cores": {128: 0.015, 256: 0.030, 512: 0.085},
    "VGG-19, bfloat16, two cores": {128: 0.045, 256: 0.112, 512: 0.412},
}
"""Seconds of an evaluation at three widths, measured."""


def course(settings, seconds_of):
    """The steps of a run that takes so long for each, of one evaluation; step 0 takes a second."""
    index, now = 0, 1.0
    for factor in settings.factors:
        width, height = round(SIZE[0] * factor), round(SIZE[1] * factor)
        for _ in range(settings.steps_at(factor) + 1):
            yield Step(index, torch.zeros(1, 1, 1, 1).expand(1, 3, height, width), {}, now, index + 1)
            index, now = index + 1, now + seconds_of[width]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("options", [{}, {"steps": 150}, {"preset": "paper"}])
def test_after_a_tenth_of_the_run_the_time_left_is_right_within_a_half(machine, options):
    settings = Settings(**options)
    work, steps = Work(settings, SIZE), list(course(settings, MACHINES[machine]))
    end, parts = steps[-1].seconds, []
    for step in steps:
        part, left = work.done(step)
        parts.append(part)
        if 0.1 * end <= step.seconds <= 0.98 * end:
            assert 1 / 1.5 < left / (end - step.seconds) < 1.5, (step.index, left, end - step.seconds)
    assert parts == sorted(parts)
    assert (parts[0], parts[-1]) == (0, 1)


def test_where_the_steps_are_not_known_neither_is_the_rest():
    assert not Work(Settings(quality="draft", solver="lbfgs"), SIZE).known
    assert Work(Settings(quality="draft"), SIZE).known


def test_a_run_of_no_steps_is_done():
    settings = Settings(steps=0, scales=1)
    (step,) = course(settings, MACHINES["lite, float32, two cores"])
    assert Work(settings, SIZE).done(step) == (0, 0)


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "0 s"), (89.0, "89 s"), (100.0, "2 min"), (7200.0, "2.0 h")])
def test_durations_as_people_say_them(seconds, words):
    assert duration(seconds) == words


def test_sizes_that_are_looked_at_as_a_whole_take_less():
    settings = Settings(size=2048, scales=2)
    whole, parted, mixed = (
        Work(settings, (2048, 2048), machine) for machine in ({}, {"tiles": [256, 256]}, {"tiles": [None, 256]})
    )
    assert whole.of_step[0] == mixed.of_step[0] < parted.of_step[0]
    assert whole.of_step[1] < mixed.of_step[1] == parted.of_step[1]
