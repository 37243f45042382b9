"""The paper's normalised network: mean activation 1 per filter, and the same network otherwise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import INPUT, tiny_network, tiny_weights

from impasto.network.normalise import FLOOR, mean_activations, normalised
from impasto.network.vgg import LAYERS, VGG

PICTURES = [torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]


@settings(max_examples=10)
@given(st.integers(0, 1000), st.sampled_from(["average", "max"]))
def test_mean_activations_become_one(seed, pooling):
    network = tiny_network(seed=seed, pooling=pooling)
    means = mean_activations(network, PICTURES)
    again = mean_activations(VGG(normalised(network.weights(), means), INPUT, pooling), PICTURES)
    for layer in LAYERS:
        alive = means[layer] > FLOOR * means[layer].mean()
        torch.testing.assert_close(again[layer][alive], torch.ones(int(alive.sum())), rtol=1e-3, atol=1e-4)


def test_every_activation_is_only_divided_by_its_mean():
    network = tiny_network().double()
    means = mean_activations(network, [picture.double() for picture in PICTURES])
    rescaled = VGG(normalised(network.weights(), means), INPUT)
    before, after = (n(PICTURES[0].double(), LAYERS) for n in (network, rescaled))
    for layer in LAYERS:
        scale = means[layer].clamp_min(FLOOR * float(means[layer].mean())).double().view(1, -1, 1, 1)
        torch.testing.assert_close(after[layer], before[layer] / scale)


def test_means_are_over_images_and_positions_not_over_images_first():
    network = tiny_network(deepest="conv1_1")
    small, large = torch.rand(1, 3, 2, 2), torch.rand(1, 3, 40, 40)
    values = [network(image, ["conv1_1"])["conv1_1"].flatten(2)[0] for image in (small, large)]
    expected = torch.cat(values, dim=1).mean(dim=1)
    torch.testing.assert_close(mean_activations(network, [small, large])["conv1_1"], expected)


def test_a_nearly_dead_filter_is_not_blown_up():
    weights = tiny_weights()
    weights["conv2_1.weight"][0] *= 1e-9
    weights["conv2_1.bias"][0] = 1e-12
    means = mean_activations(VGG(weights, INPUT), PICTURES)
    found = normalised(weights, means)
    assert means["conv2_1"][0] < 1e-6
    assert found["conv2_1.weight"].abs().max() < 1e4
    dead = mean_activations(VGG(found, INPUT), PICTURES)["conv2_1"][0]
    assert dead == pytest.approx(0, abs=1e-4)


def test_dead_filters_do_not_make_numbers_that_are_none():
    weights = tiny_weights()
    weights["conv2_1.bias"][:] = -1e9
    found = normalised(weights, mean_activations(VGG(weights, INPUT), PICTURES))
    assert all(torch.isfinite(value).all() for value in found.values())


def test_features_behind_a_readout_stay_what_they_are():
    weights = {key: value.double() for key, value in tiny_weights(factored=True).items()}
    network = VGG(weights, INPUT)
    rescaled = VGG(normalised(weights, mean_activations(network, [picture.double() for picture in PICTURES])), INPUT)
    before, after = (n.features(PICTURES[0].double(), LAYERS) for n in (network, rescaled))
    for layer in LAYERS:
        torch.testing.assert_close(after[layer], before[layer])
