"""Films in: videos of every colour range and direction, their times, folders, animated pictures; and what is none."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("av", reason="films need PyAV: pip install 'impasto[film]'")

import films

from impasto.errors import InputError, LimitError
from impasto.film.clips import Animation, Folder, Video, natural, opened
from impasto.images.limits import Limits

RATE, NO_LIMITS = Fraction(25), Limits()


def at(path, size=64, limits=NO_LIMITS, rate=RATE):
    return opened(Path(path), size, limits, rate)


@pytest.mark.parametrize("colours", [(1, 1), (6, 1), (1, 2), (6, 2)], ids=str)
def test_colours_are_what_was_put_in(tmp_path, colours):
    """BT.709 and BT.601, limited and full."""
    films.video(tmp_path / "bars.mp4", [films.bars()] * 2, [0, 40], colours=colours)
    clip = at(tmp_path / "bars.mp4", 128)
    assert (clip.colours.space, clip.colours.range) == colours
    for timed in clip.frames():
        inside = timed.frame[8:-8].reshape(-1, 8, 16, 3)[:, :, 4:-4].mean(axis=(0, 2))
        assert inside == pytest.approx(np.array(films.BARS), abs=3)


@pytest.mark.parametrize(("height", "space"), [(64, 6), (768, 1)])
def test_a_video_that_does_not_say_is_taken_as_players_do(tmp_path, height, space):
    scale = height // 64
    bars = films.bars().repeat(scale, 0).repeat(scale, 1)
    films.video(tmp_path / "bars.mp4", [bars], [0], colours=(space, 1), told=False)
    (timed,) = at(tmp_path / "bars.mp4", 128).frames()
    inside = timed.frame[8:-8].reshape(-1, 8, 16, 3)[:, :, 4:-4].mean(axis=(0, 2))
    assert inside == pytest.approx(np.array(films.BARS), abs=4)


@pytest.mark.parametrize("turns", range(4))
def test_a_video_is_upright(tmp_path, turns):
    """Whatever way a telephone was held: its matrix says how the picture is to be turned, clockwise."""
    upright = np.zeros((96, 128, 3), np.uint8)
    upright[:48, :64] = 255  # white at the top left
    films.video(tmp_path / "v.mp4", [np.rot90(upright, turns)], [0])
    films.turn(tmp_path / "v.mp4", turns)
    (timed,) = at(tmp_path / "v.mp4", 128).frames()
    assert timed.frame.shape == (96, 128, 3)
    corners = [timed.frame[y, x].mean() > 127 for y in (20, 76) for x in (20, 108)]
    assert corners == [True, False, False, False]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=8), st.integers(0, 3))
def test_frames_come_at_their_own_times(tmp_path_factory, gaps, begins):
    path = tmp_path_factory.mktemp("v") / "v.mkv"
    times = [begins * 40 + sum(gaps[:n]) for n in range(len(gaps) + 1)]
    films.video(path, films.moving(len(times)), times)
    found = [timed.at for timed in at(path).frames()]
    assert found == [Fraction(time, 1000) for time in times]
    lasts = [timed.lasts for timed in at(path).frames()]
    assert lasts[:-1] == [Fraction(gap, 1000) for gap in gaps]


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    films.video(tmp_path / "v.mp4", [films.bars()], [0], aspect=Fraction(2))
    assert at(tmp_path / "v.mp4", 256).size == (256, 64)


def test_sizes_are_even(tmp_path):
    films.video(tmp_path / "v.mp4", [films.bars()[:50]], [0])
    for size in range(60, 70):
        clip = at(tmp_path / "v.mp4", size)
        (timed,) = clip.frames()
        assert timed.frame.shape[1::-1] == clip.size
        assert clip.size[0] == size - size % 2
        assert clip.size[1] % 2 == 0


def test_numbers_count_as_numbers():
    names = [Path(name) for name in ("f10.png", "f9.png", "a.png", "f010.png", "9.png")]
    assert [file.name for file in sorted(names, key=natural)][-3:] == ["f9.png", "f10.png", "f010.png"]


def test_a_folder_of_frames(tmp_path):
    for number, frame in enumerate(films.moving(11)):
        Image.fromarray(frame).save(tmp_path / f"f{number}.png")
    (tmp_path / "note.txt").write_text("no frame")
    (tmp_path / ".hidden.png").write_bytes(b"")
    clip = at(tmp_path, rate=Fraction(30000, 1001))
    assert isinstance(clip, Folder)
    assert clip.count == 11
    frames = list(clip.frames())
    assert [timed.at for timed in frames] == [Fraction(1001 * n, 30000) for n in range(11)]
    assert np.array_equal(frames[10].frame, films.moving(11)[10])  # and not that after the second
    deep = (films.moving(1)[0].astype(np.uint16) * 257)[..., 0]
    Image.fromarray(deep).save(tmp_path / "f0.png")
    assert next(at(tmp_path).frames()).frame.dtype == np.uint8
    Image.new("RGB", (60, 48)).save(tmp_path / "f3.png")
    with pytest.raises(InputError, match=r"f3\.png' has 60 x 48 px, and the first frame 64 x 48 px"):
        list(at(tmp_path).frames())


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_an_animated_picture(tmp_path, suffix):
    films.animation(tmp_path / f"a{suffix}", loop=3)
    clip = at(tmp_path / f"a{suffix}")
    assert isinstance(clip, Animation)
    assert (clip.count, clip.size, clip.loop) == (4, (64, 48), 3)
    found = list(clip.frames())
    assert [timed.lasts for timed in found] == [Fraction(ms, 1000) for ms in films.LASTS]
    for timed, frame in zip(found, films.moving(4), strict=True):
        assert np.abs(timed.frame.astype(float) - frame).mean() < 12


def test_what_is_no_film_is_told(tmp_path, photograph):
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "empty").mkdir()
    films.sound(tmp_path / "sound.m4a")
    for path, said in {
        tmp_path / "gone.mp4": "does not exist",
        tmp_path / "text.mp4": r"text\.mp4' cannot be read as a film",
        tmp_path / "empty": "there is no frame in",
        tmp_path / "sound.m4a": "no pictures in it",
        photograph: "does not move: impasto stylize",
    }.items():
        with pytest.raises(InputError, match=said):
            at(path)
    films.video(tmp_path / "v.mp4", films.moving(2), [0, 40])
    with pytest.raises(LimitError, match=r"too large at 64 x 48 px"):
        at(tmp_path / "v.mp4", limits=Limits(pixels=3000))


def test_a_film_that_was_cut_off_gives_what_is_there(tmp_path):
    films.video(tmp_path / "v.mkv", films.moving(30), range(0, 1200, 40), every_frame=True)
    whole = (tmp_path / "v.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 3 // 5])
    clip = at(tmp_path / "cut.mkv")
    assert isinstance(clip, Video)
    assert 1 < len(list(clip.frames())) < 30


def test_damage_in_the_middle_costs_no_more_than_it_must(tmp_path):
    films.video(tmp_path / "v.mkv", films.moving(60), range(0, 2400, 40), every_frame=True)
    data = bytearray((tmp_path / "v.mkv").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    (tmp_path / "v.mkv").write_bytes(data)
    found = [timed.at for timed in at(tmp_path / "v.mkv").frames()]
    assert len(found) >= 50
    assert found == sorted(found)
    assert found[-1] == Fraction(2360, 1000)
