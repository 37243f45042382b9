"""Deep TIFFs that Pillow does not open, or opens and gets wrong: read by tifffile."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.ExifTags import Base

from impasto.images.deep import WHITE, Deep, File, sixteen_bits
from impasto.images.metadata import INCHES, OF_PHOTOGRAPHS

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
PLANES_APART = 2


def pillow_misreads(picture: Image.Image) -> bool:
    """Whether this is one of the deep TIFFs that Pillow opens but gets wrong.

    It takes white-is-zero for black-is-zero, leaves 12-bit values dark, and mixes up 16-bit planes that lie apart.
    """
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return False
    tags = picture.tag_v2
    bits = tags.get(Base.BitsPerSample, (1,))[0]
    inverted = tags.get(Base.PhotometricInterpretation) == WHITE_IS_ZERO
    apart = tags.get(Base.PlanarConfiguration) == PLANES_APART
    return bool(bits == 12 or (bits > 8 and (inverted or apart)))


def deep_tiff(file: File, admit: Callable[[tuple[int, int]], None]) -> tuple[Image.Image, Deep]:
    """The first page of a TIFF with more than 8 bits: what it says besides its pixels, as a picture of Pillow's without
    any, and these.

    ``admit`` is shown (width, height) before anything is decoded, and raises where that is too much. Raises ValueError
    for pixels that are neither grey nor RGB, and whatever tifffile raises on damaged files.
    """
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages.first
        width, height = page.imagewidth, page.imagelength
        admit((width, height))
        mode, channels = _layout(page)
        values = page.asarray()
    apart = values.ndim == 3 and page.planarconfig == PLANES_APART
    planes = values if apart else np.moveaxis(values.reshape(height, width, -1), -1, 0)
    white = 2**page.bitspersample - 1 if values.dtype.kind == "u" else 1
    pixels = sixteen_bits(planes[:channels], white)
    if page.photometric == WHITE_IS_ZERO:
        np.subtract(WHITE, pixels[0], out=pixels[0])
    return _about(page), Deep(pixels, mode, page.tags.valueof(Base.InterColorProfile))


def _about(page: Any) -> Image.Image:
    """What a page says besides its pixels."""
    about = Image.new("L", (1, 1))
    tags = {tag: page.tags.valueof(tag) for tag in (*OF_PHOTOGRAPHS, Base.Orientation)}
    about.getexif().update({int(tag): value for tag, value in tags.items() if value is not None})
    unit = page.tags.valueof(Base.ResolutionUnit)
    x, y = (page.tags.valueof(tag, (1, 1)) for tag in (Base.XResolution, Base.YResolution))
    if unit == INCHES and x[1] and y[1]:
        about.info["dpi"] = x[0] / x[1], y[0] / y[1]
    return about


def _layout(page: Any) -> tuple[str, int]:
    """Pillow's mode for a page of tifffile's, and how many of its samples belong to that."""
    colours = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3}.get(page.photometric)
    if colours is None or not colours <= page.samplesperpixel <= 5 or page.imagedepth != 1:
        raise ValueError("it is a TIFF of a rare kind: neither grey nor RGB")
    alpha = {1: "a", 2: "A"}.get(int(page.extrasamples[0])) if page.extrasamples else None
    return ("RGB" if colours == 3 else "L") + (alpha or ""), colours + bool(alpha)
