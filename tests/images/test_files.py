"""Files in and out: what is read, what is refused and how, and that a file appears whole or not at all."""

import concurrent.futures
import contextlib
import io
import os
import resource
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import Base

from impasto.atomic import atomic
from impasto.errors import ImpastoError, InputError, LimitError, UsageError
from impasto.images import decoding, files
from impasto.images.decoding import digest, read_recipe
from impasto.images.files import read, write
from impasto.images.limits import Limits
from impasto.images.output import check_output
from impasto.images.sizes import fit, least_size

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
LOSSLESS = (".png", ".tif", ".tiff")
NOBODY = 65534

FOUR = np.full((32, 48, 3), 255, np.uint8)
"""Red, white, green above blue, white, white: no two of the eight orientations look alike."""
FOUR[:16, :16], FOUR[:16, 32:], FOUR[16:, :16] = (255, 0, 0), (0, 255, 0), (0, 0, 255)

STORED_AS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
"""How a picture lies in a file whose EXIF orientation says that (EXIF 2.3, tag 0x0112)."""


def noise(height, width, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def levels(source, **options):
    return read(source, **options)[0].permute(1, 2, 0).numpy() * 255


def save(path, array, **options):
    Image.fromarray(np.ascontiguousarray(array)).save(path, **options)
    return path


def png_header(width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@contextlib.contextmanager
def without_privileges():
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def open_folder():
    """A folder that anybody may enter, so that only the modes a test sets keep anybody out."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


# --- reading -------------------------------------------------------------------------------------------------------


def test_the_convention(tmp_path):
    image = read(save(tmp_path / "x.png", FOUR))
    assert image.shape == (1, 3, 32, 48)
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    np.testing.assert_array_equal(image[0].permute(1, 2, 0).numpy(), FOUR / np.float32(255))


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("jpg", {"quality": 100, "subsampling": 0}),
        ("png", {}),
        ("webp", {"lossless": True}),
        ("tif", {}),
        ("tif", {"compression": "tiff_lzw"}),
        ("avif", {"quality": 100}),
    ],
)
def test_exif_orientation(tmp_path, orientation, suffix, options):
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    path = save(tmp_path / f"x.{suffix}", STORED_AS[orientation](FOUR), exif=exif, **options)
    np.testing.assert_allclose(levels(path)[4::8, 4::8], FOUR[4::8, 4::8], atol=4)
    assert read(path, size=24).shape == (1, 3, 16, 24)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0nonsense"])
def test_broken_exif_is_no_reason_to_refuse(tmp_path, suffix, exif):
    path = save(tmp_path / f"x.{suffix}", FOUR, exif=exif)
    assert read(path).shape == (1, 3, 32, 48)
    assert read_recipe(path) is None


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_first_frame_of_an_animation(tmp_path, suffix):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:], **options)
    np.testing.assert_allclose(levels(tmp_path / f"x.{suffix}"), np.broadcast_to((255, 0, 0), (20, 20, 3)), atol=1e-3)


@pytest.mark.parametrize("suffix", ["bmp", "ppm", "jp2"])
def test_other_formats(tmp_path, suffix):
    np.testing.assert_allclose(levels(save(tmp_path / f"x.{suffix}", FOUR)), FOUR, atol=1e-3)


def test_the_name_does_not_decide_the_format(tmp_path):
    save(tmp_path / "x.png", FOUR).rename(tmp_path / "x.jpg")
    np.testing.assert_allclose(levels(tmp_path / "x.jpg"), FOUR, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((40, 80), 160, (80, 160)), ((80, 40), 160, (160, 80)), ((300, 200), 100, (100, 67)), ((64, 64), 64, (64, 64))],
)
def test_size_is_the_long_side(tmp_path, shape, size, expected):
    path = save(tmp_path / "x.png", np.zeros((*shape, 3), np.uint8))
    assert read(path, size=size).shape[2:] == expected


def test_shrinking_averages_rather_than_picks(tmp_path):
    checkers = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    np.testing.assert_allclose(levels(save(tmp_path / "x.png", checkers), size=64), 127.5, atol=1)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("size", [40, 100, 333])
def test_shrinking_neither_shifts_nor_darkens(tmp_path, suffix, size):
    """A straight ramp, averaged over pixels of any size, is the same straight ramp at their centres."""
    ramp = np.broadcast_to(np.linspace(20, 235, 1001), (700, 1001))
    path = save(tmp_path / f"x.{suffix}", ramp.round().astype(np.uint8))
    got = levels(path, size=size)
    centres = (np.arange(size) + 0.5) * 1001 / size - 0.5
    expected = np.interp(centres, np.arange(1001), ramp[0])
    difference = (got.mean((0, 2)) - expected)[3:-3]
    assert np.abs(difference).max() < 1.5, "rounded to whole levels in the file, and again after"
    assert abs(difference.mean()) < 0.2, "one pixel of the file"


def test_growing_a_flat_picture_keeps_it_flat(tmp_path):
    path = save(tmp_path / "x.png", np.full((16, 16, 3), (10, 200, 99), np.uint8))
    np.testing.assert_allclose(levels(path, size=50), np.broadcast_to((10, 200, 99), (50, 50, 3)), atol=1e-3)


# --- refusing ------------------------------------------------------------------------------------------------------


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_text("dear diary, " * 100)


def _postscript(path):
    Image.new("RGB", (20, 20)).save(path, "EPS")


def _cut(kind):
    def make(path):
        buffer = io.BytesIO()
        Image.fromarray((noise(40, 40)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)).save(buffer, kind)
        path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.absolute, "does not exist: check"),
        (Path.mkdir, "is a folder: name"),
        (os.mkfifo, "is a pipe or a device: save"),
        (_empty, r"is empty \(0 bytes\): copy"),
        (_text, "is damaged, or not a picture .*: save it again"),
        (_postscript, "is damaged, or not a picture"),
        (lambda path: Image.new("RGB", (15, 40)).save(path, "PNG"), "too small at 15 x 40 px: .* at least 16 px"),
        (lambda path: Image.new("RGB", (1, 1)).save(path, "PNG"), "too small at 1 x 1 px"),
        *((_cut(kind), "damaged") for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")),
    ],
)
def test_what_is_no_picture(tmp_path, make, words):
    path = tmp_path / "holiday"
    make(path)
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 3


def test_without_permission(open_folder):
    path = save(open_folder / "x.png", FOUR)
    with without_privileges():
        assert read(path).shape == (1, 3, 32, 48)
    path.chmod(0)
    with without_privileges(), pytest.raises(InputError, match=r"x\.png' may not be read \(permission denied\): ask"):
        read(path)


def test_odd_names():
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(InputError, match="check its name"):
            read(name)


@pytest.mark.parametrize("size", [20, 1, 0, -5])
def test_too_small_after_resizing(tmp_path, size):
    path = save(tmp_path / "x.png", np.zeros((20, 100, 3), np.uint8))
    with pytest.raises(InputError, match="at least 16 px on each side"):
        read(path, size=size)


def test_a_header_that_promises_too_much(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(60_000, 60_000))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(LimitError, match=r"bomb\.png' is too large.* 100,000,000 pixels; .*`limits`") as caught:
        read(path)
    assert caught.value.exit_code == 4
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


@pytest.mark.parametrize("side", [9_000, 10_001, 13_000])
def test_limit_on_either_side_of_pillows_own(tmp_path, side):
    """Pillow itself warns from 89 million pixels."""
    path = tmp_path / "x.png"
    path.write_bytes(png_header(side, side))
    with pytest.raises(LimitError, match=f"at {side} x {side} px: more than 80,000,000"):
        read(path, limits=Limits(80_000_000))


def test_limit_of_a_few_pixels(tmp_path):
    path = save(tmp_path / "x.png", FOUR)
    assert read(path, limits=Limits(32 * 48)).shape == (1, 3, 32, 48)
    with pytest.raises(LimitError, match="at 48 x 32 px: more than 1,535 pixels"):
        read(path, limits=Limits(32 * 48 - 1))
    with pytest.raises(
        LimitError, match=r"would be 96 x 64 px at `size` 96: .*smaller `size`, or allow more pixels by `limits`"
    ):
        read(path, size=96, limits=Limits(5000))


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_more_than_pillow_allows_and_its_limit_comes_back(tmp_path, monkeypatch, suffix):
    path = save(tmp_path / f"x.{suffix}", FOUR)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    filters = list(warnings.filters)
    assert read(path).shape == (1, 3, 32, 48)
    with pytest.raises(LimitError):
        read(path, limits=Limits(50))
    assert Image.MAX_IMAGE_PIXELS == 100
    assert warnings.filters == filters


def test_many_threads_leave_pillow_as_it_was(tmp_path):
    path = save(tmp_path / "x.png", FOUR)
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        shapes = {image.shape for image in pool.map(lambda _: read(path, limits=Limits(10**9)), range(200))}
    assert shapes == {(1, 3, 32, 48)}
    assert limit == Image.MAX_IMAGE_PIXELS
    assert warnings.filters == filters


def test_lack_of_memory_is_a_limit(tmp_path, monkeypatch):
    def starve(picture, **options):
        raise MemoryError

    monkeypatch.setattr(decoding.colour, "to_srgb", starve)
    with pytest.raises(LimitError, match=r"not enough memory to decode .*x\.png"):
        read(save(tmp_path / "x.png", FOUR))


def test_nothing_but_our_error_on_stderr(tmp_path):
    """Both Pillow and tifffile log and warn about this one: eight samples per pixel, and an EXIF block cut short."""
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((20, 20, 8), np.uint8), photometric="rgb", planarconfig="contig")
    save(tmp_path / "x.jpg", FOUR, exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0\x0e\x01\x02\0\xff\0\0\0\0\0")
    code = f"""
        from impasto.errors import InputError
        from impasto.images.files import read
        read({str(tmp_path / "x.jpg")!r})
        try:
            read({str(tmp_path / "x.tif")!r})
        except InputError:
            print("refused")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")


# --- sizes ---------------------------------------------------------------------------------------------------------


@given(st.integers(16, 300), st.integers(16, 30_000))
def test_the_least_size_is_the_least(short, long):
    least = least_size((long, short))
    assert min(fit((long, short), least, enlarge=True)) >= 16
    assert min(fit((short, long), least - 1, enlarge=True)) < 16


PANORAMA = np.random.default_rng(0).integers(0, 256, (60, 2000, 3), dtype=np.uint8)
PANORAMAS = {
    "file": lambda folder: save(folder / "x.png", PANORAMA),
    "deep file": lambda folder: save(folder / "x.tif", PANORAMA[..., 0].astype(np.uint16)),
    "Pillow": lambda _: Image.fromarray(PANORAMA),
    "array": lambda _: PANORAMA,
    "tensor": lambda _: torch.from_numpy(PANORAMA / np.float32(255)).permute(2, 0, 1),
}


@pytest.mark.parametrize("kind", PANORAMAS)
def test_a_panorama_is_told_what_would_become_of_it(tmp_path, kind):
    source = PANORAMAS[kind](tmp_path)
    with pytest.raises(InputError, match=r"is 2000 x 60 px, .* at 512 x 15 px: .*; the least `size` for it is 517$"):
        read(source, size=512)
    with pytest.raises(InputError, match="at 516 x 15 px"):
        read(source, size=516)
    assert read(source, size=517).shape == (1, 3, 16, 517)
    assert read(source, size=512, enlarge=False, short_side=16).shape == (1, 3, 16, 533)
    assert read(source, size=3000, enlarge=False, short_side=16).shape == (1, 3, 60, 2000)


def _encoded():
    array = (np.indices((20, 24)).sum(0)[..., None] * np.array([5, 3, 4])).astype(np.uint8)
    kinds = {"png": {}, "jpeg": {}, "webp": {}, "tiff": {"compression": "tiff_adobe_deflate"}, "gif": {}, "avif": {}}
    for kind, options in kinds.items():
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, kind, **options)
        yield kind, buffer.getvalue()
    buffer = io.BytesIO()
    deep = {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"}
    tifffile.imwrite(buffer, array.transpose(2, 0, 1).astype(np.uint16) * 200, **deep)
    yield "deep tiff", buffer.getvalue()


ENCODED = dict(_encoded())


@pytest.mark.parametrize("kind", ENCODED)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_gives_a_picture_or_our_error_and_nothing_else(tmp_path, kind, data):
    encoded = bytearray(ENCODED[kind])
    if data.draw(st.booleans(), "cut"):
        encoded = encoded[: data.draw(st.integers(0, len(encoded)), "length")]
    else:
        for at, value in data.draw(
            st.dictionaries(st.integers(0, len(encoded) - 1), st.integers(0, 255), max_size=4)
        ).items():
            encoded[at] = value
    path = tmp_path / "x"
    path.write_bytes(encoded)
    try:
        image = read(path, limits=Limits(1_000_000))
    except ImpastoError as error:
        assert str(path) in str(error)  # noqa: PT017 - either outcome is fine
    else:
        assert image.shape[:2] == (1, 3)
        assert image.dtype == torch.float32
        assert 0 <= image.min() <= image.max() <= 1


# --- writing -------------------------------------------------------------------------------------------------------


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(16, 40), st.integers(16, 40), st.integers(0, 2**32))
def test_png_comes_back_within_half_a_step(tmp_path, height, width, seed):
    image = noise(height, width, seed)
    write(image, tmp_path / "x.png")
    assert (read(tmp_path / "x.png") - image).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(16, 70), st.integers(16, 70), st.sampled_from([3, 4]), st.sampled_from([8, 16]), st.integers(0, 99))
