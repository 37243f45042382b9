"""Whose colours a picture has. A way is an entry in ``COLOURS``.

Gatys, Bethge, Hertzmann and Shechtman, *Preserving Color in Neural Artistic Style Transfer* (arXiv 1606.05897): the
painting recoloured to the photograph's colours before it is looked at, or luminance painted alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float

from impasto.losses import luminance
from impasto.tensors import Tensor, exact

Painting = Float[Tensor, "1 3 h_a w_a"]
Photograph = Float[Tensor, "1 3 h w"]
Root = Callable[[Float[Tensor, "3 3"]], Float[Tensor, "3 3"]]


@dataclass(frozen=True)
class Colours:
    """What is made of the ``painting``, with the photograph, before it is looked at; and whether only luminance is
    painted, and the photograph's colours are kept: its ``chroma`` in sRGB, what it has besides luminance, or a and b of
    CIE ``lab``, or ``nothing``, so that the picture is grey."""

    painting: Callable[[Painting, Photograph], Painting]
    kept: Literal["chroma", "lab", "nothing"] | None = None


def unchanged(painting: Painting, photograph: Photograph) -> Painting:  # noqa: ARG001
    """The painting."""
    return painting


def matched(painting: Painting, photograph: Photograph) -> Painting:
    """The painting's luminance, with the mean and deviation of the photograph's."""
    of_painting, of_photograph = luminance(painting), luminance(photograph)
    scale = of_photograph.std() / of_painting.std().clamp_min(1e-6)
    found: Tensor = scale * (of_painting - of_painting.mean()) + of_photograph.mean()
    return found.clamp(0, 1).expand(-1, 3, -1, -1)


def recoloured(painting: Painting, photograph: Photograph) -> Painting:
    """The painting with the photograph's colours: ``with_colours_of`` by symmetric roots, within [0, 1]."""
    return with_colours_of(painting, photograph, symmetric).clamp(0, 1)


def recoloured_by_cholesky(painting: Painting, photograph: Photograph) -> Painting:
    """The same by Cholesky's factors."""
    return with_colours_of(painting, photograph, cholesky).clamp(0, 1)


def with_colours_of(painting: Painting, photograph: Photograph, root: Root) -> Painting:
    """R_p R_a⁻¹ (x − μ_a) + μ_p of each colour x: the painting's mean μ_a and covariance Σ_a become the photograph's,
    as in that paper's linear methods. ``root`` gives R of Σ = R Rᵀ. Not held within [0, 1]."""
    import torch

    x, p = (exact(image).flatten(2)[0] for image in (painting, photograph))
    R_a, R_p = (root(torch.cov(of, correction=0) + 1e-8 * torch.eye(3).to(of)) for of in (x, p))
    y = R_p @ torch.linalg.solve(R_a, x - x.mean(dim=1, keepdim=True)) + p.mean(dim=1, keepdim=True)
    recoloured_painting: Tensor = y.view(painting.shape).to(painting)
    return recoloured_painting


def symmetric(covariance: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
    """Σ^½, by eigenvalues."""
    import torch

    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = vectors * values.clamp_min(0).sqrt() @ vectors.T
    return root


def cholesky(covariance: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
    """The lower triangle L of Σ = L Lᵀ."""
    import torch

    root: Tensor = torch.linalg.cholesky(covariance)
    return root


COLOURS: dict[str, Colours] = {
    "painting": Colours(unchanged),
    "photo": Colours(unchanged, kept="chroma"),
    "matched": Colours(matched, kept="chroma"),
    "lab": Colours(matched, kept="lab"),
    "grey": Colours(unchanged, kept="nothing"),
    "recoloured": Colours(recoloured),
    "recoloured-cholesky": Colours(recoloured_by_cholesky),
}
"""By the name that ``--colour`` takes."""
