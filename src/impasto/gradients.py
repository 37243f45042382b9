"""Functions whose gradient takes less than autograd would spend on it."""

from typing import Any

import torch
from torch import Tensor


class Gram(torch.autograd.Function):
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


class FirstAndSecondMoment(torch.autograd.Function):
    """Σ_k F_k and F Fᵀ. Their gradients, d + (D + Dᵀ) F_k at each position k, are one product with an offset."""

    @staticmethod
    def forward(ctx: Any, F: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(F)
        total = F.sum(dim=1, dtype=torch.float32 if F.itemsize < 4 else F.dtype)
        return total, F @ F.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (d, D), (F,) = gradients, ctx.saved_tensors
        gradient: Tensor = torch.addmm(d.to(F.dtype), F.T, D + D.T).T  # in the layout of F
        return gradient