def test_whatever_is_written_is_read_as_it_was(tmp_path, suffix, height, width, channels, bits, seed):
    """To half a step, where the format loses nothing; one that has no alpha is over white."""
    bits = bits if suffix in (".tif", ".tiff") else 8
    image = torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(seed))
    write(image, tmp_path / f"x{suffix}", bits=bits)
    found = decoding.decode(tmp_path / f"x{suffix}", with_alpha=True)
    assert found.shape == (height, width, 3 if suffix in (".jpg", ".jpeg") else channels)
    assert found.dtype == (np.uint16 if bits == 16 else np.uint8)
    expected = image[0].permute(1, 2, 0).double().numpy() * (2**bits - 1)
    if suffix in LOSSLESS:
        assert np.abs(found - expected).max() <= 0.51
    elif suffix == ".webp":
        assert np.abs(found.mean((0, 1)) - expected.mean((0, 1))).max() < 8
    else:
        alpha = expected[..., 3:] / 255 if channels == 4 else 1
        assert np.abs(found - (255 - (255 - expected[..., :3]) * alpha)).mean() < 5


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_writes_its_own_format(tmp_path, suffix):
    image = torch.from_numpy(FOUR / np.float32(255)).permute(2, 0, 1)[None]
    path = tmp_path / f"x{suffix.upper()}"
    write(image, path)
    with Image.open(path) as picture:
        assert picture.format == {".jpg": "JPEG", ".tif": "TIFF"}.get(suffix, suffix[1:].upper())
    np.testing.assert_allclose(levels(path)[4::8, 4::8], FOUR[4::8, 4::8], atol=0.01 if suffix in LOSSLESS else 6)


