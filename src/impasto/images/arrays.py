"""Pixels that are in memory already, NumPy's and torch's, as images."""

from math import isnan
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt
from PIL import Image
from torch import Tensor

from impasto.errors import InputError, LimitError, UsageError
from impasto.images.decoding import MIN_SIDE, fit
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
    pixels = pixels.detach() if isinstance(pixels, Tensor) else pixels
    x = torch.as_tensor(scaled_to_one(pixels, found))
    x = x[0] if x.ndim == 4 and len(x) == 1 else x
    if x.ndim == 2:
        x = x[None]
    elif x.ndim == 3 and isinstance(pixels, np.ndarray) and x.shape[2] in CHANNELS:
        x = x.permute(2, 0, 1)
    if x.ndim != 3 or len(x) not in CHANNELS:
        raise UsageError(f"an image is (1, 3, H, W), (3, H, W) or, as an array, (H, W, 3), not {found}")
    return x[None]


def scaled_to_one(pixels: Any, found: str) -> Any:
    """``pixels`` as float32 from 0 to 1. Raises UsageError where they are not known to be that."""
    kind = str(pixels.dtype).removeprefix("torch.")
    white = {"uint8": 255, "uint16": 65535}.get(kind)
    if white is None and "float" not in kind:
        raise UsageError(f"pixels are uint8, uint16, or floats from 0 to 1, not {found}")
    values = pixels.astype(np.float32) if isinstance(pixels, np.ndarray) else pixels.float()
    if white is not None:
        return values / white
    low, high = (float(values.min()), float(values.max())) if 0 not in values.shape else (0.0, 0.0)
    if not -ROUNDING <= low <= high <= 1 + ROUNDING:  # also true of NaN
        told = "values that are not numbers" if isnan(low) else f"values from {low:.4g} to {high:.4g}"
        raise UsageError(f"floats are from 0 (black) to 1 (white), and these are {found} with {told}")
    return values.clip(0, 1)


def levels(image: Float[Tensor, "1 c h w"], bits: int = 8) -> UInt[np.ndarray, "h w c"]:
    """``image`` as an array ``(H, W, C)`` from 0 to 255, or 65535 with 16 ``bits``, clamped and rounded."""
    pixels = (
        image.detach()[0].clamp(0, 1).mul(2**bits - 1).round().to("cpu", torch.uint16 if bits == 16 else torch.uint8)
    )
    return pixels.permute(1, 2, 0).contiguous().numpy()


def fitted(
    image: Float[Tensor, "1 c h w"], size: int | None, *, enlarge: bool, max_pixels: int
) -> Float[Tensor, "1 c h2 w2"]:
    """``image`` with a long side of ``size`` px, as ``decode`` brings files to their size: by the same resampler.
    Raises InputError for one with a side below 16 px, LimitError for more than ``max_pixels``."""
    own = image.shape[3], image.shape[2]
    width, height = fit(own, size, enlarge)
    for w, h in (own, (width, height)):
        if h * w > max_pixels:
            raise LimitError(
                f"an image is too large at {w} x {h} px: more than {max_pixels:,} pixels; "
                "shrink it, or raise `max_pixels`"
            )
        if min(h, w) < MIN_SIDE:
            raise InputError(f"an image is too narrow at {w} x {h} px: {MIN_SIDE} px is the least for a side")
    return image if own == (width, height) else resampled(image, height, width)


def resampled(image: Float[Tensor, "1 c h w"], height: int, width: int) -> Float[Tensor, "1 c h2 w2"]:
    """``image`` at another size, by Pillow's Lanczos filter: in 8 bits, as files are, where it has no more."""
    planes = 255 * image[0].cpu().numpy()
    rounded = planes.round()
    if np.abs(planes - rounded).max() < ROUNDING:
        planes = rounded.astype(np.uint8)
    new = [
        Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0) for plane in planes
    ]
    values = np.stack([np.asarray(plane, np.float32) for plane in new]) / 255
    return torch.from_numpy(values).clamp(0, 1)[None].to(image.device)
