"""What a GPU does between two convolutions, in as few passes over memory as it takes; and convolutions of few filters.

Elsewhere, and as what the tests compare with, it is a few lines of torch: the functions below. Kernels are Triton's,
which comes with torch's builds for GPUs. All of them take channels last in memory.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as nnf


def fused(x: Tensor) -> bool:
    """Whether there are kernels for ``x``."""
    return x.is_cuda and x.shape[0] == 1 and available()


@cache
def available() -> bool:
    """Whether Triton is there, and whatever it needs to make programs of its kernels."""
    if find_spec("triton") is None:
        return False
    try:
        kernels().mirrored(torch.ones(1, 16, 2, 2, device="cuda"))
    except Exception:  # compilers, drivers and caches fail in many ways, and torch's functions compute the same
        return False
    return True


def kernels() -> Any:
    """The module with the kernels."""
    from impasto.network import triton_kernels

    return triton_kernels


def mirrored(x: Float[Tensor, "b N h w"]) -> Float[Tensor, "b N h_2 w_2"]:
    """x with its mirror image beyond its edges, one position wide: x_1 x_0 x_1 x_2 …; a line alone is repeated."""
    if fused(x) and min(x.shape[2:]) > 1:
        return kernels().mirrored(x)  # type: ignore[no-any-return]
    return nnf.pad(x, (1, 1, 1, 1), mode="reflect" if min(x.shape[2:]) > 1 else "replicate")


def folded(gradient: Float[Tensor, "b N h_2 w_2"]) -> Float[Tensor, "b N h w"]:
    """What comes back to ``mirrored``'s edges, added to where these are from. Changes ``gradient``."""
    inside = 2 if min(gradient.shape[2:]) > 3 else 1
    for side in (2, 3):
        last = gradient.shape[side] - 1
        gradient.select(side, inside).add_(gradient.select(side, 0))
        gradient.select(side, last - inside).add_(gradient.select(side, last))
    return gradient[..., 1:-1, 1:-1]


def even(x: Float[Tensor, "b N h w"]) -> Float[Tensor, "b N h2 w2"]:
    """With a last odd row or column repeated, so that pooling by two leaves nothing out."""
    height, width = x.shape[2:]
    return nnf.pad(x, (0, width % 2, 0, height % 2), mode="replicate") if height % 2 or width % 2 else x


def halved(x: Float[Tensor, "b N h w"], whole: bool) -> Float[Tensor, "b N half_h half_w"]:
    """Means of 2 x 2 positions; a last odd row or column is left out, or, ``whole``, counts twice."""
    if fused(x):
        return kernels().halved(x, whole)  # type: ignore[no-any-return]
    return nnf.avg_pool2d(even(x) if whole else x, 2)


def doubled(
    gradient: Float[Tensor, "b N half_h half_w"], height: int, width: int, whole: bool
) -> Float[Tensor, "b N h w"]:
    """What comes back through ``halved``. Changes ``gradient``."""
    spread = nnf.interpolate(gradient.div_(4), scale_factor=2)
    if not whole:
        left_out = 0, width % 2, 0, height % 2
        return nnf.pad(spread, left_out) if any(left_out) else spread
    for side, size in ((2, height), (3, width)):
        if size % 2:
            spread.select(side, size - 1).add_(spread.select(side, size))
    return spread[..., :height, :width]


PIECE = 2**21
"""Numbers that a CPU makes other numbers of at once, where these are soon gone: few enough to stay in its cache."""


