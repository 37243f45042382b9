"""Small files that are within 100 megapixels, and that a decoder may all the same spend minutes or gigabytes on."""

import io
import lzma
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from impasto.images.decoding import decode

from .corpus import GREY, RGB, RGBA, bmp, chunk, profile
from .workers import ROOM, Bounds, Worker

WIDTH, HEIGHT = 10_000, 9_984
ROWS = 64
"""Of a strip: all strips of a TIFF are the same bytes of the file."""

SHORT, LONG, UNDEFINED = 3, 4, 7
FORMATS = {SHORT: "H", LONG: "I"}
NONE, ADOBE_DEFLATE, LZMA, PACKBITS = 1, 8, 34925, 32773
WHITE_IS_ZERO, BLACK_IS_ZERO, IN_COLOUR, CMYK, LAB = 0, 1, 2, 5, 8
SCANS = 100
"""Of a progressive JPEG: each makes a decoder go through all of its pixels."""

BOMB = 2 * 10**9
"""Bytes that come out of a strip of 400 pixels."""

LONG_TAG = 10**6
"""Numbers in a tag."""

OF_KINDS = (254, 255, 266, 274, 284, 296, 317, 332, 338, 530, 531)
"""TIFF's tags of which tifffile makes each number an object of its own."""

PATIENCE = Bounds(seconds=120, megabytes=ROOM)
"""With files that are measured."""

Tags = dict[int, tuple[int, Sequence[int] | bytes]]


def hostile() -> dict[str, bytes]:
    """The files, by what they are."""
    return {name: make() for name, make in HOSTILE.items()}


def measure(files: Mapping[str, bytes]) -> None:
    """Print what it takes to read each of these files within the limits that people have."""
    print(f"{'file':40} {'bytes':>10} {'s':>6} {'MB':>6}  ending")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        for name, data in files.items():
            path.write_bytes(data)
            worker = Worker((as_people_do,), PATIENCE)
            outcome = worker.read(path)
            worker.end()
            ending = outcome.fault or ("read" if outcome.code == 0 else f"exit code {outcome.code}")
            took = f"{outcome.seconds:6.1f} {outcome.megabytes:6.0f}"
            print(f"{name:40} {len(data):10,} {took}  {ending}", flush=True)


def as_people_do(path: Path) -> None:
    """Read a picture with all settings as they are."""
    decode(path)


def flat_png(bits: int, kind: int, *chunks: bytes) -> bytes:
    """A PNG of nothing but zeros."""
    row = 1 + WIDTH * bits // 8 * {GREY: 1, RGB: 3, RGBA: 4}[kind]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, kind, 0, 0, 0))
    pixels = b"".join(deflated(row * HEIGHT))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def deflated(zeros: int) -> Iterator[bytes]:
    """So many zeros, compressed without ever being there."""
    packer = zlib.compressobj(6)
    for start in range(0, zeros, 10**7):
        yield packer.compress(bytes(min(10**7, zeros - start)))
    yield packer.flush()


