"""Small pictures of every format and kind that impasto reads, made in memory and the same every time."""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base

from impasto.images.metadata import comment_of

HEIGHT, WIDTH = 20, 26
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""PNG's kinds of colours."""

CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column and the steps of each pass of an interlaced PNG."""

MADE = rb"((?:mvhd|tkhd|mdhd)\x01...).{16}"
"""Where an animated AVIF says when it was made and changed."""

BY_PILLOW: dict[str, tuple[str, str, dict[str, Any]]] = {
    "png optimised": ("RGB", "PNG", {"optimize": True}),
    "png animated": ("RGBA", "PNG", {"save_all": True, "append_images": 2}),
    "jpeg": ("RGB", "JPEG", {}),
    "jpeg grey": ("L", "JPEG", {}),
    "jpeg cmyk": ("CMYK", "JPEG", {}),
    "jpeg progressive": ("RGB", "JPEG", {"progressive": True, "told": True}),
    "jpeg full colours": ("RGB", "JPEG", {"subsampling": 0, "restart_marker_rows": 1, "comment": b"a comment"}),
    "webp": ("RGB", "WEBP", {"told": True}),
    "webp and alpha": ("RGBA", "WEBP", {}),
    "webp lossless": ("RGBA", "WEBP", {"lossless": True}),
    "webp animated": ("RGB", "WEBP", {"save_all": True, "append_images": 2}),
    "gif": ("P", "GIF", {"transparency": 3}),
    "gif interlaced": ("L", "GIF", {"interlace": 1}),
    "gif animated": ("P", "GIF", {"save_all": True, "append_images": 2, "comment": b"a comment"}),
    "avif": ("RGB", "AVIF", {"told": True}),
    "avif and alpha": ("RGBA", "AVIF", {"quality": 100}),
    "avif animated": ("RGB", "AVIF", {"save_all": True, "append_images": 2}),
    "jp2": ("RGB", "JPEG2000", {}),
    "jp2 and alpha": ("RGBA", "JPEG2000", {"quality_layers": [20], "irreversible": True}),
    "jp2 of 16 bits": ("I;16", "JPEG2000", {}),
    "jp2 in tiles": ("RGB", "JPEG2000", {"tile_size": (16, 16), "no_jp2": True}),
    "bmp": ("RGB", "BMP", {}),
    "bmp and alpha": ("RGBA", "BMP", {}),
    "bmp of two colours": ("1", "BMP", {}),
    "bmp palette": ("P", "BMP", {}),
    "pgm": ("L", "PPM", {}),
    "pgm of 16 bits": ("I;16", "PPM", {}),
    "pfm": ("F", "PPM", {}),
    "ppm": ("RGB", "PPM", {}),
    "tiff": ("RGB", "TIFF", {"told": True}),
    "tiff of 16 bits": ("I;16", "TIFF", {}),
    "tiff cmyk": ("CMYK", "TIFF", {}),
    "tiff lab": ("LAB", "TIFF", {}),
    "tiff palette": ("P", "TIFF", {}),
    "tiff float": ("F", "TIFF", {}),
    "tiff pages": ("RGB", "TIFF", {"save_all": True, "append_images": 2}),
    "tiff big": ("RGBA", "TIFF", {"big_tiff": True}),
    "tiff ycbcr": ("YCbCr", "TIFF", {"compression": "jpeg", "told": True}),
    "tiff of differences": ("RGB", "TIFF", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
    **{
        f"tiff {name}": ("RGB", "TIFF", {"compression": name})
        for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd", "jpeg")
    },
    **{f"tiff {name}": ("1", "TIFF", {"compression": name}) for name in ("group3", "group4", "tiff_ccitt")},
}
"""By name: Pillow's mode, its format, and options. ``told``, with an ICC profile and EXIF; of ``append_images`` so many
more frames."""

BY_TIFFFILE: dict[str, tuple[str, int, dict[str, Any]]] = {
    "tiff deep": ("u2", 3, {}),
    "tiff deep and told": ("u2", 3, {"told": True, "compression": "zlib"}),
    "tiff deep big-endian": ("u2", 3, {"byteorder": ">", "compression": "zlib", "predictor": True}),
    "tiff deep in tiles": ("u2", 3, {"tile": (16, 16), "compression": "zlib"}),
    "tiff deep in strips": ("u2", 3, {"rowsperstrip": 7, "compression": "lzma"}),
    "tiff deep planes apart": ("u2", 3, {"planarconfig": "separate"}),
    "tiff deep planes apart in tiles": ("u2", 3, {"planarconfig": "separate", "tile": (16, 16), "compression": "zlib"}),
    "tiff deep and alpha": ("u2", 4, {"extrasamples": ["unassalpha"]}),
    "tiff deep multiplied by alpha": ("u2", 4, {"extrasamples": ["assocalpha"]}),
    "tiff deep white is zero": ("u2", 1, {"photometric": "miniswhite", "compression": "zlib"}),
    "tiff deep white is zero in tiles": ("u2", 1, {"photometric": "miniswhite", "tile": (16, 16)}),
    "tiff deep big": ("u2", 3, {"bigtiff": True}),
    "tiff of 32 bits": ("u4", 3, {"compression": "zlib"}),
    "tiff floats": ("f4", 3, {}),
    "tiff double floats": ("f8", 3, {"compression": "zlib"}),
    "tiff half floats": ("f2", 3, {"compression": "zlib"}),
    "tiff five channels": ("f8", 5, {"compression": "lzma"}),
    "tiff white is zero": ("u1", 1, {"photometric": "miniswhite"}),
    "tiff planes apart": ("u1", 3, {"planarconfig": "separate"}),
}
"""By name: what the numbers are, the channels, and tifffile's options."""


