"""What a run can be told, and what it refuses to be told."""

import copy
import json
import math
import pickle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from impasto.colours import COLOURS
from impasto.content import CONTENT_LOSSES
from impasto.errors import UsageError
from impasto.images.limits import Limits
from impasto.network.edges import EDGES
from impasto.network.pooling import POOLINGS
from impasto.network.registry import NETWORKS
from impasto.network.vgg import LAYERS
from impasto.settings import (
    CONTENT_LAYERS,
    ENOUGH,
    HEAVIEST,
    LONGEST,
    MANY,
    PRESETS,
    STEPS,
    STYLE_LAYERS,
    Options,
    Settings,
    validated,
)
from impasto.solver import SOLVERS
from impasto.starts import STARTS
from impasto.style import STYLE_LOSSES


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_strength_is_never_less_style(a, b):
    weaker, stronger = (Settings(strength=of).strengthening for of in sorted([a, b]))
    assert weaker <= stronger
    if abs(a - b) > 1e-9:
        assert weaker < stronger


@given(st.floats(0, 0.5))
def test_strength_is_symmetric_about_the_default_as_a_ratio(away):
    assert Settings(strength=0.5 + away).strengthening * Settings(strength=0.5 - away).strengthening == pytest.approx(1)


def test_strength_goes_from_a_hundredth_to_a_hundredfold_of_the_default():
    assert [Settings(strength=at).strengthening for at in (0, 0.5, 1)] == pytest.approx([0.01, 1, 100])


def test_a_preset_holds_where_nothing_else_is_said():
    paper, default = validated(preset="paper"), Settings()
    assert paper.style_loss == {"gram": 1.0}
    assert paper.style_weight == 1e8
    assert paper.steps == 150
    assert paper.size == default.size
    assert paper.strength == default.strength
    assert validated(preset="paper", style_loss="moments", steps=7) == validated(
        paper, style_loss={"moments": 1.0}, steps=7
    )
    assert validated(preset="paper", quality="draft").steps == "auto"
    with pytest.raises(UsageError, match=r"`preset`: one of paper.*'peper'"):
        validated(preset="peper")


def test_large_sizes_take_fewer_steps():
    settings = Settings(size=4096, steps=70, coarse_steps=1.5, full_steps_to=1024, scales=5)
    assert [settings.steps_at(factor) for factor in settings.factors] == [105, 105, 105, 53, 18]
    assert settings.steps_in_all == 105 * 3 + 53 + 18 + 4
    assert Settings(size=6000, quality="draft").steps_at(1.0) == 8
    assert Settings(size=6000, steps=1).steps_at(1.0) == 1
    assert Settings(size=6000, steps=0).steps_at(1.0) == 0
    assert Settings(size=4096, preset="paper").steps_at(1.0) == 150


def test_a_quality_means_auto_unless_steps_are_given():
    assert Settings().steps == STEPS["normal"] == 64
    assert Settings(quality="fine").steps == "auto"
    assert Settings(quality="fine", steps="auto").steps == "auto"
    for make in (Settings, validated):
        with pytest.raises(UsageError, match="`quality`: it says how many `steps` of auto there are"):
            make(quality="fine", steps=20)
    assert validated(Settings(quality="fine"), steps=20) == Settings(steps=20)
    assert validated(Settings(steps=20), quality="draft").steps == "auto"
    assert validated(**Settings(size=64).model_dump()) == Settings(size=64)


WRONG = {
    "size": [15, -64, 0, "large", 64.5, None],
    "steps": [-1, 0.5, "many", None, True],
    "content_weight": [-1, math.nan, math.inf, "x"],
    "style_weight": [-1e-9, math.nan, math.inf],
    "strength": [-0.01, 1.01, math.nan, math.inf, "much", None, [0.5]],
    "tv_weight": [-1, math.inf],
    "content_layers": [{}, {"conv4_2": -1}, {"conv4_2": math.nan}, "conv4_2"],
    "style_layers": [{}, {"conv1_1": "x"}, ["conv1_1"]],
    "seed": [-1, 2**63],
    "solver": ["sgd", ""],
    "pooling": ["median"],
    "limits": ["pixels=0", "pixels=-1", "pixels", "rows=5", "", {"bytes": "x"}, {"seconds": -1}, 5, None, [Limits()]],
}


@pytest.mark.parametrize(("option", "value"), [(option, value) for option in WRONG for value in WRONG[option]])
def test_a_wrong_value_is_refused_by_the_options_name(option, value):
    with pytest.raises(UsageError, match=rf"^`{option}`: "):
        validated(**{option: value})


