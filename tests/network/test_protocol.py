"""Networks that are not VGG, and layers by other names."""

import pytest
import torch
from nets import INPUT, tiny_network, tiny_weights
from torch import nn

import impasto
from impasto.assembly import network_of, objective_of
from impasto.errors import UsageError, WeightsError
from impasto.network.protocol import Network, by_its_name
from impasto.network.vgg import CHAINS, VGG, chain_of
from impasto.objective import heads_of
from impasto.settings import Settings


class Skips(nn.Module):
    """Two branches, one of which is added to the other; three layers to look at, no chain."""

    layers = ("left", "right", "both")

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.left = nn.Conv2d(3, 6, 3, padding=1)
        self.right = nn.Conv2d(3, 6, 5, padding=2)
        self.both = nn.Conv2d(6, 8, 1)

    def preprocessing(self, image):
        return 2 * image - 1

    def forward(self, image, layers):
        x = self.preprocessing(image)
        left, right = self.left(x).relu(), self.right(x).relu()
        found = {"left": left, "right": right, "both": self.both(left + right * 0.5).relu()}
        return {name: found[name] for name in found if name in layers}


class Plain:
    """No module, no tensors of its own: what can be looked at are the colours, and their differences."""

    layers = ("colours", "edges")

    def preprocessing(self, image):
        return image

    def __call__(self, image, layers):
        found = {"colours": image * 2, "edges": (image[..., 1:] - image[..., :-1]).abs()}
        return {name: found[name] for name in layers}


def picture(seed: int, height: int = 24, width: int = 20, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=dtype)


CASES = [
    (Skips, {"both": 1.0}, {"left": 0.5, "both": 0.5}),
    (Skips, {"left": 1.0}, {"right": 1.0}),  # neither lies on the way back from the other
    (Skips, {"right": 1.0, "both": 0.3}, {"left": 0.5, "right": 0.2, "both": 0.3}),
    (Plain, {"colours": 1.0}, {"colours": 0.5, "edges": 0.5}),
]


@pytest.mark.parametrize(("kind", "content", "style"), CASES)
def test_the_gradient_through_any_graph_equals_finite_differences(kind, content, style):
    network = kind()
    network = network.double() if isinstance(network, nn.Module) else network
    settings = Settings(content_layers=content, style_layers=style, style_weight=50, tv_weight=1)
    objective = objective_of(settings, network, picture(1), picture(2))
    x = picture(3)
    _, gradient = objective.value_and_gradient(x)
    for seed in range(4):
        direction = picture(10 + seed) - 0.5
        ahead, behind = (sum(objective.value_and_gradient(x + s * 1e-6 * direction)[0].values()) for s in (1, -1))
        assert float((gradient * direction).sum()) == pytest.approx((ahead - behind) / 2e-6, rel=1e-5)


def test_in_a_chain_the_way_back_begins_at_the_deepest_layer():
    x = picture(1, 64, 64, torch.float32).requires_grad_(True)
    assert heads_of(tiny_network()(x, ["conv1_1", "conv3_2", "pool4"])) == ["pool4"]
    assert set(heads_of(Skips()(x, ["left", "right"]))) == {"left", "right"}
    assert heads_of(Skips()(x, ["left", "right", "both"])) == ["both"]


@pytest.mark.parametrize("network", [Skips(), Plain()])
def test_it_paints(network):
    assert isinstance(network, Network)
    layers = {"content_layers": {network.layers[0]: 1}, "style_layers": dict.fromkeys(network.layers, 0.5)}
    first, *_, last = impasto.stylize(picture(1), picture(2), network=network, size=32, steps=6, **layers)
    assert last.loss < first.loss


def test_the_callers_network_stays_as_it_is():
    network = Skips().double()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layers = {"content_layers": {"both": 1}, "style_layers": {"left": 1}}
    impasto.paint(picture(1), picture(2), network=network, size=32, steps=3, **layers)
    assert all(
        value.dtype == torch.float64 and torch.equal(value, before[name])
        for name, value in network.state_dict().items()
    )
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


