"""Style losses: how far a picture's manner is from a painting's, in one layer.

A style loss is a statistic of features that adds up over the places of a picture, and a loss of two such sums: x, of
the picture, and a, of the painting. A new one is a function here and an entry in ``STYLE_LOSSES``, and with that it is
there in Python, on the command line, in ``--help`` and in recipes. From outside the package, anything with the two
methods of ``StyleLoss`` will do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float

from impasto.features import Features, Readout, precise
from impasto.losses import gradient_magnitude, style_loss
from impasto.tensors import Tensor, exact, returned

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


def as_it_is(a: Any) -> Any:
    """The painting's sums, for a loss that wants nothing else of it."""
    return a


@dataclass(frozen=True)
class Distance:
    """The style loss that functions make: of the picture's sums and the painting's, or what ``target`` makes of these,
    once and for all."""

    loss: Callable[[Any, Any], Tensor]
    statistic: Callable[[Features], Sums]
    target: Callable[[Any], Any] = as_it_is


class SecondMoment(NamedTuple):
    """F Fᵀ ``(N, N)``, over M positions."""

    second: Tensor
    M: float | Tensor


class Moments(NamedTuple):
    """Σ V ``(N_own,)`` and V Vᵀ ``(N_own, N_own)`` of the network's own filters, over M positions; F = R V, R the
    ``readout``."""

    first: Tensor
    second: Tensor
    M: float | Tensor
    readout: Readout = Readout()

    @property
    def mean(self) -> Float[Tensor, " N"]:
        """μ = Σ F / M."""
        return self.readout.of(self.first) / self.M

    @property
    def covariance(self) -> Float[Tensor, "N N"]:
        """C = F Fᵀ / M − μ μᵀ."""
        mean = self.mean
        return self.readout.twice(self.second) / self.M - mean.outer(mean)

    def along(self, RU: Float[Tensor, "N_own r"]) -> Float[Tensor, "r r"]:
        """Uᵀ C U, by Rᵀ U: for less than C itself costs where r is small."""
        m = RU.T @ self.first / self.M
        return RU.T @ self.second @ RU / self.M - m.outer(m)


def second_moment(F: Features) -> SecondMoment:
    """What the paper sums."""
    return SecondMoment(F.gram, F.positions)


def both_moments(F: Features) -> Moments:
    """What a normal distribution is known by."""
    return Moments(*F.moments, F.positions, Readout(F.readout))


def gram(x: SecondMoment, a: SecondMoment) -> Float[Tensor, ""]:
    """The paper's E_l, equation 4: 1 / (4 N²) Σ_ij (G_ij / M − A_ij / M_a)²."""
    return style_loss(x.second, a.second, x.M, a.M)


def moments(x: Moments, a: Moments, epsilon: float = 1e-6) -> Float[Tensor, ""]:
    """1 / N Σ_i ((μ_i − μ_i^a)² + (σ_i − σ_i^a)²), σ_i = √(C_ii + 1e-6), each filter for itself.

    Li et al., *Demystifying Neural Style Transfer* (arXiv 1701.01036), section 4.2, there for batch normalisation's
    statistics. The 1e-6 keeps the gradient finite for a filter that is the same everywhere.
    """
    sigma, sigma_a = ((of.covariance.diagonal().clamp_min(0) + epsilon).sqrt() for of in (x, a))
    return mean_square(x.mean - a.mean) + mean_square(sigma - sigma_a)


RIDGE = 1e-4
"""On the diagonal of covariances, as in style-transfer-pytorch: activations are about 1."""

RANK = 64
"""Of a covariance, the directions in which a normal distribution is compared; what is left is compared as a whole."""


@dataclass(frozen=True)
class Normal:
    """A painting's normal distribution of features: mean μ_a ``(N,)``, the ``variances`` λ ``(r,)`` of its principal
    directions U, and the variance in all others together, ``rest``. For those of a picture with the same readout R:
    ``directions`` Rᵀ U ``(N_own, r)``, and ``squared`` Rᵀ R ``(N_own, N_own)``, if there is one."""

    mean: Tensor
    directions: Tensor
    variances: Tensor
    rest: float
    readout: Readout
    squared: Tensor | None