@given(st.from_regex(r"[a-z_]{1,20}", fullmatch=True).filter(lambda name: name not in {*Settings.model_fields, "base"}))
def test_an_unknown_option_is_refused_by_its_name(name):
    with pytest.raises(UsageError, match=rf"^`{name}`: "):
        validated(**{name: 1})


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(UsageError, match=r"^`size`: .*; `solver`: .*; `hue`: "):
        validated(size=1, solver="sgd", hue="red")


@pytest.mark.parametrize("option", Settings.model_fields)
def test_settings_are_frozen(option):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings(), option, getattr(Settings(), option))


CHANGES = [
    lambda weights: weights.__setitem__("conv1_1", 9.0),
    lambda weights: weights.__delitem__("conv1_1"),
    lambda weights: weights.update(conv1_1=9.0),
    lambda weights: weights.pop("conv1_1"),
    lambda weights: weights.popitem(),
    lambda weights: weights.setdefault("conv9_1", 9.0),
    lambda weights: weights.clear(),
    lambda weights: weights.__ior__({"conv1_1": 9.0}),
]


@pytest.mark.parametrize("change", CHANGES)
def test_settings_are_frozen_through_and_through(change):
    settings, given = Settings(), {"conv1_1": 1.0}
    for weights in (settings.style_layers, settings.content_layers, Settings(style_loss={"gram": 1.0}).style_loss):
        before = dict(weights)
        with pytest.raises(TypeError, match="settings do not change"):
            change(weights)
        assert weights == before
    made = Settings(style_layers=given)
    given["conv2_1"] = 1.0
    assert made.style_layers == {"conv1_1": 1.0}


def test_settings_can_be_hashed_copied_and_pickled():
    for options in ({}, {"preset": "paper"}, {"style_layers": {"conv1_1": 0.5, "conv2_1": 0.5}, "size": 64}):
        settings = Settings(**options)
        again = [Settings(**options), copy.deepcopy(settings), pickle.loads(pickle.dumps(settings))]
        assert {settings, *again} == {settings}
    turned = Settings(style_layers={"conv2_1": 0.5, "conv1_1": 0.5}, size=64)
    assert hash(turned) == hash(settings)
    assert hash(Settings(seed=1)) != hash(Settings(seed=2))


def test_options_are_the_settings_by_name():
    assert Options.__annotations__.keys() == {*Settings.model_fields, "preset"}


def test_the_defaults_belong_to_nobody():
    assert Settings().content_layers == CONTENT_LAYERS == {"conv4_2": 0.6, "conv3_2": 0.4}
    assert Settings().style_layers == STYLE_LAYERS
    assert len(STYLE_LAYERS) == 5


def test_options_change_earlier_settings_and_nothing_else():
    before = Settings(size=64, solver="adam")
    after = validated(before, steps=3)
    assert after == Settings(size=64, solver="adam", steps=3)
    assert before == Settings(size=64, solver="adam")
    with pytest.raises(UsageError, match=r"^`steps`"):
        validated(before, steps=-3)


