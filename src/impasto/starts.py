"""What the solver starts from. A start is a function here and an entry in ``STARTS``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Float

from impasto.errors import UsageError
from impasto.images.resizing import resized
from impasto.tensors import Tensor

Canvas = tuple[int, int]
"""Height and width of the picture that is painted, in px."""

Pictures = Mapping[str, Tensor]
"""Those of the run, by what they are for: ``content``, ``style``."""


@dataclass(frozen=True)
class Start:
    """``image`` makes one ``(1, 3, h, w)``, as large as the canvas, of the pictures, the canvas and a seed. ``needs``
    names the pictures without which there is no such start."""

    image: Callable[[Pictures, Canvas, int], Tensor]
    needs: tuple[str, ...] = ()


def photograph(pictures: Pictures, canvas: Canvas, seed: int) -> Float[Tensor, "1 3 h w"]:
    """The photograph; of another seed than 0 with clouds."""
    return with_clouds(resized(pictures["content"], *canvas), seed)


def painting(pictures: Pictures, canvas: Canvas, seed: int) -> Float[Tensor, "1 3 h w"]:
    """The painting, stretched to fit; of another seed than 0 with clouds."""
    return with_clouds(resized(pictures["style"], *canvas), seed)


CLOUDS, STRENGTH = 8, 0.2
"""Along the long side, so many; their standard deviation. Where colours land is decided by as little."""


def with_clouds(image: Float[Tensor, "1 3 h w"], seed: int) -> Float[Tensor, "1 3 h w"]:
    """``image`` with soft noise in its colours, the same at any size; as it is for seed 0."""
    import torch
    from torch.nn.functional import interpolate

    if seed == 0:
        return image
    height, width = image.shape[2:]
    cells = [max(2, round(CLOUDS * side / max(height, width))) for side in (height, width)]
    noise = torch.randn(1, 3, *cells, generator=torch.Generator().manual_seed(seed))
    clouds = interpolate(noise, (height, width), mode="bicubic", align_corners=False)
    return (image + STRENGTH * clouds.to(image.device)).clamp(0, 1)


def noise(pictures: Pictures, canvas: Canvas, seed: int) -> Float[Tensor, "1 3 h w"]:  # noqa: ARG001
    """The paper's."""
    return white_noise(canvas, seed)


def faint_noise(pictures: Pictures, canvas: Canvas, seed: int) -> Float[Tensor, "1 3 h w"]:  # noqa: ARG001
    """Grey, with a tenth of white noise. What alternates from pixel to pixel the network hardly sees, and of full noise
    some of it stays as a weave."""
    return 0.5 + 0.1 * (white_noise(canvas, seed) - 0.5)


def white_noise(canvas: Canvas, seed: int) -> Float[Tensor, "1 3 h w"]:
    """Uniform white noise in [0, 1]. Drawn on the CPU, so that a seed means the same everywhere."""
    import torch

    return torch.rand(1, 3, *canvas, generator=torch.Generator().manual_seed(seed))


STARTS: dict[str, Start] = {
    "content": Start(photograph, needs=("content",)),
    "style": Start(painting, needs=("style",)),
    "noise": Start(noise),
    "faint": Start(faint_noise),
}
"""By the name that ``--init`` takes."""


def start_from(name: str, pictures: Pictures, canvas: Canvas, seed: int) -> Float[Tensor, "1 3 h w"]:
    """The start of that name. Raises UsageError for one from a picture that the run does not have."""
    there = {other: start for other, start in STARTS.items() if set(start.needs) <= pictures.keys()}
    if name not in there:
        raise UsageError(f"`init`: there is no '{name}' to start from; choose {', '.join(there)}, or a file")
    return there[name].image(pictures, canvas, seed)
