"""What stands between the blocks of a VGG. A pooling is a function here and an entry in ``POOLINGS``."""

from collections.abc import Callable

from jaxtyping import Float

from impasto.tensors import Tensor


def average_pool(x: Float[Tensor, "b N h w"]) -> Float[Tensor, "b N half_h half_w"]:
    """The paper's: means of 2 x 2 activations. Gradients reach every pixel, pictures come out smoother."""
    from torch.nn.functional import avg_pool2d

    return avg_pool2d(x, 2)


def max_pool(x: Float[Tensor, "b N h w"]) -> Float[Tensor, "b N half_h half_w"]:
    """As VGG was trained: the largest of 2 x 2 activations."""
    from torch.nn.functional import max_pool2d

    return max_pool2d(x, 2)


POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {"average": average_pool, "max": max_pool}
"""A last odd row or column is left out by each."""
