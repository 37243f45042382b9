"""The paper's own VGG-19, where ``IMPASTO_TEST_VGG19`` names its file."""

import os
from pathlib import Path

import numpy as np
import pytest
import reference
import torch

from impasto.assembly import objective_of
from impasto.errors import WeightsError
from impasto.images.files import read
from impasto.network.registry import load_network
from impasto.network.vgg import LAYERS, VGG
from impasto.settings import Settings

FILE = os.environ.get("IMPASTO_TEST_VGG19")
pytestmark = pytest.mark.skipif(FILE is None, reason="set IMPASTO_TEST_VGG19 to the file of the paper's VGG-19")


@pytest.fixture(scope="module")
def vgg19() -> VGG:
    return load_network("vgg19", weights=Path(str(FILE)))


def test_the_shipped_means_make_mean_activations_about_one(vgg19):
    """Measured over other photographs than these, so only about: within a factor of two per layer."""
    photographs = [read(f"sample:{name}", size=384) for name in ("astronaut", "chelsea", "coffee", "rocket")]
    for layer in LAYERS:
        activations = torch.cat([vgg19.features(image, [layer])[layer] for image in photographs], dim=1)
        assert 0.5 < float(activations.mean()) < 2, layer


def test_the_real_network_equals_an_independent_implementation(vgg19):
    image = read("sample:chelsea", size=64)
    features = vgg19.features(image, LAYERS)
    for layer, expected in reference.activations(vgg19, image.double().numpy()).items():
        flat = expected.reshape(expected.shape[0], -1)
        np.testing.assert_allclose(features[layer].numpy(), flat, rtol=1e-3, atol=1e-3 * flat.mean(), err_msg=layer)


def test_losses_and_gradient_on_the_real_network_equal_an_independent_implementation(vgg19):
    """To float32 accuracy, all of equations 1 to 7."""
    x, p, a = (read(f"sample:{name}", size=48) for name in ("rocket", "chelsea", "swirl"))
    content, style = {"conv4_2": 1.0}, dict.fromkeys(("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"), 0.2)
    settings = Settings(content_layers=content, style_layers=style, content_weight=1, style_weight=1e8, tv_weight=0)
    terms, gradient = objective_of(settings, vgg19, p, a).value_and_gradient(x)
    arrays = [image.double().numpy() for image in (x, p, a)]
    expected, by_hand = reference.terms_and_gradient(vgg19, *arrays, content, style, 1.0, 1e8, 0.0)
    for name, value in terms.items():
        assert value == pytest.approx(expected[name], rel=1e-4), name
    assert np.linalg.norm(gradient.numpy() - by_hand) < 1e-3 * np.linalg.norm(by_hand)


def test_caffes_weights_are_not_torchvisions():
    with pytest.raises(WeightsError, match=r"Caffe's do.* --network vgg19"):
        load_network("vgg19-torchvision", weights=Path(str(FILE)))


def test_lite_sees_what_vgg19_sees(vgg19):
    """Of the energy of each layer's features, the share that lite's features miss on a photograph it has not learnt."""
    lite = load_network("lite")
    image = read("sample:coffee", size=256)
    for layer, most in {"conv1_1": 0.1, "conv2_1": 0.15, "conv3_1": 0.15, "conv4_2": 0.2, "conv5_1": 0.35}.items():
        F, T = lite.features(image, [layer])[layer], vgg19.features(image, [layer])[layer]
        assert float((F - T).square().sum() / T.square().sum()) < most, layer
