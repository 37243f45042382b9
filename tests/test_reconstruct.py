"""What layers hold of a picture: reconstructions and textures, on the built-in network."""

import pytest
import torch

import impasto
from impasto.assembly import objective_of
from impasto.errors import InputError, UsageError
from impasto.kept import picture
from impasto.network.registry import load_network
from impasto.settings import STYLE_LAYERS, Settings, validated

SIZE = 64


def last(steps):
    *_, step = steps
    return step


def distance(x, y):
    return float((x - y).square().mean().sqrt())


@pytest.fixture(scope="module")
def photograph():
    return picture("sample:coffee", Settings(size=SIZE))


@pytest.fixture(scope="module")
def painting():
    return picture("sample:mosaic", Settings(size=SIZE))


def test_the_lower_the_layer_the_more_of_the_photograph_it_holds(photograph):
    """Figure 1, content: the photograph comes back from the low layers, less and less from the deeper ones."""
    layers = ("conv1_1", "conv3_1", "conv5_1")
    errors = [
        distance(
            last(impasto.reconstruct_content(photograph, size=SIZE, steps=60, content_layers={layer: 1})).image,
            photograph,
        )
        for layer in layers
    ]
    assert errors == sorted(errors)
    assert errors[0] < 0.1 < errors[2] / 1.5


def test_a_content_reconstruction_minimises_equation_1_alone(photograph):
    first, *_, end = impasto.reconstruct_content(photograph, size=SIZE, steps=30, precision="float32")
    assert set(first.terms) == {"content"}
    assert end.loss < first.loss / 10
    P = load_network().features(photograph, {"conv4_2"})["conv4_2"]
    F = load_network().features(end.image, {"conv4_2"})["conv4_2"]
    area = 512 * 512 / (photograph.shape[2] * photograph.shape[3])
    assert end.loss == pytest.approx(area * float((F - P).double().square().sum()) / 2, rel=1e-3)


def test_a_style_reconstruction_has_the_grams_and_not_the_picture(painting):
    first, *_, end = impasto.reconstruct_style(painting, size=SIZE, steps=80)
    assert set(first.terms) == {"style"}
    assert end.loss < first.loss / 100
    assert end.image.shape == painting.shape
    assert distance(end.image, painting) > 0.1


def test_more_layers_leave_less_of_the_style_out(painting):
    """Figure 1, style: what a reconstruction from few layers misses, one from all of them has."""
    judge = objective_of(validated(preset="paper", content_weight=0, style_weight=1), load_network(), painting=painting)
    names = list(STYLE_LAYERS)

    def missed(layers):
        steps = impasto.reconstruct_style(
            painting, size=SIZE, steps=60, style_layers={layer: 1 / len(layers) for layer in layers}
        )
        return judge.value_and_gradient(last(steps).image)[0]["style"]

    losses = [missed(names[:count]) for count in (1, 3, 5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[2] < losses[0] / 10


@pytest.mark.parametrize(("width", "height", "nearer"), [(16, 16, 5), (70, 33, 10), (97, 129, 10)])
def test_a_texture_is_as_large_as_asked_and_has_the_style(painting, width, height, nearer):
    """At 16 px less of it: conv4_1 has four positions there."""
    first, *_, end = impasto.texture(painting, width, height, size=SIZE, steps=25)
    assert end.image.shape == (1, 3, height, width)
    assert end.loss < first.loss / nearer


def test_a_texture_can_start_anywhere_but_from_a_photograph_that_is_not_there(painting):
    (start,) = impasto.texture(painting, 20, 30, size=SIZE, steps=0, init="style")
    assert start.image.shape == (1, 3, 30, 20)
    assert abs(float(start.image.mean()) - float(painting.mean())) < 0.02
    with pytest.raises(UsageError, match=r"no 'content' to start from; choose style, noise, faint, or a file"):
        impasto.texture(painting, 20, 30, size=SIZE, init="content")
    with pytest.raises(UsageError, match="no 'style' to start from; choose content, noise, faint, or a file"):
        impasto.reconstruct_content(painting, size=SIZE, init="style")


def test_what_cannot_be_is_refused_at_the_call(painting):
    with pytest.raises(UsageError, match="`size` is of so many digits"):
        impasto.texture(painting, 10**5000, 64)
    with pytest.raises(UsageError, match="15 x 40 px is too small"):
        impasto.texture(painting, 15, 40)
    with pytest.raises(UsageError, match="conv9_1"):
        impasto.reconstruct_style(painting, style_layers={"conv9_1": 1})
    with pytest.raises(InputError, match="nowhere"):
        impasto.reconstruct_content("nowhere.png")


def test_white_noise_is_the_start_and_a_seed_says_which(painting):
    starts = [next(impasto.reconstruct_style(painting, size=SIZE, steps=0, seed=seed)).image for seed in (1, 1, 2)]
    assert torch.equal(starts[0], starts[1])
    assert distance(starts[0], starts[2]) > 0.3
    assert float(starts[0].std()) == pytest.approx(12**-0.5, abs=0.02)
