"""The paper's equations against plain loops over their indices in float64, and their gradients against differences."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate2d

from impasto.gradients import FirstAndSecondMoment, total
from impasto.losses import content_loss, gradient_magnitude, gram, spectrum, spectrum_loss, style_loss, total_variation

shapes = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 7), st.integers(0, 2**32 - 1))


def matrices(N: int, M: int, M_a: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, M)), rng.normal(size=(N, M_a))


def gram_by_hand(F: np.ndarray) -> np.ndarray:
    N, M = F.shape
    return np.array([[sum(F[i, k] * F[j, k] for k in range(M)) for j in range(N)] for i in range(N)])


@given(shapes)
def test_content_loss_is_equation_1(shape):
    F, P = matrices(shape[0], shape[1], shape[1], shape[3])
    by_hand = 0.5 * sum((F[i, j] - P[i, j]) ** 2 for i in range(F.shape[0]) for j in range(F.shape[1]))
    assert content_loss(torch.tensor(F), torch.tensor(P)).item() == pytest.approx(by_hand, rel=1e-12)


@given(shapes)
def test_gram_is_equation_3(shape):
    F, _ = matrices(*shape)
    np.testing.assert_allclose(gram(torch.tensor(F)).numpy(), gram_by_hand(F), rtol=1e-12, atol=1e-12)


@given(shapes)
def test_style_loss_is_equation_4(shape):
    N, M = shape[:2]
    F, S = matrices(N, M, M, shape[3])
    G, A = gram_by_hand(F), gram_by_hand(S)
    by_hand = sum((G[i, j] - A[i, j]) ** 2 for i in range(N) for j in range(N)) / (4 * N**2 * M**2)
    computed = style_loss(gram(torch.tensor(F)), gram(torch.tensor(S)), M, M)
    assert computed.item() == pytest.approx(by_hand, rel=1e-10)


@given(shapes, st.integers(2, 4))
def test_a_painting_of_another_size_counts_by_what_it_shows(shape, times):
    """The same statistics spread over a larger painting are the same target."""
    N, M, _, seed = shape
    F, S = matrices(N, M, M, seed)
    larger = np.tile(S, (1, times))
    one = style_loss(gram(torch.tensor(F)), gram(torch.tensor(S)), M, M)
    other = style_loss(gram(torch.tensor(F)), gram(torch.tensor(larger)), M, times * M)
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_total_variation_sums_squared_differences_of_neighbours(h, w, seed):
    x = np.random.default_rng(seed).random((1, 3, h, w))
    down = sum((x[0, c, i + 1, j] - x[0, c, i, j]) ** 2 for c in range(3) for i in range(h - 1) for j in range(w))
    right = sum((x[0, c, i, j + 1] - x[0, c, i, j]) ** 2 for c in range(3) for i in range(h) for j in range(w - 1))
    assert total_variation(torch.tensor(x)).item() == pytest.approx(down + right, rel=1e-12, abs=1e-12)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_gradients_magnitude_is_of_all_colours_together(h, w, seed):
    x = np.random.default_rng(seed).random((1, 3, h, w))
    right = np.diff(x, axis=3, append=x[..., -1:])
    down = np.diff(x, axis=2, append=x[..., -1:, :])
    by_hand = np.sqrt((right**2 + down**2).sum(axis=1) + (2 / 255) ** 2)
    np.testing.assert_allclose(gradient_magnitude(torch.tensor(x)).numpy(), by_hand, rtol=1e-12)


def test_gradients_equal_finite_differences():
    rng = np.random.default_rng(0)
    F = torch.tensor(rng.normal(size=(4, 7)), requires_grad=True)
    P = torch.tensor(rng.normal(size=(4, 7)))
    x = torch.tensor(rng.random((1, 3, 4, 5)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda F: content_loss(F, P), F)
    assert torch.autograd.gradcheck(lambda F: style_loss(gram(F), gram(P), 7, 7), F)
    assert torch.autograd.gradcheck(total_variation, x)
    assert torch.autograd.gradcheck(gradient_magnitude, x)
    assert torch.autograd.gradcheck(gradient_magnitude, torch.full_like(x, 0.5).requires_grad_(True))  # flat


def test_moments_and_their_gradient_are_those_of_autograd():
    rng = np.random.default_rng(5)
    F = torch.tensor(rng.normal(size=(4, 9)), requires_grad=True)
    first, G = FirstAndSecondMoment.apply(F)
    torch.testing.assert_close(first, F.sum(dim=1))
    torch.testing.assert_close(G, F @ F.T)
    assert torch.autograd.gradcheck(FirstAndSecondMoment.apply, F)


@pytest.mark.parametrize("piece", [1, 50, 2**21])
def test_sums_of_bfloat16_are_of_float32_in_pieces_of_any_size(piece, monkeypatch):
    monkeypatch.setattr("impasto.gradients.PIECE", piece)
    rng = np.random.default_rng(6)
    F, P = (torch.tensor(rng.normal(1, 1, size=(4, 99)), dtype=torch.bfloat16) for _ in range(2))
    exact = F.double()
    assert total(F).dtype == torch.float32
    np.testing.assert_allclose(total(F).numpy(), exact.sum(dim=1).numpy(), rtol=1e-6)
    half = ((F - P).double() ** 2).sum().item() / 2  # of the difference as rounded, which is what is kept
    assert float(content_loss(F, P)) == pytest.approx(half, rel=1e-6)


def test_the_style_gradient_is_equation_6():
    """∂E_l/∂F = 1 / (N² M²) (Fᵀ (G − A))ᵀ, which the paper states for F > 0."""
    rng = np.random.default_rng(1)
    F = torch.tensor(rng.random((3, 8)), requires_grad=True)
    A = gram(torch.tensor(rng.random((3, 8))))
    (found,) = torch.autograd.grad(style_loss(gram(F), A, 8, 8), F)
    F = F.detach()
    torch.testing.assert_close(found, (F.T @ (gram(F) - A)).T / (3**2 * 8**2))


def test_the_content_gradient_is_equation_2():
    """∂L_content/∂F = F − P for F > 0."""
    rng = np.random.default_rng(2)
    F, P = torch.tensor(rng.random((3, 8)), requires_grad=True), torch.tensor(rng.random((3, 8)))
    (found,) = torch.autograd.grad(content_loss(F, P), F)
    torch.testing.assert_close(found, F.detach() - P)


@pytest.mark.parametrize("size", [(6, 7), (5, 8)])
@pytest.mark.parametrize("canvas", [(6, 7), (5, 8), (11, 12), (12, 30), (3, 4), (4, 9)])
def test_a_spectrum_is_that_of_the_autocorrelation(size, canvas):
    Y = np.random.default_rng(1).uniform(size=size)
    y = Y - Y.mean()
    repeated = correlate2d(y, y) / y.size  # by shift, 0 in the middle
    lags = np.zeros(canvas)
    for down in range(-(canvas[0] // 2), (canvas[0] + 1) // 2):
        for right in range(-(canvas[1] // 2), (canvas[1] + 1) // 2):
            if abs(down) < size[0] and abs(right) < size[1]:
                lags[down, right] = repeated[down + size[0] - 1, right + size[1] - 1]
    by_hand = np.sqrt(np.fft.fft2(lags).real.clip(0) * lags.size)[:, : canvas[1] // 2 + 1]
    found = spectrum(torch.tensor(Y)[None, None], *canvas)
    np.testing.assert_allclose(found.numpy(), by_hand, atol=1e-7)


@pytest.mark.parametrize("size", [(6, 7), (5, 8)])
def test_a_spectrum_loss_is_half_the_distance_from_the_nearest_picture_with_these_amplitudes(size):
    rng = np.random.default_rng(2)
    Y, other = rng.uniform(size=size), rng.uniform(size=size)
    wanted = np.abs(np.fft.fft2(other - other.mean()))
    F = np.fft.fft2(Y - Y.mean())
    nearest = np.fft.ifft2(F / np.maximum(np.abs(F), 1e-12) * wanted).real + Y.mean()
    halves = torch.tensor(wanted[:, : size[1] // 2 + 1])
    found = spectrum_loss(torch.tensor(Y)[None, None], halves)
    assert float(found) == pytest.approx(((Y - nearest) ** 2).sum() / 2, rel=1e-6)
    assert float(spectrum_loss(torch.tensor(np.roll(other, 2, 1) + 0.1)[None, None], halves)) < 1e-9
    y = torch.tensor(Y, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: spectrum_loss(y[None, None], halves), y)
