"""Damaged files: a thousand give pictures or refusals and nothing else, and whatever else there is would be found."""

import lzma
import os
import signal
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import InputError, LimitError, UsageError
from impasto.images.decoding import decode
from tools.fuzz.corpus import corpus
from tools.fuzz.hostile import ADOBE_DEFLATE, IN_COLOUR, LZMA, NONE, strips
from tools.fuzz.mutation import mutants, set_checksums
from tools.fuzz.workers import Bounds, Outcome, Report, examine, feed, look

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process takes is read in /proc")

PNG = corpus()["png told 8 bits"]


# What a decoder must not do, to the first file alone: in the process that reads it.


def is_first(path):
    return path.read_bytes() == b"first"


def raising(path):
    if is_first(path):
        raise KeyError("width")


def sleeping(path):
    if is_first(path):
        time.sleep(60)


def allocating(path):
    if is_first(path):
        np.ones(300 * 2**20, np.uint8)


def dying(path):
    if is_first(path):
        os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (raising, "KeyError: 'width'"),
        (sleeping, "not read within 3 s"),
        (allocating, "takes 30"),
        (dying, "ends the process: SIGSEGV"),
    ],
)
def test_what_is_wrong_is_found_and_kept(tmp_path, capsys, reader, words):
    limits = Bounds(seconds=3 if reader is sleeping else 60, megabytes=200)
    report = examine([("first", b"first"), ("second", b"second")], tmp_path / "found", (reader,), limits)
    assert list(report.faults) == ["first"]
    assert words in report.faults["first"]
    assert report.codes.total() == 2
    assert [path.read_bytes() for path in (tmp_path / "found").iterdir()] == [b"first"]
    assert f"first: {words}" in capsys.readouterr().out


LACKING = LimitError("'x' takes more")
LACKING.__cause__ = MemoryError()


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [
        (InputError("'x' is damaged"), 3, ""),
        (LimitError("'x' is too large"), 4, ""),
        (LACKING, 4, "takes more memory"),
        (UsageError("'x' makes no sense"), 1, "UsageError: 'x' makes"),
        (RecursionError(), 1, "RecursionError"),
        (InputError("it is damaged"), 3, "does not name the file"),
        (InputError("'x' is damaged " + 1000 * "!"), 3, "is too long, 1015 characters"),
        (InputError("'x' is\ndamaged"), 3, "is not one line"),
        (InputError("'x' is \x1b[31mdamaged"), 3, "is not one line"),
        (np.zeros((16, 20, 4), np.uint16), 0, ""),
        (np.zeros((20, 20, 3), np.float32), 0, "gives (20, 20, 3) of float32"),
        (np.zeros((20, 20, 1), np.uint8), 0, "gives (20, 20, 1)"),
        (np.zeros((20, 20), np.uint8), 0, "gives (20, 20) of uint8"),
        (np.zeros((15, 20, 3), np.uint8), 0, "gives (15, 20, 3)"),
        (np.broadcast_to(np.uint8(0), (1000, 5000, 3)), 0, "gives (1000, 5000, 3)"),
    ],
)
def test_what_is_wrong_with_an_ending(ending, code, words):
    def reader(path):
        if isinstance(ending, Exception):
            raise ending
        return ending

    found, fault = look(reader, Path("x"))
    assert found == code
    assert fault.startswith(words)
    assert bool(fault) == bool(words)


def test_a_thousand_damaged_files(tmp_path):
    """The same ones every time: ``python -m tools.fuzz`` reads others."""
    report = feed(None, tmp_path / "found", minutes=0, count=1000, seed=2, jobs=1)
    assert report.faults == {}
    assert set(report.codes) <= {0, 3, 4}
    assert report.codes.total() == 1000
    assert report.codes[0] > 150, "most are damaged where it is seen, and not all"


@pytest.mark.parametrize("kind", corpus())
def test_undamaged_all_are_read(kind):
    assert decode(corpus()[kind]).shape[2] == 3


def test_damage_is_decided_by_the_seed():
    pictures = corpus()
    assert corpus() == pictures
    first = list(mutants(pictures, 1, range(50)))
    assert list(mutants(pictures, 1, range(50))) == first
    assert list(mutants(pictures, 1, [49])) == first[49:]
    assert len({name for name, _ in first}) == 50
    assert sum(data in pictures.values() for _, data in first) < 10
    assert [data for _, data in mutants(pictures, 2, range(50))] != [data for _, data in first]


def test_checksums_are_set_right():
    damaged = bytearray(PNG)
    damaged[16] ^= 1
    assert damaged != PNG
    damaged[16] ^= 1
    for at in (29, 32, len(PNG) - 1):
        damaged[at] ^= 255
    set_checksums(damaged)
    assert damaged == PNG
    for length in range(len(PNG)):
        set_checksums(bytearray(PNG[:length]))


def test_pictures_of_ones_own_are_damaged_too(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "mine").write_bytes(PNG)
    report = feed(folder, tmp_path / "found", minutes=0, count=3, seed=0, jobs=2)
    assert report.codes.total() == 3


def test_reports_add_up():
    whole, part = Report(), Report()
    whole.add("a", Outcome(0, seconds=1, megabytes=20))
    part.add("b", Outcome(3, seconds=2, megabytes=10))
    part.add("c", Outcome(1, "KeyError: 1"))
    whole.merge(part)
    assert whole.faults == {"c": "KeyError: 1"}
    assert "3 files in 0 s: 1 read, 1 refused with exit code 3, 0 with 4; something wrong with 1\n" in str(whole)
    assert str(whole).endswith("slowest: 2.00 s, b\nmost memory: 20 MB, a")


@pytest.mark.parametrize(
    ("compression", "compress"), [(NONE, bytes), (ADOBE_DEFLATE, zlib.compress), (LZMA, lzma.compress)]
)
@pytest.mark.parametrize("bits", [16, 64])
def test_a_tiff_whose_strips_are_the_same_bytes(compression, compress, bits):
    white, size = (b"\xff\xff" if bits == 16 else struct.pack("<d", 1)), (30, 40)
    data = compress(5 * 30 * 10 * white)
    got = decode(
        strips(data, bits=bits, channels=5, photometric=IN_COLOUR, compression=compression, size=size, rows=10)
    )
    np.testing.assert_array_equal(got, np.full((40, 30, 3), 65535))
