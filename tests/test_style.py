"""Every style loss against its formula in NumPy and SciPy, against differences, and by what all of them must keep."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from impasto.features import Features
from impasto.style import EXCESS, STYLE_LOSSES, Distance, Moments, StyleLoss, both_moments, directions

N, HEIGHT, WIDTH = 5, 6, 7


def activation(seed: int, width: int = WIDTH) -> np.ndarray:
    """(N, h, w), as after a ReLU, the filters of different strength."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(0.3, 1, (N, HEIGHT, width)), 0) * np.arange(1, N + 1)[:, None, None]


def features(x: np.ndarray, readout: np.ndarray | None = None) -> Features:
    return Features(torch.tensor(x)[None], None if readout is None else torch.tensor(readout))


def distance(name: str, x: np.ndarray, a: np.ndarray, readout: np.ndarray | None = None) -> float:
    of = STYLE_LOSSES[name]
    return float(of.loss(of.statistic(features(x, readout)), target(of, features(a, readout))))


def target(of: Distance, F: Features) -> object:
    return of.target(of.statistic(F))


def gram(F: np.ndarray, A: np.ndarray) -> float:
    """Equation 4, each Gram matrix over its own number of positions."""
    difference = F @ F.T / F.shape[1] - A @ A.T / A.shape[1]
    return (difference**2).sum() / (4 * len(F) ** 2)


def moments(F: np.ndarray, A: np.ndarray) -> float:
    sigma, sigma_a = (np.sqrt(X.var(axis=1) + 1e-6) for X in (F, A))
    return ((F.mean(axis=1) - A.mean(axis=1)) ** 2).mean() + ((sigma - sigma_a) ** 2).mean()


def gaussian(F: np.ndarray, A: np.ndarray) -> float:
    """The formula as Olkin and Pukelsheim have it, with the matrix roots themselves."""
    C, C_a = (np.cov(X, bias=True) + 1e-4 * np.eye(len(X)) for X in (F, A))
    root = scipy.linalg.sqrtm(C_a)
    cross = scipy.linalg.sqrtm(root @ C @ root).real
    means = F.mean(axis=1) - A.mean(axis=1)
    return (means @ means + np.trace(C + C_a - 2 * cross)) / len(F)


def sliced(F: np.ndarray, A: np.ndarray) -> float:
    """Direction by direction and position by position, with fractions."""
    W, found = directions(len(F), torch.float64, torch.device("cpu")).numpy(), []
    np.testing.assert_allclose(W @ W.T, np.eye(len(W)), atol=1e-12)
    for f, a in zip(np.sort(W @ F, axis=1), np.sort(W @ A, axis=1), strict=True):
        quantiles = [a[int(Fraction(2 * k + 1, 2 * len(f)) * len(a))] for k in range(len(f))]
        found.append(((f - quantiles) ** 2).mean())
    return float(np.mean(found))


BY_HAND = {"gram": gram, "moments": moments, "gaussian": gaussian, "sliced": sliced}


def test_every_style_loss_has_a_formula_to_be_compared_with():
    assert BY_HAND.keys() == STYLE_LOSSES.keys()
    assert all(isinstance(of, StyleLoss) and of.loss.__doc__ for of in STYLE_LOSSES.values())