def corpus() -> dict[str, bytes]:
    """The pictures as files, by what they are."""
    found = {name: by_pillow(*kind) for name, kind in BY_PILLOW.items()}
    found |= {name: by_tifffile(*kind) for name, kind in BY_TIFFFILE.items()}
    return found | dict(pngs()) | dict(bitmaps()) | dict(heic())


def waves(channels: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Soft colours with a little noise, ``(H, W, C)`` from 0 to 1."""
    y, x = np.mgrid[0:height, 0:width] / width
    planes = [0.5 + 0.4 * np.sin((3 + n) * x + (5 - n) * y + n) for n in range(channels)]
    noise = np.random.default_rng(channels).random((height, width, channels))
    return np.clip(np.stack(planes, axis=-1) + 0.1 * noise - 0.05, 0, 1)


def picture(mode: str) -> Image.Image:
    """One of Pillow's in this mode."""
    if mode == "F":
        return Image.fromarray(waves(1)[..., 0].astype(np.float32))
    if mode == "I;16":
        return Image.fromarray((65535 * waves(1)[..., 0]).astype(np.uint16))
    if mode == "LAB":
        return Image.merge(mode, picture("RGB").split())
    return Image.fromarray((255 * waves(4 if mode == "RGBA" else 3)).astype(np.uint8)).convert(mode)


def profile() -> bytes:
    """sRGB as an ICC profile, which is none that is passed over as sRGB: it has another date."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[24:36] = struct.pack(">6H", 2001, 2, 3, 4, 5, 6)
    return bytes(data)


def exif() -> Image.Exif:
    """What a camera tells, that it was held upright, and a recipe."""
    found = Image.Exif()
    found.update({Base.Make: "Camera", Base.Orientation: 6, Base.Software: "impasto", Base.XResolution: 240.0})
    found.get_ifd(IFD.Exif).update({Base.FNumber: 2.8, Base.UserComment: comment_of({"style": "sample:wave"})})
    found.get_ifd(IFD.GPSInfo).update({GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (48.0, 31.0, 12.0)})
    return found


def by_pillow(mode: str, kind: str, options: dict[str, Any]) -> bytes:
    """A file of this ``kind``, by Pillow."""
    options, file, image = dict(options), io.BytesIO(), picture(mode)
    if options.pop("told", False):
        options |= {"icc_profile": profile(), "exif": exif()}
    if "append_images" in options:
        options["append_images"] = [image.rotate(90 * n) for n in range(1, options["append_images"] + 1)]
    image.save(file, kind, **options)
    return re.sub(MADE, lambda box: box[1] + bytes(16), file.getvalue(), flags=re.DOTALL)


def by_tifffile(numbers: str, channels: int, options: dict[str, Any]) -> bytes:
    """A TIFF of what Pillow cannot write."""
    options, file, values = dict(options), io.BytesIO(), waves(channels)
    if options.pop("told", False):
        options |= {"iccprofile": profile(), "extratags": [(274, "H", 1, 6, True), (305, "s", 0, "impasto", True)]}
    if not numbers.startswith("f"):
        values = values * np.iinfo(numbers).max
    values = values[..., 0] if channels == 1 else values
    values = np.moveaxis(values, 2, 0) if options.get("planarconfig") == "separate" else values
    options = {"photometric": "rgb", "metadata": None, "datetime": None, "software": False} | options
    tifffile.imwrite(file, values.astype(numbers), **options)
    return file.getvalue()


def pngs() -> Iterator[tuple[str, bytes]]:
    """Every kind of PNG: bits, colours, interlaced, with keys, profiles and texts."""
    for bits in (1, 2, 4, 8, 16):
        yield f"png grey {bits} bits", png(bits, GREY)
    for bits in (1, 2, 4, 8):
        colours = [chunk(b"PLTE", bytes(range(3 * 2**bits - 3)) + b"\xff\xff\xff" if bits < 8 else bytes(768))]
        yield f"png palette {bits} bits", png(bits, PALETTE, *colours, chunk(b"tRNS", b"\x00\x80"))
    for name, kind in (("rgb", RGB), ("grey and alpha", GREY_ALPHA), ("rgb and alpha", RGBA)):
        for bits in (8, 16):
            yield f"png {name} {bits} bits", png(bits, kind)
            yield f"png {name} {bits} bits interlaced", png(bits, kind, interlaced=True)
    for bits in (8, 16):
        told = [chunk(b"iCCP", b"x\0\0" + zlib.compress(profile())), chunk(b"eXIf", exif().tobytes()[6:])]
        texts = [chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"text" * 20)), chunk(b"tEXt", b"Title\0a title")]
        more = [
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x/>")),
            chunk(b"gAMA", b"\0\0\xb1\x8f"),
        ]
        yield f"png told {bits} bits", png(bits, RGB, *told, *texts, *more, chunk(b"pHYs", b"\0\0\x0b\x13" * 2 + b"\1"))
        yield f"png key {bits} bits", png(bits, RGB, chunk(b"tRNS", bytes(6)))
        yield f"png grey key {bits} bits", png(bits, GREY, chunk(b"tRNS", bytes(2)))


def png(bits: int, kind: int, *chunks: bytes, interlaced: bool = False) -> bytes:
    """A PNG with so many ``bits`` a channel, and ``chunks`` before its pixels."""
    values = np.rint((2**bits - 1) * waves(CHANNELS[kind])).astype(">u2")
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(b"\0" + packed(row, bits) for y, x, down, right in passes for row in values[y::down, x::right])
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, kind, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def packed(row: np.ndarray, bits: int) -> bytes:
    """A row's numbers, so many ``bits`` each, without gaps."""
    each = np.unpackbits(np.frombuffer(row.tobytes(), np.uint8).reshape(-1, 2), axis=1)
    return np.packbits(each[:, 16 - bits :].ravel()).tobytes()


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bitmaps() -> Iterator[tuple[str, bytes]]:
    """What Pillow reads and does not write: BMPs in runs, netpbm's plain text and other depths."""
    for bits, compression in ((8, 1), (4, 2)):
        line = bytes((WIDTH - 6, 0x35, 0, 6, *(range(6) if bits == 8 else (1, 2, 3)), *((0,) * (bits == 4)), 0, 0))
        yield f"bmp in runs {bits} bits", bmp(WIDTH, HEIGHT, bits, compression, line * HEIGHT + b"\0\1")
    values = np.rint(1023 * waves(3)).astype(">u2")
    size = f"{WIDTH} {HEIGHT}"
    yield "ppm of 10 bits", f"P6\n{size}\n1023\n".encode() + values.tobytes()
    yield "pgm of 10 bits", f"P5\n{size}\n1023\n".encode() + values[..., 0].tobytes()
    yield "pbm", f"P4\n{size}\n".encode() + np.packbits(values[..., 0] > 512, axis=1).tobytes()
    yield "pbm plain", f"P1\n{size}\n# a comment\n".encode() + b" ".join(b"%d" % (n > 512) for n in values[..., 0].flat)
    yield "pgm plain", f"P2\n{size}\n1023\n".encode() + b" ".join(b"%d" % n for n in values[..., 0].flat)
    yield "ppm plain", f"P3\n{size}\n1023\n".encode() + b" ".join(b"%d" % n for n in values.flat)


def bmp(width: int, height: int, bits: int, compression: int, data: bytes) -> bytes:
    """A BMP with a palette."""
    palette = bytes(range(256)) * 4
    palette, start = palette[: 4 * 2**bits], 54 + 4 * 2**bits
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 2**bits, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data


def heic() -> Iterator[tuple[str, bytes]]:
    """A telephone's pictures, where the optional library is there."""
    try:
        import pillow_heif
    except ImportError:
        return
    for name, mode in (("heic", "RGB"), ("heic and alpha", "RGBA")):
        file = io.BytesIO()
        pillow_heif.from_pillow(picture(mode).resize((64, 48))).save(file, exif=exif().tobytes())
        yield name, file.getvalue()
