"""A network's own way back: autograd's gradient, with less kept for it."""

import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import tiny_network

from impasto.network.kernels import Bits
from impasto.network.link import Link
from impasto.network.vgg import VGG

LAYERS = ["conv1_1", "conv2_2", "pool2", "conv3_1", "pool3"]


def network(edges: str, pooling: str) -> VGG:
    tiny = tiny_network().double()
    return VGG(tiny.weights(), tiny.preprocessing, pooling, edges)


def picture(height: int, width: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(1, 3, height, width, dtype=dtype, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("height", "width"), [(32, 24), (33, 27), (31, 42)])
@pytest.mark.parametrize("edges", ["black", "mirrored"])
@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("layers", [LAYERS, ["conv3_1"], ["pool1"]])
def test_the_way_back_is_autograds(height, width, edges, pooling, layers):
    seen_by, x = network(edges, pooling), picture(height, width)
    expected = seen_by(x.requires_grad_(True), layers)
    generator = torch.Generator().manual_seed(2)
    own = {layer: torch.randn(F.shape, dtype=F.dtype, generator=generator) for layer, F in expected.items()}
    (gradient,) = torch.autograd.grad(list(expected.values()), x, [own[layer] for layer in expected])

    found, pullback = seen_by.look(x, layers)
    asked = []
    back = pullback(lambda layer: asked.append(layer) or own[layer].clone())

    assert asked == [layer for layer in reversed(seen_by.chain) if layer in layers]
    for layer in layers:
        torch.testing.assert_close(found[layer], expected[layer].detach())
    torch.testing.assert_close(back, gradient)


@pytest.fixture
def made(monkeypatch) -> list[weakref.ref[torch.Tensor]]:
    """Activations that convolutions have made."""
    made: list[weakref.ref[torch.Tensor]] = []
    ahead = Link.ahead

    def watched(self, x, mirror):
        made.append(weakref.ref(y := ahead(self, x, mirror)))
        return y

    monkeypatch.setattr(Link, "ahead", watched)
    return made


def test_what_it_keeps_of_an_activation_is_not_the_activation(made):
    activations, pullback = tiny_network().look(picture(32, 32, torch.float32), ["conv2_1", "conv3_1"])
    alive = [reference() for reference in made if reference() is not None]
    assert {id(x) for x in alive} == {id(x) for x in activations.values()}
    assert len(made) > len(alive)
    pullback(lambda layer: torch.ones_like(activations[layer]))


@given(
    st.tuples(st.just(1), st.integers(1, 20), st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from([torch.bfloat16, torch.float32, torch.float64]),
    st.sampled_from([8, 64, 2**21]),
    st.integers(0, 99),
)
def test_bits_tell_where_activations_are_not_0(shape, dtype, piece, seed):
    generator = torch.Generator().manual_seed(seed)
    x, gradient = (torch.randn(shape, generator=generator).to(dtype) for _ in range(2))
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr("impasto.network.kernels.PIECE", piece)
        bits = Bits.of(x.relu())
        assert bits.shape == shape
        assert bits.packed.nbytes == -(-x.numel() // 8)
        expected = torch.where(x > 0, gradient, 0)
        found = bits.close(gradient)
    assert found is gradient
    assert torch.equal(found, expected)


@pytest.mark.parametrize("edges", ["black", "mirrored"])
def test_sparing_memory_gives_the_same_gradient(edges, made):
    """In bfloat16 as well, to the bit; and activations that are not asked for are gone."""
    found, alive = [], []
    for sparing in (False, True):
        made.clear()
        seen_by = network(edges, "average").to(torch.bfloat16)
        seen_by.sparing = sparing
        activations, pullback = seen_by.look(picture(33, 27, torch.float32), LAYERS)
        alive.append(sum(reference() is not None for reference in made))
        generator = torch.Generator().manual_seed(2)
        own = {layer: torch.randn(F.shape, generator=generator).to(F.dtype) for layer, F in activations.items()}
        found.append(pullback(own.__getitem__))
    assert alive == [8, 3]
    assert torch.equal(*found)


def test_widened_networks_see_the_same():
    plain = tiny_network(seed=3)
    wide = plain.widened()
    x = picture(24, 40, torch.float32)
    assert all(len(wide.link(layer).bias) % 16 == 0 for layer in wide.convolutions)
    assert any(wide.link(layer).filters != plain.link(layer).filters for layer in plain.convolutions)
    for layer, F in plain.features(x, LAYERS).items():
        torch.testing.assert_close(wide.features(x, LAYERS)[layer], F)
