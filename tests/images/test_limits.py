"""What reading a picture may cost."""

import io
import math
import time

import numpy as np
import pytest
import tifffile
from PIL import Image

import impasto
from impasto.errors import LimitError, UsageError
from impasto.images.decoding import Within, decode
from impasto.images.limits import Limits


def picture(**how) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, **{"format": "PNG", **how})
    return file.getvalue()


def pages(*sides: int) -> bytes:
    """A TIFF of grey pages, all but the last of which say that they are thumbnails."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        for side in sides:
            tiff.write(np.full((side, side), 99, np.uint8), subfiletype=int(side != sides[-1]))
    return file.getvalue()


@pytest.mark.parametrize("how", [{"format": "PNG"}, {"format": "JPEG", "quality": 100}, {"format": "BMP"}])
def test_a_picture_that_takes_too_long_is_left(how, monkeypatch):
    """The clock stands still until the file has been read for some time."""
    data, clock = picture(**how), iter([*[0.0] * 3, *[61.0] * 99])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with pytest.raises(LimitError, match=r"^'<bytes>' takes longer to read than 60 seconds: .*`limits`$"):
        decode(data)
    clock = iter([*[0.0] * 3, *[61.0] * 999])
    assert decode(data, limits=Limits(seconds=62.0)).shape == (400, 400, 3)


def test_the_time_that_others_take_before_does_not_count(monkeypatch):
    file = Within(io.BytesIO(b"abc"), "x", 3, Limits(seconds=1.0))
    before = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: before + 100)
    assert file.read() == b"abc"


def test_a_file_of_too_many_bytes_is_not_read(tmp_path):
    path = tmp_path / "x.png"
    with path.open("wb") as file:
        file.write(picture())
        file.truncate(10**10)
    with pytest.raises(LimitError, match=r"a file of 10,000,000,000 bytes, more than 1,667,108,864; .*`limits`"):
        decode(path)
    assert decode(path, limits=Limits(bytes=10**10)).shape == (400, 400, 3)


def test_so_many_thumbnails_are_looked_at():
    data = pages(16, 17, 18, 40)
    assert decode(data, limits=Limits(frames=4)).shape == (40, 40, 3)
    with pytest.raises(LimitError, match="more than 3 pages before its picture"):
        decode(data, limits=Limits(frames=3))


@pytest.mark.parametrize("wrong", [{"pixels": 0}, {"bytes": -1}, {"frames": 10**15}, {"seconds": math.nan}])
def test_what_is_no_limit(wrong):
    with pytest.raises(UsageError, match=f"^{next(iter(wrong))} of a picture are a number above 0"):
        impasto.Limits(**wrong)
