"""What is seen of the image that the solver moves: the view is what is scored and what is saved."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import tiny_network
from skimage.color import rgb2lab

import impasto
from impasto.assembly import objective_of
from impasto.losses import LUMINANCE, laplacian, luminance
from impasto.settings import Settings
from impasto.solver import minimise
from impasto.views import (
    AlongEdgesOf,
    Through,
    WithColoursOf,
    WithLabOf,
    as_it_is,
    chroma_blur,
    chroma_blurred,
    chroma_blurred_back,
    grey,
    is_grey,
    lab_of,
    smooth_chroma,
    srgb_of,
    within,
)


def noise(height: int, width: int, seed: int = 0, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64)


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 99))
def test_colours_are_blurred_and_luminance_is_not(height, width, seed):
    x = noise(height, width, seed, 0.4, 0.6)  # so that nothing is clipped
    blurred = x[0].numpy()
    for _ in range(3):
        wide = np.pad(blurred, ((0, 0), (1, 1), (1, 1)), mode="edge")
        blurred = sum(
            weight * other * wide[:, i : i + height, j : j + width]
            for i, weight in enumerate((0.25, 0.5, 0.25))
            for j, other in enumerate((0.25, 0.5, 0.25))
        )
    luma = np.tensordot(LUMINANCE, x[0].numpy() - blurred, axes=1)
    np.testing.assert_allclose(smooth_chroma(x)[0].numpy(), blurred + luma, rtol=1e-12)
    torch.testing.assert_close(luminance(smooth_chroma(x)), luminance(x))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_the_blur_is_three_convolutions_both_ways(height, width, seed):
    """What a GPU does in the place of additions."""
    x, gradient = noise(height, width, seed).requires_grad_(True), noise(height, width, seed + 1)
    convolved = x
    for _ in range(3):
        wide = torch.nn.functional.pad(convolved, (1, 1, 1, 1), mode="replicate")
        convolved = torch.nn.functional.conv2d(wide, chroma_blur(x.dtype, x.device))
    torch.testing.assert_close(chroma_blurred(x.detach()), convolved.detach())
    torch.testing.assert_close(chroma_blurred_back(gradient), torch.autograd.grad(convolved, x, gradient)[0])


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 99))
def test_luminance_gives_way_where_a_colour_would_be_beyond(height, width, seed):
    x = noise(height, width, seed, -0.5, 1.5).clamp(0, 1)
    blurred = chroma_blurred(x)
    colours = blurred - luminance(blurred)
    least, most = -colours.amin(dim=1, keepdim=True), 1 - colours.amax(dim=1, keepdim=True)
    expected = colours + torch.minimum(torch.maximum(luminance(blurred), least), most)
    torch.testing.assert_close(smooth_chroma(x), expected, rtol=0, atol=1e-12)


def test_luminance_that_is_held_is_pushed_back_but_no_further_out():
    """White with red lines: their neighbours would be brighter than white."""
    x = torch.ones(1, 3, 8, 8, dtype=torch.float64)
    x[:, 1:, :, 3] = 0
    x.requires_grad_(True)
    seen = smooth_chroma(x)
    held = chroma_blurred(x.detach()).amax(dim=1, keepdim=True) > 1
    assert 0 < int(held.sum()) < 64
    of_luminance = torch.tensor(LUMINANCE, dtype=torch.float64)[:, None, None].expand(1, 3, 8, 8)
    (darker,) = torch.autograd.grad(seen, x, of_luminance, retain_graph=True)
    (lighter,) = torch.autograd.grad(seen, x, -of_luminance)
    torch.testing.assert_close(darker, of_luminance)
    torch.testing.assert_close(lighter, (-of_luminance).masked_fill(held, 0))


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
def test_bands_of_rows_are_blurred_as_all_at_once(monkeypatch, rows):
    def both(x):
        x = x.requires_grad_(True)
        seen = smooth_chroma(x)
        return seen.detach(), torch.autograd.grad(seen, x, noise(9, 7, 5))[0]

    at_once = both(noise(9, 7))
    monkeypatch.setattr("impasto.views.BAND", 7 * rows)
    for found, expected in zip(both(noise(9, 7)), at_once, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


def test_what_alternates_in_colour_is_not_seen_and_grey_is_left_alone():
    chequered = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    red = torch.full((1, 3, 8, 8), 0.5)
    red[0, 0] += 0.1 * (chequered - 0.5)
    seen = smooth_chroma(red)
    assert float((seen[:, 0] - seen[:, 2])[..., 3:-3, 3:-3].abs().max()) < 1e-6
    torch.testing.assert_close(smooth_chroma(grey(noise(8, 8))), grey(noise(8, 8)))


def test_lab_is_what_scikit_image_says():
    x = noise(9, 7).clamp(0, 1)
    x[..., :3, :3] *= 0.01  # where both curves are lines
    lab = lab_of(x)
    np.testing.assert_allclose(lab[0].permute(1, 2, 0).numpy(), rgb2lab(x[0].permute(1, 2, 0).numpy()), atol=0.01)
    torch.testing.assert_close(srgb_of(lab), x, rtol=0, atol=1e-6)


def test_the_photographs_colours_are_put_back_in_lab():
    x, p = noise(9, 7, 1, 0.4, 0.6), noise(9, 7, 2, 0.45, 0.55)
    seen = WithLabOf(p)(x)
    np.testing.assert_allclose(lab_of(seen)[:, 1:].numpy(), lab_of(p)[:, 1:].numpy(), atol=1e-6)
    lightness = lab_of(luminance(x).expand(-1, 3, -1, -1))[:, 0]
    np.testing.assert_allclose(lab_of(seen)[:, 0].numpy(), lightness.numpy(), atol=1e-6)


def test_along_edges_it_is_a_guided_filter():
    """Window by window, as He, Sun and Tang write it."""
    x, p = noise(20, 130, 1, 0.3, 0.7), noise(20, 130, 2)
    I = luminance(p)[0, 0].numpy()  # noqa: E741
    r, shape = 2, I.shape
    a, b = np.zeros((3, *shape)), np.zeros((3, *shape))
    windows = {(i, j): (slice(max(i - r, 0), i + r + 1), slice(max(j - r, 0), j + r + 1)) for i, j in np.ndindex(shape)}
    for (i, j), of in windows.items():
        for c in range(3):
            y = x[0, c].numpy()[of]
            a[c, i, j] = (np.mean(I[of] * y) - I[of].mean() * y.mean()) / (I[of].var() + 1e-3)
            b[c, i, j] = y.mean() - a[c, i, j] * I[of].mean()
    expected = np.zeros((3, *shape))
    for (i, j), of in windows.items():
        for c in range(3):
            expected[c, i, j] = a[c][of].mean() * I[i, j] + b[c][of].mean()
    found = AlongEdgesOf(as_it_is, p)(x)
    np.testing.assert_allclose(found[0].numpy(), expected.clip(0, 1), atol=1e-9)


@pytest.mark.parametrize(
    "view", [smooth_chroma, grey, WithLabOf(noise(16, 20, 5)), AlongEdgesOf(grey, noise(16, 20, 5))]
)
def test_the_gradient_through_a_view_equals_finite_differences(view):
    network = tiny_network().double()
    settings = Settings(content_layers={"conv2_1": 1.0}, style_layers={"conv1_1": 1.0, "conv2_1": 0.5}, style_weight=10)
    objective = Through(objective_of(settings, network, noise(16, 20, 1), noise(16, 20, 2)), view)
    x, direction = noise(16, 20, 3, 0.3, 0.7), noise(16, 20, 4, -1, 1)
    _, gradient = objective.value_and_gradient(x)
    step = 1e-5
    up, down = (sum(objective.value_and_gradient(x + sign * step * direction)[0].values()) for sign in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx((up - down) / (2 * step), rel=1e-5)


def test_grey_is_told_from_coloured():
    assert is_grey(grey(noise(5, 5)))
    assert is_grey(grey(noise(5, 5)) + torch.tensor([0, 0.004, 0]).view(1, 3, 1, 1))  # a JPEG's
    assert not is_grey(grey(noise(5, 5)) + torch.tensor([0, 0.02, 0]).view(1, 3, 1, 1))


def test_grey_pictures_make_a_grey_one_unless_told_otherwise():
    p, a = (grey(noise(32, 32, seed)).float() for seed in (1, 2))
    steps = [step.image for step in impasto.stylize(p, a, size=32, steps=5)]
    assert all(map(is_grey, steps))
    assert not is_grey(impasto.paint(p, a, size=32, steps=5, keep_grey=False).tensor)
    assert not is_grey(impasto.paint(p, noise(32, 32, 3).float(), size=32, steps=5).tensor)


def test_grey_paintings_make_a_grey_picture_of_a_coloured_photograph():
    """Colours are the painting's; where they are not, the photograph's come through, and where one of several paintings
    has any, so has the picture."""
    photo, coloured, painting = noise(32, 32, 1).float(), noise(32, 32, 2).float(), grey(noise(32, 32, 3)).float()
    paint = partial(impasto.paint, photo, size=32, steps=5)
    assert is_grey(paint(painting).tensor)
    assert is_grey(paint([painting, grey(noise(32, 32, 4)).float()]).tensor)
    assert not is_grey(paint(painting, keep_grey=False).tensor)
    assert not is_grey(paint([painting, coloured]).tensor)
    assert not is_grey(paint(painting, colour="recoloured").tensor)
    assert not is_grey(paint(painting, colour="photo").tensor)
    kept = paint(painting, regions=[impasto.Region((torch.arange(32) < 16).float().expand(32, 32), None)]).tensor
    assert is_grey(kept[..., 16:])
    assert not is_grey(kept[..., :16])


def test_the_laplacian_is_of_cells_luminance():
    x = noise(10, 13)  # the last cells are of 6 rows and of 5 columns
    luma = np.pad(np.tensordot(LUMINANCE, x[0].numpy(), axes=1), 2, mode="edge")
    cells = np.array([[luma[i : i + 8, j : j + 8].mean() for j in range(0, 13, 4)] for i in range(0, 10, 4)])
    wide = np.pad(cells, 1, mode="edge")
    by_hand = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * cells
    np.testing.assert_allclose(laplacian(x)[0, 0].numpy(), by_hand, rtol=1e-12, atol=1e-12)


def test_lines_are_kept_the_more_the_more_is_asked():
    p, a = noise(6, 8, 1).float(), noise(32, 32, 2).float()
    p = torch.nn.functional.interpolate(p, (48, 64), mode="bicubic").clamp(0, 1)
    lost = []
    for keep_lines in (0, 1, 100):
        picture = impasto.paint(p, a, size=64, steps=30, keep_lines=keep_lines).tensor
        lost.append(float((laplacian(picture) - laplacian(p)).square().sum()))
    assert lost[0] > lost[1] > lost[2]


def test_what_is_beyond_is_pushed_back_and_no_further():
    x = torch.tensor([-0.5, -0.5, 0.3, 0.3, 1.5, 1.5], dtype=torch.float64, requires_grad=True)
    pushed = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    held = within(x)
    assert held.tolist() == [0, 0, 0.3, 0.3, 1, 1]
    (gradient,) = torch.autograd.grad(held, x, pushed)
    assert gradient.tolist() == [0, -1, 1, -1, 1, 0]


def test_luminance_beyond_what_a_colour_allows_comes_back():
    """White under red, towards a darker red."""
    red = torch.tensor([0.9, 0.2, 0.2], dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, 6, 6)
    view = WithColoursOf(red)
    wanted = view(torch.full_like(red, 0.3))

    class Towards:
        def value_and_gradient(self, image):
            return {"all": float((image - wanted).square().sum())}, 2 * (image - wanted)

    *_, last = minimise(Through(Towards(), view), torch.ones_like(red), 40, "adam")
    torch.testing.assert_close(view(last.image), wanted, rtol=0, atol=0.02)
