"""The paper's equations (Gatys, Ecker and Bethge, arXiv 1508.06576), a few lines each.

F, P: features ``(N, M)``, N filters at M positions, of the generated image and of the photograph. G, A: Gram matrices
``(N, N)`` of the generated image and of the painting. All are pure functions that return a scalar or a matrix of the
type they were given. A new loss is a function here and a term in ``objective.py``.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as nnf


def content_loss(F: Float[Tensor, "N M"], P: Float[Tensor, "N M"]) -> Float[Tensor, ""]:
    """Equation 1: L_content = ½ Σ_ij (F_ij − P_ij)². A plain sum, as in the paper: it grows with the picture."""
    return nnf.mse_loss(F.T, P.T, reduction="sum") / 2  # transposed, as they lie in memory: twice as fast


def gram(F: Float[Tensor, "N M"]) -> Float[Tensor, "N N"]:
    """Equation 3: G_ij = Σ_k F_ik F_jk. A plain sum over the M positions, as in the paper: not divided by anything."""
    G: Tensor = _Gram.apply(F)  # type: ignore[no-untyped-call]
    return G


class _Gram(torch.autograd.Function):
    """F Fᵀ with its gradient (D + Dᵀ) F, D the gradient with respect to F Fᵀ, in one product: autograd takes two."""

    @staticmethod
    def forward(ctx: Any, F: Tensor) -> Tensor:
        ctx.save_for_backward(F)
        return F @ F.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (D,), (F,) = gradients, ctx.saved_tensors
        gradient: Tensor = (F.T @ (D + D.T)).T  # in the layout of F
        return gradient


def style_loss(G: Float[Tensor, "N N"], A: Float[Tensor, "N N"], M: int, M_a: int) -> Float[Tensor, ""]:
    """Equation 4: E_l = 1 / (4 N² M²) Σ_ij (G_ij − A_ij)², for one layer.

    M and M_a are the numbers of positions that G and A were summed over. The paper has painting and photograph of one
    size, M = M_a; for two sizes each Gram matrix is divided by its own: 1 / (4 N²) Σ (G / M − A / M_a)².
    """
    N = G.shape[0]
    return (G / M - A / M_a).square().sum() / (4 * N**2)


def total_variation(x: Float[Tensor, "1 3 h w"]) -> Float[Tensor, ""]:
    """Σ ((x_{i,j+1} − x_ij)² + (x_{i+1,j} − x_ij)²) over the sRGB image in [0, 1], not in the paper.

    Mahendran and Vedaldi, *Understanding Deep Image Representations by Inverting Them* (arXiv 1412.0035), equation 6
    with exponent 2. A plain sum: it grows with the picture.
    """
    return (x[..., :, 1:] - x[..., :, :-1]).square().sum() + (x[..., 1:, :] - x[..., :-1, :]).square().sum()
