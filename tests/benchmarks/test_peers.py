"""What the race takes a peer's objective to be."""

import nets
import pytest
import torch

from benchmarks.peers import NeuralStylePt, named_as_in_torchvision
from impasto.facade import objective_of
from impasto.network.registry import load_network
from impasto.network.vgg import CAFFE
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
