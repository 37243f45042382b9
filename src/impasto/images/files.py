"""Picture files in and out. In memory a picture is always a tensor ``(1, 3, H, W)``, float32, sRGB in [0, 1]."""

import errno
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from PIL.ExifTags import Base
from torch import Tensor

from impasto.atomic import atomic
from impasto.errors import InputError, LimitError, UsageError
from impasto.images.arrays import fitted, image_of
from impasto.images.decoding import MAX_PIXELS, SOFTWARE, File, Readable, decode, writer_of

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


Source = File | Image.Image | np.ndarray | Tensor
"""Where a picture comes from: a file (its path, ``sample:NAME``, its bytes, or open for reading bytes), one of Pillow's
images, an array or a tensor (see ``arrays.image_of``)."""


def read(
    source: Source, *, size: int | None = None, enlarge: bool = True, max_pixels: int = MAX_PIXELS
) -> Float[Tensor, "1 3 h w"]:
    """The picture in a file, or one that is in memory, as an image in [0, 1], sRGB, upright.

    ``size`` is the long side that it is brought to, in px; without it, it stays as large as it is, and without
    ``enlarge`` where it is smaller. Raises UsageError for what is no source of pictures, InputError
    for what is no readable picture or smaller than 16 px, LimitError for one of more than ``max_pixels``.
    """
    if isinstance(source, np.ndarray | Tensor):
        return fitted(image_of(source), size, enlarge=enlarge, max_pixels=max_pixels)
    if not isinstance(source, str | os.PathLike | bytes | Readable | Image.Image):
        raise UsageError(
            f"a picture is a path, bytes, an open file, an image of Pillow's, an array or a tensor, not {source!r}"
        )
    planes = decode(source, size=size, enlarge=enlarge, max_pixels=max_pixels).transpose(2, 0, 1)
    return torch.from_numpy(np.divide(planes, 255, dtype=np.float32, order="C"))[None]


def write(image: Tensor, path: str | os.PathLike[str], *, recipe: Mapping[str, object] | None = None) -> None:
    """Save ``image``, ``(1, 3, H, W)`` in [0, 1], as PNG, JPEG, WebP or TIFF by the suffix: whole, or not at all.

    Values are clamped and rounded to 8 bits. ``recipe``, anything JSON can hold, goes into the file as EXIF
    ImageDescription; without one there is no metadata at all.

    Raises UsageError for another suffix or shape, InputError for values that are not numbers and for places that
    cannot be written to, LimitError when there is no room.
    """
    path = Path(path)
    data = _encode(image, path, recipe)
    try:
        with atomic(path) as file:
            file.write(data)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise LimitError(f"no room for '{path}' ({error.strerror}): free some space or save elsewhere") from error
        raise InputError(f"'{path}' cannot be written ({error.strerror}): save elsewhere") from error


def _encode(image: Tensor, path: Path, recipe: Mapping[str, object] | None) -> bytes:
    kind, options = writer_of(path)
    if not (image.is_floating_point() and image.ndim == 4 and image.shape[:2] == (1, 3)):
        raise UsageError(f"an image is (1, 3, H, W) of floats, not {tuple(image.shape)} of {image.dtype}")
    if not torch.isfinite(image).all():
        raise InputError(f"'{path}' is not written: the image holds values that are not finite numbers")
    pixels = image.detach()[0].clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    if recipe is not None:
        exif = Image.Exif()
        exif[Base.ImageDescription] = json.dumps(dict(recipe))
        exif[Base.Software] = SOFTWARE
        options = {**options, "exif": exif}
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(buffer, kind, **options)
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be saved as {kind} ({error}): choose another suffix") from error
    return buffer.getvalue()
