"""Style losses: how far a picture's manner is from a painting's, in one layer.

A style loss is a statistic of features that adds up over the places of a picture, and a loss of two such sums: x, of
the picture, and a, of the painting. A new one is a function here and an entry in ``STYLE_LOSSES``, and with that it is
there in Python, on the command line, in ``--help`` and in recipes. From outside the package, anything with the two
methods of ``StyleLoss`` will do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float

from impasto.features import Features
from impasto.losses import style_loss
from impasto.tensors import Tensor

Sums = tuple[Any, ...]
"""What a statistic is: tensors and numbers, each of which adds up."""


@runtime_checkable
class StyleLoss(Protocol):
    """A way to compare manners."""

    def statistic(self, F: Features, /) -> Sums:
        """Tensors and numbers that add up: those of a picture are the sums of those of its parts."""
        ...

    def loss(self, x: Any, a: Any, /) -> Tensor:
        """A scalar from the sums of a picture and of a painting; 0 where they are alike, whatever their sizes."""
        ...


@dataclass(frozen=True)
class Distance:
    """The style loss that two functions make."""

    loss: Callable[[Any, Any], Tensor]
    statistic: Callable[[Features], Sums]


class SecondMoment(NamedTuple):
    """F Fᵀ ``(N, N)``, over M positions."""

    second: Tensor
    M: float


class Moments(NamedTuple):
    """Σ F ``(N,)`` and F Fᵀ ``(N, N)``, over M positions."""

    first: Tensor
    second: Tensor
    M: float

    @property
    def mean(self) -> Float[Tensor, " N"]:
        """μ."""
        return self.first / self.M

    @property
    def covariance(self) -> Float[Tensor, "N N"]:
        """C = F Fᵀ / M − μ μᵀ."""
        return self.second / self.M - self.mean.outer(self.mean)


def second_moment(F: Features) -> SecondMoment:
    """What the paper sums."""
    return SecondMoment(F.gram, F.positions)


def both_moments(F: Features) -> Moments:
    """What a normal distribution is known by."""
    return Moments(F.precise.sum, F.precise.gram, F.positions)


def gram(x: SecondMoment, a: SecondMoment) -> Float[Tensor, ""]:
    """The paper's E_l, equation 4: 1 / (4 N²) Σ_ij (G_ij / M − A_ij / M_a)²."""
    return style_loss(x.second, a.second, int(x.M), int(a.M))


def moments(x: Moments, a: Moments, epsilon: float = 1e-6) -> Float[Tensor, ""]:
    """1 / N Σ_i ((μ_i − μ_i^a)² + (σ_i − σ_i^a)²), σ_i = √(C_ii + 1e-6), each filter for itself.

    Li et al., *Demystifying Neural Style Transfer* (arXiv 1701.01036), section 4.2, there for batch normalisation's
    statistics. The 1e-6 keeps the gradient finite for a filter that is the same everywhere.
    """
    sigma, sigma_a = ((of.covariance.diagonal().clamp_min(0) + epsilon).sqrt() for of in (x, a))
    return mean_square(x.mean - a.mean) + mean_square(sigma - sigma_a)


def gaussian(x: Moments, a: Moments, epsilon: float = 1e-4) -> Float[Tensor, ""]:
    """W₂² / N = (‖μ − μ_a‖² + tr C + tr C_a − 2 tr (C_a^½ C C_a^½)^½) / N.

    The squared 2-Wasserstein distance of the normal distributions with these means and covariances (Olkin and
    Pukelsheim, *The distance between two random vectors with given dispersion matrices*, 1982), over N; both
    covariances have 1e-4 on the diagonal, as in style-transfer-pytorch. With C_a = L Lᵀ the last trace is the sum of
    the roots of the eigenvalues of Lᵀ C L. In float64: small eigenvalues are differences of large numbers.
    """
    import torch

    C, C_a = (of.covariance.double() for of in (x, a))
    ridge = epsilon * torch.eye(len(C), dtype=C.dtype, device=C.device)
    L = torch.linalg.cholesky(C_a + ridge)
    roots = torch.linalg.eigvalsh(L.T @ (C + ridge) @ L).clamp_min(0).sqrt()
    spread = C.trace() + C_a.trace() + 2 * epsilon * len(C) - 2 * roots.sum()
    distance: Tensor = (x.mean - a.mean).square().sum() + spread
    return distance / len(C)


def mean_square(x: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """1 / N Σ_i x_i²."""
    squared: Tensor = x.square().mean()
    return squared


STYLE_LOSSES: dict[str, StyleLoss] = {
    "gram": Distance(gram, second_moment),
    "moments": Distance(moments, both_moments),
    "gaussian": Distance(gaussian, both_moments),
}
"""By the name that ``--style-loss`` takes."""
