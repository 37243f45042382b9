"""The places of a large picture: each pixel counts once, and with enough around it."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from impasto.assembly import network_of, objective_of
from impasto.settings import validated
from impasto.tiling import MARGIN, STRIDE, bytes_of, places_of

SIDES = st.integers(16, 700)


@given(height=SIDES, width=SIDES, side=st.sampled_from([64, 208, 512]))
def test_each_pixel_counts_once_and_is_seen_with_a_margin(height, width, side):
    counted = torch.zeros(height, width, dtype=torch.int64)
    for place in places_of(height, width, side):
        counted[place.rows, place.columns] += 1
        for inner, outer, size in (
            (place.rows, place.seen_rows, height),
            (place.columns, place.seen_columns, width),
        ):
            assert outer.start == max(0, inner.start - MARGIN)
            assert outer.stop == size or outer.stop - inner.stop == MARGIN
            assert inner.start % STRIDE == outer.start % STRIDE == 0
            assert outer.stop == size or outer.stop % STRIDE == 0
    assert bool((counted == 1).all())


@pytest.mark.parametrize("edges", ["mirrored", "black"])
def test_the_default_looks_the_same_in_places(edges):
    p, a, x = torch.rand(3, 1, 3, 437, 411, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    settings = validated(size=437, edges=edges)
    whole = objective_of(settings, network_of(settings, precision=torch.float64), p, a)
    terms, gradient = whole.value_and_gradient(x)
    found, found_gradient = replace(whole, places=tuple(places_of(437, 411, 224))).value_and_gradient(x)
    assert dict(found) == pytest.approx(dict(terms), rel=1e-10)
    assert float((found_gradient - gradient).norm() / gradient.norm()) < 1e-10


def test_what_an_evaluation_needs_grows_with_the_pixels_and_the_precision():
    settings = validated()
    single, half = (network_of(settings, precision=dtype) for dtype in (torch.float32, torch.bfloat16))
    assert bytes_of(single, 1000) == pytest.approx(2 * bytes_of(half, 1000), abs=1)
    assert bytes_of(half, 2000) == pytest.approx(2 * bytes_of(half, 1000), abs=1)