def test_what_load_network_gave_can_be_given_again():
    with_name = impasto.paint(picture(1, 64, 64), picture(2), size=64, steps=3)
    with_network = impasto.paint(picture(1, 64, 64), picture(2), size=64, steps=3, network=impasto.load_network())
    assert torch.equal(with_name, with_network)


def test_weights_are_not_for_a_network_of_ones_own():
    with pytest.raises(UsageError, match="a network that is named"):
        network_of(Settings(network=Skips(), weights="w.pth"))
    with pytest.raises(UsageError, match=r"^`network`: a network's name is expected"):
        impasto.stylize(picture(1), picture(2), network=5)


def test_relu_is_another_name_and_pooling_has_a_layer():
    network = tiny_network()
    assert by_its_name({"relu4_2": 1.0, "conv1_1": 0.5, "pool4": 0.1}, network) == {
        "conv4_2": 1,
        "conv1_1": 0.5,
        "pool4": 0.1,
    }
    with pytest.raises(UsageError, match=r"'relu4_2' is layer 'conv4_2', which is given already"):
        by_its_name({"conv4_2": 1.0, "relu4_2": 1.0}, network)
    with pytest.raises(UsageError, match=r"no layer 'relu6_1'; this network has conv1_1, .*pool5"):
        by_its_name({"relu6_1": 1.0}, network)
    with pytest.raises(UsageError, match=r"no layer 'conv4_2'; this network has left, right, both"):
        by_its_name({"conv4_2": 1.0}, Skips())


def test_relu4_2_paints_what_conv4_2_paints():
    pictures = picture(1, 64, 64), picture(2)
    images = [
        impasto.paint(*pictures, size=64, steps=3, content_layers={f"{kind}4_2": 1}, style_layers={f"{kind}1_1": 1})
        for kind in ("relu", "conv")
    ]
    assert torch.equal(*images)


@pytest.mark.parametrize("factored", [False, True])
def test_pool4_is_the_mean_of_four_positions_of_conv4_4(factored):
    network = tiny_network(factored=factored)
    seen = network.features(picture(1, 64, 96, torch.float32), ["conv4_4", "pool4"])
    four = seen["conv4_4"].view(-1, 4, 2, 6, 2)
    torch.testing.assert_close(seen["pool4"].view(-1, 4, 6), four.mean(dim=(2, 4)))


def vgg16_weights() -> dict[str, torch.Tensor]:
    """Of few filters."""
    weights, before = {}, 3
    for layer in CHAINS["VGG-16"]:
        if layer.startswith("conv"):
            weights[f"{layer}.weight"], weights[f"{layer}.bias"] = torch.rand(4, before, 3, 3) / before, torch.rand(4)
            before = 4
    return weights


def test_vgg_16_is_a_chain_too():
    network = VGG(vgg16_weights(), INPUT)
    assert network.layers == CHAINS["VGG-16"]
    assert len(network.convolutions) == 13
    assert network.strides["conv5_1"] == 16
    assert network(picture(1, 32, 32, torch.float32), ["pool5"])["pool5"].shape == (1, 4, 1, 1)


def test_chains_are_told_apart_by_their_convolutions():
    nineteen, sixteen = (set(tiny_weights()), set(vgg16_weights()))
    kernels = [{key.split(".")[0] for key in keys} for keys in (nineteen, sixteen)]
    assert chain_of(kernels[0]) == CHAINS["VGG-19"]
    assert chain_of(kernels[1]) == CHAINS["VGG-16"]
    assert chain_of({"conv1_1", "conv1_2"}) == ("conv1_1", "conv1_2", "pool1")
    assert chain_of({"conv1_1", "conv2_1"}) is chain_of(set()) is None
    with pytest.raises(WeightsError, match="such as VGG-19 or VGG-16 has"):
        VGG({key: value for key, value in vgg16_weights().items() if not key.startswith("conv2_2")}, INPUT)
