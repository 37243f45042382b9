"""Colours of every kind of file, against values worked out by hand."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from impasto.errors import InputError
from impasto.images.colour import to_srgb
from impasto.images.decoding import decode
from impasto.images.deep import eight_bits, sixteen_bits
from impasto.images.files import read

SIDE = 16
RAMP = np.linspace(0, 65535, SIDE * SIDE).round().astype(np.uint16).reshape(SIDE, SIDE)
COLOURS16 = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=-1)

# The primaries of sRGB as ICC profiles hold them: CIE XYZ adapted to D50.
RED, GREEN, BLUE = (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)


def flat(mode, colour):
    return Image.new(mode, (SIDE, SIDE), colour)


def first(picture):
    """The pixel at the top left, as an array of int."""
    return np.asarray(picture).astype(int)[0, 0]


def levels(path):
    """What ``read`` makes of a file, (H, W, 3), in units of 1/255."""
    return read(path)[0].permute(1, 2, 0).numpy() * 255


def srgb_of(linear):
    """The sRGB curve (IEC 61966-2-1) in levels of 0–255."""
    return 255 * (1.055 * linear ** (1 / 2.4) - 0.055)


def icc(kind, space, connection, tags):
    """The bytes of an ICC version 2 profile."""
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s12s4s", offset + len(body), bytes(4), 0x02400000, kind, space, connection,
                       bytes(12), b"acsp")  # fmt: skip
    d50 = struct.pack(">3i", *(round(65536 * v) for v in (0.9642, 1.0, 0.8249)))
    return (head.ljust(68, b"\0") + d50).ljust(128, b"\0") + table + body


def xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * v) for v in values))


def gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * value)) + bytes(2)


def rgb_profile(red, green, blue, exponent):
    tags = {b"rXYZ": xyz(red), b"gXYZ": xyz(green), b"bXYZ": xyz(blue)}
    return icc(b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma(exponent)))


SWAPPED = rgb_profile(GREEN, RED, BLUE, 2.2)
"""A screen whose red is green and whose green is red."""
LINEAR = rgb_profile(RED, GREEN, BLUE, 1.0)
LINEAR_GREY = icc(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": gamma(1.0), b"wtpt": xyz((0.9642, 1.0, 0.8249))})


def cmyk_profile():
    """A press whose cyan prints mid grey (L* = 128 / 2.55), whose black prints black, and whose other inks do not."""
    ramp = bytes(range(256))
    lightness = [0 if k else 128 if c else 255 for c in (0, 1) for _ in range(4) for k in (0, 1)]
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table += ramp * 4 + b"".join(bytes((value, 128, 128)) for value in lightness) + ramp * 3
    return icc(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


MID_GREY = srgb_of(((128 / 2.55 + 16) / 116) ** 3)


def test_profile_decides_what_the_numbers_mean():
    red = flat("RGB", (255, 0, 0))
    assert list(first(to_srgb(red))) == [255, 0, 0]
    red.info["icc_profile"] = SWAPPED
    np.testing.assert_allclose(first(to_srgb(red)), [0, 255, 0], atol=1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "avif"])
def test_profile_is_found_in_every_format(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    flat("RGB", (128, 128, 128)).save(path, icc_profile=LINEAR, **options)
    np.testing.assert_allclose(levels(path), srgb_of(128 / 255), atol=2)


@pytest.mark.parametrize(
    ("mode", "colour", "profile"),
    [
        ("L", 128, LINEAR_GREY),
        ("L", 128, LINEAR),
        ("LA", (128, 255), LINEAR_GREY),
        ("RGBA", (128, 128, 128, 255), LINEAR),
    ],
)
def test_profile_with_other_modes(mode, colour, profile):
    picture = flat(mode, colour)
    picture.info["icc_profile"] = profile
    np.testing.assert_allclose(first(to_srgb(picture)), srgb_of(128 / 255), atol=1)


def test_profile_with_a_deep_picture_of_pillows():
    picture = flat("I;16", 128 * 257)
    picture.info["icc_profile"] = LINEAR_GREY
    np.testing.assert_allclose(levels(picture), srgb_of(128 / 255), atol=0.01)


def test_profile_with_a_palette():
    picture = flat("RGB", (255, 0, 0)).quantize(2)
    picture.info["icc_profile"] = SWAPPED
    np.testing.assert_allclose(first(to_srgb(picture)), [0, 255, 0], atol=1)


@pytest.mark.parametrize("profile", [b"", b"nonsense" * 40, SWAPPED[:200], LINEAR_GREY, cmyk_profile()])
def test_profile_that_is_broken_or_of_another_kind_is_ignored(profile):
    picture = flat("RGB", (200, 100, 50))
    picture.info["icc_profile"] = profile
    assert list(first(to_srgb(picture))) == [200, 100, 50]


def test_srgb_profile_changes_nothing_visible():
    picture = Image.fromarray(eight_bits(COLOURS16))
    picture.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_allclose(np.asarray(to_srgb(picture)).astype(int), np.asarray(picture), atol=1)


@pytest.mark.parametrize(
    ("inks", "expected"),
    [((0, 0, 0, 0), (255,) * 3), ((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 255, 0), (255, 255, 0)),
     ((0, 0, 0, 255), (0, 0, 0))],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_without_profile(tmp_path, inks, expected, suffix):
    path = tmp_path / f"x.{suffix}"
    flat("CMYK", inks).save(path, **({"quality": 100} if suffix == "jpg" else {}))
    assert suffix != "jpg" or b"Adobe" in path.read_bytes(), "not the inverted kind"
    np.testing.assert_allclose(levels(path)[0, 0], expected, atol=2)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
@pytest.mark.parametrize(
    ("inks", "expected"),
    [((0, 0, 0, 0), 255), ((255, 0, 0, 0), MID_GREY), ((0, 255, 255, 0), 255), ((0, 0, 0, 255), 0)],
)
def test_cmyk_with_profile(tmp_path, inks, expected, suffix):
    path = tmp_path / f"x.{suffix}"
    options = {"quality": 100} if suffix == "jpg" else {}
    flat("CMYK", inks).save(path, icc_profile=cmyk_profile(), **options)
    np.testing.assert_allclose(levels(path)[0, 0], expected, atol=2)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 128), (255, 127, 127)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("LA", (0, 51), (204, 204, 204)),
        ("La", (51, 51), (255, 255, 255)),
        ("1", 1, (255, 255, 255)),
        ("1", 0, (0, 0, 0)),
        ("L", 77, (77, 77, 77)),
        ("YCbCr", (128, 128, 128), (128, 128, 128)),
    ],
)
def test_modes_and_alpha_over_white(mode, colour, expected):
    np.testing.assert_allclose(first(to_srgb(flat(mode, colour))), expected, atol=1)


def test_palette_with_transparency(tmp_path):
    picture = flat("P", 0)
    picture.putpalette([255, 0, 0, 0, 0, 255, 0, 255, 0])
    picture.paste(1, (0, 0, 8, SIDE))
    picture.paste(2, (0, 0, SIDE, 4))
    picture.save(tmp_path / "alpha.png", transparency=bytes((255, 128, 0)))
    got = levels(tmp_path / "alpha.png")
    np.testing.assert_allclose(got[0, 0], [255, 255, 255], atol=1e-3)
    np.testing.assert_allclose(got[8, 0], [127, 127, 255], atol=1)
    np.testing.assert_allclose(got[8, 12], [255, 0, 0], atol=1e-3)
    picture.save(tmp_path / "key.gif", transparency=0)
    np.testing.assert_allclose(levels(tmp_path / "key.gif")[8, 12], [255, 255, 255], atol=1e-3)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_transparent_colour_key(tmp_path, mode):
    key = 9 if mode == "L" else (9, 8, 7)
    picture = flat(mode, key)
    picture.paste(100 if mode == "L" else (100, 100, 100), (0, 0, 8, SIDE))
    picture.save(tmp_path / "x.png", transparency=key)
    got = levels(tmp_path / "x.png")
    np.testing.assert_allclose((got[0, 0, 0], got[0, 12, 0]), (100, 255), atol=1e-3)


@pytest.mark.parametrize("suffix", ["png", "tif", "jp2"])
def test_sixteen_bit_grey_by_pillow(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(RAMP).save(path)
    np.testing.assert_allclose(levels(path), np.repeat(RAMP[..., None] / 257, 3, 2), atol=0.501)


def test_sixteen_bit_pgm(tmp_path):
    (tmp_path / "x.pgm").write_bytes(b"P5 16 16 65535\n" + RAMP.astype(">u2").tobytes())
    np.testing.assert_allclose(levels(tmp_path / "x.pgm"), np.repeat(RAMP[..., None] / 257, 3, 2), atol=0.501)


@pytest.mark.parametrize("white", [100, 254, 1023, 65534])
@pytest.mark.parametrize("kind", [5, 6])
def test_pgm_and_ppm_of_any_white(tmp_path, kind, white):
    values = np.rint((RAMP[..., None] if kind == 5 else COLOURS16) / 65535.0 * white)
    data = values.astype("u1" if white < 256 else ">u2").tobytes()
    (tmp_path / "x.ppm").write_bytes(b"P%d\n# a note\n16 16\n%d\n" % (kind, white) + data)
    expected = np.rint(np.broadcast_to(values / white * 65535, (16, 16, 3)))
    got = decode(tmp_path / "x.ppm")
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, expected)
    (tmp_path / "short.ppm").write_bytes((tmp_path / "x.ppm").read_bytes()[:-1])
    with pytest.raises(InputError, match=r"short\.ppm.*undamaged"):
        decode(tmp_path / "short.ppm")
    (tmp_path / "bright.ppm").write_bytes((tmp_path / "x.ppm").read_bytes()[:-2] + b"\xff\xff")
    if white != 65534:
        with pytest.raises(InputError, match=r"bright\.ppm.*expected"):
            decode(tmp_path / "bright.ppm")


def test_a_large_ppm_of_ten_bits(tmp_path):
    (tmp_path / "x.ppm").write_bytes(b"P6 2000 1500 1023\n" + b"\x03\xff" * (3 * 2000 * 1500))
    assert decode(tmp_path / "x.ppm").min() == 65535


def test_sixteen_bit_rgb_png(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(_png16(COLOURS16))
    np.testing.assert_allclose(levels(path), COLOURS16 / 257, atol=1)


def _png16(values):
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


GREY, HALF = COLOURS16[..., :1] / 257, COLOURS16[..., 1:2] / 65535
PLANES = COLOURS16.transpose(2, 0, 1)
APART = {"photometric": "rgb", "planarconfig": "separate"}
DEEP_TIFFS = {
    "rgb": (COLOURS16, COLOURS16 / 257, {"photometric": "rgb"}),
    "rgb big-endian": (COLOURS16, COLOURS16 / 257, {"photometric": "rgb", "byteorder": ">"}),
    "rgb zlib predictor": (
        COLOURS16,
        COLOURS16 / 257,
        {"photometric": "rgb", "compression": "zlib", "predictor": True},
    ),
    "rgb tiles": (COLOURS16, COLOURS16 / 257, {"photometric": "rgb", "tile": (16, 16)}),
    "rgb planes apart": (PLANES, COLOURS16 / 257, APART),
    "rgb planes apart zlib": (PLANES, COLOURS16 / 257, {**APART, "compression": "zlib"}),
    "rgb uint32": (COLOURS16.astype(np.uint32) * 65537, COLOURS16 / 257, {"photometric": "rgb"}),
    "rgb float32": ((COLOURS16 / 65535).astype(np.float32), COLOURS16 / 257, {"photometric": "rgb"}),
    "rgba": (
        np.dstack([COLOURS16, COLOURS16[..., 1]]),
        COLOURS16 / 257 * HALF + 255 * (1 - HALF),
        {"photometric": "rgb", "extrasamples": ["unassalpha"]},
    ),
    "rgb and something else": (
        np.dstack([COLOURS16, RAMP])[..., [0, 1, 2, 3]].astype(np.float32) / 65535,
        COLOURS16 / 257,
        {"photometric": "rgb", "extrasamples": ["unspecified"]},
    ),
    "grey": (RAMP, GREY, {"photometric": "minisblack"}),
    "grey big-endian": (RAMP, GREY, {"photometric": "minisblack", "byteorder": ">"}),
    "grey white is zero": (RAMP, 255 - GREY, {"photometric": "miniswhite"}),
    "grey float32": ((RAMP / 65535).astype(np.float32), GREY, {}),
    "grey float64": (RAMP / 65535, GREY, {}),
    "grey and alpha": (
        COLOURS16[..., :2],
        GREY * HALF + 255 * (1 - HALF),
        {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]},
    ),
    "first of two pages": (np.stack([COLOURS16, 65535 - COLOURS16]), COLOURS16 / 257, {"photometric": "rgb"}),
}


@pytest.mark.parametrize("name", DEEP_TIFFS)
def test_deep_tiff(tmp_path, name):
    values, expected, options = DEEP_TIFFS[name]
    tifffile.imwrite(tmp_path / "x.tif", values, **options)
    np.testing.assert_allclose(levels(tmp_path / "x.tif"), np.broadcast_to(expected, (SIDE, SIDE, 3)), atol=1.7)


def test_deep_tiff_keeps_profile_and_orientation(tmp_path):
    values = np.zeros((3, SIDE, 2 * SIDE), np.uint16)
    values[0, :, :SIDE] = 65535
    tifffile.imwrite(tmp_path / "x.tif", values, **APART, iccprofile=SWAPPED, extratags=[(274, "H", 1, 6, True)])
    got = levels(tmp_path / "x.tif")
    assert got.shape == (2 * SIDE, SIDE, 3)
    np.testing.assert_allclose(got[0, 0], [0, 255, 0], atol=1)
    np.testing.assert_allclose(got[-1, 0], [0, 0, 0], atol=1)


def test_lab_tiff(tmp_path):
    # The red of sRGB is L* = 54.29, a* = 80.81, b* = 69.89 under D50.
    tifffile.imwrite(tmp_path / "x.tif", np.full((SIDE, SIDE, 3), (138, 81, 70), np.uint8), photometric="cielab")
    np.testing.assert_allclose(levels(tmp_path / "x.tif")[0, 0], [255, 0, 0], atol=6)


@pytest.mark.parametrize(("bad", "white"), [([0.0, 1.5], 1), ([-0.1, 1.0], 1), ([0.0, np.nan], 1), ([0, 70000], 65535)])
def test_deep_pixels_out_of_range_are_refused_not_clipped(bad, white):
    with pytest.raises(ValueError, match="values run from"):
        sixteen_bits(np.array(bad), white)


def test_profile_bytes_are_what_lcms_understands():
    for profile, space in ((SWAPPED, "RGB "), (LINEAR_GREY, "GRAY"), (cmyk_profile(), "CMYK")):
        assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space == space
