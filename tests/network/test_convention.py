"""Weights of one convention given as the other's, found by what they do to a photograph."""

import math

import pytest
import torch
from safetensors.torch import save_file

from impasto.errors import WeightsError
from impasto.network.convention import BRIGHT, FAINT, FILTERS, check_convention, share_of_biases
from impasto.network.protocol import CAFFE, TORCHVISION
from impasto.network.registry import import_weights, load_network
from impasto.network.vgg import CHAINS
from impasto.network.weights import read_weights, torchvision_names


def full_width(chain: str, brightness: float) -> dict[str, torch.Tensor]:
    """Random weights as wide as the published ones, whose biases fit an input of this brightness: He's kernels, which
    keep the size of activations, and biases a third of it."""
    generator = torch.Generator().manual_seed(0)
    weights, before = {}, 3
    for layer in CHAINS[chain]:
        if layer.startswith("conv"):
            filters = FILTERS[layer[4]]
            kernel = torch.randn(filters, before, 3, 3, generator=generator) * math.sqrt(2 / (9 * before))
            weights[f"{layer}.weight"] = kernel
            weights[f"{layer}.bias"] = 0.03 * brightness * torch.randn(filters, generator=generator)
            before = filters
    return weights


@pytest.fixture(scope="module")
def caffes():
    return full_width("VGG-16", 100.0)


@pytest.fixture(scope="module")
def torchvisions():
    return full_width("VGG-16", 1.5)


def test_each_sees_with_its_own_input_and_is_blind_or_blinded_with_the_others(caffes, torchvisions):
    assert BRIGHT < share_of_biases(caffes, CAFFE) < FAINT < share_of_biases(caffes, TORCHVISION)
    assert share_of_biases(torchvisions, CAFFE) < BRIGHT < share_of_biases(torchvisions, TORCHVISION) < FAINT
    check_convention(caffes, CAFFE)
    check_convention(torchvisions, TORCHVISION)
    with pytest.raises(WeightsError, match="see a photograph as Caffe's do"):
        check_convention(caffes, TORCHVISION)
    with pytest.raises(WeightsError, match="see a photograph as torchvision's do"):
        check_convention(torchvisions, CAFFE)


def test_a_network_that_is_none_of_the_published_is_taken_at_its_word(caffes):
    check_convention({key: value for key, value in caffes.items() if not key.startswith("conv5")}, TORCHVISION)


def test_they_are_refused_with_the_name_they_should_have(tmp_path, caffes):
    save_file(caffes, tmp_path / "theirs.safetensors")
    with pytest.raises(WeightsError, match=r"theirs\.safetensors: .* Caffe's do.* `network` vgg19 or vgg16") as refused:
        import_weights(tmp_path / "theirs.safetensors", "vgg16-torchvision")
    assert "\n" not in str(refused.value)
    with pytest.raises(WeightsError, match="Caffe's"):
        load_network("vgg16-torchvision", weights=tmp_path / "theirs.safetensors")
    with pytest.raises(WeightsError, match=r"theirs\.safetensors: these are not the convolutions of VGG-19: conv1_1, "):
        import_weights(tmp_path / "theirs.safetensors", "vgg19")


@pytest.mark.parametrize("layout", ["paper", "torchvision"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("chain", CHAINS)
def test_both_chains_are_read_from_both_files_in_both_layouts(tmp_path, chain, suffix, layout):
    tensors, before = {}, 3
    for theirs, layer in torchvision_names(CHAINS[chain]).items():
        name = layer if layout == "paper" else theirs
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = torch.rand(4, before, 3, 3), torch.rand(4)
        before = 4
    tensors["classifier.0.weight"] = torch.rand(5, 5)
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(tensors, path)
    found = read_weights(path)
    assert found.layers == tuple(layer for layer in CHAINS[chain] if layer.startswith("conv"))
    wanted = dict(
        zip(torchvision_names(CHAINS[chain]).values(), (k for k in tensors if k.endswith(".weight")), strict=False)
    )
    assert all(torch.equal(found.tensors[f"{layer}.weight"], tensors[key]) for layer, key in wanted.items())


def test_torchvision_numbers_convolutions_as_its_own_code_does():
    """torchvision.models.vgg: a convolution and its ReLU, and a pooling after each block (configurations D and E)."""
    numbers = {
        chain: [int(name.split(".")[1]) for name in torchvision_names(layers)] for chain, layers in CHAINS.items()
    }
    assert numbers["VGG-16"] == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert numbers["VGG-19"] == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
