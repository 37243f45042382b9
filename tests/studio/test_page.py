"""What the page makes of what is chosen and painted over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("gradio")

from impasto.settings import PRESETS, Settings, validated
from impasto.studio.page import COLOURS, options_of, painted_over

PAINTED = [*COLOURS, None]


@given(
    st.none() | st.floats(0, 1),
    st.none() | st.sampled_from([256, 1024]),
    st.booleans(),
    st.sampled_from([None, "", *PRESETS]),
    st.none() | st.floats(0.25, 3),
    st.none() | st.floats(0, 3),
    st.none() | st.integers(0, 2**40),
)
def test_whatever_is_chosen_are_settings(strength, size, keep_colours, preset, stroke_size, keep_lines, seed):
    options = options_of(strength, size, keep_colours, preset, stroke_size, keep_lines, seed)
    settings = validated(**options)
    assert (settings.size, settings.seed) == (size or 512, seed or 0)
    if strength is not None and not preset:
        assert settings.strength == strength


def test_what_a_preset_says_holds_where_a_control_was_left_alone():
    assert validated(**options_of(0.5, 512, False, "oil", 1, 0, 0)).strength == validated(preset="oil").strength == 0.6
    assert validated(**options_of(0.9, 512, False, "oil", 1, 0, 0)).strength == 0.9
    assert validated(**options_of(0.5, 512, True, "", 1, 0, 0)) == Settings(colour="matched")


@given(st.lists(st.lists(st.sampled_from(range(len(PAINTED))), min_size=3, max_size=3), min_size=2, max_size=5))
def test_every_colour_is_a_mask_of_its_own(drawn):
    """Though a brush is soft at its rim: a little off in colour, and not quite opaque."""
    off = np.random.default_rng(0).integers(-20, 21, (len(drawn), 3, 3))
    rgb = [[[int((PAINTED[n] or "#808080")[at : at + 2], 16) for at in (1, 3, 5)] for n in row] for row in drawn]
    opaque = [[255 - 90 * (n % 2) if PAINTED[n] else 60 for n in row] for row in drawn]
    layer = np.dstack([np.clip(np.array(rgb) + off, 0, 255), opaque]).astype(np.uint8)
    found = painted_over({"background": None, "layers": [Image.fromarray(layer)], "composite": None})
    expected = [n for n, colour in enumerate(COLOURS) if any(n in row for row in drawn)]
    assert [of for _, of in found] == [list(COLOURS.values())[n] for n in expected]
    for (mask, _), n in zip(found, expected, strict=True):
        assert (np.asarray(mask) == 255).tolist() == [[m == n for m in row] for row in drawn]


@pytest.mark.parametrize("nothing", [None, {}, {"layers": None}, {"layers": []}, {"layers": [None]}])
def test_where_nothing_is_painted_over_there_is_no_region(nothing):
    assert painted_over(nothing) == []
    assert painted_over({"layers": [Image.new("RGBA", (8, 8))]}) == []
