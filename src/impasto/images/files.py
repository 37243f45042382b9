"""Picture files in and out. In memory a picture is always a tensor ``(1, 3, H, W)``, float32, sRGB in [0, 1]."""

import errno
import io
import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt
from PIL import Image
from PIL.ExifTags import Base
from torch import Tensor

from impasto.atomic import atomic
from impasto.errors import InputError, LimitError, UsageError
from impasto.images.arrays import ROUNDING, channels_of, fitted, image_of, levels, pil_of
from impasto.images.decoding import File, Readable, decode
from impasto.images.limits import UNSAID, Limits
from impasto.images.metadata import INCHES, RESOLUTION, SOFTWARE, Origin, exif_of, tiff_tags
from impasto.images.output import check_dpi, writer_of
from impasto.images.picture import Picture, Writable
from impasto.images.profiles import srgb_profile
from impasto.images.transparency import filled, there

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

CLASSIC = 2**32 - 2**25
"""Bytes of pixels that an ordinary TIFF has room for, should they not compress; larger ones are BigTIFF."""

Source = File | Image.Image | np.ndarray | Tensor | Picture
"""Where a picture comes from: a file (its path, ``sample:NAME``, its bytes, or open for reading bytes), one of Pillow's
images, an array or a tensor (see ``arrays.image_of``), or a picture that was painted."""


def read(
    source: Source,
    *,
    size: int | None = None,
    enlarge: bool = True,
    short_side: int = 0,
    limits: Limits = UNSAID,
) -> Float[Tensor, "1 3 h w"]:
    """The picture in a file, or one that is in memory, as an image in [0, 1], sRGB, upright; over white, where it is
    transparent.

    ``size`` is the long side that it is brought to, in px; without it, it stays as large as it is, and without
    ``enlarge`` where it is smaller. It is larger where its ``short_side`` would have fewer px than that. What has more
    than 8 bits keeps 16 (see ``deep``). Raises UsageError for what is no source of pictures, InputError for what is no
    readable picture or smaller than 16 px, LimitError for one beyond the ``limits``.
    """
    options: dict[str, Any] = {"size": size, "enlarge": enlarge, "short_side": short_side, "limits": limits}
    if isinstance(source, np.ndarray | Tensor | Picture):
        return fitted(image_of(in_memory(source)), **options)
    return as_image(decode(known(source), **options))


def read_with_alpha(
    source: Source,
    *,
    size: int | None = None,
    enlarge: bool = True,
    short_side: int = 0,
    limits: Limits = UNSAID,
) -> tuple[Float[Tensor, "1 3 h w"], Float[Tensor, "1 1 h w"] | None]:
    """The picture as ``read`` gives it, and None; of a transparent one the colours, which go on from its edges into
    what is not there, and its alpha. Raises what ``read`` raises, and InputError where nothing is there."""
    options: dict[str, Any] = {"size": size, "enlarge": enlarge, "short_side": short_side, "limits": limits}
    if isinstance(source, np.ndarray | Tensor | Picture):
        pixels = channels_of(in_memory(source))
        if pixels.shape[1] < 4 or not pixels.numel() or float(pixels[:, 3].min()) > 1 - ROUNDING:
            return read(source, **options), None
    else:
        pixels = as_image(decode(known(source), with_alpha=True, **options))
    if pixels.shape[1] == 3:
        return pixels, None
    colours, alpha = pixels[:, :3], pixels[:, 3:]
    if not alpha.any():
        raise InputError("a picture is transparent everywhere: there is nothing in it")
    return fitted(filled(colours, there(alpha)), **options), fitted(alpha, **options).contiguous()


def in_memory(source: np.ndarray | Tensor | Picture) -> np.ndarray | Tensor:
    """The pixels of what is there already."""
    return source.channels if isinstance(source, Picture) else source


def known(source: Any) -> File | Image.Image:
    """``source``. Raises UsageError for what is none."""
    if not isinstance(source, str | os.PathLike | bytes | Readable | Image.Image):
        raise UsageError(
            f"a picture is a path, bytes, an open file, an image of Pillow's, an array or a tensor, not {source!r}"
        )
    return source


