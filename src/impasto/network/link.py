"""One link of the chain: a convolution with its ReLU, and what a network that imitates another adds to it."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as nnf

from impasto.network.kernels import combined, convolved, convolved_back, mirrored

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

    def forward(self, x: Float[Tensor, "b before h w"], mirror: bool = False) -> Float[Tensor, "b N h w"]:
        """The activation, with 0 beyond the edges of x, or its mirror image, ``mirror``."""
        if not torch.is_grad_enabled():
            return self.ahead(x, mirror)
        S, K, E, b = self.squeeze, self.weight, self.expand, self.bias
        squeezed = x if S is None else combined(x, S)
        squeezed, padding = (mirrored(squeezed), 0) if mirror else (squeezed, 1)
        if E is None:
            return nnf.conv2d(squeezed, K, b, padding=padding).relu_()
        return nnf.linear(nnf.conv2d(squeezed, K, padding=padding).movedim(1, -1), E, b).movedim(-1, 1).relu_()

    def ahead(self, x: Float[Tensor, "b before h w"], mirror: bool) -> Float[Tensor, "b N h w"]:
        """The activation, without a way back that autograd knows."""
        squeezed = x if self.squeeze is None else combined(x, self.squeeze)
        if self.expand is None:
            return convolved(squeezed, self.weight, self.bias, mirror)
        return combined(convolved(squeezed, self.weight, None, mirror), self.expand, self.bias)

    def back(self, gradient: Float[Tensor, "b N h w"], mirror: bool) -> Tensor:
        """From the gradient with respect to what went into the ReLU to that with respect to x, or, where that was
        mirrored, to the mirrored one."""
        expanded = gradient if self.expand is None else combined(gradient, self.expand.T)
        squeezed = convolved_back(expanded, self.weight, mirror)
        return squeezed if self.squeeze is None else combined(squeezed, self.squeeze.T)

    def read(self, F: Float[Tensor, "*b N M"]) -> Float[Tensor, "*b N_other M"]:
        """R F: the features that the activations tell of."""
        return F if self.readout is None else self.readout @ F
