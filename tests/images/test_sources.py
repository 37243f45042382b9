"""What a picture may come from: every kind gives the same image, and what is none is told what it was."""

import io
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import Base

import impasto
from impasto.errors import ImpastoError, InputError, LimitError, UsageError
from impasto.images.files import read
from impasto.images.limits import Limits

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
EXPECTED = torch.from_numpy(PIXELS.astype(np.float32) / 255).permute(2, 0, 1)[None]


def in_memory(kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **options)
    return file


def opened_path(tmp_path):
    (tmp_path / "x.png").write_bytes(in_memory().getvalue())
    return tmp_path / "x.png"


SOURCES = {
    "path": opened_path,
    "its text": lambda folder: str(opened_path(folder)),
    "bytes": lambda _: in_memory().getvalue(),
    "BytesIO": lambda _: io.BytesIO(in_memory().getvalue()),
    "Pillow": lambda _: Image.fromarray(PIXELS),
    "Pillow, not loaded": lambda folder: Image.open(opened_path(folder)),
    "HWC uint8": lambda _: PIXELS,
    "CHW uint8": lambda _: PIXELS.transpose(2, 0, 1),
    "1HWC uint8": lambda _: PIXELS[None],
    "1CHW uint8": lambda _: PIXELS.transpose(2, 0, 1)[None],
    "HWC uint16": lambda _: PIXELS.astype(np.uint16) * 257,
    "HWC float32": lambda _: (PIXELS / 255).astype(np.float32),
    "CHW float64": lambda _: (PIXELS / 255).transpose(2, 0, 1),
    "RGBA, opaque": lambda _: np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]),
    "tensor": lambda _: EXPECTED,
    "tensor without its 1": lambda _: EXPECTED[0],
    "tensor, float64": lambda _: EXPECTED.double(),
    "tensor, uint8": lambda _: torch.from_numpy(PIXELS).permute(2, 0, 1),
    "tensor with a gradient": lambda _: EXPECTED.clone().requires_grad_(True),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same_image(tmp_path, kind):
    image = read(SOURCES[kind](tmp_path))
    assert (image.dtype, image.shape, image.requires_grad) == (torch.float32, EXPECTED.shape, False)
    torch.testing.assert_close(image, EXPECTED, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same_image_at_another_size(tmp_path, kind):
    with Image.open(opened_path(tmp_path)) as picture:
        expected = np.asarray(picture.resize((28, 20), Image.Resampling.LANCZOS, reducing_gap=3.0)) / 255
    image = read(SOURCES[kind](tmp_path), size=28)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-6)


def test_more_than_eight_bits_are_kept():
    fine = torch.linspace(0.5, 0.51, 64).expand(1, 3, 32, 64)
    assert len(read(fine, size=48).unique()) > 16
    assert len(read(fine.mul(255).round() / 255, size=48).unique()) < 5


def test_every_source_can_be_painted(tmp_path):
    options = {"size": 32, "steps": 1, "scales": 1}
    for kind, source in SOURCES.items():
        step = next(impasto.stylize(source(tmp_path), source(tmp_path), **options))
        assert step.image.shape == (1, 3, 23, 32), kind


def test_an_image_of_pillows_is_left_as_it_is(tmp_path):
    """Even one that is not loaded, whose decoder could be told to give a smaller one."""
    in_jpeg = Image.open(in_memory("JPEG", quality=95))
    read(in_jpeg, size=24)
    assert in_jpeg.size == (56, 40)


def test_exif_orientation_counts_for_pillows_images_too():
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    assert read(Image.open(in_memory(exif=exif))).shape == (1, 3, 56, 40)


def test_an_open_file_is_read_and_stays_open(tmp_path):
    with opened_path(tmp_path).open("rb") as file:
        assert torch.equal(read(file), read(tmp_path / "x.png"))
        assert not file.closed


def test_grey_and_transparent_arrays():
    grey = PIXELS[..., 0]
    assert torch.equal(read(grey), read(np.dstack([grey] * 3)))
    assert torch.equal(read(grey[..., None]), read(grey))
    half = np.dstack([np.zeros_like(PIXELS), np.full(PIXELS.shape[:2], 51, np.uint8)])
    torch.testing.assert_close(read(half), torch.full((1, 3, 40, 56), 0.8))


