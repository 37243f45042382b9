"""Whatever colours a file holds, as 8-bit sRGB: ICC profiles, CMYK, Lab, grey, palettes, alpha and deep pixels.

Eight bits are enough on the way in, since eight bits are what goes out; deeper pixels are scaled to that range, never
clipped to it.
"""

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image, ImageCms, TiffImagePlugin
from PIL.ExifTags import Base

from impasto.images.metadata import INCHES, OF_PHOTOGRAPHS

FULL_SCALE = {"I;16": 65535, "I;16L": 65535, "I;16B": 65535, "I;16N": 65535, "I": 65535, "F": 1}
"""White in each of Pillow's deep grey modes. Pillow keeps 16-bit PGM in "I", so that is where "I" ends, too."""

DATE = slice(24, 36)
"""Where an ICC profile has the time it was made."""

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
PLANES_APART = 2


def to_srgb(picture: Image.Image, *, with_alpha: bool = False) -> Image.Image:
    """The same picture in mode "RGB" and in the sRGB colour space, laid over white where it is transparent; or,
    ``with_alpha``, then in mode "RGBA".

    An embedded ICC profile is followed, relative colorimetric with black point compensation; one that is broken, or
    that describes another kind of pixels than the file has, is ignored. Raises ValueError for deep pixels out of range.
    """
    profile = picture.info.get("icc_profile")
    if picture.mode in FULL_SCALE:
        picture = Image.fromarray(eight_bits(np.asarray(picture), FULL_SCALE[picture.mode]))
    grey = Image.getmodebase(picture.mode) == "L"
    alpha = None
    if picture.has_transparency_data:
        picture = _in_mode(picture, "LA" if grey else "RGBA")
        alpha = picture.getchannel("A")
    if picture.mode not in ("CMYK", "LAB"):
        picture = _in_mode(picture, "L" if grey else "RGB")
    colours = _through_profile(picture, profile)
    if alpha is None:
        return colours
    if with_alpha and alpha.getextrema() != (255, 255):
        return Image.merge("RGBA", (*colours.split(), alpha))
    return Image.composite(colours, Image.new("RGB", colours.size, "white"), alpha)


def eight_bits(values: Num[np.ndarray, "*shape"], white: int) -> UInt8[np.ndarray, "*shape"]:
    """``values`` from 0 (black) to ``white``, scaled to 0–255 and rounded. Raises ValueError where they lie outside."""
    low, high = values.min(), values.max()
    if not 0 <= low <= high <= white:  # also true of NaN
        raise ValueError(f"its values run from {low} to {high} where 0 to {white} was expected")
    scaled: np.ndarray = np.rint(values.astype(np.float32) * np.float32(255 / white)).astype(np.uint8)
    return scaled


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    # Pillow would copy a picture that has the mode already: 400 MB for a hundred million pixels.
    return picture if picture.mode == mode else picture.convert(mode)


@cache
def srgb_profile() -> bytes:
    """sRGB as an ICC profile. LittleCMS writes the time into it, which is taken out: equal pictures are equal files."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[DATE] = bytes(DATE.stop - DATE.start)
    return bytes(profile)


def _through_profile(picture: Image.Image, icc: bytes | None) -> Image.Image:
    if icc in (None, srgb_profile()) and picture.mode != "LAB":
        return _in_mode(picture, "RGB")
    try:
        if picture.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc or b""))
        if picture.mode == "L" and source.profile.xcolor_space == "RGB ":
            picture = _in_mode(picture, "RGB")
        transform = ImageCms.ImageCmsTransform(
            source,
            ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
            picture.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return transform.apply(picture)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return _in_mode(picture, "RGB")


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


def deep_tiff(file: io.BufferedReader | io.BytesIO, admit: Callable[[tuple[int, int]], None]) -> Image.Image:
    """The first page of a TIFF with more than 8 bits, read by tifffile and scaled to 8.

    ``admit`` is shown (width, height) before anything is decoded, and raises where that is too much. Profile and
    orientation come along as Pillow keeps them. Raises ValueError for pixels that are neither grey nor RGB, and
    whatever tifffile raises on damaged files.
    """
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages.first
        size = (page.imagewidth, page.imagelength)
        admit(size)
        mode, channels = _layout(page)
        values = page.asarray()
    if values.ndim == 3 and page.planarconfig == PLANES_APART:
        values = np.moveaxis(values, 0, -1)
    white = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
    pixels = eight_bits(values, white).reshape(*reversed(size), -1)[..., :channels]
    if page.photometric == WHITE_IS_ZERO:
        pixels[..., 0] = 255 - pixels[..., 0]
    picture = Image.frombytes(mode, size, pixels.tobytes())
    picture.info["icc_profile"] = page.tags.valueof(Base.InterColorProfile)
    tags = {tag: page.tags.valueof(tag) for tag in (*OF_PHOTOGRAPHS, Base.Orientation)}
    picture.getexif().update({int(tag): value for tag, value in tags.items() if value is not None})
    unit = page.tags.valueof(Base.ResolutionUnit)
    x, y = (page.tags.valueof(tag, (1, 1)) for tag in (Base.XResolution, Base.YResolution))
    if unit == INCHES and x[1] and y[1]:
        picture.info["dpi"] = x[0] / x[1], y[0] / y[1]
    return picture


def _layout(page: Any) -> tuple[str, int]:
    """Pillow's mode for a page of tifffile's, and how many of its samples belong to that."""
    colours = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3}.get(page.photometric)
    if colours is None or not colours <= page.samplesperpixel <= 5 or page.imagedepth != 1:
        raise ValueError("it is a TIFF of a rare kind: neither grey nor RGB")
    alpha = {1: "a", 2: "A"}.get(int(page.extrasamples[0])) if page.extrasamples else None
    return ("RGB" if colours == 3 else "L") + (alpha or ""), colours + bool(alpha)
