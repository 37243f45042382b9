"""Pictures of more than 8 bits for each colour, as 16-bit sRGB: grey ones of any format, PNG, PPM and TIFF in colour.

Of colours in other formats (JPEG 2000, AVIF), and of one of Pillow's own pictures, Pillow has 8 bits.
"""

import io
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Num, UInt, UInt8, UInt16
from PIL import Image, ImageCms, ImageFile

from impasto.images.profiles import Shaper, shaper_of, transform_of
from impasto.images.rows import rows_of

WHITE = 65535
FULL_SCALE = {"I;16": WHITE, "I;16L": WHITE, "I;16B": WHITE, "I;16N": WHITE, "I": WHITE, "F": 1}
"""White in each of Pillow's deep grey modes. Pillow keeps 16-bit PGM in "I", so that is where "I" ends, too."""

SHALLOW = {"1": 255, "L;2": 85, "L;4": 17}
"""By what Pillow multiplies grey values of fewer than 8 bits."""

OTHER_HALF = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
"""Of 16-bit colours Pillow unpacks the high bytes. Told that they lie in the other order, it unpacks the low ones."""

UNPACKED = {"RGB": ("RGB", "RGB"), "RGBX": ("RGBX", "RGB"), "RGBA": ("RGBA", "RGBA"), "RGBa": ("RGBA", "RGBa")}
"""What Pillow takes deep colours for: as what they are unpacked here, and the mode of ``Deep`` that they have then."""

File = io.BufferedReader | io.BytesIO
Planes = UInt16[np.ndarray, "c h w"]


@dataclass(frozen=True)
class Deep:
    """Pixels of 16 bits, and their ICC profile: ``planes`` of grey or RGB, and of alpha in a ``mode`` that ends with
    "A", or with "a" where the colours are multiplied by it."""

    planes: Planes
    mode: str
    icc: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.planes.shape[2], self.planes.shape[1]


def deep_of(picture: Image.Image, file: File | None) -> Deep | None:
    """The pixels of a picture that Pillow has opened, from its ``file``; None of one that has 8 bits, or has no file.
    Raises ValueError for pixels out of range."""
    if file is not None and codecs(picture) == {"ppm"}:
        planes = _of_any_white(picture, file)
        mode = "L" if len(planes) == 1 else "RGB"
    elif picture.mode in FULL_SCALE:
        planes, mode = sixteen_bits(np.array(picture), FULL_SCALE[picture.mode])[None], "L"
    else:
        kind, _, order = _rawmode(picture).partition(";")
        if file is None or order not in OTHER_HALF or kind not in (*UNPACKED, "LA"):
            return None
        if kind == "LA":
            planes, mode = _grey_and_alpha(picture), kind
        else:
            planes, mode = _colours(picture, file, kind, order), UNPACKED[kind][1]
    key = picture.info.get("transparency")
    if key is not None and mode in ("L", "RGB"):
        alpha = (planes != np.reshape(key, (-1, 1, 1))).any(axis=0, keepdims=True).astype(np.uint16) * np.uint16(WHITE)
        planes, mode = np.concatenate([planes, alpha]), f"{mode}A"
    return Deep(planes, mode, picture.info.get("icc_profile"))


def codecs(picture: Image.Image) -> set[str]:
    """By what Pillow decodes a picture that is not loaded yet."""
    return {tile.codec_name for tile in picture.tile} if isinstance(picture, ImageFile.ImageFile) else set()


def _of_any_white(picture: Any, file: File) -> Planes:
    """Those of a binary PGM or PPM whose white is neither 255 nor 65535, which Pillow decodes in Python, a number at a
    time: numbers of one byte or two, the high one first. Raises ValueError where they end early, or are above white."""
    tile, channels = picture.tile[0], len(picture.getbands())
    white: int = tile.args[1]
    kind = np.dtype("u1" if white < 256 else ">u2")
    file.seek(tile.offset)
    data = file.read(picture.width * picture.height * channels * kind.itemsize)
    values = np.frombuffer(data, kind).reshape(picture.height, picture.width, channels)
    return sixteen_bits(values.transpose(2, 0, 1), white)


def unpack_key(picture: Image.Image) -> None:
    """Of a grey PNG that is not loaded yet, take the value that is transparent for what becomes of it."""
    key = picture.info.get("transparency")
    if isinstance(key, int):
        scale = SHALLOW.get(_rawmode(picture))
        picture.info["transparency"] = key if scale is None else min(key * scale, 255)  # of one bit some Pillows do so


def _rawmode(picture: Image.Image) -> str:
    """How the pixels lie in a PNG or TIFF that is not loaded yet, in Pillow's words."""
    tiles = picture.tile if isinstance(picture, ImageFile.ImageFile) and picture.format in ("PNG", "TIFF") else []
    args: Any = tiles[0].args if tiles else ""
    return args if isinstance(args, str) else str(args[0])


def _unpacked(picture: Any, rawmode: str) -> Image.Image:
    """The picture, loaded, its pixels taken for this raw mode."""
    picture.tile = [
        tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *tile.args[1:]))
        for tile in picture.tile
    ]
    picture.load()
    return picture  # type: ignore[no-any-return]


