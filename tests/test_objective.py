"""The whole objective against an independent float64 implementation of the paper's equations 5 and 7."""

import numpy as np
import pytest
import reference
import torch
from nets import tiny_network
from torch.nn import functional as nnf

from impasto.network.vgg import VGG
from impasto.objective import TotalLoss, content_targets, style_targets
from impasto.style import STYLE_LOSSES
from impasto.terms import Content, Style, Variation

CONTENT = {"conv4_2": 1.0, "conv2_2": 0.5}
STYLE = {"conv1_1": 0.5, "conv2_1": 0.3, "conv3_1": 0.1, "conv5_1": 0.1}


def picture(height: int, width: int, seed: int) -> torch.Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def objective(
    network: VGG,
    photograph: torch.Tensor,
    painting: torch.Tensor,
    content_weight: float = 2.0,
    style_weight: float = 300.0,
    tv_weight: float = 0.7,
) -> TotalLoss:
    gram = STYLE_LOSSES["gram"]
    terms = [
        Content(content_targets(network, photograph, CONTENT), CONTENT, content_weight),
        Style(gram, style_targets(network, painting, STYLE, gram), STYLE, style_weight),
        Variation(tv_weight),
    ]
    return TotalLoss(network, [term for term in terms if term.weight])


def by_hand(network: VGG, *images: torch.Tensor) -> tuple[dict[str, float], np.ndarray]:
    arrays = [image.double().numpy() for image in images]
    return reference.terms_and_gradient(network, *arrays, CONTENT, STYLE, 2.0, 300.0, 0.7)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("factored", [False, True])
def test_terms_and_gradient_equal_the_papers_formulas(pooling, factored):
    network = tiny_network(pooling=pooling, factored=factored).double()
    x, p, a = picture(33, 40, 0), picture(33, 40, 1), picture(48, 32, 2)
    terms, gradient = objective(network, p, a).value_and_gradient(x)
    expected, by_hands = by_hand(network, x, p, a)
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert terms[name] == pytest.approx(value, rel=1e-9), name
    np.testing.assert_allclose(gradient.numpy(), by_hands, rtol=1e-9, atol=1e-9 * np.abs(by_hands).max())


def test_float32_keeps_five_digits():
    network = tiny_network()
    x, p, a = (picture(48, 40, seed).float() for seed in range(3))
    terms, _ = objective(network, p, a).value_and_gradient(x)
    expected, _ = by_hand(tiny_network(), x, p, a)
    for name, value in expected.items():
        assert terms[name] == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize("factored", [False, True])
def test_bfloat16_keeps_two_digits(factored):
    network = tiny_network(factored=factored).to(torch.bfloat16)
    x, p, a = (picture(48, 40, seed).float() for seed in range(3))
    terms, gradient = objective(network, p, a).value_and_gradient(x)
    expected, by_hands = by_hand(tiny_network(factored=factored), x, p, a)
    for name, value in expected.items():
        assert terms[name] == pytest.approx(value, rel=0.03), name
    assert gradient.dtype == torch.float32
    assert nnf.cosine_similarity(gradient.flatten().double(), torch.tensor(by_hands).flatten(), dim=0) > 0.995


def test_the_gradient_equals_finite_differences():
    network = tiny_network().double()
    x = picture(20, 18, 3)
    target = objective(network, picture(20, 18, 4), picture(32, 32, 5))
    _, gradient = target.value_and_gradient(x)
    for direction_seed in range(5):
        direction = picture(20, 18, 10 + direction_seed) - 0.5
        h = 1e-6
        ahead, behind = (sum(target.value_and_gradient(x + s * h * direction)[0].values()) for s in (1, -1))
        slope = float((gradient * direction).sum())
        assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-5)


def test_the_content_term_does_not_depend_on_the_size():
    """A picture of flat blocks, enlarged, keeps its features away from edges, and so its content term per area."""
    network = tiny_network().double()
    F = picture(1, 1, 6).expand(1, 3, 256, 256)
    P = picture(1, 1, 7).expand(1, 3, 256, 256)
    small, large = ({"content_weight": 1.0, "style_weight": 0.0, "tv_weight": 0.0} for _ in range(2))
    one = objective(network, P, P, **small).value_and_gradient(F.contiguous())[0]["content"]
    doubled = nnf.interpolate(F, scale_factor=2), nnf.interpolate(P, scale_factor=2)
    two = objective(network, doubled[1], doubled[1], **large).value_and_gradient(doubled[0])[0]["content"]
    assert two == pytest.approx(one, rel=0.1)  # the zero padding at the edges counts less in the larger one


def test_at_512_px_the_content_term_is_the_papers():
    network = tiny_network(deepest="conv1_1")
    x, p = (picture(512, 512, seed).float() for seed in range(2))
    F, P = (network.features(image, ["conv1_1"])["conv1_1"].double() for image in (x, p))
    target = TotalLoss(network, [Content(content_targets(network, p, ["conv1_1"]), {"conv1_1": 1.0}, 1.0)])
    assert target.value_and_gradient(x)[0]["content"] == pytest.approx(0.5 * float((F - P).square().sum()), rel=1e-5)


def test_terms_of_weight_zero_are_left_out():
    network = tiny_network()
    x = picture(32, 32, 0).float()
    nothing = objective(network, x, x, content_weight=0.0, style_weight=0.0, tv_weight=0.0)
    terms, gradient = nothing.value_and_gradient(x)
    assert terms == {}
    assert not gradient.any()
    assert set(objective(network, x, x, content_weight=0.0, tv_weight=0.0).value_and_gradient(x)[0]) == {"style"}


def test_the_photograph_itself_has_no_content_loss_and_the_painting_no_style_loss():
    network = tiny_network()
    p, a = picture(32, 32, 0).float(), picture(32, 32, 1).float()
    target = objective(network, p, a)
    assert target.value_and_gradient(p)[0]["content"] == 0
    assert target.value_and_gradient(a)[0]["style"] == pytest.approx(0, abs=1e-9)


class Means:
    """A style loss whose gradient is one number for all positions of a filter."""

    def statistic(self, F):
        return F.sum, F.positions

    def loss(self, x, a):
        return (x[0] / x[1] - a[0] / a[1]).square().sum()


@pytest.mark.parametrize("of", [Means(), *STYLE_LOSSES.values()])
def test_with_any_style_loss_the_gradient_equals_finite_differences(of):
    network = tiny_network().double()
    x, p, a = picture(20, 18, 3), picture(20, 18, 4), picture(32, 32, 5)
    content = Content(content_targets(network, p, CONTENT), CONTENT, 2.0)
    target = TotalLoss(network, [content, Style(of, style_targets(network, a, STYLE, of), STYLE, 300.0)])
    _, gradient = target.value_and_gradient(x)
    direction = picture(20, 18, 10) - 0.5
    ahead, behind = (sum(target.value_and_gradient(x + s * 1e-6 * direction)[0].values()) for s in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx((ahead - behind) / 2e-6, rel=1e-5)