@dataclass(frozen=True)
class Bits:
    """Where a ReLU was open, one bit an activation, in the order of memory."""

    shape: torch.Size
    packed: np.ndarray[tuple[int], np.dtype[np.uint8]]

    @classmethod
    def of(cls, x: Float[Tensor, "b N h w"]) -> "Bits":
        """Where ``x`` is not 0."""
        pieces = torch.split(in_order(filters_last(x)), PIECE)
        return cls(x.shape, np.concatenate([np.packbits(piece.bool().numpy()) for piece in pieces]))

    def close(self, x: Float[Tensor, "b N h w"]) -> Float[Tensor, "b N h w"]:
        """``x``, whose filters come last in memory, made 0 where the ReLU was not open."""
        for at, piece in enumerate(torch.split(in_order(x), PIECE)):
            packed = self.packed[at * PIECE // 8 : (at + 1) * PIECE // 8]
            piece.mul_(torch.from_numpy(np.unpackbits(packed, count=len(piece))))
        return x


def filters_last(x: Float[Tensor, "b N h w"]) -> Float[Tensor, "b N h w"]:
    """``x`` with its filters last in memory."""
    return x.contiguous(memory_format=torch.channels_last)


def in_order(x: Float[Tensor, "b N h w"]) -> Float[Tensor, " any"]:
    """All of ``x``, whose filters come last in memory, as they lie there."""
    return x.movedim(1, -1).view(-1)


def kept_open(x: Float[Tensor, "b N h w"], sparing: bool) -> "Tensor | Bits":
    """What is kept of activations to know where their ReLU was open: one bit each, if that is ``sparing``; else a byte,
    or x itself if it has two."""
    return Bits.of(x) if sparing else x if x.itemsize == 2 else x.bool()


def opened(
    open_at: "Tensor | Bits",
    gradient: Tensor | None,
    own: Tensor | None,
    *,
    padded: bool,
    pooled: bool,
    whole: bool,
    sparing: bool = False,
) -> Float[Tensor, "b N h w"]:
    """The gradient with respect to what went into a ReLU that was ``open_at`` positions > 0 (or True, or of bits).

    It is the sum of its ``own``, that of the layer's losses, and the ``gradient`` from deeper in the network: of what
    was made of the activation there, first ``halved``, if it was ``pooled``, then ``mirrored``, if it was ``padded``.
    Either may be missing; both may be changed, and are if it is made where one of them is, ``sparing`` memory.
    """
    height, width = open_at.shape[2:]
    if isinstance(open_at, Tensor) and fused(open_at) and min(height, width) > 3:
        return kernels().opened(open_at, gradient, own, padded=padded, pooled=pooled)  # type: ignore[no-any-return]
    if gradient is not None:
        gradient = folded(gradient) if padded else gradient
        gradient = doubled(gradient, height, width, whole) if pooled else gradient
    total = together(own, gradient)
    if isinstance(open_at, Bits):
        return open_at.close(filters_last(total))
    if open_at.dtype == torch.bool:
        return total * open_at.view(torch.uint8)  # the same bytes, and twice as fast as booleans
    if sparing:
        total = filters_last(total)
        return torch.ops.aten.threshold_backward.grad_input(total, open_at, 0, grad_input=total)  # type: ignore[no-any-return]
    return torch.ops.aten.threshold_backward(total, open_at, 0)  # type: ignore[no-any-return]


def together(own: Tensor | None, deeper: Tensor | None) -> Tensor:
    """Their sum, in the place of the first, unless that is one number for many positions."""
    if own is None or deeper is None:
        found = deeper if own is None else own
        assert found is not None
        return found
    return own + deeper if 0 in own.stride() else own.add_(deeper)


def convolved(
    x: Float[Tensor, "b C h w"], K: Float[Tensor, "N C 3 3"], b: Float[Tensor, " N"] | None, mirror: bool
) -> Float[Tensor, "b N h w"]:
    """relu(K ∗ x + b), or K ∗ x alone, with 0 beyond the edges, or the mirror image."""
    if fused(x) and few(K) and min(x.shape[2:]) > 1:
        return kernels().convolved(x, K, b, mirror)  # type: ignore[no-any-return]
    x, padding = (mirrored(x), 0) if mirror else (x, 1)
    if b is None:
        return convolution(x, K, padding)
    if x.is_cuda and x.itemsize == 2:
        return torch.cudnn_convolution_relu(x, K, b, (1, 1), (padding, padding), (1, 1), 1)
    return convolution(x, K, padding, b).relu_()


def convolved_back(gradient: Float[Tensor, "b N h w"], K: Float[Tensor, "N C 3 3"], mirror: bool) -> Tensor:
    """What comes back through K ∗ x: with respect to x, or, where that was ``mirrored``, to the mirrored one."""
    if fused(gradient) and few(K) and len(K) <= 64:
        return kernels().convolved_back(gradient, K, wider=mirror)  # type: ignore[no-any-return]
    return convolution_back(gradient, K, padding=0 if mirror else 1)


def convolution(x: Tensor, K: Tensor, padding: int, b: Tensor | None = None) -> Tensor:
    """K ∗ x + b. On a GPU torch rounds float32 to 10 bits for it, unless told not to."""
    if b is None and of_colours(K) and fused(x):
        return kernels().of_colours(x, K, padding)  # type: ignore[no-any-return]
    if x.is_cuda and x.dtype == torch.float32:
        y = torch.cudnn_convolution(x, K, [padding] * 2, [1] * 2, [1] * 2, 1, False, False, False)
        return y if b is None else y.add_(b[:, None, None])
    return nnf.conv2d(x, K, b, padding=padding)


def convolution_back(gradient: Tensor, K: Tensor, padding: int) -> Tensor:
    """From the gradient with respect to K ∗ x to that with respect to x."""
    if of_colours(K) and fused(gradient):
        return kernels().of_colours_back(gradient, K, padding)  # type: ignore[no-any-return]
    if gradient.is_cuda and gradient.dtype == torch.float32:
        once = [1] * 2
        return torch.cudnn_convolution_transpose(
            gradient, K, [padding] * 2, [0] * 2, once, once, 1, False, False, False
        )
    return nnf.conv_transpose2d(gradient, K, padding=padding)


def few(K: Float[Tensor, "N C 3 3"]) -> bool:
    """Whether cuDNN, which counts in 64s, wastes most of its work on this kernel."""
    return K.itemsize == 2 and K.shape[1] <= 16


def of_colours(K: Float[Tensor, "N C 3 3"]) -> bool:
    """Whether this kernel makes three colours of three: a small convolution of large pictures, with which cuDNN takes
    twenty times as long as reading them does."""
    return K.dtype == torch.float32 and K.shape[:2] == (3, 3)


def combined(x: Float[Tensor, "b N h w"], A: Float[Tensor, "r N"], b: Tensor | None = None) -> Float[Tensor, "b r h w"]:
    """A x at every position, or relu(A x + b): with channels last in memory, one matrix product."""
    last = x.movedim(1, -1)
    if b is None:
        return nnf.linear(last, A).movedim(-1, 1)
    if x.is_cuda:
        product = torch._addmm_activation(b, last.reshape(-1, x.shape[1]), A.T)
        return product.view(*last.shape[:-1], -1).movedim(-1, 1)
    return nnf.linear(last, A, b).movedim(-1, 1).relu_()
