"""One link: its gradient against finite differences, its edges, and what is read."""

import pytest
import torch

from impasto.network.link import Link
from impasto.network.pooling import average_pool


def tensors(squeezed: bool) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"weight": (5, 3 if squeezed else 4, 3, 3), "bias": (5,)} | ({"squeeze": (3, 4)} if squeezed else {})
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}


def seen(height: int = 7, width: int = 6) -> torch.Tensor:
    return torch.rand(1, 4, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("squeezed", [False, True])
def test_a_frozen_link_has_the_gradient_of_one_that_learns(squeezed):
    frozen, learning = Link(tensors(squeezed)), Link(tensors(squeezed)).requires_grad_(True)
    direction = torch.randn(1, 5, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    gradients = []
    for link in (frozen, learning):
        x = seen().requires_grad_(True)
        activation = link(x)
        gradients.append((activation.detach(), torch.autograd.grad((activation * direction).sum(), x)[0]))
    torch.testing.assert_close(gradients[0], gradients[1])
    assert all(parameter.grad is None for parameter in frozen.parameters())


@pytest.mark.parametrize("squeezed", [False, True])
@pytest.mark.parametrize(("height", "width"), [(7, 6), (2, 3), (1, 5), (1, 1)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_gradient_of_a_frozen_link_equals_finite_differences(squeezed, mirrored, height, width):
    link = Link(tensors(squeezed))
    x = seen(height, width).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: link(x, mirror=mirrored), x)


def test_mirrored_edges_see_the_mirror_image():
    """The middle of a picture that goes on as its mirror image has the features that its parts have."""
    x, link = seen(), Link(tensors(False))
    y = torch.cat([x.flip(3)[..., :-1], x, x.flip(3)[..., 1:]], dim=3)
    y = torch.cat([y.flip(2)[..., :-1, :], y, y.flip(2)[..., 1:, :]], dim=2)
    torch.testing.assert_close(link(x, mirror=True), link(y)[..., 6:13, 5:11])
    assert not torch.allclose(link(x), link(x, mirror=True))


@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 6), (6, 7), (5, 5)])
def test_the_gradient_of_average_pooling_equals_finite_differences(height, width):
    assert torch.autograd.gradcheck(average_pool, seen(height, width).requires_grad_(True))


def test_a_readout_is_applied_to_what_is_read_and_not_to_what_goes_on():
    R = torch.randn(9, 5, dtype=torch.float64)
    plain, read = Link(tensors(False)), Link(tensors(False) | {"readout": R})
    F = plain(seen()).flatten(2)[0]
    torch.testing.assert_close(read(seen()).flatten(2)[0], F)
    torch.testing.assert_close(read.read(F), R @ F)
    torch.testing.assert_close(plain.read(F), F)