def test_jpeg_keeps_colour_at_full_resolution(tmp_path):
    write(noise(32, 32), tmp_path / "x.jpg")
    with Image.open(tmp_path / "x.jpg") as picture:
        assert {component[1:3] for component in picture.layer} == {(1, 1)}
        # Quality 95 multiplies the tables of the JPEG standard, whose first entry is 16, by 0.1.
        assert picture.quantization[0][0] == 2


def test_values_are_clamped_and_rounded(tmp_path):
    image = torch.zeros(1, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        image[0, :, 0, :6] = torch.tensor([-3.0, 7.0, 0.4 / 255, 0.6 / 255, 253.4 / 255, 254.6 / 255])
    write(image, tmp_path / "x.png")
    assert [round(v) for v in levels(tmp_path / "x.png")[0, :6, 0].tolist()] == [0, 255, 0, 1, 253, 255]


RECIPE = {"style": "Sternennacht: größer ✓", "weights": [1e-3, 2], "nested": {"a": None, "b": True}}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_recipe_comes_back(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write(noise(20, 20), path, recipe=RECIPE)
    assert read_recipe(path) == RECIPE
    assert path.read_bytes().count(b'{"style": "Sternennacht: gr\\u00f6') == 1
    with Image.open(path) as picture:
        assert picture.getexif()[0x0131] == "impasto"
    assert read(path).shape == (1, 3, 20, 20)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_recipe_there_is_no_metadata(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write(noise(20, 20), path)
    assert read_recipe(path) is None
    data = path.read_bytes()
    assert not any(word in data for word in (b"impasto", b"eXIf", b"EXIF", b"Exif", b"tEXt"))
    with Image.open(path) as picture:
        described = set(picture.getexif()) & {Base.ImageDescription, Base.Software, Base.DateTime, Base.Artist}
    assert not described


@pytest.mark.parametrize("tags", [{0x010E: "{}"}, {0x0131: "impasto"}, {0x0131: "impasto", 0x010E: "{no json"},
                                  {0x0131: "impasto", 0x010E: "[1]"},
        {0x0131: "impasto", 0x010E: "[" * 9999}])  # fmt: skip
def test_other_peoples_descriptions_are_no_recipe(tmp_path, tags):
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    assert read_recipe(save(tmp_path / "x.png", FOUR, exif=exif)) is None


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (torch.full((1, 3, 16, 16), torch.nan), InputError),
        (torch.full((1, 3, 16, 16), torch.inf), InputError),
        (torch.zeros(16, 16, 3), UsageError),
        (torch.zeros(1, 1, 16, 16), UsageError),
        (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), UsageError),
        (torch.zeros(1, 3, 16, 16_384), UsageError),
        (torch.zeros(1, 3, 0, 16), UsageError),
    ],
)
def test_what_is_no_image_is_not_written(tmp_path, image, error):
    with pytest.raises(error):
        write(image, tmp_path / "x.webp")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x", "x.gif", "x.png.txt"])
