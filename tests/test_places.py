"""Terms add up: a picture looked at place by place has the value and the gradient that it has as a whole."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from nets import tiny_network

from impasto.content import CONTENT_LOSSES
from impasto.features import Place
from impasto.losses import laplacian, luminance, spectrum
from impasto.objective import TotalLoss, content_targets, style_targets
from impasto.style import EXCESS, STYLE_LOSSES
from impasto.terms import CELL, PIXELS, Content, Lines, Spectrum, Style, Temporal, Term, Variation

STRIDE = 16
"""px, of the deepest layer; of conv3_1 it would be 4."""


def picture(height: int, width: int, seed: int) -> torch.Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cut(length: int, parts: int) -> Iterator[slice]:
    """``length`` in so many parts, each beginning on a multiple of the stride; the last has what is left."""
    ends = [length // parts // STRIDE * STRIDE * part for part in range(parts)] + [length]
    return (slice(*ends) for ends in pairwise(ends))


def with_margin(counted: slice, length: int, margin: int) -> slice:
    return slice(max(counted.start - margin, 0), min(counted.stop + margin, length))


def places(height: int, width: int, rows: int, columns: int, margin: int) -> list[Place]:
    return [
        Place(height, width, y, x, with_margin(y, height, margin), with_margin(x, width, margin))
        for y in cut(height, rows)
        for x in cut(width, columns)
    ]


def every_term(network, height: int, width: int, content: dict[str, float], style: dict[str, float]) -> list[Term]:
    p, a = picture(height, width, 1), picture(96, 64, 2)
    terms: list[Term] = [
        Content(content_targets(network, p, content), content, 2.0),
        Content(
            content_targets(network, p, content, alike := CONTENT_LOSSES["self-similarity"]),
            content,
            2.0,
            alike,
            "alike",
        ),
        Lines(laplacian(p, CELL), 3.0),
        Variation(0.7),
        Temporal(picture(height, width, 5), picture(height, width, 6)[:, :1], 1.5),
        Spectrum(spectrum(luminance(a), height, width), 2.0),
    ]
    for name, of in STYLE_LOSSES.items():
        terms.append(Style(of, style_targets(network, a, style, of), style, 300.0, name))
    flat = style_targets(network, a / 5, {PIXELS: 1.0}, EXCESS["replicate"])
    return [*terms, Style(EXCESS["replicate"], flat, {PIXELS: 1.0}, 300.0, "excess")]


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    """So that not every position is one."""
    monkeypatch.setattr("impasto.style.SAMPLES", 500)
    monkeypatch.setattr("impasto.content.SAMPLES", 40)


def compare(network, terms: list[Term], x: torch.Tensor, parts: list[Place]) -> None:
    assert sum(place.pixels for place in parts) == x.shape[2] * x.shape[3]
    whole, gradient = TotalLoss(network, terms).value_and_gradient(x)
    values, found = TotalLoss(network, terms, parts).value_and_gradient(x)
    assert set(values) == {"content", "alike", "lines", "tv", "spectrum", "temporal", "excess", *STYLE_LOSSES}
    assert whole["excess"] > 0
    for name, value in whole.items():
        assert values[name] == pytest.approx(value, rel=1e-10), name
    torch.testing.assert_close(found, gradient, rtol=0, atol=1e-10 * float(gradient.abs().max()))


SHALLOW = {"conv1_1": 0.5, "conv2_1": 0.3, "conv3_1": 0.2, "pool1": 0.1}
DEEP = {"conv1_1": 0.5, "conv3_1": 0.2, "conv5_1": 0.3, "pool4": 0.1}


@pytest.mark.parametrize(("height", "width"), [(64, 96), (61, 75), (80, 33)])
@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize("factored", [False, True])
def test_places_add_up(height, width, rows, columns, factored):
    network = tiny_network(factored=factored).double()
    terms = every_term(network, height, width, {"conv2_2": 0.5, "conv3_1": 1.0}, SHALLOW)
    compare(network, terms, picture(height, width, 0), places(height, width, rows, columns, margin=16))


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("edges", ["black", "mirrored"])
def test_places_add_up_in_all_layers_of_the_paper(pooling, edges):
    network = tiny_network(pooling=pooling).double()
    network.edges = edges
    height, width = 215, 305  # both odd, and a last place that is no multiple of the stride
    terms = every_term(network, height, width, {"conv4_2": 1.0}, DEEP)
    compare(network, terms, picture(height, width, 0), places(height, width, 2, 3, margin=96))


def test_a_margin_that_is_too_small_would_show():
    network = tiny_network().double()
    terms = every_term(network, 64, 96, {"conv3_1": 1.0}, SHALLOW)
    with pytest.raises(AssertionError):
        compare(network, terms, picture(64, 96, 0), places(64, 96, 1, 2, margin=0))


def test_one_place_of_all_is_the_whole():
    network = tiny_network().double()
    terms = every_term(network, 48, 40, {"conv3_1": 1.0}, SHALLOW)
    compare(network, terms, picture(48, 40, 0), [Place.whole(48, 40)])


@pytest.mark.parametrize("edges", ["black", "mirrored"])
@pytest.mark.parametrize("border", ["pool1", "pool3", "pool4", "conv3_2"])
@pytest.mark.parametrize("factored", [False, True])
def test_what_lies_deeper_adds_up_too(edges, border, factored):
    """In places of its own, with no more of a margin around either than it sees."""
    network = tiny_network(factored=factored).double()
    network.edges = edges
    height, width = 215, 305
    terms = every_term(network, height, width, {"conv4_2": 1.0, "conv2_2": 0.3}, DEEP)
    x = picture(height, width, 0)
    whole, gradient = TotalLoss(network, terms).value_and_gradient(x)
    parted, margin = TotalLoss(network, terms).parted(border), 64 if border == "pool4" else 32
    assert parted.deeper is not None
    for of_picture, of_map in (((1, 1, 0), (1, 1, 0)), ((2, 3, margin), (1, 1, 0)), ((3, 2, margin), (2, 1, 96))):
        deeper = replace(parted.deeper, places=places(height, width, *of_map))
        found = replace(parted, places=places(height, width, *of_picture), deeper=deeper)
        values, found_gradient = found.value_and_gradient(x)
        assert dict(values) == pytest.approx(dict(whole), rel=1e-10)
        torch.testing.assert_close(found_gradient, gradient, rtol=0, atol=1e-10 * float(gradient.abs().max()))


def test_what_does_not_look_deeper_is_not_parted():
    network = tiny_network().double()
    total = TotalLoss(network, every_term(network, 64, 96, {"conv3_1": 1.0}, SHALLOW))
    assert total.parted("pool3") is total
