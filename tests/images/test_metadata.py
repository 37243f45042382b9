"""What a file says besides its pixels: what the photograph said is kept, where it was taken only if asked for."""

import io

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base

import impasto
from impasto.errors import UsageError
from impasto.images.decoding import read_origin, read_recipe
from impasto.images.files import read, write
from impasto.images.metadata import Origin, chosen, is_sound
from impasto.images.profiles import srgb_profile

SUFFIXES = [".png", ".jpg", ".webp", ".tif"]
SMALL = {"size": 48, "steps": 2, "coarse_steps": 1, "scales": 1}


def photograph(path, **options):
    """A camera's picture at ``path``, with all that a camera tells."""
    exif = Image.Exif()
    exif.update({Base.Make: "Nikon", Base.Model: "D90", Base.Copyright: "Ana", Base.DateTime: "2024:05:06 07:08:09"})
    exif.update({Base.ImageDescription: "My cat", Base.Software: "Camera 1.0", Base.Orientation: 6})
    more = {
        Base.DateTimeOriginal: "2023:01:02 03:04:05",
        Base.FNumber: 2.8,
        Base.BodySerialNumber: "secret-7",
        Base.MakerNote: b"x",
    }
    exif.get_ifd(IFD.Exif).update(more)
    exif.get_ifd(IFD.GPSInfo).update({GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (48.0, 31.0, 12.0)})
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(path, exif=exif, dpi=(240, 240), **options)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("location", [False, True])
def test_date_copyright_camera_and_resolution_are_kept(tmp_path, suffix, location):
    source, out = photograph(tmp_path / "source.jpg"), tmp_path / f"out{suffix}"
    picture = impasto.paint(source, "sample:wave", **SMALL)
    picture.save(out, location=location)
    kept, before = read_origin(out), read_origin(source)
    assert kept.tags | {Base.DateTime: 0} == before.tags | {Base.DateTime: 0}
    assert kept.tags[Base.Copyright] == "Ana"
    assert kept.dpi == pytest.approx((240, 240), abs=0.01)
    if suffix == ".tif":  # which has no folders
        assert kept.tags[Base.DateTime] == "2023:01:02 03:04:05"
        assert not kept.place
    else:
        assert kept.exposure == before.exposure
        assert kept.exposure[Base.DateTimeOriginal] == "2023:01:02 03:04:05"
        assert bool(kept.place) is location
        assert not location or tuple(map(float, kept.place[GPS.GPSLatitude])) == (48.0, 31.0, 12.0)
    assert b"secret-7" not in out.read_bytes()
    with Image.open(out) as saved:
        exif = saved.getexif()
        assert exif[Base.Software] == "impasto"
        assert exif.get(Base.Orientation, 1) == 1  # it is upright by now
        assert Base.ImageDescription not in exif
        assert saved.size == (32, 48)
    assert read_recipe(out) == picture.recipe


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_on_the_command_line(impasto, tmp_path, tiny, suffix):
    photograph(tmp_path / "source.jpg")
    rest = ["sample:wave", "--weights", tiny, "--size", 32, "--steps", 1, "--device", "cpu", "-q", "-o", f"out{suffix}"]
    for options, place, dpi in (([], False, 240), (["--keep-location", "--dpi", "300"], suffix != ".tif", 300)):
        for recipe in ([], ["--no-recipe"]):
            assert impasto("stylize", tmp_path / "source.jpg", *rest, *options, *recipe).code == 0
            kept = read_origin(f"out{suffix}")
            assert (kept.tags[Base.Model], bool(kept.place)) == ("D90", place)
            assert kept.dpi == pytest.approx((dpi, dpi), abs=0.01)
            assert (read_recipe(f"out{suffix}") is None) == bool(recipe)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_says_that_its_colours_are_srgb_and_equal_pictures_are_equal_files(tmp_path, suffix):
    image = torch.rand(1, 3, 20, 30)
    write(image, tmp_path / f"a{suffix}")
    write(image, tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    with Image.open(tmp_path / f"a{suffix}") as saved:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(saved.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    if suffix in (".png", ".tif"):
        assert torch.equal(read(tmp_path / f"a{suffix}"), (image * 255).round() / 255)


def test_the_profile_is_littlecms_own_but_for_the_date():
    theirs = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert srgb_profile()[:24] + theirs[24:36] + srgb_profile()[36:] == theirs


def test_sixteen_bits(tmp_path, impasto, tiny, painting):
    image = torch.rand(1, 3, 20, 30)
    write(image, tmp_path / "x.tif", bits=16, dpi=300, recipe={"a": 1})
    values = tifffile.imread(tmp_path / "x.tif")
    assert values.dtype == np.uint16
    expected = (image[0].permute(1, 2, 0).double().numpy() * 65535).round()
    assert np.abs(values - expected).max() <= 1
    assert len(np.unique(values)) > 1000
    assert read_recipe(tmp_path / "x.tif") == {"a": 1}
    assert read_origin(tmp_path / "x.tif").dpi == pytest.approx((300, 300))
    assert (read(tmp_path / "x.tif") - image).abs().max() <= 1 / 255  # Pillow leaves the lower byte out
    for to, bits in (("x.png", 16), ("x.tif", 12)):
        with pytest.raises(UsageError, match="`bits`: a picture has 8 for each colour, or 16 as TIFF"):
            write(image, tmp_path / to, bits=bits)
    deep = (np.random.default_rng(1).random((40, 48, 3)) * 65535).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "deep.tif",
        deep,
        photometric="rgb",
        resolution=(240, 240),
        resolutionunit=2,
        extratags=[(315, 2, None, "Me", True)],
    )
    rest = ["--weights", tiny, "--size", 32, "--steps", 1, "--device", "cpu", "-q"]
    assert impasto("stylize", tmp_path / "deep.tif", painting, *rest, "--bits", 16, "-o", "out.tif").code == 0
    assert tifffile.imread("out.tif").dtype == np.uint16
    assert read_origin("out.tif").tags[Base.Artist] == "Me"
    assert read_origin("out.tif").dpi == pytest.approx((240, 240))
    told = impasto("stylize", tmp_path / "deep.tif", painting, *rest, "--bits", 16, "-o", "out.png")
    assert (told.code, "impasto: --bits: " in told.err) == (2, True)


@given(
    st.dictionaries(
        st.sampled_from([int(Base.Make), int(Base.DateTime), int(Base.Copyright)]),
        st.one_of(
            st.text(max_size=2000),
            st.binary(max_size=20),
            st.integers(),
            st.floats(),
            st.tuples(st.integers(), st.text()),
            st.none(),
        ),
    )
)
def test_whatever_a_photograph_says_can_be_written(tags):
    origin = Origin(chosen(tags))
    for form in ("png", "jpg", "webp", "tif"):
        buffer = io.BytesIO()
        write(torch.zeros(1, 3, 16, 16), buffer, format=form, origin=origin)
        assert read(buffer.getvalue()).shape == (1, 3, 16, 16)


def test_what_is_no_use_is_left_out():
    for value in ("x" * 2000, None, object(), (1, None), 0.5):
        assert not is_sound(Base.Make, value)
    assert is_sound(Base.Make, "Nikon")
    assert is_sound(Base.FNumber, 2.8, IFD.Exif)
    nothing = read_origin(Image.new("RGB", (20, 20)))
    assert nothing == Origin()
    assert next(impasto.stylize(torch.rand(1, 3, 20, 20), "sample:wave", **SMALL)).picture.origin is None