def by_pillow(mode: str, kind: str, size: tuple[int, int] = (WIDTH, HEIGHT), **options: Any) -> bytes:
    """A black picture."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def jpeg_of_many_scans() -> bytes:
    """A grey, progressive JPEG: one scan of means, and then many that say of 16,384 blocks at a time that nothing
    changes in them."""

    def segment(mark: int, data: bytes) -> bytes:
        return struct.pack(">BBH", 255, mark, 2 + len(data)) + data

    blocks = -(-WIDTH // 8) * -(-HEIGHT // 8)
    one_code = bytes([1, *[0] * 15])  # a Huffman table with nothing but the code 0
    tables = segment(0xDB, bytes([0, *[1] * 64])) + segment(
        0xC4, b"\x00" + one_code + b"\x00" + b"\x10" + one_code + b"\xe0"
    )
    frame = segment(0xC2, struct.pack(">BHHBBBB", 8, HEIGHT, WIDTH, 1, 1, 0x11, 0))
    means = segment(0xDA, bytes((1, 1, 0, 0, 0, 1))) + bytes(-(-blocks // 8))
    again = segment(0xDA, bytes((1, 1, 0, 1, 63, 0x10))) + bytes(-(-blocks * 15 // 16_384 // 8) + 2)
    return b"\xff\xd8" + tables + frame + means + SCANS * again + b"\xff\xd9"


def tiff(tags: Tags, data: bytes = b"") -> bytes:
    """A TIFF with these tags, its ``data`` at byte 8. Tags of the same object share it."""
    start = 8 + len(data) + len(data) % 2
    values, offsets, entries, at = b"", {}, [], start + 2 + 12 * len(tags) + 4
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = numbers if isinstance(numbers, bytes) else b""
        if id(numbers) not in offsets:
            packed = packed or struct.pack(f"<{len(numbers)}{FORMATS[kind]}", *numbers)
            offsets[id(numbers)] = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", at + len(values))
            values += packed + bytes(len(packed) % 2) if len(packed) > 4 else b""
        entries.append(struct.pack("<HHI", tag, kind, len(numbers)) + offsets[id(numbers)])
    head = struct.pack("<2sHI", b"II", 42, start) + data.ljust(start - 8, b"\0")
    return head + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4) + values


def strips(
    data: bytes,
    *,
    bits: int = 16,
    channels: int = 1,
    photometric: int = WHITE_IS_ZERO,
    compression: int = NONE,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    rows: int = ROWS,
    **more: tuple[int, Sequence[int] | bytes],
) -> bytes:
    """A TIFF whose strips are all the same ``data``; ``more`` tags as ``t256``."""
    count = -(-size[1] // rows)
    offset = 8 if data else 0
    tags: Tags = {
        256: (LONG, [size[0]]), 257: (LONG, [size[1]]), 258: (SHORT, [bits] * channels), 259: (SHORT, [compression]),
        262: (SHORT, [photometric]), 273: (LONG, [offset] * count), 277: (SHORT, [channels]), 278: (LONG, [rows]),
        279: (LONG, [len(data)] * count), 339: (SHORT, [3 if bits > 32 else 1] * channels),
    }  # fmt: skip
    if channels > 4:
        tags[338] = (SHORT, [0] * (channels - 3))
    return tiff(tags | {int(name[1:]): value for name, value in more.items()}, data)


def five_channels(compression: int, compress: Callable[[bytes], bytes], rows: int = ROWS) -> bytes:
    """Four gigabytes of double floats."""
    options = {"bits": 64, "channels": 5, "photometric": IN_COLOUR, "compression": compression, "rows": rows}
    return strips(compress(bytes(WIDTH * rows * 5 * 8)), **options)  # type: ignore[arg-type]


def eight_bits(channels: int, photometric: int) -> bytes:
    """Strips of 8 bits."""
    data = zlib.compress(bytes(WIDTH * ROWS * channels))
    return strips(data, bits=8, channels=channels, photometric=photometric, compression=ADOBE_DEFLATE)


def bomb(compression: int, data: bytes) -> bytes:
    """A picture of 20 x 20 pixels out of far too much."""
    return strips(data, size=(20, 20), rows=20, compression=compression)


def large_tile() -> bytes:
    """A picture of 20 x 20 pixels in a tile of 30,000 x 30,000."""
    side = [30_000]
    more = {"t322": (LONG, side), "t323": (LONG, side), "t324": (LONG, [8]), "t325": (LONG, [800])}
    return strips(bytes(800), size=(20, 20), rows=20, **more)  # type: ignore[arg-type]


def many_tiles() -> bytes:
    """A picture of 16 x 62,500 pixels in tiles of 1 x 1."""
    offsets, one = [8] * 10**6, [1]
    more = {"t322": (LONG, one), "t323": (LONG, one), "t324": (LONG, offsets), "t325": (LONG, [1] * 10**6)}
    return strips(b"\0", bits=8, photometric=BLACK_IS_ZERO, size=(16, 62_500), rows=62_500, **more)  # type: ignore[arg-type]


def long_tags() -> bytes:
    """Tags of a million numbers, all the same ones."""
    numbers = [1] * LONG_TAG
    return strips(bytes(800), size=(20, 20), rows=20, **{f"t{tag}": (SHORT, numbers) for tag in OF_KINDS})


def shared_tags(count: int = 4000) -> bytes:
    """Tags of a million bytes, all the same ones."""
    data = bytes(10**6)
    return strips(bytes(800), size=(20, 20), rows=20, **{f"t{40_000 + n}": (UNDEFINED, data) for n in range(count)})


def shared_profile() -> bytes:
    """A 16-bit picture with an ICC profile of a hundred tags, each of them nearly all of its four megabytes."""
    icc = bytearray(profile())
    count = struct.unpack_from(">I", icc, 128)[0]
    table = bytes(icc[132 : 132 + 12 * count])
    moved = 12 * (99 - count)
    size = 4 * 10**6
    entries = [struct.pack(">4sII", table[at : at + 4], *(struct.unpack_from(">I", table, at + 4)[0] + moved,
               struct.unpack_from(">I", table, at + 8)[0])) for at in range(0, len(table), 12)]  # fmt: skip
    entries += [struct.pack(">4sII", b"x%03d" % n, 2000, size - 2000) for n in range(99 - count)]
    icc[128 : 132 + 12 * count] = struct.pack(">I", 99) + b"".join(entries)
    icc = bytearray(bytes(icc).ljust(size, b"\0"))
    icc[:4] = struct.pack(">I", size)
    data = bytes(20 * 20 * 6)
    return strips(data, channels=3, photometric=IN_COLOUR, size=(20, 20), rows=20, t34675=(UNDEFINED, bytes(icc)))


def ppm(kind: int, maxval: int, data: bytes, size: tuple[int, int]) -> bytes:
    return f"P{kind}\n{size[0]} {size[1]}\n{maxval}\n".encode() + data


HOSTILE: dict[str, Callable[[], bytes]] = {
    "png 8 bits": lambda: flat_png(8, RGB),
    "png 8 bits and alpha": lambda: flat_png(8, RGBA),
    "png 16 bits": lambda: flat_png(16, RGB),
    "png 16 bits and alpha": lambda: flat_png(16, RGBA),
    "png 16 bits and key": lambda: flat_png(16, RGB, chunk(b"tRNS", bytes(6))),
    "png of shared tags": lambda: flat_png(8, GREY, chunk(b"eXIf", shared_tags())),
    "jpeg of many scans": jpeg_of_many_scans,
    "webp": lambda: by_pillow("RGBA", "WEBP", (16_383, 6_100), lossless=True, method=0),
    "gif": lambda: by_pillow("P", "GIF"),
    "avif": lambda: by_pillow("RGB", "AVIF", speed=10),
    "jp2": lambda: by_pillow("RGB", "JPEG2000"),
    "jp2 of small blocks": lambda: by_pillow("L", "JPEG2000", (2000, 2000), codeblock_size=(4, 4)),
    "bmp of short lines": lambda: bmp(WIDTH, HEIGHT, 8, 1, b"\1\0\0\0" * HEIGHT),
    "bmp in runs of 4 bits": lambda: bmp(WIDTH, HEIGHT, 4, 2, (b"\xff\0" * (WIDTH // 255 + 1) + b"\0\0") * HEIGHT),
    "ppm of 10 bits": lambda: ppm(6, 1023, bytes(6 * 2000 * 1000), (2000, 1000)),
    "pgm of 7 bits": lambda: ppm(5, 127, bytes(4000 * 2000), (4000, 2000)),
    "ppm plain": lambda: ppm(3, 255, b"0 " * 3 * 2000 * 1000, (2000, 1000)),
    "tiff cmyk": lambda: eight_bits(4, CMYK),
    "tiff lab": lambda: eight_bits(3, LAB),
    "tiff of 16 bits": lambda: strips(zlib.compress(bytes(WIDTH * ROWS * 2)), compression=ADOBE_DEFLATE),
    "tiff packbits": lambda: strips(b"\x81\0" * (WIDTH * ROWS // 64), compression=PACKBITS),
    "tiff five channels": lambda: five_channels(ADOBE_DEFLATE, zlib.compress),
    "tiff five channels lzma": lambda: five_channels(LZMA, lzma.compress),
    "tiff five channels that are not there": lambda: five_channels(NONE, lambda _: b""),
    "tiff bomb": lambda: bomb(ADOBE_DEFLATE, b"".join(deflated(BOMB))),
    "tiff bomb lzma": lambda: bomb(LZMA, lzma.compress(bytes(10**7)) * (BOMB // 10**7)),
    "tiff large tile": large_tile,
    "tiff many tiles": many_tiles,
    "tiff many strips": lambda: strips(bytes(200), size=(100, 999_999), rows=1),
    "tiff long tags": long_tags,
    "tiff shared tags": shared_tags,
    "tiff shared profile": shared_profile,
}
