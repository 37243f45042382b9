"""Films out: times, sound, colours, and nothing by halves."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="films need PyAV: pip install 'impasto[film]'")

import films

from impasto.errors import UsageError
from impasto.film import writing
from impasto.film.clips import opened
from impasto.film.writing import Painted, check, write
from impasto.images.limits import Limits

LIMITS = Limits()
TIMES = [0, 40, 80, 200, 210, 400]


def painted(folder, clip):
    """The clip's own frames, as if they were painted."""
    folder.mkdir(exist_ok=True)
    found = []
    for number, timed in enumerate(clip.frames()):
        Image.fromarray(timed.frame).save(folder / f"{number:06}.png")
        found.append(Painted(folder / f"{number:06}.png", timed.at, timed.lasts))
    return found


def written(source, out, size=64):
    clip = opened(Path(source), size, LIMITS, Fraction(25))
    write(painted(out.parent / "frames", clip), clip, out)
    return clip, opened(out, size, LIMITS, Fraction(25))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_times_sound_and_pictures_are_kept(tmp_path, suffix):
    """Frames at their own times; clicks to within 1 ms of where they were, encoded anew or not. What begins before 0,
    as AAC does, Matroska begins at 0, and all else as much later."""
    films.video(tmp_path / "in.mp4", films.moving(6), TIMES, tone=films.clicks())
    before, after = written(tmp_path / "in.mp4", tmp_path / f"out{suffix}")
    times = [timed.at for timed in after.frames()]
    late = times[0] if suffix in (".mkv", ".webm") else 0
    assert [time - late for time in times] == [Fraction(time, 1000) for time in TIMES]
    for one, other in zip(before.frames(), after.frames(), strict=True):
        assert np.abs(one.frame.astype(float) - other.frame).mean() < 4
    (first, rate), (second, other_rate) = films.heard(tmp_path / "in.mp4"), films.heard(tmp_path / f"out{suffix}")
    assert rate == other_rate
    beats = [np.flatnonzero(np.abs(of) > 0.4 * np.abs(of).max()) for of in (first, second)]
    starts = [of[np.flatnonzero(np.diff(of, prepend=-(10**6)) > rate // 10)] / rate for of in beats]
    assert len(starts[0]) == 8
    assert starts[1] - float(late) == pytest.approx(starts[0], abs=1e-3)


@pytest.mark.parametrize("begins", [0, 120])
def test_sound_that_can_be_kept_is_kept_as_it_is(tmp_path, begins):
    """And so stays in step with pictures that begin later than it does."""
    import av

    times = [begins + time for time in TIMES]
    films.video(tmp_path / "in.mp4", films.moving(6), times, tone=films.clicks())
    _, after = written(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert [timed.at for timed in after.frames()] == [Fraction(time, 1000) for time in times]
    packets = []
    for name in ("in", "out"):
        with av.open(tmp_path / f"{name}.mp4") as container:
            packets.append([(p.pts, bytes(p)) for p in container.demux(audio=0) if p.pts is not None])
    assert packets[0] == packets[1]


@pytest.mark.parametrize("colours", [(1, 1), (6, 1), (1, 2), (6, 2)], ids=str)
def test_colours_stay_and_are_said_as_they_were(tmp_path, colours):
    films.video(tmp_path / "in.mp4", [films.bars()] * 2, [0, 40], colours=colours)
    before, after = written(tmp_path / "in.mp4", tmp_path / "out.mp4", 128)
    assert after.colours == before.colours
    for timed in after.frames():
        inside = timed.frame[8:-8].reshape(-1, 8, 16, 3)[:, :, 4:-4].mean(axis=(0, 2))
        assert inside == pytest.approx(np.array(films.BARS), abs=5)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animated_pictures_keep_their_times_and_how_often(tmp_path, suffix):
    frames = [Image.fromarray(frame) for frame in films.moving(4)]
    frames[0].save(
        tmp_path / f"in{suffix}", save_all=True, append_images=frames[1:], duration=[40, 100, 30, 200], loop=3
    )
    before, after = written(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    assert after.loop == 3
    assert [timed.at for timed in after.frames()] == [timed.at for timed in before.frames()]
    for one, other in zip(before.frames(), after.frames(), strict=True):
        assert np.abs(one.frame.astype(float) - other.frame).mean() < 12


def test_a_gif_becomes_a_video_and_a_video_a_gif(tmp_path):
    films.animation(tmp_path / "in.gif", loop=0)
    _, video = written(tmp_path / "in.gif", tmp_path / "out.mp4")
    assert [timed.at for timed in video.frames()] == [Fraction(ms, 1000) for ms in (0, 40, 140, 170)]
    _, back = written(tmp_path / "out.mp4", tmp_path / "back.gif")
    assert [timed.at for timed in back.frames()] == [Fraction(ms, 1000) for ms in (0, 40, 140, 170)]
    assert back.loop == 0


def test_times_of_a_gif_do_not_drift(tmp_path):
    """It counts in hundredths of a second: 24 frames of a film a second end when the film does."""
    times = [round(1000 * n / 24) for n in range(24)]
    films.video(tmp_path / "in.mkv", films.moving(24), times)
    _, gif = written(tmp_path / "in.mkv", tmp_path / "out.gif")
    for timed, time in zip(gif.frames(), times, strict=True):
        assert abs(float(timed.at) * 1000 - time) <= 10


def test_a_film_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    films.video(tmp_path / "in.mp4", films.moving(6), TIMES, tone=films.clicks())
    clip = opened(tmp_path / "in.mp4", 64, LIMITS, Fraction(25))
    frames = painted(tmp_path / "frames", clip)
    (tmp_path / "out.mp4").write_bytes(b"what was there")
    frames[4].file.write_bytes(b"damaged")
    with pytest.raises(OSError, match="cannot identify"):
        write(frames, clip, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"what was there"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["frames", "in.mp4", "out.mp4"]


def test_what_is_not_written_is_told():
    for name in ("out.mp4", "out.GIF", "folder", "out.webm"):
        check(Path(name))
    with pytest.raises(UsageError, match=r"'out\.avi' is no kind of film that is written: \.apng, \.gif"):
        check(Path("out.avi"))
    assert {of.encoder for of in writing.VIDEOS.values()} == writing.QUALITY.keys()


@dataclass
class Unknown:
    """A clip of no kind that is known."""

    size: tuple[int, int] = (64, 48)
    count: int | None = None
    unit: Fraction = Fraction(1, 24)
    path: Path = Path("somewhere")

    def frames(self):
        return iter(())


def test_frames_of_whatever_clip_become_a_video(tmp_path):
    Image.fromarray(films.moving(1)[0]).save(tmp_path / "0.png")
    frames = [Painted(tmp_path / "0.png", Fraction(n, 24), Fraction(1, 24)) for n in range(3)]
    write(frames, Unknown(), tmp_path / "out.mp4")
    found = list(opened(tmp_path / "out.mp4", 64, LIMITS, Fraction(25)).frames())
    assert [timed.at for timed in found] == [0, Fraction(1, 24), Fraction(2, 24)]