def as_image(levels: UInt[np.ndarray, "h w c"]) -> Float[Tensor, "1 c h w"]:
    """What was decoded, from 0 to 1."""
    planes = levels.transpose(2, 0, 1)
    return torch.from_numpy(np.divide(planes, np.iinfo(levels.dtype).max, dtype=np.float32, order="C"))[None]


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
    """Save ``image``, ``(1, 3, H, W)`` in [0, 1], or with alpha ``(1, 4, H, W)``, as PNG, JPEG, WebP or TIFF: to a
    path, whole or not at all, or into a file open for writing bytes. JPEG has no alpha: there it is laid over white.

    ``format`` says which; without it the suffix does. Values are clamped and rounded to 8 ``bits``, or in TIFF to 16.
    The file says that its colours are sRGB. ``recipe``, anything JSON can hold, goes into it as EXIF UserComment;
    ``origin``, what the photograph says of itself, beside it, where it was taken only with ``location``; ``dpi``, by
    default the photograph's, as its resolution. Without them it says nothing else. An ``impasto.Picture`` is taken for
    its tensor, and has its alpha.

    Raises UsageError for another suffix, format, shape, number of bits or likely ``dpi``, and for more px on a side
    than the format has; InputError for values that are not numbers and for places that cannot be written to, LimitError
    when there is no room.
    """
    name = os.fspath(to) if isinstance(to, str | os.PathLike) else str(getattr(to, "name", "<file>"))
    channels, origin = image.channels if isinstance(image, Picture) else image, origin or Origin()
    _check(channels, name)
    check_dpi(dpi)
    kind, options = writer_of(Path(name), format, bits, (channels.shape[3], channels.shape[2]))
    resolution = (float(dpi), float(dpi)) if dpi is not None else origin.dpi

    def encode(file: Any) -> None:
        if kind == "TIFF":
            _write_tiff(file, levels(channels, bits), recipe, origin, resolution, options)
            return
        exif = exif_of(recipe, origin, location)
        if resolution is not None and kind == "WEBP":  # has no other place for it
            exif.update({**dict(zip(RESOLUTION, resolution, strict=True)), Base.ResolutionUnit: INCHES})
        told = {name: value for name, value in (("exif", exif), ("dpi", resolution)) if value}
        # Without its descriptor: by that Pillow's encoders write past Python, and miss what a full disk leaves out.
        plain: Any = SimpleNamespace(write=file.write)
        pil_of(channels, opaque=kind == "JPEG").save(plain, kind, icc_profile=srgb_profile(), **told, **options)

    try:
        if isinstance(to, Writable):
            encode(data := io.BytesIO())
            to.write(data.getvalue())
        else:
            with atomic(Path(to)) as file:
                encode(file)
    except (OSError, ValueError) as error:
        raise _unwritten(error, name, kind) from error


def _unwritten(error: OSError | ValueError, name: str, kind: str) -> InputError | LimitError:
    """What to say where a file was not written: a system's errors have a number, those of encoders none."""
    if not isinstance(error, OSError) or error.errno is None:
        return InputError(f"'{name}' cannot be saved as {kind} ({error}): choose another suffix")
    if error.errno == errno.EPIPE:
        return LimitError(f"'{name}' was closed before the whole picture was in it: read it to its end")
    if error.errno in NO_ROOM:
        return LimitError(f"no room for '{name}' ({error.strerror}): free some space or save elsewhere")
    return InputError(f"'{name}' cannot be written ({error.strerror}): save elsewhere")


def _check(image: Tensor, name: str) -> None:
    """Raise UsageError for what is no image, InputError for one with values that are not numbers."""
    if not (image.is_floating_point() and image.ndim == 4 and image.shape[:2] in ((1, 3), (1, 4)) and image.numel()):
        raise UsageError(f"an image is (1, 3, H, W) of floats, not {tuple(image.shape)} of {image.dtype}")
    if not all(isfinite(extreme) for extreme in image.detach().aminmax()):
        raise InputError(f"'{name}' is not written: the image holds values that are not finite numbers")


def _write_tiff(
    file: Any,
    pixels: np.ndarray,
    recipe: Mapping[str, object] | None,
    origin: Origin,
    dpi: tuple[float, float] | None,
    options: Mapping[str, Any],
) -> None:
    """By tifffile, since Pillow has no 16 bits in colour."""
    import tifffile

    tifffile.imwrite(
        file,
        pixels,
        bigtiff=pixels.nbytes > CLASSIC,
        photometric="rgb",
        extrasamples=["unassalpha"] * (pixels.shape[2] == 4),
        iccprofile=srgb_profile(),
        resolution=dpi,
        resolutionunit=None if dpi is None else INCHES,
        software=recipe is not None and SOFTWARE,
        metadata=None,
        extratags=tiff_tags(recipe, origin),
        **options,
    )
