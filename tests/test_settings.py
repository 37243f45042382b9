"""What a run can be told, and what it refuses to be told."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from impasto.errors import UsageError
from impasto.network.registry import NETWORKS
from impasto.network.vgg import LAYERS
from impasto.settings import CONTENT_LAYERS, STYLE_LAYERS, Settings, style_weight_of, validated
from impasto.starts import STARTS

strengths = st.floats(0, 1)


@given(strengths, strengths)
def test_more_strength_is_never_less_style(a, b):
    weaker, stronger = sorted([a, b])
    assert style_weight_of(weaker) <= style_weight_of(stronger)
    if stronger - weaker > 1e-9:
        assert style_weight_of(weaker) < style_weight_of(stronger)


@given(st.floats(0, 0.5))
def test_strength_is_symmetric_about_the_default_as_a_ratio(away):
    more = style_weight_of(0.5 + away) / Settings().style_weight
    less = Settings().style_weight / style_weight_of(0.5 - away)
    assert more == pytest.approx(less, rel=1e-9)


def test_strength_goes_from_a_hundredth_to_a_hundredfold_of_the_default():
    assert Settings(strength=0.5) == Settings()
    assert math.log10(Settings().style_weight / Settings(strength=0).style_weight) == pytest.approx(2)
    assert math.log10(Settings(strength=1).style_weight / Settings().style_weight) == pytest.approx(2)


@pytest.mark.parametrize("strength", [-0.01, 1.01, math.nan, math.inf, "much", None, [0.5]])
def test_a_strength_that_is_none_is_refused(strength):
    with pytest.raises(UsageError, match="strength goes from 0 to 1"):
        validated(strength=strength)


@pytest.mark.parametrize("other", ["style_weight", "content_weight"])
def test_strength_and_a_weight_are_not_given_together(other):
    with pytest.raises(UsageError, match=r"strength.*twice"):
        validated(strength=0.5, **{other: 1.0})


def test_a_quality_means_auto_unless_steps_are_given():
    assert Settings().steps == 150
    assert Settings(quality="fine").steps == "auto"
    assert Settings(quality="fine", steps=20).steps == 20
    assert validated(Settings(steps=20), quality="draft").steps == "auto"
    assert validated(**Settings(size=64).model_dump()) == Settings(size=64)


def test_strength_replaces_what_earlier_settings_said_of_it():
    assert validated(Settings(strength=0.2), strength=0.7) == Settings(strength=0.7)
    assert validated(Settings(style_weight=3, content_weight=2, seed=5), strength=0.7) == Settings(strength=0.7, seed=5)
    assert validated(Settings(strength=0.2), style_weight=3) == Settings(style_weight=3)


WRONG = {
    "size": [15, -64, 0, "large", 64.5, None],
    "steps": [-1, 0.5, "many", None, True],
    "content_weight": [-1, math.nan, math.inf, "x"],
    "style_weight": [-1e-9, math.nan, math.inf],
    "tv_weight": [-1, math.inf],
    "content_layers": [{}, {"conv4_2": -1}, {"conv4_2": math.nan}, "conv4_2"],
    "style_layers": [{}, {"conv1_1": "x"}, ["conv1_1"]],
    "seed": [-1, 2**63],
    "solver": ["sgd", ""],
    "pooling": ["median"],
    "max_pixels": [0, -1],
}


@pytest.mark.parametrize(("option", "value"), [(option, value) for option in WRONG for value in WRONG[option]])
def test_a_wrong_value_is_refused_by_the_options_name(option, value):
    with pytest.raises(UsageError, match=rf"^{option}\b"):
        validated(**{option: value})


@given(st.from_regex(r"[a-z_]{1,20}", fullmatch=True).filter(lambda name: name not in {*Settings.model_fields, "base"}))
def test_an_unknown_option_is_refused_by_its_name(name):
    if name != "strength":
        with pytest.raises(UsageError, match=rf"^{name}: "):
            validated(**{name: 1})


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(UsageError, match=r"size: .*; solver: .*; colour: "):
        validated(size=1, solver="sgd", colour="red")


@pytest.mark.parametrize("option", Settings.model_fields)
def test_settings_are_frozen(option):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings(), option, getattr(Settings(), option))


def test_the_defaults_belong_to_nobody():
    Settings().content_layers["conv1_1"] = 9.0
    Settings().style_layers.clear()
    assert Settings().content_layers == CONTENT_LAYERS == {"conv4_2": 1.0}
    assert Settings().style_layers == STYLE_LAYERS
    assert len(STYLE_LAYERS) == 5


def test_options_change_earlier_settings_and_nothing_else():
    before = Settings(size=64, solver="adam")
    after = validated(before, steps=3)
    assert after == Settings(size=64, solver="adam", steps=3)
    assert before == Settings(size=64, solver="adam")
    with pytest.raises(UsageError, match=r"^steps"):
        validated(before, steps=-3)


@given(
    st.builds(
        Settings,
        size=st.integers(16, 10_000),
        style_weight=st.floats(0, 1e300),
        style_layers=st.dictionaries(st.sampled_from(LAYERS), st.floats(0, 1e300), min_size=1),
        seed=st.integers(0, 2**63 - 1),
        weights=st.none() | st.just("some/file.pth"),
    )
)
def test_settings_survive_json(settings):
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_the_defaults_are_the_papers():
    assert Settings().style_layers == {f"conv{block}_1": 1 / 5 for block in range(1, 6)}
    assert Settings().content_layers == {"conv4_2": 1.0}
    assert Settings().pooling == "average"
    assert Settings().network in NETWORKS
    assert Settings().init in STARTS