def test_a_resamplers_rounding_is_clamped():
    image = torch.full((1, 3, 16, 16), 1 + 5e-4)
    image[..., 0] = -5e-4
    assert read(image).min() == 0
    assert read(image).max() == 1


@given(
    st.sampled_from(["uint8", "uint16", "float32"]), st.integers(16, 40), st.integers(16, 40), st.sampled_from([1, 3])
)
@settings(max_examples=25, deadline=None)
def test_height_and_width_are_never_swapped(kind, height, width, channels):
    array = np.zeros((height, width, channels), kind)
    assert read(array).shape == (1, 3, height, width)
    assert read(torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1)).shape == (1, 3, height, width)


LARGE = np.full((20, 20, 3), 255.0)
REFUSED = {
    "floats to 255": (LARGE, UsageError, r"\(20, 20, 3\) of float64 with values from 255 to 255"),
    "negative": (torch.full((1, 3, 20, 20), -1.0), UsageError, r"of float32 with values from -1 to -1"),
    "NaN": (torch.full((1, 3, 20, 20), math.nan), UsageError, "values that are not numbers"),
    "infinity": (np.full((20, 20, 3), math.inf), UsageError, "values from inf to inf"),
    "integers": (np.zeros((20, 20, 3), int), UsageError, r"uint8, uint16, or floats .* not \(20, 20, 3\) of int64"),
    "booleans": (np.zeros((20, 20), bool), UsageError, r"not \(20, 20\) of bool"),
    "two channels": (np.zeros((20, 20, 2)), UsageError, r"not \(20, 20, 2\) of float64"),
    "two images": (torch.zeros(2, 3, 20, 20), UsageError, r"not \(2, 3, 20, 20\) of float32"),
    "channels last in a tensor": (torch.zeros(20, 20, 3), UsageError, r"not \(20, 20, 3\)"),
    "nothing in it": (np.zeros((0, 20, 3)), InputError, "an image is too small at 20 x 0 px"),
    "narrow": (np.zeros((20, 8, 3)), InputError, "an image is too small at 8 x 20 px"),
    "no bytes": (b"", InputError, "'<bytes>' is empty"),
    "other bytes": (b"hello", InputError, "'<bytes>' is damaged, or not a picture"),
    "text": (io.StringIO("hello"), UsageError, "open as text"),
    "a narrow image of Pillow's": (Image.new("RGB", (8, 20)), InputError, "'<image>' is too small at 8 x 20 px"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_told_what_it_is(kind):
    source, error, words = REFUSED[kind]
    with pytest.raises(error, match=words):
        read(source)


def test_an_error_names_the_parameter():
    for parameters in ((LARGE, "sample:wave"), ("sample:chelsea", LARGE)):
        name = "content" if parameters[0] is LARGE else "style"
        with pytest.raises(UsageError, match=rf"^`{name}`: floats are from 0 .black. to 1"):
            impasto.stylize(*parameters, size=32)


def test_what_is_no_source_at_all():
    """In a process of its own, where no annotation is checked at the call."""
    program = """
import impasto
for source in (5, None, [1, 2], object):
    for call in (lambda: impasto.read(source), lambda: impasto.texture(source, 32, 32)):
        try:
            call()
        except impasto.ImpastoError as error:
            print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    told = ran.stdout.splitlines()
    assert len(told) == 8
    expected = "a picture is a path, bytes, an open file, an image of Pillow's, an array or a tensor, not "
    assert all(expected in line for line in told)
    assert told[0] == f"{expected}5"
    assert told[1] == f"`style`: {expected}5"


def test_too_many_pixels():
    for source in (PIXELS, Image.fromarray(PIXELS), in_memory().getvalue()):
        with pytest.raises(LimitError, match=r"56 x 40 px: more than 1,000 pixels"):
            read(source, limits=Limits(1000))


def test_all_refusals_are_ours():
    for source, error, _ in REFUSED.values():
        assert issubclass(error, ImpastoError)
        with pytest.raises(ImpastoError):
            impasto.stylize(source, "sample:wave")
