"""Transparency: what there is of a picture, and colours for where there is nothing."""

from jaxtyping import Float

from impasto.tensors import Tensor

FAINT = 1 / 8
"""Alpha below which a colour is more and more rounding."""


def there(alpha: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 1 h w"]:
    """What counts of a picture: all that is more than faint."""
    return (alpha / FAINT).clamp(max=1)


def over_white(pixels: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c2 h w"]:
    """``pixels`` without their alpha, which is the fourth channel, if there is one."""
    colours, alpha = pixels[:, :3], pixels[:, 3:]
    return colours * alpha + (1 - alpha) if alpha.shape[1] else colours


def filled(colours: Float[Tensor, "1 3 h w"], weight: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 3 h w"]:
    """``colours``, where their ``weight`` is less than 1 mixed with those around, the softer the farther these are. It
    may be resized as any picture: no other colour gets into the edges.

    A pyramid: at half the size every pixel is the mean of what counts in 4 x 4, and its holes are filled in the same
    way (pull-push: Gortler et al., *The Lumigraph*, 1996).
    """
    from torch.nn.functional import avg_pool2d, interpolate

    height, width = weight.shape[2:]
    if height * width == 1:
        return colours
    mass, sums = (avg_pool2d(of, 4, 2, padding=1, ceil_mode=True) for of in (weight, colours * weight))
    means = sums / mass.clamp_min(1e-6)
    around = interpolate(filled(means, (4 * mass).clamp(max=1)), (height, width), mode="bilinear")
    return around.lerp(colours, weight)