@pytest.mark.parametrize("name", STYLE_LOSSES)
@given(seed=st.integers(0, 2**32 - 2), width=st.integers(1, 12))
def test_it_is_its_formula(name, seed, width):
    assume(width >= 3 or name != "gaussian")  # of fewer positions than filters it compares few directions
    x, a = activation(seed), activation(seed + 1, width)
    by_hand = BY_HAND[name](x.reshape(N, -1), a.reshape(N, -1))
    assert distance(name, x, a) == pytest.approx(by_hand, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_readouts_give_what_the_features_they_make_give(name):
    readout = np.random.default_rng(5).normal(size=(N + 3, N))
    x, a = activation(1), activation(2, 9)
    read = [np.einsum("mn,nhw->mhw", readout, y) for y in (x, a)]
    assert distance(name, x, a, readout) == pytest.approx(distance(name, *read), rel=1e-9)


@pytest.mark.parametrize("name", STYLE_LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_its_gradient_equals_finite_differences(name, seed):
    of = STYLE_LOSSES[name]
    a = target(of, features(activation(10 + seed)))
    x = torch.tensor(activation(seed), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: of.loss(of.statistic(Features(x[None])), a), x)


@pytest.mark.parametrize("name", STYLE_LOSSES)
@given(seed=st.integers(0, 2**32 - 2), times=st.integers(1, 3))
def test_it_is_0_for_the_same_manner_elsewhere_or_in_a_larger_picture(name, seed, times):
    x = activation(seed)
    shuffled = np.random.default_rng(seed).permutation(x.reshape(N, -1), axis=1).reshape(x.shape)
    assert distance(name, np.tile(shuffled, (1, 1, times)), x) == pytest.approx(0, abs=1e-9)
    assert distance(name, activation(seed + 1), x) > 1e-3


@pytest.mark.parametrize("name", STYLE_LOSSES)
@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_flat_picture_has_a_finite_gradient(name, value):
    of = STYLE_LOSSES[name]
    x = torch.full((1, N, HEIGHT, WIDTH), value, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(of.loss(of.statistic(Features(x)), target(of, features(activation(1)))), x)
    assert gradient.isfinite().all()
    assert gradient.any() or value == 0


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_in_bfloat16_it_keeps_two_digits(name):
    """Gram matrices of rounded features: where sums are subtracted from each other, these are summed in float32."""
    of, rng = STYLE_LOSSES[name], np.random.default_rng(1)
    mix = rng.normal(size=(48, 48)) / 7
    x, a = (np.maximum(np.einsum("mn,nhw->mhw", mix, rng.normal(s, 1, (48, 40, 40))), 0) for s in (0.5, 0.8))
    rounded, painted = (Features(torch.tensor(y)[None].bfloat16()) for y in (x, a))
    assert float(of.loss(of.statistic(rounded), target(of, painted))) == pytest.approx(distance(name, x, a), rel=0.05)


@given(st.integers(0, 2**32 - 2))
def test_moments_are_mean_and_covariance(seed):
    x = activation(seed)
    found = both_moments(features(x))
    np.testing.assert_allclose(found.mean.numpy(), x.mean(axis=(1, 2)), rtol=1e-12, atol=1e-12)
    C, U = np.cov(x.reshape(N, -1), bias=True), np.random.default_rng(seed).normal(size=(N, 2))
    np.testing.assert_allclose(found.covariance.numpy(), C, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.along(torch.tensor(U)).numpy(), U.T @ C @ U, rtol=1e-9, atol=1e-11)


def pixels(seed: int, contrast: float = 1.0) -> np.ndarray:
    return contrast * np.random.default_rng(seed).random((1, 3, HEIGHT, WIDTH))


def amount(x: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Σ g |∇x|^½ / Σ g, pixel by pixel."""
    height, width = x.shape[2:]
    g, total = np.ones((height, width)) if weights is None else weights, 0.0
    for i in range(height):
        for j in range(width):
            below, right = x[0, :, min(i + 1, height - 1), j], x[0, :, i, min(j + 1, width - 1)]
            squares = ((below - x[0, :, i, j]) ** 2).sum() + ((right - x[0, :, i, j]) ** 2).sum()
            total += g[i, j] * (squares + (2 / 255) ** 2) ** 0.25
    return total / g.sum()


def halved(x: np.ndarray) -> np.ndarray:
    """Means of 2 x 2; of a last odd row or column of what is there."""
    rows = [x[..., i : i + 2, :].mean(axis=-2) for i in range(0, x.shape[-2], 2)]
    y = np.stack(rows, axis=-2)
    return np.stack([y[..., j : j + 2].mean(axis=-1) for j in range(0, x.shape[-1], 2)], axis=-1)


def by_hand(x: np.ndarray, a: np.ndarray, weights: np.ndarray | None = None) -> float:
    half = None if weights is None else halved(weights)
    more = [max(0, amount(x, weights) - amount(a)), max(0, amount(halved(x), half) - amount(halved(a)))]
    return sum(t**2 / 2 if t < 0.005 else 0.005 * (t - 0.0025) for t in more)


EXCESS_OF_PIXELS = EXCESS["replicate"]


def of_pixels(x: np.ndarray, weights: np.ndarray | None = None) -> Features:
    F = Features(torch.tensor(x))
    return F if weights is None else F.guided(torch.tensor(weights))


@given(st.integers(0, 2**32 - 2), st.floats(0.1, 2) | st.floats(0.99, 1.02), st.booleans())
def test_excess_is_of_more_variation_alone(seed, contrast, guided):
    weights = np.random.default_rng(seed).random((HEIGHT, WIDTH)) + 0.1 if guided else None
    x, a = pixels(seed, contrast), pixels(seed + 1)
    found = float(
        EXCESS_OF_PIXELS.loss(EXCESS_OF_PIXELS.statistic(of_pixels(x, weights)), target(EXCESS_OF_PIXELS, of_pixels(a)))
    )
    assert found == pytest.approx(by_hand(x, a, weights), rel=1e-9, abs=1e-12)


def test_the_gradient_of_excess_equals_finite_differences():
    a = target(EXCESS_OF_PIXELS, of_pixels(pixels(1, 0.3)))
    x = torch.tensor(pixels(2), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: EXCESS_OF_PIXELS.loss(EXCESS_OF_PIXELS.statistic(Features(x)), a), x)


def test_a_function_and_an_entry_make_a_style_loss(monkeypatch):
    """What ``docs/architecture.md`` shows, all the way to the registry."""

    def means(x: Moments, a: Moments) -> torch.Tensor:
        return (x.mean - a.mean).square().mean()

    monkeypatch.setitem(STYLE_LOSSES, "means", Distance(means, both_moments))
    x, a = activation(1), activation(2)
    assert distance("means", x, a) == pytest.approx(((x - a).mean(axis=(1, 2)) ** 2).mean())


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_fewer_positions_than_filters_do_no_harm(name):
    """A small picture: its covariance has no full rank, and rounding makes some eigenvalues negative."""
    of, rng = STYLE_LOSSES[name], np.random.default_rng(3)
    mix = 5 * rng.normal(size=(96, 12))
    x, a = (torch.tensor(np.maximum(np.einsum("mn,nhw->mhw", mix, rng.normal(size=(12, 4, 4))), 0)) for _ in "xa")
    x = x[None].float().requires_grad_(True)
    (gradient,) = torch.autograd.grad(of.loss(of.statistic(Features(x)), target(of, Features(a[None].float()))), x)
    assert gradient.isfinite().all()


def test_beyond_the_rank_a_normal_distribution_is_compared_as_a_whole(monkeypatch):
    """A lower bound of the distance, nearer to it with every direction."""
    rng = np.random.default_rng(4)
    mixes = [rng.normal(size=(24, 24)) @ np.diag(0.95 ** np.arange(24)) for _ in "xa"]
    x, a = (np.einsum("mn,nhw->mhw", mix, rng.normal(size=(24, 20, 20))) for mix in mixes)
    exact = gaussian(x.reshape(24, -1), a.reshape(24, -1))
    found = []
    for rank in (2, 6, 12, 24):
        monkeypatch.setattr("impasto.style.RANK", rank)
        found.append(distance("gaussian", x, a))
    assert found[-1] == pytest.approx(exact, rel=1e-7)
    assert found == sorted(found)
