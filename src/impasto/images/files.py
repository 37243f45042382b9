"""Picture files in and out. In memory a picture is always a tensor ``(1, 3, H, W)``, float32, sRGB in [0, 1]."""

import errno
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, TiffImagePlugin, TiffTags
from PIL.ExifTags import IFD, Base
from torch import Tensor

from impasto.atomic import atomic
from impasto.errors import InputError, LimitError, UsageError
from impasto.images.arrays import fitted, image_of, levels
from impasto.images.decoding import ASCII, MAX_PIXELS, SOFTWARE, File, Readable, decode, writer_of
from impasto.images.picture import Picture, Writable, as_tensor

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
INCHES = 2
"""EXIF's number for the unit of a resolution."""


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
    format: str | None = None,
    dpi: int | float | None = None,
) -> None:
    """Save ``image``, ``(1, 3, H, W)`` in [0, 1], as PNG, JPEG, WebP or TIFF: to a path, whole or not at all, or into
    a file open for writing bytes.

    ``format`` says which; without it the suffix does. Values are clamped and rounded to 8 bits. ``recipe``, anything
    JSON can hold, goes into the file as EXIF UserComment, and ``dpi`` as its resolution; without them there is no
    metadata at all. An ``impasto.Picture`` is taken for its tensor.

    Raises UsageError for another suffix, format or shape, InputError for values that are not numbers and for places
    that cannot be written to, LimitError when there is no room.
    """
    name = os.fspath(to) if isinstance(to, str | os.PathLike) else str(getattr(to, "name", "<file>"))
    data = _encode(as_tensor(image), Path(name), writer_of(Path(name), format), recipe, dpi)
    if isinstance(to, Writable):
        to.write(data)
        return
    path = Path(to)
    try:
        with atomic(path) as file:
            file.write(data)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise LimitError(f"no room for '{path}' ({error.strerror}): free some space or save elsewhere") from error
        raise InputError(f"'{path}' cannot be written ({error.strerror}): save elsewhere") from error


def _encode(
    image: Tensor,
    path: Path,
    writer: tuple[str, dict[str, Any]],
    recipe: Mapping[str, object] | None,
    dpi: int | float | None,
) -> bytes:
    kind, options = writer
    if not (image.is_floating_point() and image.ndim == 4 and image.shape[:2] == (1, 3)):
        raise UsageError(f"an image is (1, 3, H, W) of floats, not {tuple(image.shape)} of {image.dtype}")
    if not torch.isfinite(image).all():
        raise InputError(f"'{path}' is not written: the image holds values that are not finite numbers")
    options = {**options, **_metadata(kind, recipe, dpi)}
    buffer = io.BytesIO()
    try:
        Image.fromarray(levels(image)).save(buffer, kind, **options)
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be saved as {kind} ({error}): choose another suffix") from error
    return buffer.getvalue()


def _metadata(kind: str, recipe: Mapping[str, object] | None, dpi: int | float | None) -> dict[str, Any]:
    """Pillow's options for what is told of a picture."""
    exif, options = Image.Exif(), dict[str, Any]()
    if recipe is not None:
        comment = ASCII + json.dumps(dict(recipe)).encode("ascii")
        exif[Base.Software] = SOFTWARE
        if kind == "TIFF":  # of which libtiff writes no EXIF folder: the comment goes beside the other tags
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags.tagtype[Base.UserComment] = TiffTags.UNDEFINED
            tags[Base.Software], tags[Base.UserComment] = SOFTWARE, comment
            options["tiffinfo"] = tags
        else:
            exif.get_ifd(IFD.Exif)[Base.UserComment] = comment
    if dpi is not None:
        options["dpi"] = (dpi, dpi)
        if kind == "WEBP":  # has no place of its own for it
            exif.update({Base.XResolution: dpi, Base.YResolution: dpi, Base.ResolutionUnit: INCHES})
    return options | ({"exif": exif} if exif and kind != "TIFF" else {})
