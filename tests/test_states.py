"""States are values: taken apart, put into files, put together again, and gone on from to the bit."""

import json
import os
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass
from itertools import islice, pairwise
from pathlib import Path

import pytest
import torch
from nets import tiny_network
from safetensors.torch import load, save

from impasto.assembly import objective_of
from impasto.images.resizing import scaled
from impasto.objective import TotalLoss
from impasto.pyramid import CoarseToFine
from impasto.settings import Settings
from impasto.solver import SOLVERS, advance, begin, minimise
from impasto.states import packed, unpacked


def noise(height: int, width: int, seed: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def through_files(state: object) -> object:
    """As a run that was killed finds it again."""
    tensors, rest = packed(state)
    return unpacked(
        load(save({key: value.contiguous() for key, value in tensors.items()})), json.loads(json.dumps(rest))
    )


def same(a: object, b: object) -> bool:
    (tensors, rest), (others, other) = packed(a), packed(b)
    return rest == other and all(torch.equal(tensors[key], others[key]) for key in tensors.keys() | others.keys())


def an_objective(size: int = 48):
    return objective_of(Settings(), tiny_network(), noise(size, size, 1), noise(size, size, 2))


@pytest.mark.parametrize("name", SOLVERS)
def test_a_descent_goes_on_from_a_file_to_the_bit(name):
    objective, solver = an_objective(), SOLVERS[name]
    states = [begin(objective, noise(48, 48, 3), solver)]
    for _ in range(8):
        states.append(advance(objective, states[-1], solver))
    again = through_files(states[4])
    assert same(again, states[4])
    for state in states[5:]:
        again = advance(objective, again, solver)
        assert same(again, state)


@pytest.mark.parametrize("name", SOLVERS)
def test_states_are_frozen_and_stay_what_they_were(name):
    objective, solver = an_objective(), SOLVERS[name]
    state = advance(objective, begin(objective, noise(48, 48, 3), solver), solver)
    before = through_files(state)
    advance(objective, state, solver)
    assert same(state, before)
    for value in (state, state.state, state.state.point):
        with pytest.raises(FrozenInstanceError):
            value.index = 5


class Rounded:
    """What leads downhill only as far as a certain loss, as a low precision does."""

    def __init__(self, inner: TotalLoss, least: float) -> None:
        self.inner, self.least = inner, least

    def value_and_gradient(self, image):
        terms, gradient = self.inner.value_and_gradient(image)
        return terms, gradient if sum(terms.values()) > self.least else -gradient


def a_painting() -> CoarseToFine:
    """Three sizes, each in two precisions."""
    settings = Settings(size=400, steps=4, content_weight=0, solver="lbfgs")
    network, p, a = tiny_network(), noise(100, 400, 1), noise(100, 400, 2)

    def objectives_at(factor):
        start, painting = scaled(p, factor), scaled(a, factor) ** 2
        exact = objective_of(settings, network, start, painting)
        yield Rounded(exact, 0.9999 * sum(exact.value_and_gradient(start)[0].values()))
        yield exact

    return CoarseToFine(objectives_at, p, settings)


def test_a_picture_goes_on_from_a_file_at_every_size_and_precision():
    painting = a_painting()
    states = [painting.start()]
    while (state := painting.step(states[-1])) is not None:
        states.append(state)
    assert {(state.size, state.precision) for state in states} == {(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)}
    turns = [(state.size, state.precision) for state in states]
    for at, (state, after) in enumerate(pairwise(states)):
        if at % 8 and turns[at] == turns[at + 1]:
            continue  # where nothing changes but the picture a few will do
        assert same(a_painting().step(through_files(state)), after)
    assert a_painting().step(through_files(states[-1])) is None


def test_what_no_state_may_hold_is_refused():
    @dataclass(frozen=True)
    class Odd:
        thing: object

    with pytest.raises(TypeError, match=r"state\.thing is a set"):
        packed(Odd({1, 2}))
    with pytest.raises(TypeError, match="no state is made of 'os:system'"):
        unpacked({}, {"os:system": {"command": "true"}})
    with pytest.raises(TypeError, match=r"no state is made of 'subprocess:Popen'"):
        unpacked({}, {"subprocess:Popen": {"args": ["true"]}})
    with pytest.raises(ValueError, match="no state has a, b"):
        unpacked({}, {"a": 1, "b": 2})


COUNTED = """
import torch
from nets import tiny_network
from torch.utils._python_dispatch import TorchDispatchMode
from impasto import solver
from impasto.assembly import objective_of
from impasto.settings import Settings

class Asked(TorchDispatchMode):  # counts what makes a GPU wait
    count = 0
    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        waits = ("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select")
        self.count += any(str(operator).startswith(f"aten.{name}.") for name in waits)
        return operator(*args, **(kwargs or {}))

reads, as_numbers = [], solver.as_numbers
solver.as_numbers = lambda *scalars: reads.append(1) or as_numbers(*scalars)
x, p, a = torch.rand(3, 1, 3, 48, 48, generator=torch.Generator().manual_seed(0)).unbind()
objective = objective_of(Settings(tv_weight=1.0), tiny_network(), p, a)
with Asked() as asked:
    *_, last = solver.minimise(objective, x, 30, "NAME")
    found = last.index, last.evaluations, len(reads), asked.count
    float(x.sum())
    print(*found, asked.count)
"""


@pytest.mark.parametrize("name", SOLVERS)
def test_the_device_is_asked_for_numbers_once_an_evaluation_and_nowhere_else(name):
    """Twenty pairs of L-BFGS included. In a process of its own: checking types at run time looks at numbers too."""
    paths = {"PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", COUNTED.replace("NAME", name)]
    told = subprocess.run(command, env=os.environ | paths, check=True, capture_output=True, text=True).stdout
    steps, evaluations, reads, asked, asked_at_last = map(int, told.split())
    assert steps == 30
    assert reads == evaluations
    assert (asked, asked_at_last) == (0, 1)


def test_steps_mostly_need_one_evaluation():
    *_, last = islice(minimise(an_objective(), noise(48, 48, 3), 60), 61)
    assert last.evaluations < 1.5 * last.index