def test_unknown_suffix(tmp_path, name):
    for attempt in (lambda: write(noise(16, 16), tmp_path / name), lambda: check_output(tmp_path / name)):
        with pytest.raises(UsageError, match=r"\.png, \.jpg, \.jpeg, \.webp, \.tif, \.tiff"):
            attempt()


@pytest.mark.parametrize(("suffix", "most"), [("webp", 16_383), ("jpg", 65_500)])
def test_as_long_as_the_format_has_it_and_no_longer(tmp_path, suffix, most):
    """What is said to be too long is what the library refuses, and what is not is saved."""
    path = tmp_path / f"x.{suffix}"
    write(torch.zeros(1, 3, 16, most), path)
    with Image.open(path) as picture:
        assert picture.size == (most, 16)
    for size in ((1, 3, 16, most + 1), (1, 3, most + 1, 16)):
        with pytest.raises(UsageError, match=rf"at most {most:,} on a side; .* smaller `size`"):
            write(torch.zeros(size), path)
    with pytest.raises((OSError, ValueError)):
        Image.new("RGB", (most + 1, 16)).save(tmp_path / f"y.{suffix}")


def test_more_than_four_gigabytes_are_bigtiff(tmp_path, monkeypatch):
    image = noise(40, 50)
    write(image, tmp_path / "x.tif", bits=16)
    assert (tmp_path / "x.tif").read_bytes()[:4] == b"II*\0"
    monkeypatch.setattr(files, "CLASSIC", 6 * 40 * 50 - 1)
    write(image, tmp_path / "x.tif", bits=16)
    assert (tmp_path / "x.tif").read_bytes()[:4] == b"II+\0"
    torch.testing.assert_close(read(tmp_path / "x.tif"), image, rtol=0, atol=0.51 / 65535)


