"""impasto film: painted to the end, whatever stops it on the way, and what cannot be painted is told."""

import json
import os
import signal
import sys
import time
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="films need PyAV: pip install 'impasto[film]'")

import films

from impasto.film import painting as of_films
from impasto.film.clips import opened
from impasto.images.decoding import read_recipe
from impasto.images.limits import Limits

COUNT = 4


@pytest.fixture
def source(tmp_path):
    films.video(tmp_path / "in.mp4", films.moving(COUNT), range(0, 40 * COUNT, 40), tone=films.clicks())
    return tmp_path / "in.mp4"


@pytest.fixture
def quick(source, painting, tiny, tmp_path):
    (tmp_path / "quick.toml").write_text("[settings]\nsteps = 8\ncoarse_steps = 1.0\n")
    return ["film", source, painting, "--weights", tiny, "--size", 64, "--like", tmp_path / "quick.toml"]


def frames_of(path):
    return list(opened(path, 64, Limits(), Fraction(25)).frames())


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_film_is_painted(impasto, quick, source, tmp_path):
    result = impasto(*quick, "--device", "cpu", "--json", "-o", "out.mp4")
    assert result.code == 0, result.err
    first, *told, last = map(json.loads, result.out.splitlines())
    assert (first["event"], first["frames"], first["size"]) == ("start", COUNT, [64, 48])
    assert first["each"] > 0
    assert first["seconds"] >= first["first"]
    assert [event["frame"] for event in told] == [*range(1, COUNT + 1)]
    assert [event["shot"] for event in told] == [True] + [False] * (COUNT - 1)
    assert told[-1]["left"] == 0
    assert last == {"event": "done", "file": "out.mp4", "frames": COUNT, "damaged": 0}
    assert files(tmp_path / "here") == ["out.mp4"]
    before, after = frames_of(source), frames_of(tmp_path / "here" / "out.mp4")
    assert [timed.at for timed in after] == [timed.at for timed in before]
    assert min(np.abs(x.frame.astype(float) - y.frame).mean() for x, y in zip(before, after, strict=True)) > 5


def test_it_says_how_long_before_it_begins(impasto, quick):
    result = impasto(*quick, "--device", "cpu", "-o", "out.gif", "--keep-frames")
    first, *told = result.out.splitlines()
    assert first.startswith(f"{COUNT} frames of 64 x 48 px: about ")
    assert "s each" in first
    assert told[-2].startswith(f"{COUNT}/{COUNT} painted")
    assert told[-1] == f"'out.gif' has {COUNT} frames"
    assert read_recipe(f"out.gif.frames/{COUNT - 1:06}.png")["film"] | {"multiple": None, "gone": None} == {
        **{"frame": COUNT - 1, "shot": 0, "consistency": 0.5, "multiple": None, "gone": None}
    }


def test_folders_in_and_out(impasto, quick, tmp_path):
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(films.moving(3)):
        Image.fromarray(frame).save(tmp_path / "in" / f"{number}.png")
    quick[1] = tmp_path / "in"
    assert impasto(*quick, "--device", "cpu", "--quiet", "-o", "painted").code == 0
    assert files(tmp_path / "here" / "painted") == ["000000.png", "000001.png", "000002.png"]
    again = impasto(*quick, "--device", "cpu", "--json", "-o", "painted")
    assert [json.loads(line)["event"] for line in again.out.splitlines()] == ["start", *["there"] * 3, "done"]
    assert impasto(*quick, "--device", "cpu", "--quiet", "--fps", "12.5", "-o", "film.mkv").code == 0
    assert [timed.at for timed in frames_of(tmp_path / "here" / "film.mkv")] == [0, Fraction(2, 25), Fraction(4, 25)]
    beside = impasto(*quick, "-o", tmp_path / "in")
    assert (beside.code, "choose another" in beside.err) == (2, True)


def test_kill_9_and_the_same_command_again(process, quick, tmp_path):
    """As often as it takes: every frame, and the film, to the byte those of an unbroken run."""
    options = [*quick, "--device", "cpu", "--quiet", "--keep-frames"]
    assert process(*options, "-o", "whole.mp4").wait() == 0
    kills = 0
    while True:
        child, kept = process(*options, "-o", "out.mp4"), tmp_path / "out.mp4.frames"
        wanted = kills
        while child.poll() is None and not (kept / f"{wanted:06}.png").exists():
            time.sleep(0.005)
        if child.poll() is not None:
            break
        child.kill()
        child.communicate()
        kills += 1
    assert child.returncode == 0, child.communicate()
    assert kills >= 2
    assert files(kept) == [f"{n:06}.png" for n in range(COUNT)]
    for name in files(kept):
        assert (kept / name).read_bytes() == (tmp_path / "whole.mp4.frames" / name).read_bytes(), name
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_ctrl_c_keeps_what_is_painted(process, quick, tmp_path):
    child = process(*quick, "--device", "cpu", "--json", "-o", "out.mp4")
    for line in child.stdout:
        if json.loads(line).get("frame") == 2:
            break
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "the same command goes on" in err
    assert not (tmp_path / "out.mp4").exists()
    assert files(tmp_path / "out.mp4.frames")[:2] == ["000000.png", "000001.png"]


