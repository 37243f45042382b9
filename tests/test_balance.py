"""One strength: β is set by how far the picture has gone from the photograph."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from nets import tiny_network

import impasto
from impasto import pyramid
from impasto.balance import LARGEST, NEARLY, SMALLEST, TRIALS, Balance, content_distance
from impasto.pyramid import CoarseToFine
from impasto.settings import Settings, validated


def picture(seed: int, height: int = 64, width: int = 48) -> torch.Tensor:
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


@given(slope=st.floats(0.15, 0.45), offset=st.floats(-0.8, 0.8), wanted=st.floats(0.3, 0.7))
def test_the_trials_end_near_what_is_wanted(slope, offset, wanted):
    """For distances that saturate at both ends, as they do."""

    def distance(multiple: float) -> float:
        return 1 / (1 + math.exp(-4 * slope * (math.log10(multiple) + offset)))

    assume(distance(10**SMALLEST) <= wanted <= distance(10**LARGEST))
    balance = Balance()
    for _ in range(TRIALS):
        balance = balance.after(distance(balance.multiple), wanted)
    assert len(balance.trials) == TRIALS
    assert abs(distance(balance.multiple) - wanted) < max(0.05, 0.5 * abs(distance(1.0) - wanted))


def test_a_step_is_of_a_factor_of_ten_at_most():
    assert Balance().after(0.0, 1e9).multiple == pytest.approx(10)
    assert Balance(20.0).after(1e9, 0.0).multiple == pytest.approx(2)
    assert Balance(2.0).after(0.5, 0.5).multiple == pytest.approx(2.0)


def test_the_multiple_stays_within_bounds():
    assert Balance(0.5).after(1e9, 0.0).multiple == pytest.approx(10**SMALLEST)
    assert Balance(50.0).after(0.0, 1e9).multiple == pytest.approx(10**LARGEST)


@given(multiple=st.floats(0.4, 90), distance=st.floats(0, 1), wanted=st.floats(0, 1))
def test_at_a_larger_size_it_only_rises(multiple, distance, wanted):
    found, after = Balance(multiple).higher(distance, wanted), Balance(multiple).after(distance, NEARLY * wanted)
    assert found.trials == after.trials
    assert found.multiple == pytest.approx(after.multiple if distance < NEARLY * wanted else multiple)


def test_the_photograph_is_at_0_and_upside_down_at_1():
    network, p = tiny_network(), picture(1)
    distance = content_distance(network, network.convolutions[-1], p)
    assert distance(p) == pytest.approx(0, abs=1e-5)
    assert distance(p.flip(2, 3)) == pytest.approx(1, abs=1e-5)
    assert 0 < distance(0.8 * p + 0.2 * picture(2)) < 1


def multiples_of(monkeypatch, **options) -> list[Balance]:
    """The balances that a run goes through."""
    found: list[Balance] = []
    balanced = CoarseToFine.balanced

    def watched(self, state, dial):
        state = balanced(self, state, dial)
        found.append(state.balance)
        assert dial.at == state.balance.multiple == pytest.approx(float(dial.multiple))
        return state

    monkeypatch.setattr(CoarseToFine, "balanced", watched)
    layers = {"content_layers": {"conv3_1": 1}, "style_layers": {"conv1_1": 0.7, "conv2_1": 0.3}}
    steps = list(impasto.stylize(picture(1), picture(2), network=tiny_network(), **layers, **{"size": 64} | options))
    assert [step.index for step in steps] == list(range(len(steps)))
    if options.get("scales") == 1:
        assert sum(step.trial for step in steps) == (len(found) and 1 + len(found) * (options["steps"] // (TRIALS + 1)))
    assert not max(steps, key=lambda step: step.merit).trial
    return found


def test_more_strength_goes_farther(monkeypatch):
    last = [multiples_of(monkeypatch, strength=s, steps=24, scales=1)[-1] for s in (0.3, 0.7)]
    assert all(len(balance.trials) == TRIALS for balance in last)
    near, far = (Settings(strength=s).beta * balance.multiple for s, balance in zip((0.3, 0.7), last, strict=True))
    assert near < far


@pytest.mark.parametrize(
    ("steps", "most", "trials"), [(40, 512, [1, 2, 3, 1]), (24, 512, [1, 2, 3]), (40, 191, [1, 2, 3])]
)
def test_it_is_set_once_more_at_larger_sizes_that_have_the_steps(monkeypatch, steps, most, trials):
    monkeypatch.setattr(pyramid, "LARGEST_SIZE", most)
    balances = multiples_of(monkeypatch, steps=steps, scales=2, size=192)
    assert [len(balance.trials) for balance in balances] == trials
    assert all(balance.multiple >= balances[2].multiple for balance in balances[3:])


@pytest.mark.parametrize(
    "options", [{"style_weight": 1e5}, {"preset": "paper"}, {"content_weight": 0}, {"steps": 8}], ids=str
)
def test_beta_is_not_set_where_it_is_said_or_nothing_balances_it(monkeypatch, options):
    assert multiples_of(monkeypatch, **({"steps": 20, "scales": 1} | options)) == []


def test_what_beta_begins_as():
    assert validated(strength=0.5).beta == pytest.approx(6e7)
    assert validated(style_weight=1e5, strength=1).beta == pytest.approx(1e7)
    assert validated(preset="paper").beta == pytest.approx(1e8)
    assert validated(preset="paper").distance is None
    assert validated(strength=0).distance < validated().distance < validated(strength=1).distance
