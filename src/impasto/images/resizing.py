"""Images at other sizes."""

from jaxtyping import Float

from impasto.images.sizes import MIN_SIDE
from impasto.tensors import Tensor


def resized(image: Float[Tensor, "1 c h w"], height: int, width: int) -> Float[Tensor, "1 c h2 w2"]:
    """``image`` at another size, antialiased."""
    from torch.nn.functional import interpolate

    if image.shape[2:] == (height, width):
        return image
    shrunk = max(image.shape[2] / height, image.shape[3] / width)
    source = image.cpu() if shrunk > 16 else image  # there is no memory in a GPU's cores for that many rows
    return interpolate(source, (height, width), mode="bicubic", antialias=True).clamp(0, 1).to(image.device)


def scaled(image: Float[Tensor, "1 c h w"], factor: float) -> Float[Tensor, "1 c h2 w2"]:
    """``image`` at ``factor`` times its size."""
    return resized(image, *scaled_size(image, factor))


def scaled_size(image: Float[Tensor, "1 c h w"], factor: float) -> tuple[int, int]:
    """Height and width of that; or, where a side would get so short that the deepest layer sees nothing, of the least
    picture with these proportions."""
    factor = max(factor, min(1.0, MIN_SIDE / min(image.shape[2:])))
    height, width = (round(side * factor) for side in image.shape[2:])
    return height, width