def test_frames_of_something_else_are_not_touched(impasto, quick, tmp_path):
    assert impasto(*quick, "--device", "cpu", "--quiet", "--keep-frames", "-o", "out.gif").code == 0
    kept = tmp_path / "here" / "out.gif.frames"
    before = {name: (kept / name).read_bytes() for name in files(kept)}
    for other in (["--strength", "0.7"], ["--consistency", "0.9"]):
        result = impasto(*quick, "--device", "cpu", "--quiet", "-o", "out.gif", *other)
        assert result.code == 3
        assert (
            "000000.png' is of another film, or was painted with other settings: remove 'out.gif.frames'" in result.err
        )
    assert {name: (kept / name).read_bytes() for name in files(kept)} == before


def test_files_of_somebody_elses_are_not_painted_over(impasto, quick, photograph, tmp_path):
    """Also where the first frame is not among them, as in folders that count from 1."""
    (tmp_path / "here" / "mine").mkdir()
    mine = tmp_path / "here" / "mine" / "000001.png"
    mine.write_bytes(photograph.read_bytes())
    result = impasto(*quick, "--device", "cpu", "--quiet", "-o", "mine")
    assert result.code == 3
    assert "'mine/000001.png' is there, and not by impasto film" in result.err
    assert files(tmp_path / "here" / "mine") == ["000001.png"]
    assert mine.read_bytes() == photograph.read_bytes()


def test_a_damaged_frame_is_painted_again(impasto, quick, tmp_path):
    assert impasto(*quick, "--device", "cpu", "--quiet", "--keep-frames", "-o", "out.gif").code == 0
    kept = tmp_path / "here" / "out.gif.frames"
    whole = (kept / "000002.png").read_bytes()
    (kept / "000002.png").write_bytes(whole[: len(whole) // 2])
    result = impasto(*quick, "--device", "cpu", "--json", "--keep-frames", "-o", "out.gif")
    events = [json.loads(line)["event"] for line in result.out.splitlines()]
    assert events == ["start", *["there"] * 2, *["painted"] * 2, "done"]
    assert (kept / "000002.png").read_bytes() == whole


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({1: "gone.mp4"}, 3, "'gone.mp4' does not exist"),
        ({2: "gone.jpg"}, 3, "'gone.jpg'"),
        ({"-o": "out.avi"}, 2, "'out.avi' is no kind of film that is written"),
        ({"-o": None}, 2, "-o FILM.mp4"),
        ({"--consistency": 2}, 2, "--consistency"),
        ({"--fps": "none"}, 2, "--fps is a number of frames a second"),
        ({"-o": "file.mp4/out.mp4"}, 3, "cannot be"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_told(impasto, quick, tmp_path, changed, code, said):
    (tmp_path / "here" / "file.mp4").write_bytes(b"")
    options = {"-o": "out.mp4", **{at: value for at, value in changed.items() if isinstance(at, str)}}
    for at, value in changed.items():
        if isinstance(at, int):
            quick[at] = value
    given = [x for option, value in options.items() if value is not None for x in (option, value)]
    result = impasto(*quick, "--device", "cpu", *given)
    assert result.code == code, result.err
    assert said in result.err
    assert result.err.count("\n") == 1
    assert files(tmp_path / "here") == ["file.mp4"]


def test_a_disk_without_room_is_told_before(impasto, quick, monkeypatch):
    """What is painted already needs none."""
    assert impasto(*quick, "--device", "cpu", "--quiet", "-o", "there").code == 0
    monkeypatch.setattr(of_films, "disk_usage", lambda _: SimpleNamespace(free=1000))
    result = impasto(*quick, "--device", "cpu", "-o", "out.mp4")
    assert result.code == 4
    assert "free some, or choose another place" in result.err
    assert impasto(*quick, "--device", "cpu", "--quiet", "-o", "there").code == 0


def test_without_the_extra_it_is_named(impasto, quick, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    result = impasto(*quick, "--device", "cpu", "-o", "out.mp4")
    assert (result.code, "pip install 'impasto[film]'" in result.err) == (2, True)


def test_two_runs_do_not_paint_the_same_film(impasto, quick, tmp_path):
    other = tmp_path / ".out.mp4.taken"
    other.write_text(str(os.getpid()))
    told = impasto(*quick, "-o", tmp_path / "out.mp4")
    assert told.code == 2
    assert "another run paints" in told.err
    assert other.exists()
    assert not (tmp_path / "out.mp4.frames").exists()
