"""What the race takes a peer's objective to be."""

import nets
import pytest
import torch
from torch.nn import functional as nnf

from benchmarks.peers import (
    NeuralStylePt,
    WassersteinObjective,
    named_as_in_torchvision,
    square_root,
    wasserstein,
)
from impasto.assembly import objective_of
from impasto.network.protocol import CAFFE
from impasto.network.registry import load_network
from impasto.network.weights import Weights, save_weights
from impasto.settings import Settings


def test_with_the_settings_of_the_race_impasto_minimises_what_the_peer_does(tmp_path):
    save_weights(tmp_path / "vgg19.safetensors", Weights(nets.tiny_weights(), CAFFE))
    peer = NeuralStylePt(tmp_path, tmp_path / "vgg19.safetensors")
    photograph, image = torch.rand(2, 1, 3, 48, 64).unbind()
    painting = torch.rand(1, 3, 64, 32)
    settings = Settings(**peer.settings())
    network = load_network(settings.network, weights=settings.weights, pooling=settings.pooling)
    terms, _ = objective_of(settings, network, photograph, painting).value_and_gradient(image)
    variation = 1e-3 * 255 * float(image.diff(dim=2).abs().sum() + image.diff(dim=3).abs().sum())
    assert sum(terms.values()) + variation == pytest.approx(peer.judge(photograph, painting)(image), rel=1e-5)
    assert min(terms.values()) > 0


def test_weights_are_numbered_as_torchvision_numbers_them():
    names = named_as_in_torchvision(nets.tiny_weights())
    assert [name for name in names if name.endswith("weight")] == [
        f"features.{i}.weight" for i in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    ]


def test_features_of_an_image_padded_by_its_edge():
    network = nets.tiny_network(pooling="max")
    image, other = torch.rand(2, 1, 3, 33, 40).unbind()
    objective = WassersteinObjective(network, image, other)
    link = network.link("conv1_1")
    padded = nnf.pad(network.preprocessing(image), (1, 1, 1, 1), mode="replicate")
    expected = nnf.conv2d(padded, link.weight, link.bias).relu()
    torch.testing.assert_close(objective.features(image)["conv1_1"], expected.flatten(2).squeeze(0))


def test_the_distance_of_normal_distributions():
    """Where the covariances commute, the distance is that of the means and of the standard deviations."""
    m, m_a, s, s_a = torch.rand(4, 6).unbind()
    Q = torch.linalg.qr(torch.randn(6, 6)).Q
    C, C_a = ((Q * v**2) @ Q.T for v in (s, s_a))
    expected = ((m - m_a).square().sum() + (s - s_a).square().sum()) / 6
    torch.testing.assert_close(wasserstein((m, C), m_a, C_a, square_root(C_a)), expected, rtol=1e-3, atol=1e-5)


def test_the_gradient_of_the_wasserstein_objective_equals_finite_differences():
    network = nets.tiny_network(pooling="max").double()
    image, photograph, painting = torch.rand(3, 1, 3, 40, 40, dtype=torch.float64).unbind()
    objective = WassersteinObjective(network, photograph, painting)
    _, gradient = objective.value_and_gradient(image)
    direction = torch.randn_like(image)
    ahead, behind = (sum(objective.value_and_gradient(image + h * direction)[0].values()) for h in (1e-6, -1e-6))
    assert (ahead - behind) / 2e-6 == pytest.approx(float((gradient * direction).sum()), rel=1e-4)
    assert objective.value_and_gradient(photograph)[0]["content"] == 0
    assert objective.value_and_gradient(painting)[0]["style"] == pytest.approx(0, abs=1e-4)
