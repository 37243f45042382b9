"""Every content loss against its formula in NumPy, against differences, and by what all of them must keep."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from impasto.content import CONTENT_LOSSES, SELF_SIMILARITY, ContentLoss
from impasto.features import Features, Place

N, HEIGHT, WIDTH = 5, 6, 7


def activation(seed: int) -> np.ndarray:
    return np.maximum(np.random.default_rng(seed).normal(0.3, 1, (N, HEIGHT, WIDTH)), 0)


def features(x: np.ndarray | torch.Tensor, readout: np.ndarray | None = None) -> Features:
    R = None if readout is None else torch.tensor(readout)
    return Features(torch.as_tensor(x)[None], R, Place.whole(HEIGHT, WIDTH))


def distance(name: str, x: Features, p: Features) -> torch.Tensor:
    of = CONTENT_LOSSES[name]
    target = of.target(of.statistic(p))
    return of.total(of.compared(x, target), target)


def equation_1(F: np.ndarray, P: np.ndarray) -> float:
    return ((F - P) ** 2).sum() / 2 * 512 * 512 / (HEIGHT * WIDTH)


def self_similarity(F: np.ndarray, P: np.ndarray) -> float:
    def distances(X: np.ndarray) -> np.ndarray:
        D = np.array([[1 - x @ y / max(np.linalg.norm(x) * np.linalg.norm(y), 1e-9) for y in X.T] for x in X.T])
        np.fill_diagonal(D, 0)
        return D / D.sum(axis=0)

    return SELF_SIMILARITY * np.abs(distances(F) - distances(P)).sum() / F.shape[1]


BY_HAND = {"features": equation_1, "self-similarity": self_similarity}


def test_every_content_loss_has_a_formula_to_be_compared_with():
    assert BY_HAND.keys() == CONTENT_LOSSES.keys()
    assert all(isinstance(of, ContentLoss) for of in CONTENT_LOSSES.values())


@pytest.mark.parametrize("name", CONTENT_LOSSES)
@given(seed=st.integers(0, 2**32 - 2))
def test_it_is_its_formula(name, seed):
    x, p = activation(seed), activation(seed + 1)
    by_hand = BY_HAND[name](x.reshape(N, -1), p.reshape(N, -1))
    assert float(distance(name, features(x), features(p))) == pytest.approx(by_hand, rel=1e-9)
    assert float(distance(name, features(p), features(p))) == 0


@pytest.mark.parametrize("name", CONTENT_LOSSES)
def test_readouts_give_what_the_features_they_make_give(name):
    R = np.random.default_rng(5).normal(size=(N + 3, N))
    read = [np.einsum("mn,nhw->mhw", R, activation(seed)) for seed in (1, 2)]
    own = [features(activation(seed), R) for seed in (1, 2)]
    assert float(distance(name, *own)) == pytest.approx(float(distance(name, *map(features, read))), rel=1e-9)


@pytest.mark.parametrize("name", CONTENT_LOSSES)
def test_its_gradient_equals_finite_differences(name):
    x = torch.tensor(activation(1) + 0.1, requires_grad=True)
    p = features(activation(2) + 0.1)
    assert torch.autograd.gradcheck(lambda x: distance(name, features(x), p) / SELF_SIMILARITY, x)


def test_what_belongs_together_may_have_any_strength():
    x = activation(3)
    strength = np.random.default_rng(4).uniform(0.5, 2, (1, HEIGHT, WIDTH))
    assert float(distance("self-similarity", features(strength * x), features(x))) == pytest.approx(0, abs=1e-6)
    assert float(distance("features", features(strength * x), features(x))) > 1
