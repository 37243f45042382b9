"""Content losses: how far what is in a picture is from what is in the photograph, in one layer.

As a style loss, a content loss is a statistic that adds up over the places of a picture, and a loss of the sum; the
photograph is seen once, and ``target`` is what is kept of its own. A new one is an entry in ``CONTENT_LOSSES``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float

from impasto.features import Features, Part, precise
from impasto.losses import PAPER_PIXELS, content_loss
from impasto.style import Sums, as_it_is
from impasto.tensors import Tensor


@runtime_checkable
class ContentLoss(Protocol):
    """A way to compare what is in two pictures of one size."""

    def statistic(self, P: Features, /) -> Sums:
        """What is taken of the photograph: it adds up, too. ``target``, where there is such a method, makes of the sum
        what is kept."""
        ...

    def compared(self, F: Features, target: Any, /) -> Sums:
        """Tensors and numbers that add up: those of a picture are the sums of those of its parts."""
        ...

    def total(self, sums: Any, target: Any, /) -> Tensor:
        """A scalar, per 512 x 512 px; 0 where the picture is the photograph."""
        ...


@dataclass(frozen=True)
class Compared:
    """The content loss that functions make: ``compared`` and ``total`` of the picture, ``statistic`` and ``target`` of
    the photograph."""

    total: Callable[[Any, Any], Tensor]
    compared: Callable[[Features, Any], Sums]
    statistic: Callable[[Features], Sums]
    target: Callable[[Any], Any] = as_it_is


def map_of(P: Features) -> tuple[Part]:
    """P as a map, in the network's precision."""
    return (P.placed(P.read),)


def whole_map(sums: tuple[Part]) -> Float[Tensor, "N h_l w_l"]:
    """The map that the parts make."""
    return sums[0].whole


def squares(F: Features, P: Float[Tensor, "N h_l w_l"]) -> Sums:
    """Equation 1 at a place: ½ Σ_k g_k (F_k − P_k)²; and the pixels that it is of."""
    wanted = P.movedim(0, -1)[F.in_picture].flatten(0, -2).T.to(F.activation.dtype)
    if F.guide is None:
        return content_loss(F.read, wanted), F.pixels
    return content_loss(F.read * F.guide, wanted * F.guide), F.pixels


def of_features(sums: Sums, P: Any) -> Float[Tensor, ""]:  # noqa: ARG001
    """The paper's, equation 1, per 512 x 512 px."""
    L_content, pixels = sums
    return L_content * (PAPER_PIXELS / pixels)  # type: ignore[no-any-return]


SAMPLES = 1024
"""Positions, at most, that are compared with each other."""

SELF_SIMILARITY = 3e7
"""What it is times, so that α weighs it much as it weighs the paper's: after a run at 192 px it is a quarter to a half
of that (three pairs)."""


def sampled(F: Features, target: Any = None) -> Sums:  # noqa: ARG001
    """The features at some positions, and the weights of these."""
    V, weights = F.samples(SAMPLES)
    return V if F.readout is None else precise(F.readout) @ V, weights


def distances(sums: Sums) -> Float[Tensor, "K K"]:
    """1 − the cosine between each two positions that count, each column divided by its sum."""
    import torch

    F, weights = sums
    f = F / F.norm(dim=0, keepdim=True).clamp_min(1e-6)
    D = (1 - f.T @ f).clamp_min(0) * (weights.outer(weights) - torch.diag(weights.square()))
    return D / D.sum(dim=0, keepdim=True).clamp_min(1e-6)  # type: ignore[no-any-return]


def self_similarity(sums: Sums, wanted: Float[Tensor, "K K"]) -> Float[Tensor, ""]:
    """1 / K Σ_ij |D_ij − D_ij^p|, D the ``distances`` of positions from each other: what belongs together stays
    together, whatever it is painted with.

    Kolkin, Salavon and Shakhnarovich, *Style Transfer by Relaxed Optimal Transport and Self-Similarity* (arXiv
    1904.12785), there over K². Times ``SELF_SIMILARITY``.
    """
    return SELF_SIMILARITY * (distances(sums) - wanted).abs().sum() / len(wanted)


CONTENT_LOSSES: dict[str, ContentLoss] = {
    "features": Compared(of_features, squares, map_of, whole_map),
    "self-similarity": Compared(self_similarity, sampled, sampled, distances),
}
"""By the name that ``--content-loss`` takes."""
