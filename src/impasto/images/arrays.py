"""Pixels that are in memory already, NumPy's and torch's, as images."""

from math import isnan
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt
from PIL import Image
from torch import Tensor

from impasto.errors import UsageError
from impasto.images.limits import Limits
from impasto.images.rows import rows_of
from impasto.images.sizes import admitted
from impasto.images.transparency import over_white

CHANNELS = (1, 3, 4)
"""Grey, RGB, RGB with alpha."""

ROUNDING = 1e-3
"""By how much floats may lie outside of [0, 1]: a resampler's rounding. They are clamped."""


def image_of(pixels: np.ndarray | Tensor) -> Float[Tensor, "1 3 h w"]:
    """``pixels`` as an image ``(1, 3, H, W)``, float32 in [0, 1], on the device where they are; transparent ones laid
    over white. Raises what ``channels_of`` raises."""
    return over_white(channels_of(pixels)).expand(-1, 3, -1, -1).contiguous()


def channels_of(pixels: np.ndarray | Tensor) -> Float[Tensor, "1 c h w"]:
    """``pixels`` as ``(1, C, H, W)``, float32 in [0, 1], on the device where they are.

    Arrays are ``(H, W)``, ``(H, W, C)`` or ``(C, H, W)``, tensors ``(C, H, W)``, either with a 1 before that; C is 1
    (grey), 3 (RGB) or 4 (with alpha). They hold sRGB as uint8, uint16, or floats from 0 to 1. Raises
    UsageError for any other shape, kind or range, saying what was found.
    """
    found = f"{tuple(pixels.shape)} of {str(pixels.dtype).removeprefix('torch.')}"
    x: Any = pixels[0] if pixels.ndim == 4 and len(pixels) == 1 else pixels
    if x.ndim == 2:
        x = x[None]
    elif x.ndim == 3 and isinstance(x, np.ndarray) and x.shape[2] in CHANNELS:
        x = x.transpose(2, 0, 1)
    if x.ndim != 3 or len(x) not in CHANNELS:
        raise UsageError(f"an image is (1, 3, H, W), (3, H, W) or, as an array, (H, W, 3), not {found}")
    return scaled_to_one(x, found)[None]


def scaled_to_one(pixels: np.ndarray | Tensor, found: str) -> Float[Tensor, "c h w"]:
    """``pixels`` as float32 from 0 to 1, a tensor of its own. Raises UsageError where they are not known to be that."""
    kind = str(pixels.dtype).removeprefix("torch.")
    white = {"uint8": 255, "uint16": 65535}.get(kind)
    if white is None and "float" not in kind:
        raise UsageError(f"pixels are uint8, uint16, or floats from 0 to 1, not {found}")
    if isinstance(pixels, Tensor):
        values = pixels.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    else:
        values = torch.from_numpy(np.array(pixels, np.float32, order="C"))
    if white is not None:
        return values.div_(white)
    low, high = (float(values.min()), float(values.max())) if values.numel() else (0.0, 0.0)
    if not -ROUNDING <= low <= high <= 1 + ROUNDING:  # also true of NaN
        told = "values that are not numbers" if isnan(low) else f"values from {low:.4g} to {high:.4g}"
        raise UsageError(f"floats are from 0 (black) to 1 (white), and these are {found} with {told}")
    return values.clamp_(0, 1)


def levels(image: Float[Tensor, "1 c h w"], bits: int = 8, *, opaque: bool = False) -> UInt[np.ndarray, "h w c2"]:
    """``image`` as an array ``(H, W, C)`` from 0 to 255, or 65535 with 16 ``bits``, clamped and rounded; ``opaque``,
    laid over white."""
    _, channels, height, width = image.shape
    kind = torch.uint16 if bits == 16 else torch.uint8
    pixels = np.empty((height, width, 3 if opaque else channels), np.uint16 if bits == 16 else np.uint8)
    for rows in rows_of(height):
        part = image.detach()[:, :, rows]
        part = over_white(part) if opaque else part
        pixels[rows] = part[0].clamp(0, 1).mul(2**bits - 1).round().permute(1, 2, 0).to("cpu", kind).numpy()
    return pixels


def pil_of(image: Float[Tensor, "1 c h w"], *, opaque: bool = False) -> Image.Image:
    """``image`` as one of Pillow's, mode "RGB" or "RGBA"; ``opaque``, laid over white."""
    height, width = image.shape[2:]
    picture = Image.new("RGB" if opaque or image.shape[1] == 3 else "RGBA", (width, height))
    for rows in rows_of(height):
        picture.paste(Image.fromarray(levels(image[:, :, rows], opaque=opaque)), (0, rows.start))
    return picture


def fitted(
    image: Float[Tensor, "1 c h w"], size: int | None, *, enlarge: bool, limits: Limits, short_side: int = 0
) -> Float[Tensor, "1 c h2 w2"]:
    """``image`` with a long side of ``size`` px, as ``decode`` brings files to their size: by the same resampler.
    Raises what ``decode`` raises of sizes."""
    own = image.shape[3], image.shape[2]
    width, height = admitted(own, "an image", size, enlarge=enlarge, short_side=short_side, limits=limits)
    return image if own == (width, height) else resampled(image, height, width)


def resampled(image: Float[Tensor, "1 c h w"], height: int, width: int) -> Float[Tensor, "1 c h2 w2"]:
    """``image`` at another size, by Pillow's Lanczos filter: in 8 bits, as files are, where it has no more, and else in
    16."""
    new = np.empty((image.shape[1], height, width), np.float32)
    for plane, to in zip(image[0].cpu().numpy(), new, strict=True):
        pixels = rounded(plane)
        gap = 3.0 if pixels.dtype == np.uint8 else None  # which Pillow has for 8 bits
        small = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=gap)
        np.divide(np.asarray(small), 65535 if gap is None else 255, out=to, dtype=np.float32)
    return torch.from_numpy(new)[None].to(image.device)


def rounded(plane: Float[np.ndarray, "h w"]) -> UInt[np.ndarray, "h w"]:
    """Values from 0 to 1 in 8 bits, where they have no more, or in 16."""

    def is_whole(values: np.ndarray) -> bool:
        return bool(np.abs(values - values.round()).max() < ROUNDING)

    eight = all(is_whole(255 * plane[rows]) for rows in rows_of(len(plane)))
    pixels = np.empty(plane.shape, np.uint8 if eight else np.uint16)
    for rows in rows_of(len(plane)):
        pixels[rows] = np.rint((255 if eight else 65535) * plane[rows])
    return pixels
