"""Functions whose gradient takes less than autograd would spend on it."""

from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.network.kernels import PIECE


class Gram(torch.autograd.Function):
    """F Fᵀ with its gradient (D + Dᵀ) F, D the gradient with respect to F Fᵀ, in one product: autograd takes two."""

    @staticmethod
    def forward(ctx: Any, F: Tensor) -> Tensor:
        ctx.save_for_backward(F)
        return squared(F)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (D,), (F,) = gradients, ctx.saved_tensors
        gradient: Tensor = (F.T @ (D + D.T).to(F.dtype)).T  # in the layout of F
        return gradient


class FirstAndSecondMoment(torch.autograd.Function):
    """Σ_k F_k and F Fᵀ. Their gradients, d + (D + Dᵀ) F_k at each position k, are one product with an offset."""

    @staticmethod
    def forward(ctx: Any, F: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(F)
        return total(F), squared(F)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (d, D), (F,) = gradients, ctx.saved_tensors
        gradient: Tensor = torch.addmm(d.to(F.dtype), F.T, (D + D.T).to(F.dtype)).T  # in the layout of F
        return gradient


class Inner(torch.autograd.Function):
    """Some rows and columns of a map whose filters come last in memory. So does its gradient, which autograd's is not:
    what is added to it would take ten times as long."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: slice, columns: slice) -> Tensor:
        ctx.at, ctx.shape = (rows, columns), x.shape
        return x[..., rows, columns]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), (b, N, h, w) = gradients, ctx.shape
        whole = gradient.new_zeros(b, h, w, N).movedim(-1, 1)
        whole[..., *ctx.at] = gradient
        return whole, None, None


class HalfSquares(torch.autograd.Function):
    """½ Σ_ik (F_ik − P_ik)², in float32 at least. Keeps the difference, which is the gradient but for a factor."""

    @staticmethod
    def forward(ctx: Any, F: Tensor, P: Tensor) -> Tensor:
        E = F - P
        ctx.save_for_backward(E)
        dtype = torch.float32 if E.itemsize < 4 else E.dtype
        flat = (E.T if E.stride(0) == 1 else E).flatten()  # in the order of memory
        if E.is_cuda:  # in one pass, whose sums are sums of sums
            squares = torch.linalg.vector_norm(flat, dtype=dtype).square()
        else:
            pieces = (piece.to(dtype) for piece in torch.split(flat, PIECE))
            squares = torch.stack([x @ x for x in pieces]).sum()
        half: Tensor = squares / 2
        return half

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (d,), (E,) = gradients, ctx.saved_tensors
        return d * E, None


def total(F: Float[Tensor, "N M"]) -> Float[Tensor, " N"]:
    """Σ_k F_ik, in float32 at least. A CPU makes a copy of all in float32 first, so it is given pieces of it."""
    dtype = torch.float32 if F.itemsize < 4 else F.dtype
    if F.is_cuda or F.dtype == dtype:
        return F.sum(dim=1, dtype=dtype)
    pieces = torch.split(F, max(1, PIECE // len(F)), dim=1)
    return torch.stack([piece.sum(dim=1, dtype=dtype) for piece in pieces]).sum(dim=0)


def squared(F: Float[Tensor, "N M"]) -> Float[Tensor, "N N"]:
    """F Fᵀ; on a GPU in float32, which costs nothing there."""
    if F.is_cuda and F.itemsize < 4:
        return torch.mm(F, F.T, out_dtype=torch.float32)
    return F @ F.T


LEAST = 1e-4
"""Of the roots of eigenvalues that ``TraceOfRoot`` resolves, the least, as a part of the largest's bound."""


class TraceOfRoot(torch.autograd.Function):
    """tr A^½ of a symmetric A without negative eigenvalues, and its gradient ½ A^-½, by products of matrices alone: a
    GPU is slow at eigenvalues, and has to be asked whether they were found.

    Newton and Schulz's iteration in the form for a root and its inverse, Y → A^½ and Z → A^-½ (Higham, *Functions of
    Matrices*, 2008, equation 6.35), scaled by what is known of the smallest eigenvalue (Chen and Chow, *A stable
    scaling of Newton-Schulz*, 2014). Eigenvalues below ``LEAST``² of ‖A‖, rounding's negative ones among them, stay
    smaller than their roots.
    """

    @staticmethod
    def forward(ctx: Any, A: Float[Tensor, "N N"]) -> Tensor:
        size, one = A.square().sum().sqrt(), torch.eye(len(A), dtype=A.dtype, device=A.device)
        Y, Z = A / size, one
        for a in scalings(LEAST):
            step = torch.addmm(one, Z, Y, beta=1.5 * a, alpha=-0.5 * a**3)
            Y, Z = Y @ step, step @ Z
        ctx.save_for_backward(Z / size.sqrt())
        return Y.diagonal().sum() * size.sqrt()  # (torch's trace asks the device on the way back)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (d,), (inverse_root,) = gradients, ctx.saved_tensors
        gradient: Tensor = d * inverse_root / 2
        return gradient


@cache
def scalings(least: float) -> list[float]:
    """Of steps x → 1.5 (a x) − 0.5 (a x)³ that bring all of [least, 1] to 1, within 1e-6."""
    found = []
    while 1 - least > 1e-6:
        a = (3 / (1 + least + least**2)) ** 0.5
        found.append(a)
        least = 1.5 * a * least - 0.5 * (a * least) ** 3
    return found


class GradientMagnitude(torch.autograd.Function):
    """|∇x|, as ``losses.gradient_magnitude`` has it, in a third of the time that autograd takes."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "1 3 h w"], epsilon: float) -> Float[Tensor, "1 h w"]:
        right, below = x.diff(dim=3), x.diff(dim=2)
        squares = torch.full_like(x[:, 0], epsilon**2)
        for colour in range(x.shape[1]):
            squares[..., :-1].addcmul_(right[:, colour], right[:, colour])
            squares[..., :-1, :].addcmul_(below[:, colour], below[:, colour])
        magnitude = squares.sqrt_()
        ctx.save_for_backward(right, below, magnitude)
        return magnitude

    @staticmethod
    def backward(ctx: Any, gradient: Float[Tensor, "1 h w"]) -> tuple[Tensor, None]:
        right, below, magnitude = ctx.saved_tensors
        along = (gradient / magnitude)[:, None]
        right, below = right * along[..., :-1], below * along[..., :-1, :]
        found = right.new_zeros(*right.shape[:2], *magnitude.shape[1:])
        found[..., 1:] += right
        found[..., :-1] -= right
        found[..., 1:, :] += below
        found[..., :-1, :] -= below
        return found, None
