"""Picture files in and out. In memory a picture is always a tensor ``(1, 3, H, W)``, float32, sRGB in [0, 1]."""

import errno
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt
from PIL import Image
from PIL.ExifTags import Base
from torch import Tensor

from impasto.atomic import atomic
from impasto.errors import InputError, LimitError, UsageError
from impasto.images.arrays import fitted, image_of, levels
from impasto.images.colour import srgb_profile
from impasto.images.decoding import MAX_PIXELS, File, Readable, decode, writer_of
from impasto.images.metadata import INCHES, SOFTWARE, Origin, exif_of, tiff_tags
from impasto.images.picture import Picture, Writable, as_tensor

RESOLUTION = int(Base.XResolution), int(Base.YResolution)
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Source = File | Image.Image | np.ndarray | Tensor | Picture
"""Where a picture comes from: a file (its path, ``sample:NAME``, its bytes, or open for reading bytes), one of Pillow's
images, an array or a tensor (see ``arrays.image_of``), or a picture that was painted."""


def read(
    source: Source, *, size: int | None = None, enlarge: bool = True, max_pixels: int = MAX_PIXELS
) -> Float[Tensor, "1 3 h w"]:
    """The picture in a file, or one that is in memory, as an image in [0, 1], sRGB, upright.

    ``size`` is the long side that it is brought to, in px; without it, it stays as large as it is, and without
    ``enlarge`` where it is smaller. Raises UsageError for what is no source of pictures, InputError
    for what is no readable picture or smaller than 16 px, LimitError for one of more than ``max_pixels``.
    """
    if isinstance(source, np.ndarray | Tensor | Picture):
        return fitted(image_of(as_tensor(source)), size, enlarge=enlarge, max_pixels=max_pixels)
    if not isinstance(source, str | os.PathLike | bytes | Readable | Image.Image):
        raise UsageError(
            f"a picture is a path, bytes, an open file, an image of Pillow's, an array or a tensor, not {source!r}"
        )
    planes = decode(source, size=size, enlarge=enlarge, max_pixels=max_pixels).transpose(2, 0, 1)
    return torch.from_numpy(np.divide(planes, 255, dtype=np.float32, order="C"))[None]


def write(
    image: Tensor | Picture,
    to: str | os.PathLike[str] | Writable,
    *,
    recipe: Mapping[str, object] | None = None,
    origin: Origin | None = None,
    location: bool = False,
    format: str | None = None,
    dpi: int | float | None = None,
    bits: int = 8,
) -> None:
    """Save ``image``, ``(1, 3, H, W)`` in [0, 1], as PNG, JPEG, WebP or TIFF: to a path, whole or not at all, or into
    a file open for writing bytes.

    ``format`` says which; without it the suffix does. Values are clamped and rounded to 8 ``bits``, or in TIFF to 16.
    The file says that its colours are sRGB. ``recipe``, anything JSON can hold, goes into it as EXIF UserComment;
    ``origin``, what the photograph says of itself, beside it, where it was taken only with ``location``; ``dpi``, by
    default the photograph's, as its resolution. Without them it says nothing else. An ``impasto.Picture`` is taken for
    its tensor.

    Raises UsageError for another suffix, format, shape or number of bits, InputError for values that are not numbers
    and for places that cannot be written to, LimitError when there is no room.
    """
    name = os.fspath(to) if isinstance(to, str | os.PathLike) else str(getattr(to, "name", "<file>"))
    kind, options = writer_of(Path(name), format, bits)
    pixels, origin = _pixels(as_tensor(image), name, bits), origin or Origin()
    resolution = (float(dpi), float(dpi)) if dpi is not None else origin.dpi
    data = io.BytesIO()
    try:
        if kind == "TIFF":
            _write_tiff(data, pixels, recipe, origin, resolution, options)
        else:
            exif = exif_of(recipe, origin, location)
            if resolution is not None and kind == "WEBP":  # has no other place for it
                exif.update({**dict(zip(RESOLUTION, resolution, strict=True)), Base.ResolutionUnit: INCHES})
            told = {name: value for name, value in (("exif", exif), ("dpi", resolution)) if value}
            Image.fromarray(pixels).save(data, kind, icc_profile=srgb_profile(), **told, **options)
    except (OSError, ValueError) as error:
        raise InputError(f"'{name}' cannot be saved as {kind} ({error}): choose another suffix") from error
    if isinstance(to, Writable):
        to.write(data.getvalue())
        return
    path = Path(to)
    try:
        with atomic(path) as file:
            file.write(data.getvalue())
    except OSError as error:
        if error.errno in NO_ROOM:
            raise LimitError(f"no room for '{path}' ({error.strerror}): free some space or save elsewhere") from error
        raise InputError(f"'{path}' cannot be written ({error.strerror}): save elsewhere") from error


def _pixels(image: Tensor, name: str, bits: int) -> UInt[np.ndarray, "h w 3"]:
    """What is saved of ``image``."""
    if not (image.is_floating_point() and image.ndim == 4 and image.shape[:2] == (1, 3)):
        raise UsageError(f"an image is (1, 3, H, W) of floats, not {tuple(image.shape)} of {image.dtype}")
    if not torch.isfinite(image).all():
        raise InputError(f"'{name}' is not written: the image holds values that are not finite numbers")
    return levels(image, bits)


def _write_tiff(
    data: io.BytesIO,
    pixels: np.ndarray,
    recipe: Mapping[str, object] | None,
    origin: Origin,
    dpi: tuple[float, float] | None,
    options: Mapping[str, Any],
) -> None:
    """By tifffile, since Pillow has no 16 bits in colour."""
    import tifffile

    tifffile.imwrite(
        data,
        pixels,
        photometric="rgb",
        iccprofile=srgb_profile(),
        resolution=dpi,
        resolutionunit=None if dpi is None else INCHES,
        software=recipe is not None and SOFTWARE,
        metadata=None,
        extratags=tiff_tags(recipe, origin),
        **options,
    )