WEIGHTS = st.floats(0, HEAVIEST)
OF_LAYERS = st.dictionaries(st.sampled_from(LAYERS), WEIGHTS, min_size=1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALID = {
    "size": st.integers(16, MANY - 1),
    "steps": st.integers(0, MANY - 1) | st.just("auto"),
    "coarse_steps": st.floats(0, 100),
    "full_steps_to": st.integers(16, MANY - 1),
    "quality": st.sampled_from([None, *ENOUGH]),
    "scales": st.integers(1, 16),
    "content_weight": WEIGHTS,
    "style_weight": WEIGHTS | st.just("auto"),
    "strength": st.floats(0, 1),
    "tv_weight": WEIGHTS,
    "excess_weight": WEIGHTS,
    "keep_lines": WEIGHTS,
    "content_layers": OF_LAYERS,
    "style_layers": OF_LAYERS,
    "edges": st.sampled_from(sorted(EDGES)),
    "smooth_chroma": st.booleans(),
    "keep_grey": st.booleans(),
    "style_loss": st.sampled_from(sorted(STYLE_LOSSES))
    | st.dictionaries(st.sampled_from(sorted(STYLE_LOSSES)), WEIGHTS, min_size=1),
    "content_loss": st.sampled_from(sorted(CONTENT_LOSSES)),
    "spectrum_weight": WEIGHTS,
    "blend": st.none() | st.lists(WEIGHTS | st.sampled_from(["fine", "coarse"]), min_size=1, max_size=4),
    "stroke_size": st.floats(0.1, 10),
    "colour": st.sampled_from(sorted(COLOURS)),
    "carried": st.sampled_from(["inside", "simple", "all"]),
    "photoreal": st.booleans(),
    "tileable": st.booleans(),
    "init": TEXT,
    "seed": st.integers(0, 2**63 - 1),
    "solver": st.sampled_from(sorted(SOLVERS)),
    "pooling": st.sampled_from(sorted(POOLINGS)),
    "network": st.sampled_from(sorted(NETWORKS)),
    "weights": st.none() | TEXT,
    "device": TEXT,
    "precision": st.sampled_from(["auto", "float32", "bfloat16"]),
    "memory": st.none() | st.integers(1, MANY - 1) | st.sampled_from(["4GB", "1.5 mb", "300"]),
    "tile": st.sampled_from(["auto", "off"]) | st.integers(64, MANY - 1),
    "limits": st.builds(Limits, st.integers(1, MANY - 1)) | st.sampled_from(["pixels=4e8", "bytes=8GB,seconds=.5"]),
}
"""Of every setting, what it may be."""


def test_every_setting_is_drawn():
    assert VALID.keys() == Settings.model_fields.keys()


@given(st.fixed_dictionaries({}, optional=VALID), st.sampled_from([None, *PRESETS]))
def test_settings_survive_json(options, preset):
    """All but ``memory`` and ``limits``, which are the machine's own affair, and no part of a recipe."""
    if options.get("quality") is not None:
        options["steps"] = "auto"
    settings = validated(preset=preset, **options)
    read = json.loads(json.dumps(settings.model_dump(mode="json")))
    assert Settings(**read) == settings.model_copy(update={"memory": None, "limits": Limits()})
    assert Settings.model_validate_json(settings.model_dump_json()).model_dump() == settings.model_dump()
    again = validated(settings)
    assert (again, hash(again)) == (settings, hash(settings))


ONES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**15, 10**400)
    | st.sampled_from([4299, 5000]).map(lambda digits: 10**digits)
    | st.floats()
    | st.decimals()
    | st.text(max_size=9)
    | st.just("9" * 5000)
    | st.binary(max_size=3)
    | st.sampled_from([object, len, ...])
)
NONSENSE = st.recursive(
    ONES,
    lambda inner: (
        st.lists(inner, max_size=12)
        | st.tuples(inner)
        | st.dictionaries(st.sampled_from(["conv1_1", "gram", "", "x" * 999, 3, 10**5000]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.sampled_from([*Settings.model_fields, "preset"]), NONSENSE)
@example("size", 10**5000)
@example("tile", 10**5000)
@example("memory", 10**5000)
@example("preset", "x" * 5000)
@example("blend", ["x" * 5000] * 99)
@example("style_loss", [])
@example("style_loss", ([],))
@example("style_loss", {"gram": 10**400})
@example("style_layers", {"x" * 5000: 2e15})
@example("style_layers", {10**5000: 1})
def test_whatever_is_given_is_taken_or_refused_by_its_name(option, given):
    try:
        made, told = Settings(**{option: given}), ""
    except UsageError as error:
        made, told = None, str(error)
    assert told.startswith(f"`{option}`: ") != (made is not None)
    assert len(told) < 30 * LONGEST
    assert made is None or hash(made) == hash(Settings(**{option: given}))


def test_the_papers_preset_is_the_papers():
    """Gatys, Ecker and Bethge, section "Methods"; β by docs/architecture.md, what it means."""
    paper = validated(preset="paper")
    assert paper.style_layers == {f"conv{block}_1": 1 / 5 for block in range(1, 6)}
    assert paper.style_loss == {"gram": 1.0}
    assert (paper.content_layers, paper.content_weight, paper.style_weight) == ({"conv4_2": 1.0}, 1, 1e8)
    assert (paper.pooling, paper.edges, paper.smooth_chroma) == ("average", "black", False)
    assert (paper.tv_weight, paper.excess_weight) == (0, 0)


def test_the_defaults_are_in_the_registries():
    assert Settings().network in NETWORKS
    assert Settings().init in STARTS


def test_a_solver_that_is_annealed_knows_its_steps_at_every_quality():
    at = {quality: Settings(quality=quality) for quality in STEPS}
    assert [of.steps_at(1.0) for of in at.values()] == [*STEPS.values()]
    assert at["normal"].steps_in_all == Settings().steps_in_all
    assert not any(of.until_settled for of in at.values())
    assert Settings(quality="draft", solver="lbfgs").until_settled
    assert not Settings(steps=20, solver="lbfgs").until_settled