def normal(a: Moments) -> Normal:
    """The distribution that has these moments: eigenvectors and eigenvalues of its covariance."""
    import torch

    values, vectors = torch.linalg.eigh(numbers(ridged(exact(a.covariance))))
    rank = max(1, min(RANK, int((values > 2 * RIDGE).sum())))
    U, variances = vectors[:, -rank:], values[-rank:].clamp_min(RIDGE)
    U = U.where(U.abs() > torch.finfo(a.first.dtype).eps, 0.0)  # products of less are slow: they underflow
    rest = float(values[:-rank].clamp_min(RIDGE).sum())
    R = a.readout.matrix
    R = None if R is None else R.to(a.first)
    squared = None if R is None else R.T @ R
    return Normal(a.mean, a.readout.back(U).to(a.first), variances.to(a.first), rest, Readout(R), squared)


def ridged(C: Float[Tensor, "N N"]) -> Float[Tensor, "N N"]:
    """C with ``RIDGE`` on its diagonal."""
    import torch

    return C + RIDGE * torch.eye(len(C), dtype=C.dtype, device=C.device)


def numbers(C: Float[Tensor, "N N"]) -> Float[Tensor, "N N"]:
    """C, with 0 for what is not a number: eigenvalues of that raise errors of their own, and the loss, which has the
    means in it, tells that it is not a number anyway."""
    return C.nan_to_num(0.0, 0.0, 0.0)


def gaussian(x: Moments, a: Normal) -> Float[Tensor, ""]:
    """W₂² / N = (‖μ − μ_a‖² + tr C + tr C_a − 2 tr (C_a^½ C C_a^½)^½) / N.

    The squared 2-Wasserstein distance of the normal distributions with these means and covariances (Olkin and
    Pukelsheim, *The distance between two random vectors with given dispersion matrices*, 1982), over N. In C_a's
    eigenvectors its root is λ^½, and the last trace is the sum of the roots of the eigenvalues of λ^½ Uᵀ C U λ^½.

    Only C_a's principal directions are compared so, ``RANK`` at most and none in which the painting is the same
    everywhere; what C and C_a have beyond them, t and t_a, counts as (√t − √t_a)², as if it were the same in all
    directions. That makes small matrices of large ones: roots of 512 x 512 take longer than all else in a small
    picture.
    """
    mean = a.readout.of(x.first) / x.M
    second = trace(x.second) if a.squared is None else (a.squared * x.second).sum()  # tr R V Vᵀ Rᵀ = ⟨Rᵀ R, V Vᵀ⟩
    variance = second / x.M - mean @ mean
    projected = ridged(x.along(a.directions))
    scaled = a.variances.sqrt()[:, None] * projected * a.variances.sqrt()
    roots = returned(trace_of_root(exact(scaled)), scaled)
    rest = (variance + len(mean) * RIDGE - trace(projected)).clamp_min(RIDGE).sqrt() - max(a.rest, RIDGE) ** 0.5
    spread = trace(projected) + a.variances.sum() - 2 * roots
    distance: Tensor = (mean - a.mean).square().sum() + spread + rest.square()
    return distance / len(mean)


def trace_of_root(A: Float[Tensor, "N N"]) -> Float[Tensor, ""]:
    """tr A^½, the sum of the roots of A's eigenvalues."""
    import torch

    from impasto.gradients import TraceOfRoot

    if A.is_cuda:
        found: Tensor = TraceOfRoot.apply(A)  # type: ignore[no-untyped-call]
        return found
    roots: Tensor = torch.linalg.eigvalsh(numbers(A)).clamp_min(RIDGE**2).sqrt()
    return roots.sum()


def trace(C: Float[Tensor, "N N"]) -> Float[Tensor, ""]:
    """tr C. (On the way back torch's own asks the device for a number.)"""
    total: Tensor = C.diagonal().sum()
    return total


