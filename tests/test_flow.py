"""How a film moves, against scipy's interpolation, formulas written out pixel by pixel, and motion that is known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates

pytest.importorskip("cv2", reason="films need OpenCV: pip install 'impasto[film]'")

from impasto.flow import flow, trusted, warped

HEIGHT, WIDTH = 12, 15


def random_flow(seed, length):
    """Soft, so that some of it comes back."""
    noise = np.random.default_rng(seed).normal(size=(2, HEIGHT, WIDTH))
    return length * np.stack([gaussian_filter(of, 2) for of in noise]) * 4


def sampled(plane, there):
    """What lies where a flow leads, between pixels linearly, at the edge the nearest."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    v, u = np.clip(y + there[1], 0, HEIGHT - 1), np.clip(x + there[0], 0, WIDTH - 1)
    return map_coordinates(plane, [v, u], order=1, mode="nearest")


@given(st.integers(0, 2**16), st.floats(0.0, 5.0))
def test_pictures_move_as_scipy_moves_them(seed, length):
    by, plane = random_flow(seed, length), np.random.default_rng(seed + 1).random((HEIGHT, WIDTH))
    moved = warped(torch.tensor(plane)[None, None], torch.tensor(by, dtype=torch.float32), "bilinear")
    assert moved[0, 0].numpy() == pytest.approx(sampled(plane, by), abs=1e-4)


def test_whole_pixels_move_as_they_are():
    image = torch.rand(1, 3, HEIGHT, WIDTH)
    by = torch.stack([torch.full((HEIGHT, WIDTH), 2.0), torch.full((HEIGHT, WIDTH), -1.0)])
    assert torch.allclose(warped(image, by)[..., 1:, :-2], image[..., :-1, 2:], atol=1e-5)


@given(st.integers(0, 2**16), st.floats(0.0, 3.0), st.floats(0.0, 0.5))
def test_what_is_trusted_is_what_comes_back_and_lies_in_no_border(seed, length, more):
    """|w + ŵ|² ≤ 0.01 (|w|² + |ŵ|²) + 0.5, and |∇u|² + |∇v|² ≤ 0.01 |w|² + 0.002, within the picture."""
    there = random_flow(seed, length).astype(np.float32).astype(np.float64)
    back = (-there + more * random_flow(seed + 1, length)).astype(np.float32).astype(np.float64)
    again = np.stack([sampled(of, there) for of in back])
    found = trusted(*(torch.tensor(of, dtype=torch.float32) for of in (there, back))).numpy()
    for y in range(HEIGHT):
        for x in range(WIDTH):
            w, w_back = there[:, y, x], again[:, y, x]
            u, v = x + w[0], y + w[1]
            inside = [u, WIDTH - 1 - u, v, HEIGHT - 1 - v]
            returns = 0.01 * (w @ w + w_back @ w_back) + 0.5 - ((w + w_back) ** 2).sum()
            slopes = [np.gradient(there[c], axis=axis)[y, x] for c in (0, 1) for axis in (0, 1)]
            smooth = 0.01 * (w @ w) + 0.002 - np.square(slopes).sum()
            margins = [*inside, returns, smooth]
            if min(map(abs, margins)) > 1e-4:  # or rounding decides
                assert found[y, x] == (min(margins) > 0)


def textured(height, width):
    noise = np.random.default_rng(0).random((height, width, 3))
    soft = gaussian_filter(noise, (2, 2, 0))
    return (255 * (soft - soft.min()) / np.ptp(soft)).astype(np.uint8)


def test_a_pan_is_found():
    scene = textured(96, 140)
    first, second = scene[10:80, 10:110], scene[12:82, 13:113]
    found = flow(second, first)
    inside = found[:, 8:-8, 8:-8]
    assert inside[0].median() == pytest.approx(3.0, abs=0.1)
    assert inside[1].median() == pytest.approx(2.0, abs=0.1)
    assert (inside - torch.tensor([3.0, 2.0]).view(2, 1, 1)).abs().max() < 0.5
    known = trusted(found, flow(first, second))
    assert known[8:-8, 8:-8].float().mean() > 0.98
    assert not known[:, -2:].any()  # has come into sight


def test_what_an_object_uncovers_is_not_trusted():
    scene, thing = textured(80, 120), 255 - textured(24, 24)
    frames = []
    for left in (40, 48):
        frame = scene.copy()
        frame[30:54, left : left + 24] = thing
        frames.append(frame)
    known = trusted(flow(frames[1], frames[0]), flow(frames[0], frames[1])).float()
    assert known[32:52, 41:47].mean() < 0.2  # was behind it
    assert known[2:20].mean() > 0.95
    assert known[36:48, 56:66].mean() > 0.9  # the thing itself
