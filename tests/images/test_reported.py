"""Sound files of kinds that people have reported to be refused, or misread, by programs like this one."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile

from impasto.errors import InputError, LimitError
from impasto.images.decoding import decode, read_origin
from impasto.images.limits import Limits

DEEP = np.random.default_rng(0).integers(0, 65536, (40, 48, 3), dtype=np.uint16)
GREY = DEEP[..., 0]
THUMBNAIL = np.zeros((20, 24, 3), np.uint8)


def tiff(*pages, **options):
    """The bytes of a TIFF of these pages, each an array and what tifffile is told of it."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for values, more in pages:
            writer.write(values, metadata=None, **options, **more)
    return file.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_with(extra, rows, width, bits):
    """The bytes of a grey PNG with one more chunk, from its packed rows."""
    header = struct.pack(">IIBBBBB", width, len(rows), bits, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("values", [DEEP, GREY, (DEEP >> 8).astype(np.uint8)], ids=["deep", "grey", "eight bits"])
def test_a_thumbnail_is_not_the_picture(values):
    kind = {"photometric": "rgb" if values.ndim == 3 else "minisblack"}
    scan = tiff((THUMBNAIL, {"subfiletype": 1, "photometric": "rgb"}), (values, kind))
    assert np.array_equal(decode(scan), np.broadcast_to(values.reshape(40, 48, -1), (40, 48, 3)))
    alone = tiff((values, {"subfiletype": 1, **kind}))
    assert decode(alone).shape == (40, 48, 3)
    pages = tiff((values, kind), (THUMBNAIL, {"photometric": "rgb"}))
    assert decode(pages).shape == (40, 48, 3)


def _within_the_first_page():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(THUMBNAIL, photometric="rgb", subfiletype=1, subifds=1, metadata=None)
        writer.write(GREY, photometric=32803, metadata=None)
    return file.getvalue()


RAW = {
    "DNG": lambda: tiff((THUMBNAIL, {"photometric": "rgb", "extratags": [(50706, 1, 4, b"\1\4\0\0", True)]})),
    "NEF": _within_the_first_page,
    "PEF": lambda: tiff((GREY, {"photometric": 32803})),
    "ORF": lambda: b"IIRO\x08\0\0\0" + bytes(99),
    "RAF": lambda: b"FUJIFILMCCD-RAW " + bytes(99),
    "CR3": lambda: b"\0\0\0\x18ftypcrx " + bytes(99),
}


@pytest.mark.parametrize("kind", RAW)
def test_what_a_sensor_saw_is_no_picture_yet(kind):
    with pytest.raises(InputError, match="'<bytes>' is a camera's raw file, not yet a picture: develop it"):
        decode(RAW[kind]())


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_long_texts_and_profiles(name):
    def with_text(length):
        return png_with(chunk(name, b"x\0\0" + zlib.compress(bytes(length))), [bytes(range(48))] * 40, 48, 8)

    assert decode(with_text(3 << 20))[0, 47, 0] == 47
    with pytest.raises(InputError, match="too large"):
        decode(with_text(80 << 20))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_that_stands_for_nothing(bits):
    """The left half is black, the right half some other grey; each in turn is transparent."""
    most, other = 2**bits - 1, max(1, 2**bits // 3)
    values = np.repeat([0, other], 24)
    written = "".join(f"{value:0{bits}b}" for value in values)
    row = int(written, 2).to_bytes(len(written) // 8, "big")
    for key in (0, other):
        found = decode(png_with(chunk(b"tRNS", struct.pack(">H", key)), [row] * 40, 48, bits), with_alpha=True)
        white = np.iinfo(found.dtype).max
        assert np.array_equal(found[0, :, 3], np.where(values == key, 0, white))
        assert np.array_equal(found[0, :, 0], values * white // most)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint32])
def test_the_largest_number_is_white(dtype):
    most = np.iinfo(dtype).max
    values = (GREY.astype(np.float64) / 65535 * most).astype(dtype)
    found = decode(tiff((values, {"photometric": "minisblack"})))[..., 0]
    assert np.abs(found - values.astype(np.float64) / most * np.iinfo(found.dtype).max).max() <= 1


def test_sixteen_of_thirty_two_bits():
    assert np.array_equal(decode(tiff((GREY.astype(np.int32), {"photometric": "minisblack"})))[..., 0], GREY)


HARD = {
    "grey, LZW": (GREY, {"compression": "lzw", "predictor": 2, "photometric": "miniswhite"}),
    "zstd": (DEEP, {"compression": "zstd", "photometric": "rgb", "planarconfig": "contig", "predictor": 2}),
    "floats": ((DEEP / 65535).astype(np.float32), {"compression": "zlib", "predictor": 3, "photometric": "rgb"}),
}


@pytest.mark.parametrize("kind", HARD)
def test_deep_tiffs_however_they_are_compressed(kind):
    values, how = HARD[kind]
    expected = 65535 - GREY if kind == "grey, LZW" else DEEP
    found = decode(tiff((values, how)))
    assert np.abs(found.astype(int) - expected.reshape(40, 48, -1)).max() <= 1


def test_half_a_picture_is_none_whatever_the_host_has_asked_of_pillow(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = io.BytesIO()
    Image.fromarray((DEEP >> 8).astype(np.uint8)).save(whole, "JPEG")
    with pytest.raises(InputError, match="truncated"):
        decode(whole.getvalue()[: len(whole.getvalue()) // 2])
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_few_pixels_of_many_bytes():
    """40 bytes a pixel, of which next to nothing lies in the file."""
    values = np.zeros((100, 100, 5))
    file = tiff((values, {"photometric": "rgb", "compression": "zlib", "extrasamples": ["unspecified"] * 2}))
    with pytest.raises(LimitError, match="its pixels take 400,000 bytes, more than 160,000"):
        decode(file, limits=Limits(10_000))
    assert decode(file, limits=Limits(25_000)).shape == (100, 100, 3)


def test_missing_parts_are_not_taken_for_black():
    file = bytearray(tiff((GREY, {"photometric": "miniswhite", "rowsperstrip": 20})))
    with tifffile.TiffFile(io.BytesIO(file)) as whole:
        at = whole.pages.first.tags["StripByteCounts"].valueoffset
    file[at : at + 4] = bytes(4)
    with pytest.raises(InputError, match="parts of its pixels are missing"):
        decode(bytes(file))


def test_what_a_photograph_says_at_length_is_not_listened_to():
    told = [(271, 2, None, "x" * 1_000_000, True), (315, 2, None, "Me", True)]
    for values, planes in ((DEEP, "contig"), (np.moveaxis(DEEP, -1, 0), "separate")):
        how = {"photometric": "rgb", "planarconfig": planes, "extratags": told}
        assert read_origin(tiff((values, how))).tags == {315: "Me"}