def mean_square(x: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """1 / N Σ_i x_i²."""
    squared: Tensor = x.square().mean()
    return squared


class Variation(NamedTuple):
    """Σ |∇x|^½ over M pixels, and the same of the picture at half its size."""

    fine: Tensor
    M: float | Tensor
    coarse: Tensor
    M_half: float | Tensor


def variation(F: Features, edges: str = "replicate") -> Variation:
    """Of the picture itself; ``edges`` say what is beyond them."""

    def total(F: Features) -> Tensor:
        roots = gradient_magnitude(F.activation, edges)[..., *F.counted].flatten().sqrt()
        return (roots if F.guide is None else roots * precise(F.guide).square()).sum()

    half = F.at_half_size
    return Variation(total(F), F.positions, total(half), half.positions)


SLIGHT = 0.005
"""An ``excess`` that is hardly one: below it the loss is round, as L-BFGS wants it; above it is straight."""


def excess(x: Variation, a: Variation) -> Float[Tensor, ""]:
    """h(V − V_a) of V = Σ |∇x|^½ / M, and of V at half the size: by how much a picture varies more than the painting.
    h(t) is 0 below 0, and above Huber's (*Robust estimation of a location parameter*, 1964), t² / 2 up to δ,
    ``SLIGHT``, and δ (t − δ / 2) from there on. Not in the paper.

    Contrasts as strong, on average of their squares, that are many and faint instead of few and sharp have more of it.
    The network hardly tells the two apart; the eye sees a fine ripple in what is flat in the painting. Roots tell them
    apart better than |∇x| itself: contrasts in pictures have heavier tails than exponential ones (Krishnan and Fergus,
    *Fast image deconvolution using hyper-Laplacian priors*, 2009).
    """
    import torch
    from torch.nn.functional import huber_loss

    loss: Tensor = x.fine.new_zeros(())
    for more in (x.fine / x.M - a.fine / a.M, x.coarse / x.M_half - a.coarse / a.M_half):
        loss = loss + huber_loss(more.clamp_min(0), torch.zeros_like(more), delta=SLIGHT)
    return loss


EXCESS = {edges: Distance(excess, partial(variation, edges=edges)) for edges in ("replicate", "circular")}
"""What holds the pixels to the painting's, beside a loss of the features; by what is beyond the edges."""

SAMPLES = 2**14
"""Positions at most by which distributions are compared as they are."""


class Projections(NamedTuple):
    """Features along some directions ``(D, K)``, at K positions with weights ``(K,)``."""

    values: Tensor
    weights: Tensor


def projections(F: Features) -> Projections:
    """Along N fixed directions, orthogonal to each other."""
    V, weights = F.samples(SAMPLES)
    R = None if F.readout is None else precise(F.readout)
    W = directions(len(V) if R is None else len(R), V.dtype, V.device)
    return Projections((W if R is None else W @ R) @ V, weights)


@cache
def directions(N: int, dtype: Any, device: Any) -> Float[Tensor, "N N"]:
    """N at random, but always the same, and orthogonal to each other."""
    import torch

    with torch.inference_mode(mode=False):
        normal = torch.randn(N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        Q: Tensor = torch.linalg.qr(normal).Q
        return Q.to(dtype).to(device)


def sorted_along(a: Projections) -> Float[Tensor, "D K"]:
    """The painting's features in each direction from low to high, each as often as its weight says."""
    import torch

    values, order = a.values.sort(dim=1)
    weights = a.weights[order]
    before, count = weights.cumsum(dim=1) / weights.sum(dim=1, keepdim=True), values.shape[1]
    u = (torch.arange(count, device=values.device, dtype=values.dtype) + 0.5) / count
    at = torch.searchsorted(before, u.expand_as(before).contiguous()).clamp(max=count - 1)
    return values.gather(1, at)


def sliced(x: Projections, a: Float[Tensor, "D K_a"]) -> Float[Tensor, ""]:
    """1 / D Σ_d ∫ (q_d(u) − q_d^a(u))² du, q_d the quantiles of the features along a direction d: the sliced
    2-Wasserstein distance of the distributions themselves, whatever their form.

    Heitz et al., *A Sliced Wasserstein Loss for Neural Texture Synthesis* (arXiv 2006.07229). Directions and
    positions stay the same throughout, where they draw others in every step, so that L-BFGS sees one function.
    """
    values, order = x.values.sort(dim=1)
    g, total, count = x.weights[order], x.weights.sum(), a.shape[1]
    at = (g.cumsum(dim=1) - g / 2) * count / total
    difference = values - a.gather(1, at.long().clamp(max=count - 1))
    distance: Tensor = (g * difference.square()).sum() / (total * len(values))
    return distance


STYLE_LOSSES: dict[str, StyleLoss] = {
    "gram": Distance(gram, second_moment),
    "moments": Distance(moments, both_moments),
    "gaussian": Distance(gaussian, both_moments, target=normal),
    "sliced": Distance(sliced, projections, target=sorted_along),
}
"""By the name that ``--style-loss`` takes."""
