"""Pictures of more than 8 bits keep 16: against what was put into the file, and against arithmetic in float64."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from impasto.images.deep import eight_bits
from impasto.images.files import read, read_with_alpha, write
from impasto.images.profiles import curve, shaper_of, srgb_profile

HEIGHT, WIDTH = 80, 100
"""More rows than are handled at a time."""

VALUES = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 4), dtype=np.uint16)
VALUES[0, :4] = np.array([0, 1, 65534, 65535])[:, None]
COLOURS, GREY, ALPHA = VALUES[..., :3], VALUES[..., :1], VALUES[..., 3:] / 65535


def pixels(image):
    """An image as an array (H, W, C) of float64."""
    return image[0].permute(1, 2, 0).double().numpy()


def icc(kind, space, tags):
    """The bytes of an ICC profile, connected by CIE XYZ."""
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s12s4s", offset + len(body), bytes(4), 0x04200000, kind, space, b"XYZ ", bytes(12),
                       b"acsp")  # fmt: skip
    d50 = struct.pack(">3i", *(round(65536 * v) for v in (0.9642, 1.0, 0.8249)))
    return (head.ljust(68, b"\0") + d50).ljust(128, b"\0") + table + body


def fixed(*values):
    return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))


def parametric(kind, *values):
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + fixed(*values)


def tabulated(values):
    return b"curv" + bytes(4) + struct.pack(">I", len(values)) + np.asarray(values, ">u2").tobytes()


def screen(primaries, tone):
    xyz = {
        name: b"XYZ " + bytes(4) + fixed(*of) for name, of in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)
    }
    return icc(b"mntr", b"RGB ", xyz | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone))


# Red, green and blue as CIE XYZ adapted to D50.
LCMS = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).profile
SRGB = [getattr(LCMS, f"{colour}_colorant")[0] for colour in ("red", "green", "blue")]
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
PROPHOTO = [(0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)]
GAMMA = parametric(0, 2.19921875)
LINEAR_GREY = icc(
    b"mntr", b"GRAY", {b"kTRC": parametric(0, 1.0), b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249)}
)


def srgb_of(linear):
    """The sRGB curve (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(values, profile=None, key=None):
    """A 16-bit PNG of (H, W, 1 to 4), every other row as differences from the pixel before."""
    height, width, channels = values.shape
    rows = []
    for n, row in enumerate(values.astype(">u2")):
        whole = np.frombuffer(row.tobytes(), np.uint8).reshape(width, 2 * channels)
        less = np.vstack([np.zeros_like(whole[:1]), whole[:-1]])
        rows.append(bytes([n % 2]) + (whole - less * (n % 2)).astype(np.uint8).tobytes())
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    told = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    told += [] if profile is None else [chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))]
    told += [] if key is None else [chunk(b"tRNS", np.asarray(key, ">u2").tobytes())]
    return b"".join([b"\x89PNG\r\n\x1a\n", *told, chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND", b"")])


def tiff(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, **{"photometric": "rgb", **options})
    return file.getvalue()


def over_white(values, alpha=ALPHA):
    return values / 65535 * alpha + 1 - alpha


MULTIPLIED = np.dstack([np.rint(COLOURS * ALPHA), VALUES[..., 3]]).astype(np.uint16)
DEFLATE = {"compression": "zlib", "predictor": True}
UNASSOCIATED = {"extrasamples": ["unassalpha"]}
IN_GREY = {"photometric": "minisblack", "planarconfig": "contig"}

KEPT = {
    "png": (png(COLOURS), COLOURS / 65535),
    "png grey": (png(GREY), GREY / 65535),
    "png and alpha": (png(VALUES), over_white(COLOURS)),
    "png grey and alpha": (png(VALUES[..., [0, 3]]), over_white(GREY)),
    "tiff": (tiff(COLOURS), COLOURS / 65535),
    "tiff big-endian": (tiff(COLOURS, byteorder=">"), COLOURS / 65535),
    "tiff deflated": (tiff(COLOURS, **DEFLATE), COLOURS / 65535),
    "tiff deflated big-endian": (tiff(COLOURS, byteorder=">", **DEFLATE), COLOURS / 65535),
    "tiff in tiles": (tiff(COLOURS, tile=(32, 32), **DEFLATE), COLOURS / 65535),
    "tiff in strips": (tiff(COLOURS, rowsperstrip=7), COLOURS / 65535),
    "tiff planes apart": (tiff(np.moveaxis(COLOURS, 2, 0), planarconfig="separate"), COLOURS / 65535),
    "tiff and alpha": (tiff(VALUES, **UNASSOCIATED, **DEFLATE), over_white(COLOURS)),
    "tiff and something else": (tiff(VALUES, extrasamples=["unspecified"]), COLOURS / 65535),
    "tiff multiplied by alpha": (tiff(MULTIPLIED, extrasamples=["assocalpha"]), over_white(COLOURS)),
    "tiff grey": (tiff(GREY[..., 0], photometric="minisblack"), GREY / 65535),
    "tiff white is zero": (tiff(GREY[..., 0], photometric="miniswhite"), 1 - GREY / 65535),
    "tiff grey and alpha": (tiff(VALUES[..., [0, 3]], **IN_GREY, **UNASSOCIATED), over_white(GREY)),
    "tiff of floats": (tiff((COLOURS / 65535).astype(np.float32)), COLOURS / 65535),
    "tiff of 32 bits": (tiff(COLOURS.astype(np.uint32) * 65537), COLOURS / 65535),
}


@pytest.mark.parametrize("kind", KEPT)
def test_sixteen_bits_are_kept(tmp_path, kind):
    data, expected = KEPT[kind]
    (tmp_path / "x").write_bytes(data)  # a file, which libtiff reads by its descriptor, and bytes, which it does not
    for source in (tmp_path / "x", data):
        image = read(source)
        assert image.is_contiguous()
        np.testing.assert_allclose(
            pixels(image), np.broadcast_to(expected, (HEIGHT, WIDTH, 3)), rtol=0, atol=1.1 / 65535
        )


@pytest.mark.parametrize("kind", ["png and alpha", "tiff and alpha"])
def test_alpha_is_kept_as_deep(kind):
    alpha = read_with_alpha(KEPT[kind][0])[1]
    np.testing.assert_allclose(pixels(alpha), ALPHA, rtol=0, atol=1e-6)


@pytest.mark.parametrize("values", [GREY, COLOURS])
def test_a_colour_that_stands_for_nothing(values):
    """All 16 bits of it count: a colour with the same high bytes is there."""
    values = values.copy()
    values[0, 0] = values[0, 1] = values[5, 5]
    values[0, 1, 0] ^= 1
    got = pixels(read(png(values, key=values[5, 5])))
    assert (got[0, 0] == 1).all()
    assert (got[5, 5] == 1).all()
    np.testing.assert_allclose(got[0, 1], np.broadcast_to(values[0, 1] / 65535, 3), rtol=0, atol=1e-6)


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
@pytest.mark.parametrize("options", [{}, DEFLATE, {"planarconfig": "separate"}])
def test_deep_pictures_are_turned_upright_once(orientation, options):
    turned = {1: lambda a: a, 3: lambda a: a[::-1, ::-1], 5: lambda a: a.transpose(1, 0, 2),
              6: lambda a: np.rot90(a, -1), 8: np.rot90}  # fmt: skip
    stored = COLOURS if options.get("planarconfig") is None else np.moveaxis(COLOURS, 2, 0)
    got = pixels(read(tiff(stored, extratags=[(274, "H", 1, orientation, True)], **options)))
    np.testing.assert_allclose(got, turned[orientation](COLOURS) / 65535, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["png", "tiff", "tiff planes apart", "png grey"])
@pytest.mark.parametrize("size", [48, 250])
def test_resizing_keeps_them_too(kind, size):
    data, whole = KEPT[kind]
    planes = np.moveaxis(np.broadcast_to(whole, (HEIGHT, WIDTH, 3)), 2, 0).astype(np.float32)
    to = (size, size * HEIGHT // WIDTH)
    expected = np.dstack([np.asarray(Image.fromarray(plane).resize(to, Image.Resampling.LANCZOS)) for plane in planes])
    got = pixels(read(data, size=size))
    inside = (expected > 0.05) & (expected < 0.95)  # where neither pass is clipped
    assert inside.mean() > 0.5
    assert np.median(np.abs(got - expected)[inside]) < 1 / 65535
    array = pixels(read(np.broadcast_to(np.rint(whole * 65535).astype(np.uint16), (HEIGHT, WIDTH, 3)), size=size))
    np.testing.assert_array_equal(got, array)


def test_out_of_sixteen_bits_come_sixteen(tmp_path):
    ramp = np.linspace(20000, 22000, 400).astype(np.uint16)
    image = read(png(np.broadcast_to(ramp[None, :, None], (32, 400, 3))), size=300)
    write(image, tmp_path / "x.tif", bits=16)
    found = tifffile.imread(tmp_path / "x.tif")
    steps = np.diff(found[16, 8:-8, 0].astype(int))
    assert 0 < steps.min() <= steps.max() < 20, "8 bits go in steps of 257"
    torch.testing.assert_close(read(tmp_path / "x.tif"), image, rtol=0, atol=0.51 / 65535)


# --- profiles ------------------------------------------------------------------------------------------------------


def test_a_profile_is_followed_in_sixteen_bits():
    swapped = screen([SRGB[1], SRGB[0], SRGB[2]], GAMMA)
    expected = srgb_of((COLOURS[..., [1, 0, 2]] / 65535) ** 2.19921875)
    for data in (png(COLOURS, profile=swapped), tiff(COLOURS, iccprofile=swapped)):
        np.testing.assert_allclose(pixels(read(data)), expected, rtol=0, atol=3e-5)
    dark = np.full((16, 256, 3), np.arange(256)[:, None] * 8, np.uint16)
    assert len(read(png(dark, profile=screen(SRGB, GAMMA))).unique()) > 200


def test_a_profile_of_grey():
    expected = np.broadcast_to(srgb_of(GREY / 65535), (HEIGHT, WIDTH, 3))
    np.testing.assert_allclose(pixels(read(png(GREY, profile=LINEAR_GREY))), expected, rtol=0, atol=2 / 65535)
    colours = screen(SRGB, parametric(0, 1.0))
    np.testing.assert_allclose(pixels(read(png(GREY, profile=colours))), expected, rtol=0, atol=3e-5)


@pytest.mark.parametrize("primaries", [SRGB, ADOBE, PROPHOTO])
@pytest.mark.parametrize(
    "tone",
    [
        GAMMA,
        parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
        tabulated(np.rint(65535 * np.linspace(0, 1, 1024) ** 1.8)),
        tabulated([461]),
        tabulated([]),
    ],
)
def test_profiles_say_the_same_to_littlecms(primaries, tone):
    """Of pixels that 8 bits can hold, LittleCMS makes the same."""
    profile, eight = screen(primaries, tone), eight_bits(COLOURS)
    picture = Image.fromarray(eight)
    picture.info["icc_profile"] = profile
    deep = pixels(read(png(eight.astype(np.uint16) * 257, profile=profile)))
    np.testing.assert_allclose(deep * 255, pixels(read(picture)) * 255, rtol=0, atol=1.2)


def test_srgb_stays_what_it_is():
    """Through its own curves and matrix, there and back."""
    shaper = shaper_of(srgb_profile())
    planes = np.ascontiguousarray(COLOURS.transpose(2, 0, 1))
    np.testing.assert_allclose(shaper(planes).astype(int), planes, rtol=0, atol=8)
    for profile in (None, b"nonsense" * 40, srgb_profile(), LINEAR_GREY):
        np.testing.assert_allclose(pixels(read(png(COLOURS, profile=profile))), COLOURS / 65535, rtol=0, atol=1e-6)


CURVES = {
    0: (lambda x: x**2.2, (2.2,)),
    1: (lambda x: (1.2 * x - 0.2) ** 2 if x >= 0.2 / 1.2 else 0, (2, 1.2, -0.2)),
    2: (lambda x: (0.8 * x - 0.1) ** 2 + 0.2 if x >= 0.1 / 0.8 else 0.2, (2, 0.8, -0.1, 0.2)),
    3: (lambda x: (0.9 * x + 0.1) ** 2 if x >= 0.3 else 0.5 * x, (2, 0.9, 0.1, 0.5, 0.3)),
    4: (lambda x: (0.8 * x + 0.1) ** 2 + 0.1 if x >= 0.3 else 0.5 * x + 0.05, (2, 0.8, 0.1, 0.5, 0.3, 0.1, 0.05)),
}
"""One of each kind of parametric curve (ICC.1:2022, table 68)."""


@pytest.mark.parametrize("kind", CURVES)
def test_parametric_curves(kind):
    formula, values = CURVES[kind]
    expected = [formula(n / 65535) for n in range(0, 65536, 97)]
    np.testing.assert_allclose(curve(parametric(kind, *values))[::97], expected, rtol=0, atol=5e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 65535), min_size=2, max_size=9))
def test_tabulated_curves(points):
    got = curve(tabulated(points))
    for n in (0, 1, 12345, 40000, 65535):
        at = n / 65535 * (len(points) - 1)
        low = min(int(at), len(points) - 2)
        expected = points[low] + (at - low) * (points[low + 1] - points[low])
        assert got[n] == pytest.approx(expected / 65535, abs=1e-6)


def test_a_profile_of_tables_is_followed_in_eight_bits():
    """As those of printers and scanners: this one has the darks of every channel lighter."""
    table = b"mft1\0\0\0\0" + bytes((3, 3, 2, 0)) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lighter = bytes(255 - (255 - n) * 3 // 4 for n in range(256))
    corners = b"".join(bytes((255 * r, 255 * g, 255 * b)) for r in (0, 1) for g in (0, 1) for b in (0, 1))
    tags = {b"A2B0": table + bytes(range(256)) * 3 + corners + lighter * 3}
    profile = bytearray(icc(b"scnr", b"RGB ", tags))
    profile[20:24] = b"Lab "
    assert ImageCms.ImageCmsProfile(io.BytesIO(bytes(profile))).profile.xcolor_space == "RGB "
    assert shaper_of(bytes(profile)) is None
    picture = Image.fromarray(eight_bits(COLOURS))
    picture.info["icc_profile"] = bytes(profile)
    expected = pixels(read(picture))
    assert np.abs(expected - eight_bits(COLOURS) / 255).max() > 0.1
    np.testing.assert_array_equal(pixels(read(png(COLOURS, profile=bytes(profile)))), expected)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400))
def test_broken_profiles_do_no_harm(junk, at):
    profile = bytearray(screen(ADOBE, GAMMA))
    profile[at : at + len(junk)] = junk
    image = read(png(COLOURS, profile=bytes(profile)))
    assert 0 <= image.min() <= image.max() <= 1