def _colours(picture: Image.Image, file: File, kind: str, order: str) -> Planes:
    """Colours, and alpha: the file is read once for the low bytes and once for the high ones."""
    rawmode, mode = UNPACKED[kind]
    planes = np.empty((len(mode), picture.height, picture.width), "<u2")
    halves = planes.view(np.uint8)
    file.seek(0)
    again: Any = type(picture)(file)  # type: ignore[call-arg]
    again.seek(picture.tell())
    _fill(halves[..., 0::2], _unpacked(again, f"{rawmode};{OTHER_HALF[order]}"))
    _fill(halves[..., 1::2], _unpacked(picture, f"{rawmode};{order}"))
    return planes


def _fill(planes: UInt8[np.ndarray, "c h w"], picture: Image.Image) -> None:
    """Put the first channels of a picture into as many planes."""
    for rows in rows_of(picture.height):
        part = np.asarray(picture.crop((0, rows.start, picture.width, min(rows.stop, picture.height))))
        planes[:, rows] = part.transpose(2, 0, 1)[: len(planes)]


def _grey_and_alpha(picture: Image.Image) -> Planes:
    """Those of a PNG: four bytes a pixel, as those of 8-bit colours and alpha."""
    values = np.asarray(_unpacked(picture, "RGBA")).view(">u2")
    return np.ascontiguousarray(values.transpose(2, 0, 1), np.uint16)


def sixteen_bits(values: Num[np.ndarray, "*shape"], white: int) -> UInt16[np.ndarray, "*shape"]:
    """``values`` from 0 (black) to ``white``, scaled to 0–65535 and rounded; as they are where they are that already.
    Raises ValueError where they lie outside."""
    low, high = values.min(), values.max()
    if not 0 <= low <= high <= white:  # also true of NaN
        raise ValueError(f"its values run from {low} to {high} where 0 to {white} was expected")
    if white == WHITE:
        return values.astype(np.uint16, copy=False)
    scaled = np.empty(values.shape, np.uint16)
    for rows in rows_of(values.shape[-2]):
        scaled[..., rows, :] = np.rint(values[..., rows, :] * (WHITE / white))
    return scaled


def eight_bits(pixels: UInt[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Pixels from 0 to 65535 as such from 0 to 255; those of 8 bits as they are."""
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels / np.float32(257)).astype(np.uint8)


def to_srgb(deep: Deep, *, with_alpha: bool = False) -> UInt16[np.ndarray, "c2 h w"]:
    """The pixels in sRGB, one plane of grey or three, laid over white where they are transparent; or, ``with_alpha``,
    then in four planes. They take the place of those of ``deep``.

    ICC profiles are followed as in ``colour``: in 16 bits, and in 8 where a profile is not of curves and a matrix, but
    of tables.
    """
    channels = 1 if deep.mode.startswith("L") else 3
    colours, alpha = deep.planes[:channels], deep.planes[channels:]
    if deep.mode.endswith("a"):
        for rows in rows_of(deep.size[1]):
            whole = colours[:, rows] * np.float32(WHITE) / alpha[:, rows].clip(1)
            colours[:, rows] = np.rint(whole.clip(0, WHITE))
    colours = _through_profile(colours, deep.icc)
    if not len(alpha) or alpha.min() == WHITE:
        return colours
    if with_alpha:
        return np.concatenate([np.broadcast_to(colours, (3, *alpha.shape[1:])), alpha])
    for rows in rows_of(deep.size[1]):
        part = alpha[:, rows] / np.float32(WHITE)
        colours[:, rows] = np.rint(colours[:, rows] * part + WHITE * (1 - part))
    return colours


def _through_profile(colours: Planes, icc: bytes | None) -> UInt16[np.ndarray, "c2 h w"]:
    transform = transform_of(icc, "L" if len(colours) == 1 else "RGB")
    if transform is None:
        return colours
    assert icc is not None
    shaper, shape = shaper_of(icc), (3, *colours.shape[1:])
    found = colours if colours.shape == shape else np.empty(shape, np.uint16)
    for rows in rows_of(shape[1]):
        of_kind = colours[:, rows]
        if transform.input_mode == "RGB":
            of_kind = np.broadcast_to(of_kind, (3, *of_kind.shape[1:]))
        found[:, rows] = _followed(of_kind, shaper, transform)
    return found


def _followed(
    values: Planes, shaper: Shaper | None, transform: ImageCms.ImageCmsTransform
) -> UInt16[np.ndarray, "c2 h w"]:
    if shaper is not None:
        return shaper(values)
    bands = [Image.fromarray(eight_bits(plane)) for plane in values]
    picture = Image.merge(transform.input_mode, bands)
    return np.asarray(transform.apply(picture)).transpose(2, 0, 1) * np.uint16(257)


def resized(planes: Planes, size: tuple[int, int]) -> UInt16[np.ndarray, "c h2 w2"]:
    """The pixels at another width and height, by Pillow's Lanczos filter."""
    return np.stack([np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS)) for plane in planes])
