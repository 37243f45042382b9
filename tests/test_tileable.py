"""Pictures whose edges join: what is scored has no edges, and what is painted has no seam."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from nets import tiny_network

import impasto as library
from impasto.assembly import objective_of
from impasto.errors import UsageError
from impasto.images.joining import DEPTH, joined
from impasto.losses import laplacian, total_variation
from impasto.network.endless import Endless, around
from impasto.network.protocol import Network
from impasto.preparation import view_of
from impasto.settings import Settings
from impasto.views import Through

LAYERS = ("conv1_1", "conv2_2", "pool3", "conv4_2", "conv5_1")


def noise(height, width, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def soft(seed, height=64, width=96):
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def rolled(x, rows, columns):
    return x.roll((rows, columns), (2, 3))


# What a network sees


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 12))
def test_beyond_an_edge_is_what_is_at_the_opposite_one(height, width, margin):
    x = noise(height, width)
    wide = np.pad(x.numpy(), ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="wrap")
    np.testing.assert_array_equal(around(x, margin).numpy(), wide)


@pytest.mark.parametrize("edges", ["mirrored", "black"])
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_it_sees_the_middle_of_many_pictures_side_by_side(edges, pooling):
    network = tiny_network(pooling, factored=True).double()
    network.edges = edges
    x = noise(32, 48)
    many = network(x.repeat(1, 1, 7, 5), LAYERS)
    for layer, seen in Endless(network)(x, LAYERS).items():
        height, width = (side // network.strides[layer] for side in (32, 48))
        middle = many[layer][..., 3 * height : 4 * height, 2 * width : 3 * width]
        torch.testing.assert_close(seen, middle, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (21, 35), (64, 40)])
@pytest.mark.parametrize("layers", [LAYERS, ("conv1_1",), ("conv2_2", "pool2")])
def test_its_own_way_back_is_autograds(height, width, layers):
    network = Endless(tiny_network().double())
    assert isinstance(network, Network)
    x = noise(height, width).requires_grad_(True)
    expected = network(x, layers)
    found, pullback = network.look(x, layers)
    own = {layer: torch.randn_like(seen) for layer, seen in expected.items()}
    (by_autograd,) = torch.autograd.grad(list(expected.values()), x, list(own.values()))
    for layer, seen in found.items():
        torch.testing.assert_close(seen, expected[layer])
    torch.testing.assert_close(pullback(lambda layer: own[layer].clone()), by_autograd)


# What is scored


def objective(tileable, photograph=None, height=32, width=48, **options):
    network = tiny_network().double()
    chosen = Settings(
        tileable=tileable,
        style_layers=dict.fromkeys(LAYERS, 1.0),
        style_loss={"gram": 1.0, "gaussian": 1.0, "sliced": 1.0},
        style_weight=1e3,
        tv_weight=1.0,
        **options,
    )
    total = objective_of(chosen, network, photograph, noise(40, 56, 9) / 2)
    return Through(total, view_of(chosen, {"style": noise(8, 8)}))


@hypothesis_settings(max_examples=10)
@given(st.integers(-2, 2), st.integers(-2, 2), st.sampled_from([(16, 16), (32, 48)]))
def test_a_texture_is_as_good_wherever_it_begins(rows, columns, size):
    x = noise(*size)
    total = objective(True)
    values, gradient = total.value_and_gradient(x)
    of_rolled, gradient_of_rolled = total.value_and_gradient(rolled(x, 16 * rows, 16 * columns))
    assert dict(of_rolled) == pytest.approx(dict(values), rel=1e-9)
    back = rolled(gradient_of_rolled, -16 * rows, -16 * columns)
    torch.testing.assert_close(back, gradient, rtol=0, atol=1e-9 * float(gradient.abs().max()))


@pytest.mark.parametrize("content_loss", ["features", "self-similarity"])
@pytest.mark.parametrize("edges", ["mirrored", "black"])
def test_a_painted_photograph_is_as_good_wherever_it_begins(content_loss, edges):
    x, p = noise(32, 48), noise(32, 48, 1)
    options = {"content_loss": content_loss, "keep_lines": 1.0, "edges": edges}
    values, gradient = objective(True, p, **options).value_and_gradient(x)
    assert set(values) == {"content", "style", "excess", "lines", "tv"}
    assert values["excess"] > 0
    of_rolled, back = objective(True, rolled(p, 16, 32), **options).value_and_gradient(rolled(x, 16, 32))
    assert dict(of_rolled) == pytest.approx(dict(values), rel=1e-9)
    torch.testing.assert_close(rolled(back, -16, -32), gradient, rtol=0, atol=1e-9 * float(gradient.abs().max()))


def test_other_pictures_have_edges():
    x = noise(32, 48)
    values, _ = objective(False).value_and_gradient(x)
    of_rolled, _ = objective(False).value_and_gradient(rolled(x, 16, 32))
    for name, value in values.items():
        assert of_rolled[name] != pytest.approx(value, rel=1e-4), name


@pytest.mark.parametrize(("height", "width"), [(16, 16), (37, 22)])
def test_its_gradient_equals_finite_differences(height, width):
    total = objective(True, noise(height, width, 1), keep_lines=1.0)
    x = 0.3 + 0.4 * noise(height, width, 2)
    direction = noise(height, width, 3) - 0.5
    _, gradient = total.value_and_gradient(x)
    up, down = (sum(total.value_and_gradient(x + step * direction)[0].values()) for step in (1e-6, -1e-6))
    assert float((gradient * direction).sum()) == pytest.approx(float(up - down) / 2e-6, rel=1e-5)


def test_lines_and_variation_go_round():
    x = noise(12, 16)
    X = x.numpy()
    by_hand = sum(((np.roll(X, -1, axis) - X) ** 2).sum() for axis in (2, 3))
    assert float(total_variation(x, edges="circular")) == pytest.approx(by_hand, rel=1e-12)
    torch.testing.assert_close(
        laplacian(rolled(x, 4, 8), edges="circular"), rolled(laplacian(x, edges="circular"), 1, 2)
    )


# The photograph


@given(st.integers(2, 7), st.integers(2, 7))
def test_a_joined_photograph_is_less_what_jumps(height, width):
    """s by a dense system of equations, p by p."""
    p = 0.4 + 0.2 * noise(height, width, 7)
    at = [(i, j) for i in range(height) for j in range(width)]
    A, v = np.zeros((len(at), len(at))), np.zeros((len(at), 3))
    for n, (i, j) in enumerate(at):
        A[n, n] -= 1 / (DEPTH * max(height, width)) ** 2
        for y, x in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            other = y % height, x % width
            A[n, at.index(other)] += 1
            A[n, n] -= 1
            if other != (y, x):  # a neighbour across an edge
                v[n] += (p[0, :, *other] - p[0, :, i, j]).numpy()
    s = np.linalg.solve(A, v).T.reshape(1, 3, height, width)
    np.testing.assert_allclose(joined(p).numpy(), (p.numpy() - s).clip(0, 1), atol=1e-12)


def test_a_joined_photograph_has_no_jump_and_is_the_same_inside():
    ramp = torch.linspace(0.2, 0.8, 128).expand(1, 3, 128, 128)
    found = joined(ramp)
    assert float((found[..., 0] - found[..., -1]).abs().max()) < 0.03
    torch.testing.assert_close(found[..., 60:68], ramp[..., 60:68], rtol=0, atol=0.01)
    torch.testing.assert_close(joined(torch.full((1, 3, 20, 30), 0.3)), torch.full((1, 3, 20, 30), 0.3))


# Whole runs


def seam(picture):
    """How different the two lines are that join, in terms of neighbours inside: columns, and rows."""
    across, down = (picture.roll(-1, side).sub(picture).abs().mean((0, 1, 5 - side)) for side in (3, 2))
    return float(across[-1] / across[:-1].mean()), float(down[-1] / down[:-1].mean())


SHALLOW = {"conv1_1": 0.75, "conv2_1": 0.19, "conv3_1": 0.06}
"""Of which a margin of 12 px is enough: a test takes less."""

RUN = {"size": 64, "steps": 16, "scales": 1, "style_layers": SHALLOW}


@pytest.mark.parametrize(("width", "height"), [(64, 48), (61, 53)])
def test_a_texture_has_no_seam(width, height):
    apart, together = (library.texture("sample:swirl", width, height, tileable=of, **RUN) for of in (False, True))
    *_, apart = apart
    *_, together = together
    assert min(seam(apart.image)) > 1.8
    assert max(seam(together.image)) < 1.4
    assert together.picture.recipe["settings"]["tileable"]


@pytest.mark.parametrize("options", [{}, {"colour": "matched", "keep_lines": 1.0}])
def test_a_painted_photograph_has_no_seam(options):
    apart, together = (
        library.paint("sample:coffee", "sample:swirl", tileable=of, **RUN | options).tensor for of in (False, True)
    )
    assert min(seam(apart)) > 1.8
    assert max(seam(together)) < 1.4


@pytest.mark.parametrize("side", [16, 61])
def test_it_goes_with_everything_else(side):
    mask = torch.zeros(1, 3, side, side)
    mask[..., side // 2 :] = 1
    alpha = torch.ones(1, 1, side, side)
    alpha[..., : side // 4, :] = 0
    photograph = torch.cat([soft(1, side, side), alpha], dim=1)
    paintings = [soft(seed, side, side) for seed in (2, 3, 4)]
    regions = [library.Region(mask, paintings[0])]
    options = {"size": side, "steps": 2, "scales": 1, "tileable": True}
    picture = library.paint(photograph, paintings[1:], regions=regions, strength=0.8, blend=(1, 2), **options)
    torch.testing.assert_close(picture.alpha, alpha)
    kept = library.paint(soft(1, side, side), paintings[0], regions=[library.Region(mask)], **options).tensor
    torch.testing.assert_close(kept[..., side // 2 :], joined(soft(1, side, side))[..., side // 2 :], rtol=0, atol=1e-6)
    for more in ({"spectrum_weight": 1.0}, {"content_loss": "self-similarity"}, {"preset": "paper"}):
        assert library.paint(soft(1, side, side), paintings[0], **options | more).tensor.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photoreal": True}, "`photoreal` looks at the picture in windows that end at its edges"),
        ({"network": Endless(tiny_network())}, "`tileable` has to know how far a network sees"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        library.stylize(soft(1), soft(2), size=32, tileable=True, **options)
