"""One link of the chain: a convolution with its ReLU, and what a network that imitates another adds to it.

While the weights are frozen, a link keeps for the image's gradient only what that needs. Autograd would keep every
activation that a convolution or a pooling has seen, for gradients of weights that nobody asks for; the gradient with
respect to the input takes the kernel and where the ReLU was open: one byte an activation instead of four, twice over,
or with bfloat16 the two of the activation itself.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as nnf

PARTS = ("squeeze", "weight", "expand", "bias", "readout")
"""The tensors that a layer may have, by the names they have in a file."""


class Link(nn.Module):
    """relu(E (K ∗ (S x)) + b), size kept, with the tensors that ``VGG`` tells of: ``weight`` K, ``bias`` b, and perhaps
    ``squeeze`` S, ``expand`` E and ``readout`` R. Frozen, unless a training asks for their gradients."""

    weight: Tensor
    bias: Tensor
    squeeze: Tensor | None
    expand: Tensor | None
    readout: Tensor | None

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name in PARTS:
            value = tensors.get(name)
            if name == "weight" and value is not None:
                value = value.contiguous(memory_format=torch.channels_last)  # activations follow: faster everywhere
            self.register_parameter(name, None if value is None else nn.Parameter(value, requires_grad=False))

    @property
    def filters(self) -> int:
        """N."""
        return self.bias.shape[0]

    def forward(
        self, x: Float[Tensor, "b before h w"], kept: bool = False, mirrored: bool = False
    ) -> Float[Tensor, "b N h w"]:
        """The activation. ``kept``: the caller keeps it, so it can tell where the ReLU was open. ``mirrored``: beyond
        its edges x is its mirror image, and not 0."""
        factors = self.squeeze, self.weight, self.expand, self.bias
        if self.weight.requires_grad:
            return rectified_convolution(x, *factors, mirrored)
        activation: Tensor = FrozenConvolution.apply(x, *factors, mirrored, kept)  # type: ignore[no-untyped-call]
        return activation

    def read(self, F: Float[Tensor, "*b N M"]) -> Float[Tensor, "*b N_other M"]:
        """R F: the features that the activations tell of."""
        return F if self.readout is None else self.readout @ F


def rectified_convolution(
    x: Tensor, S: Tensor | None, K: Tensor, E: Tensor | None, b: Tensor, mirrored: bool = False
) -> Tensor:
    """relu(E (K ∗ (S x)) + b), with 0 beyond the edges, or the mirror image, ``mirrored``."""
    squeezed = x if S is None else combined(x, S)
    padding = 1
    if mirrored:
        squeezed, padding = nnf.pad(squeezed, (1, 1, 1, 1), mode=mirror(squeezed)), 0
    if E is None:
        return nnf.conv2d(squeezed, K, b, padding=padding).relu_()
    return combined(nnf.conv2d(squeezed, K, padding=padding), E, b).relu_()


def mirror(x: Float[Tensor, "b N h w"]) -> str:
    """What torch calls mirroring: beyond x_0 x_1 x_2 … come x_1 x_2 …; a line alone is repeated."""
    return "reflect" if min(x.shape[2:]) > 1 else "replicate"


def folded(gradient: Float[Tensor, "b N h_2 w_2"]) -> Float[Tensor, "b N h w"]:
    """What comes back to mirrored edges, added to where these are from."""
    inside = 2 if min(gradient.shape[2:]) > 3 else 1
    for side in (2, 3):
        last = gradient.shape[side] - 1
        gradient.select(side, inside).add_(gradient.select(side, 0))
        gradient.select(side, last - inside).add_(gradient.select(side, last))
    return gradient[..., 1:-1, 1:-1]


def combined(x: Float[Tensor, "b N h w"], A: Float[Tensor, "r N"], b: Tensor | None = None) -> Float[Tensor, "b r h w"]:
    """A x + b at every position: with channels last in memory, one matrix product."""
    return nnf.linear(x.movedim(1, -1), A, b).movedim(-1, 1)


class FrozenConvolution(torch.autograd.Function):
    """``rectified_convolution`` with a gradient for x alone."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, S: Tensor | None, K: Tensor, E: Tensor | None, b: Tensor, mirrored: bool, kept: bool
    ) -> Tensor:
        activation = rectified_convolution(x, S, K, E, b, mirrored)
        small = activation.itemsize == 2  # then a second form of it costs more than it saves
        ctx.save_for_backward(activation if kept or small else activation.bool())
        ctx.factors = S, K, E, mirrored
        return activation

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (activation,), (S, K, E, mirrored) = gradients, ctx.saved_tensors, ctx.factors
        if activation.dtype == torch.bool:
            gradient = gradient * activation.view(torch.uint8)  # the same bytes, and twice as fast as booleans
        else:
            gradient = torch.ops.aten.threshold_backward(gradient, activation, 0)
        if E is not None:
            gradient = combined(gradient, E.T)
        gradient = nnf.conv_transpose2d(gradient, K, padding=0 if mirrored else 1)
        gradient = folded(gradient) if mirrored else gradient
        return gradient if S is None else combined(gradient, S.T), None, None, None, None, None, None


class AveragePool(torch.autograd.Function):
    """Means of 2 x 2 activations; a last odd row or column is left out."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "b N h w"]) -> Tensor:
        ctx.left_out = 0, x.shape[3] % 2, 0, x.shape[2] % 2
        return nnf.avg_pool2d(x, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        spread = nnf.interpolate(gradients[0] / 4, scale_factor=2)
        return nnf.pad(spread, ctx.left_out) if any(ctx.left_out) else spread