# --- memory --------------------------------------------------------------------------------------------------------

MEASURED = """
    import resource, sys
    import numpy as np, torch
    from impasto.images.files import read, write

    what, bits = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    for suffix, kind in ((".png", 8), (".tif", 8), (".tif", 16)):  # what is needed once
        write(torch.rand(1, 3, 64, 64), "small" + suffix, bits=kind)
        read("small" + suffix, size=32)
    image = torch.linspace(0, 1, 4000).expand(1, 3, 3000, 4000).contiguous() if what.startswith(".") else None
    array = np.zeros((3000, 4000, 3), np.uint8) if what == "array" else None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if image is not None:
        write(image, "out" + what, bits=bits)
    else:
        read(what if array is None else array, size=None if bits == 0 else bits)
    print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 12e6)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Twelve megapixels in 8 bits and in 16."""
    folder = tmp_path_factory.mktemp("large")
    ramp = np.linspace(0, 65535, 4000).astype(np.uint16)
    deep = np.ascontiguousarray(np.broadcast_to(ramp[:, None], (3000, 4000, 3)))
    tifffile.imwrite(folder / "16.tif", deep, photometric="rgb", compression="zlib")
    tifffile.imwrite(folder / "8.tif", (deep >> 8).astype(np.uint8), photometric="rgb")
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
@pytest.mark.parametrize(
    ("what", "number", "most"),
    [
        ("8.tif", 0, 3 + 12),
        ("16.tif", 0, 6 + 12),
        ("array", 0, 12),
        ("16.tif", 1000, 10.5),
        (".png", 8, 4),
        (".tif", 16, 6),
    ],
)
def test_bytes_for_a_pixel(large, what, number, most):
    """In reading as large as it is (0) or at a size, and in writing, beyond what was there before; 2 MiB of 12 million
    pixels' are the interpreter's."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(MEASURED), what, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=large)
    assert float(done.stdout) < 1.1 * most + 0.7


# --- whole or not at all -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exception", [KeyboardInterrupt, OSError, MemoryError])
def test_failing_midway_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, exception):
    path = save(tmp_path / "x.png", FOUR)
    before = path.read_bytes()

    def fail(descriptor):
        assert len(list(tmp_path.iterdir())) == 2, "the temporary file lies beside the picture"
        raise exception

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(InputError if exception is OSError else exception):
            write(noise(64, 64), path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_mode_is_what_the_umask_gives(tmp_path, mask, mode):
    old = os.umask(mask)
    try:
        write(noise(16, 16), tmp_path / "x.png")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x.png").stat().st_mode) == mode


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "x.png", tmp_path / "there" / "y.png"
    link.symlink_to(target)
    write(noise(16, 16), link)
    assert link.is_symlink()
    assert read(target).shape == (1, 3, 16, 16)


def test_longest_name(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    write(noise(16, 16), path)
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written_to(open_folder):
    with pytest.raises(InputError, match=r"nowhere/x\.png' cannot be written"):
        write(noise(16, 16), open_folder / "nowhere" / "x.png")
    with pytest.raises(InputError, match=r"folder of .* does not exist: create"):
        check_output(open_folder / "nowhere" / "x.png")
    open_folder.chmod(0o555)
    with without_privileges():
        with pytest.raises(InputError, match=r"x\.png' cannot be written \(Permission denied\)"):
            write(noise(16, 16), open_folder / "x.png")
        with pytest.raises(InputError, match="may not be written to: save elsewhere"):
            check_output(open_folder / "x.png")


def _assert_no_room(folder):
    path = folder / "x.png"
    write(noise(16, 16), path)
    before = path.read_bytes()
    with pytest.raises(LimitError, match=r"no room for .*x\.png.*: free some space") as caught:
        write(noise(256, 256), path)
    assert caught.value.exit_code == 4
    assert list(folder.iterdir()) == [path]
    assert path.read_bytes() == before


def test_full_disk(tmp_path):
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root and mount(8)")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk may not be mounted here: {done.stderr.decode().strip()}")
    try:
        _assert_no_room(tmp_path)
    finally:
        subprocess.run([umount, tmp_path], check=True)


def test_largest_file_allowed(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        _assert_no_room(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


KILLED = """
    import os, random, signal, sys, time
    from pathlib import Path
    import torch
    from impasto.images.files import write

    torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
    folder, seen = Path(sys.argv[1]), set()
    images = [torch.rand(1, 3, 1000, 1000, generator=torch.Generator().manual_seed(i)) for i in (0, 1)]
    for i, image in enumerate(images):
        start = time.perf_counter()
        write(image, folder / f"{i}.jpg")
        seconds = time.perf_counter() - start
    whole = {(folder / f"{i}.jpg").read_bytes(): i for i in (0, 1)}
    random.seed(0)
    parts = []
    for _ in range(300):
        if parts and len(seen) >= 2:
            break
        child = os.fork()
        if child == 0:
            while True:
                for image in images:
                    write(image, folder / "x.jpg")
        time.sleep(random.uniform(0, 4 * seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if (folder / "x.jpg").exists():
            seen.add(whole.get((folder / "x.jpg").read_bytes(), "partial"))
        parts = list(folder.glob(".*.part"))
    write(images[0], folder / "x.jpg")
    print(sorted(seen, key=str), len(parts), len(list(folder.glob(".*.part"))))
"""


def test_killed_at_any_moment(tmp_path):
    """SIGKILL gives no chance to clean up: hidden parts may stay until the next time, but never under the picture's
    name."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(KILLED), tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen, parts, left = done.stdout.rsplit(maxsplit=2)
    assert (seen, left) == ("[0, 1]", "0")
    assert int(parts) > 0, "no kill struck while a file was being written: this tested nothing"


def test_what_another_writes_is_no_leftover(tmp_path):
    """Of the same file, in this process or another; nor what only looks like one."""
    path = tmp_path / "x"
    program = (
        "import sys; from pathlib import Path; from impasto.atomic import atomic\nwith atomic(Path(sys.argv[1])): pass"
    )
    for foreign in (".0123456789abcdef.part", ".x.part", "x.part"):
        (tmp_path / foreign).touch()
    with atomic(path) as first, atomic(path) as second, atomic(tmp_path / "y"):
        subprocess.run([sys.executable, "-c", program, path], check=True)
        assert len(list(tmp_path.glob(".*-*.part"))) == 3
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"
    assert not list(tmp_path.glob(".*-*.part"))
    assert {path.name for path in tmp_path.iterdir()} == {"x", "y", ".0123456789abcdef.part", ".x.part", "x.part"}


def test_threads_that_write_one_file_take_nothing_from_each_other(tmp_path):
    def write_it(number):
        for _ in range(100):
            with atomic(tmp_path / "x") as file:
                file.write(b"%d" % number)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(write_it, range(8)))
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


# --- before a long run ---------------------------------------------------------------------------------------------


def test_output_that_is_an_input_under_any_name(tmp_path):
    photo = save(tmp_path / "photo.png", FOUR)
    (tmp_path / "soft.png").symlink_to(photo)
    (tmp_path / "hard.png").hardlink_to(photo)
    (tmp_path / "sub").mkdir()
    for name in ("photo.png", "soft.png", "hard.png", "sub/../photo.png"):
        with pytest.raises(UsageError, match="is the same file as the input"):
            check_output(tmp_path / name, ["sample:coffee", photo])
    check_output(tmp_path / "other.png", ["sample:coffee", photo, tmp_path / "missing.png"])
    check_output(save(tmp_path / "exists.png", FOUR), [photo])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["exists.png", "hard.png", "photo.png", "soft.png", "sub"]


def test_output_that_is_a_folder(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_output(tmp_path / "x.png")


def test_a_pipe_is_never_replaced(tmp_path):
    """Nor a device: not by its name, and not by a link to it."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "pipe.png")
    for name in ("pipe.png", "link.png"):
        with pytest.raises(UsageError, match=r"is a pipe or a device: name a file"):
            check_output(tmp_path / name)
        with pytest.raises(InputError, match=r"cannot be written \(no ordinary file\)"):
            write(noise(16, 16), tmp_path / name)
    assert stat.S_ISFIFO((tmp_path / "pipe.png").stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.png", "pipe.png"]


def test_output_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_output("x.png")
    write(noise(16, 16), "x.png")
    assert read("x.png").shape == (1, 3, 16, 16)


def test_digest(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")  # the test vector of FIPS 180-2, appendix B.1
    assert digest(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="does not exist"):
        digest(tmp_path / "y")
