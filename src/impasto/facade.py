"""The facade: two pictures and settings in, an iterator of steps out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as nnf

from impasto.errors import InputError, LimitError, UsageError
from impasto.images.decoding import MIN_SIDE
from impasto.images.files import read
from impasto.network.registry import load_network
from impasto.network.vgg import LAYERS, VGG, check_layers
from impasto.objective import Objective, WholeImage, content_targets, style_targets
from impasto.settings import Settings, validated
from impasto.solver import Step, minimise

Picture = str | PathLike[str] | Tensor
"""A file, ``sample:NAME``, or an image ``(1, 3, H, W)``, sRGB in [0, 1]."""


def stylize(content: Picture, style: Picture, settings: Settings | None = None, **options: Any) -> Iterator[Step]:
    """Paint the photograph ``content`` in the manner of the painting ``style``, step by step.

    Options are the fields of ``Settings`` and ``strength``, by name or as ``settings``. Step 0 is the start; each step
    holds the picture so far. Pictures are read and the network is loaded at the call, so that whatever is wrong shows
    at once.

    Raises UsageError, InputError, LimitError and WeightsError at the call; DivergedError and LimitError on the way.
    """
    settings = settings if settings and not options else validated(settings, **options)
    check_layers([*settings.content_layers, *settings.style_layers], LAYERS)
    device = device_of(settings.device)
    photograph = picture(content, settings).to(device)
    painting = picture(style, settings).to(device)
    start = first_picture(settings, photograph, painting)
    network = load_network(settings.network, weights=settings.weights, pooling=settings.pooling).to(device)
    with memory():
        objective = objective_of(settings, network, photograph, painting)
    return _steps(objective, start, settings)


def paint(
    content: Picture, style: Picture, settings: Settings | None = None, **options: Any
) -> Float[Tensor, "1 3 h w"]:
    """The picture of ``stylize``, on the CPU: that of the step with the lowest loss."""
    return min(stylize(content, style, settings, **options), key=lambda step: step.loss).image.cpu()


def objective_of(settings: Settings, network: VGG, photograph: Tensor, painting: Tensor) -> WholeImage:
    """The paper's objective for these two pictures."""
    return WholeImage(
        network,
        content_targets(network, photograph, settings.content_layers),
        style_targets(network, painting, settings.style_layers),
        settings.content_layers,
        settings.style_layers,
        settings.content_weight,
        settings.style_weight,
        settings.tv_weight,
    )


def picture(source: Picture, settings: Settings) -> Float[Tensor, "1 3 h w"]:
    """The picture at the size of the run: its long side is ``settings.size``."""
    if not isinstance(source, Tensor):
        return read(source, size=settings.size, max_pixels=settings.max_pixels)
    if source.ndim != 4 or source.shape[:2] != (1, 3) or not source.is_floating_point():
        raise UsageError(f"an image is (1, 3, H, W) of floats, not {tuple(source.shape)} of {source.dtype}")
    height, width = (round(side * settings.size / max(source.shape[2:])) for side in source.shape[2:])
    if min(height, width) < MIN_SIDE:
        raise InputError(f"an image is too narrow at {width} x {height} px: {MIN_SIDE} px is the least for a side")
    return resized(source.float(), height, width)


FIRST_PICTURES: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "content": lambda photograph, _painting, _seed: photograph,
    "style": lambda photograph, painting, _seed: resized(painting, *photograph.shape[2:]),
    "noise": lambda photograph, _painting, seed: white_noise(photograph, seed),
}
"""The first picture, by name, from photograph, painting and seed. A new one is one function here and a name in
``settings.STARTS``."""


def first_picture(settings: Settings, photograph: Tensor, painting: Tensor) -> Float[Tensor, "1 3 h w"]:
    """Where the solver starts, as large as the photograph: one of ``FIRST_PICTURES``, or a file stretched to fit."""
    if settings.init in FIRST_PICTURES:
        return FIRST_PICTURES[settings.init](photograph, painting, settings.seed)
    return resized(picture(settings.init, settings).to(photograph), *photograph.shape[2:])


def white_noise(like: Tensor, seed: int) -> Float[Tensor, "1 3 h w"]:
    """Uniform white noise in [0, 1]: the paper's start. Drawn on the CPU, so that a seed means the same everywhere."""
    return torch.rand(like.shape, generator=torch.Generator().manual_seed(seed)).to(like)


def resized(image: Tensor, height: int, width: int) -> Float[Tensor, "1 3 h w"]:
    """``image`` at another size, antialiased."""
    if image.shape[2:] == (height, width):
        return image
    return nnf.interpolate(image, (height, width), mode="bicubic", antialias=True).clamp(0, 1)


def device_of(name: str) -> torch.device:
    """The device of that name; "auto" is the fastest there is. Raises UsageError for one that is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, available in there.items() if available))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or not there.get(device.type, False):
        raise UsageError(f"device '{name}' is not there; this machine has: {', '.join(d for d in there if there[d])}")
    return device


@contextmanager
def memory() -> Iterator[None]:
    """Lack of memory, however torch says it, becomes a LimitError that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
            raise LimitError("not enough memory for a picture of this size: choose a smaller --size") from error
        raise


def _steps(objective: Objective, start: Tensor, settings: Settings) -> Iterator[Step]:
    with memory():
        yield from minimise(objective, start, settings.steps, settings.solver)
