"""What people type who have not read the manual, and the answer that helps."""

import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from impasto.images.files import read


@pytest.fixture
def quick(tiny):
    return ["--weights", tiny, "--size", 32, "--steps", 2, "--device", "cpu"]


@pytest.fixture
def small(photograph, painting, quick):
    return ["stylize", photograph, painting, *quick]


def test_two_pictures_are_enough(impasto, small, photograph, painting):
    assert impasto(photograph, painting, *small[3:], "-o", "a.png").code == 0
    assert impasto(*small, "-o", "b.png").code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_two_samples_are_enough(impasto, quick):
    assert impasto("sample:chelsea", "sample:wave", *quick, "-q").code == 0
    assert Path("chelsea-wave.png").exists()


def test_a_command_that_is_mistyped_is_told(impasto):
    told = impasto("stylise", "a.png", "b.png")
    assert told.code == 2
    assert "No such command 'stylise'" in told.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chelsea", "'chelsea' does not exist: the built-in picture is sample:chelsea"),
        ("https://example.org/x.jpg", "is a web address: download the picture first"),
        ("nowhere", "'nowhere' does not exist: check its name and folder"),
    ],
)
def test_names_that_are_no_files(impasto, painting, quick, name, words):
    told = impasto("stylize", name, painting, *quick)
    assert told.code == 3
    assert words in " ".join(told.err.split())


@pytest.mark.parametrize("option", ["--strength", "--style-weight", "--tv-weight", "--coarse-steps", "--keep-lines"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("70%", "'70%' is not a number: write 0.7"),
        ("0,5", "'0,5' is not a number: write 0.5"),
        ("some", "'some' is not"),
    ],
)
def test_numbers_as_people_write_them(impasto, small, option, text, words):
    told = impasto(*small, option, text)
    assert told.code == 2
    assert words in " ".join(told.err.replace("│", " ").split())


def test_a_telephones_picture(tmp_path):
    pillow_heif.register_heif_opener()
    Image.new("RGB", (64, 48), (200, 40, 10)).save(tmp_path / "x.heic", "HEIF")
    image = read(tmp_path / "x.heic")
    assert image.shape == (1, 3, 48, 64)
    assert (image.mean(dim=(0, 2, 3)) * 255).round().tolist() == pytest.approx([200, 40, 10], abs=4)


def test_a_telephones_picture_without_the_library(impasto, tmp_path, painting, quick, monkeypatch):
    pillow_heif.register_heif_opener()
    Image.new("RGB", (64, 48)).save(tmp_path / "x.heic", "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    told = impasto("stylize", tmp_path / "x.heic", painting, *quick)
    assert told.code == 3
    assert "is HEIC, as telephones make it: pip install 'impasto[heic]', or save it as JPEG" in told.err
