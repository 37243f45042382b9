"""TIFFs: which of their pages is the picture, and the deep ones that Pillow does not open, or opens and gets wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from math import prod
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.ExifTags import Base

from impasto.errors import InputError, LimitError
from impasto.images.deep import WHITE, Deep, File, sixteen_bits
from impasto.images.limits import Limits
from impasto.images.metadata import INCHES, LONGEST, OF_PHOTOGRAPHS

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
COLOUR_FILTERS, LINEAR_RAW = 32803, 34892
PLANES_APART = 2
SIGNED = 2
REDUCED = 1
"""What ``NewSubfileType`` says of a page that is another one made smaller."""

FOLDERS_OF_PAGES, DNG_VERSION = 330, 50706

RAW = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJI", b"\0MRM", b"FOVb")
"""How the files of cameras begin that are not quite TIFF: Olympus, Panasonic, Fujifilm, Minolta, Sigma."""


def pillow_misreads(picture: Image.Image) -> bool:
    """Whether this is one of the deep TIFFs that Pillow opens but gets wrong.

    It takes white-is-zero for black-is-zero, leaves 12-bit values, 32-bit and signed ones dark, and mixes up 16-bit
    planes that lie apart.
    """
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return False
    tags = picture.tag_v2
    bits = tags.get(Base.BitsPerSample, (1,))[0]
    inverted = tags.get(Base.PhotometricInterpretation) == WHITE_IS_ZERO
    apart = tags.get(Base.PlanarConfiguration) == PLANES_APART
    signed = tags.get(Base.SampleFormat, (1,))[0] == SIGNED
    return bool(signed or bits == 12 or (bits > 8 and (inverted or apart)) or picture.mode == "I")


def turn_to_the_picture(picture: Image.Image, file: File, name: str, limits: Limits) -> None:
    """Where the first page of a TIFF is a thumbnail, go on to the page that it is one of. Raises InputError for what a
    camera's sensor saw, which is no picture yet."""
    tags = getattr(picture, "tag_v2", {})
    if not {DNG_VERSION, FOLDERS_OF_PAGES, Base.NewSubfileType} & {*tags}:
        return
    with _picture(file, name, limits) as page:
        picture.seek(page.index)


def refuse_raw(tiff: Any, name: str) -> None:
    """Raise InputError where a page, or one that lies within the first, is what a camera's sensor saw."""
    first = tiff.pages.first
    pages = [first, *(first.pages or ())]
    if DNG_VERSION in first.tags or any(page.photometric in (COLOUR_FILTERS, LINEAR_RAW) for page in pages):
        raise InputError(not_developed(name))


def not_developed(name: str) -> str:
    """What to say of a camera's raw file."""
    return f"'{name}' is a camera's raw file, not yet a picture: develop it, and save it as TIFF or JPEG"


@contextmanager
def _picture(file: File, name: str, limits: Limits) -> Iterator[Any]:
    """The page of a TIFF that is its picture: the first that is no thumbnail, where there is such a page. Raises what
    ``refuse_raw`` does, and LimitError for more pages than are looked at."""
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        refuse_raw(tiff, name)
        pages: Iterator[Any] = iter(tiff.pages)
        found = next((page for page in islice(pages, limits.frames) if not int(page.subfiletype) & REDUCED), None)
        if found is None and any(pages):
            raise LimitError(f"'{name}' has too many thumbnails: more than {limits.frames:,} pages before its picture")
        yield found or tiff.pages.first


def deep_about(file: File, name: str, limits: Limits) -> tuple[Image.Image, tuple[int, int]]:
    """Of the picture in a TIFF with more than 8 bits what it says besides its pixels, as a picture of Pillow's without
    any, and its width and height. Raises InputError for what a camera's sensor saw, and whatever tifffile raises on
    damaged files."""
    with _picture(file, name, limits) as page:
        return _about(page), (page.imagewidth, page.imagelength)


def deep_tiff(file: File, name: str, limits: Limits) -> Deep:
    """The pixels of that picture. Raises LimitError for such that take more bytes than ``limits`` say, InputError
    where some are missing, ValueError for such that are neither grey nor RGB, and what ``deep_about`` raises."""
    with _picture(file, name, limits) as page:
        mode, channels = _layout(page)
        _admit_pixels(page, name, limits.most_bytes)
        values = page.asarray()
    apart = values.ndim == 3 and page.planarconfig == PLANES_APART
    planes = values if apart else np.moveaxis(values.reshape(page.imagelength, page.imagewidth, -1), -1, 0)
    pixels = sixteen_bits(planes[:channels], _white(page, values))
    if page.photometric == WHITE_IS_ZERO:
        np.subtract(WHITE, pixels[0], out=pixels[0])
    return Deep(pixels, mode, page.tags.valueof(Base.InterColorProfile))


def _admit_pixels(page: Any, name: str, most: int) -> None:
    """Raise what ``deep_tiff`` does for pixels that are not to be decoded."""
    needed = max(page.nbytes, prod(page.chunks) * page.dtype.itemsize)
    if needed > most:
        raise LimitError(
            f"'{name}' is too large: its pixels take {needed:,} bytes, more than {most:,}; "
            "save it with 16 bits for each colour, shrink it, or allow more bytes by `limits`"
        )
    if 0 in page.databytecounts:
        raise InputError(f"'{name}' is damaged, or sparse: parts of its pixels are missing; get a whole copy")


def _white(page: Any, values: np.ndarray) -> int:
    """The value that is white. Of 32 bits often only 16 are used."""
    kind, bits = values.dtype.kind, page.bitspersample
    if kind == "f":
        return 1
    if bits == 32 and values.max() <= WHITE:
        return WHITE
    return int(2 ** (bits - (kind == "i")) - 1)


def _about(page: Any) -> Image.Image:
    """What a page says besides its pixels. (What is long is not asked for: it would be unpacked number by number.)"""
    about = Image.new("L", (1, 1))
    wanted = (page.tags.get(tag) for tag in (*OF_PHOTOGRAPHS, Base.Orientation))
    tags = {tag.code: tag.value for tag in wanted if tag is not None and tag.count <= LONGEST}
    about.getexif().update(tags)
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
