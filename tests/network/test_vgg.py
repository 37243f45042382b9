"""The chain: names, shapes, values against NumPy, and nothing computed that was not asked for."""

import numpy as np
import pytest
import reference
import torch
from nets import FILTERS, tiny_network, tiny_weights

from impasto.errors import UsageError, WeightsError
from impasto.network.protocol import CAFFE, TORCHVISION
from impasto.network.vgg import LAYERS, VGG


def test_layers_are_named_as_in_the_paper():
    assert len(LAYERS) == 16
    assert LAYERS[:5] == ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
    assert LAYERS[-1] == "conv5_4"


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("factored", [False, True])
def test_features_equal_an_independent_implementation(pooling, factored):
    network = tiny_network(pooling=pooling, factored=factored).double()
    image = torch.rand(1, 3, 37, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    features = network.features(image, LAYERS)
    for layer, expected in reference.activations(network, image.numpy()).items():
        flat = expected.reshape(expected.shape[0], -1)
        np.testing.assert_allclose(features[layer].numpy(), flat, rtol=1e-10, atol=1e-10, err_msg=layer)


def test_features_are_filters_by_positions():
    features = tiny_network().features(torch.rand(1, 3, 64, 48), LAYERS)
    for layer, F in features.items():
        block = int(layer[4])
        assert F.shape == (FILTERS[block - 1], (64 >> (block - 1)) * (48 >> (block - 1)))


def test_nothing_beyond_the_deepest_layer_is_computed():
    network = tiny_network()
    computed = []
    for layer, link in network.links.items():
        link.register_forward_hook(lambda *_, layer=layer: computed.append(layer))
    assert set(network(torch.rand(1, 3, 32, 32), ["conv2_1", "conv1_1"])) == {"conv1_1", "conv2_1"}
    assert computed == ["conv1_1", "conv1_2", "conv2_1"]


def test_small_pictures_suffice_for_shallow_layers():
    assert tiny_network().features(torch.rand(1, 3, 1, 1), ["conv1_2"])["conv1_2"].shape == (FILTERS[0], 1)


def test_weights_are_frozen_and_the_image_is_not():
    network = tiny_network()
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    network.features(image, ["conv5_1"])["conv5_1"].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_papers_network_sees_bgr_from_0_to_255_without_the_mean():
    image = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)  # red, green, blue
    expected = torch.tensor([0 - 103.939, 127.5 - 116.779, 255 - 123.68])
    torch.testing.assert_close(CAFFE(image).flatten(), expected)


def test_torchvisions_network_sees_standardised_rgb():
    image = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)
    expected = torch.tensor([(1 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0 - 0.406) / 0.225])
    torch.testing.assert_close(TORCHVISION(image).flatten(), expected)


def test_a_network_may_end_early_and_says_so():
    network = tiny_network(deepest="conv3_2")
    assert network.layers[-1] == "conv3_2"
    with pytest.raises(UsageError, match=r"no layer 'conv5_1'.*conv3_2"):
        network.features(torch.rand(1, 3, 32, 32), ["conv5_1"])


def test_an_unknown_pooling_is_refused():
    with pytest.raises(UsageError, match=r"median.*average, max"):
        tiny_network(pooling="median")


def test_unknown_edges_are_refused():
    network = tiny_network()
    with pytest.raises(UsageError, match=r"wrong.*mirrored, black"):
        VGG(network.weights(), network.preprocessing, edges="wrong")


def broken(change: str) -> dict[str, torch.Tensor]:
    weights = tiny_weights(factored=True)
    if change == "gap":
        del weights["conv3_2.weight"]
    elif change == "no bias":
        del weights["conv3_2.bias"]
    elif change == "kernel":
        weights["conv3_2.weight"] = torch.rand(6, 5, 5, 5)
    elif change == "channels":
        weights["conv3_2.weight"] = torch.rand(6, 7, 3, 3)
    elif change == "bias":
        weights["conv3_2.bias"] = torch.rand(7)
    elif change == "readout":
        weights["conv3_2.readout"] = torch.rand(6, 7)
    elif change == "squeeze":
        weights["conv3_2.squeeze"] = torch.rand(5, 7)
    elif change == "other rank":
        weights["conv3_2.squeeze"] = torch.rand(4, 6)
    elif change == "scalar":
        weights["conv3_2.weight"] = torch.tensor(1.0)
    return weights if change != "empty" else {}


CHANGES = ["gap", "no bias", "kernel", "channels", "bias", "readout", "squeeze", "other rank", "scalar", "empty"]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_chain_is_refused(change):
    with pytest.raises(WeightsError, match=r"conv3_2|chain"):
        VGG(broken(change), CAFFE)
