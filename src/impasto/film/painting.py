"""A film painted from beginning to end: what is painted lies as a file for each frame, and the film is made of them."""

import re
import time
from collections.abc import Iterator
from fractions import Fraction
from os import PathLike
from pathlib import Path
from shutil import disk_usage
from typing import Unpack

from impasto.errors import InputError, LimitError, UsageError
from impasto.facade import Painter, Sources
from impasto.film.clips import Folder, Timed, opened
from impasto.film.shots import STEPS, Shots
from impasto.film.writing import Painted, check, write
from impasto.images.decoding import read_recipe
from impasto.images.files import read
from impasto.images.picture import Picture
from impasto.progress import Work
from impasto.recipe import is_of
from impasto.settings import Options, Settings, validated
from impasto.tiling import gigabytes

BYTES_A_PIXEL = 2.5
"""Of a painted frame, as PNG."""

EVALUATIONS = 1.2
"""For each step of a frame that goes on from another, with all that it takes besides."""


class Film:
    """The film ``source`` in the manner of ``style``, to be written to ``out``.

    ``source`` is a video, a folder of frames or an animated picture, ``out`` a video, an animated picture, or a folder
    for frames. Each frame goes on from the one before: ``consistency`` says how much it is held to it, from 0 (not at
    all) to 1. Frames of folders are shown ``fps`` a second. Settings and options are those of ``impasto.stylize``.

    Painted frames are files in ``folder``, beside ``out``, until the film is there: who paints the same film again goes
    on after the last one. Raises UsageError for options that make no sense, InputError for a film or painting that
    cannot be read, or where ``folder`` has frames of something else, LimitError for frames that are too large or do
    not fit on the disk, WeightsError for a network that cannot be had.
    """

    def __init__(
        self,
        source: str | PathLike[str],
        style: Sources,
        out: str | PathLike[str],
        settings: Settings | None = None,
        *,
        consistency: float = 0.5,
        fps: Fraction | float | int | str = 25,
        **options: Unpack[Options],
    ) -> None:
        chosen, self.out = validated(settings, **options), Path(out)
        check(self.out)
        if not 0 <= consistency <= 1:
            raise UsageError("`consistency` is from 0 (frames are free) to 1 (held to the one before)")
        if chosen.tileable:
            raise UsageError("`tileable` is for pictures: frames of a film move")
        self.clip = opened(Path(source), chosen.size, chosen.limits, rate_of(fps))
        self.settings = chosen.model_copy(update={"size": max(self.clip.size)})
        self.folder = self.out if self.out.suffix == "" else self.out.with_name(f"{self.out.name}.frames")
        if isinstance(self.clip, Folder) and self.folder.resolve() == self.clip.path.resolve():
            raise UsageError("`out` is the folder that the frames come from: choose another")
        self.consistency, self.painter = float(consistency), Painter(style, self.settings)
        self.frames: list[Painted] = []
        self.refuse_lack_of_room()

    def refuse_lack_of_room(self) -> None:
        """Raise LimitError where the disk will not hold the frames that are not there yet."""
        width, height = self.clip.size
        missing = max((self.clip.count or 1) - len(self.there()), 0)
        needed = round(missing * width * height * BYTES_A_PIXEL)
        there = next(folder for folder in self.folder.absolute().parents if folder.exists())
        free = disk_usage(there).free
        if needed > free:
            raise LimitError(
                f"the painted frames take about {gigabytes(needed)}, and where '{self.folder}' is to be there are "
                f"{gigabytes(free)} free: free some, or choose another place"
            )

    def forecast(self) -> tuple[float, float]:
        """About how many seconds the first frame of a shot takes, and each other, as an evaluation of the first
        shows."""
        timed = next(self.clip.frames())
        run = self.painter.stylize(timed.frame)
        objective = next(iter(run.of.objectives_at(1.0)))
        for _ in range(2):  # the first is slower
            began = time.monotonic()
            objective.value_and_gradient(run.of.start)
            seconds = (time.monotonic() - began) * EVALUATIONS
        work = Work(self.settings, self.clip.size)
        return seconds * work.total / work.of_step[-1], seconds * STEPS

    def paint(self) -> Iterator[Painted]:
        """Each frame in turn, once its file is there. Raises what ``stylize`` raises, and OSError where a frame cannot
        be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.refuse_what_is_not_ours()
        shots, going_on = Shots(self.painter, self.consistency), True
        self.frames = []
        for index, timed in enumerate(self.clip.frames()):
            began, file = time.monotonic(), self.file(index)
            picture = self.painted(shots, timed, file) if going_on and file.exists() else None
            there = picture is not None
            if picture is not None:
                shots.go_on_after(timed.frame, picture)
            else:
                going_on = False
                picture = shots.paint(timed.frame)
                picture.save(file)
            seconds = 0.0 if there else time.monotonic() - began
            painted = Painted(file, timed.at, timed.lasts, index, shots.shot == index, seconds, there)
            self.frames.append(painted)
            yield painted

    def file(self, index: int) -> Path:
        """Where a frame is kept."""
        return self.folder / f"{index:06}.png"

    def there(self) -> list[Path]:
        """What is there where frames are kept."""
        return sorted(file for file in self.folder.glob("*.png") if re.fullmatch("[0-9]{6,}", file.stem))

    def refuse_what_is_not_ours(self) -> None:
        """Raise InputError for a file that would be painted over and is no painted frame."""
        for file in self.there():
            try:
                is_ours = "film" in (read_recipe(file) or {})
            except InputError:
                is_ours = False
            if not is_ours:
                raise InputError(f"'{file}' is there, and not by impasto film: choose another folder, or remove it")

    def painted(self, shots: Shots, timed: Timed, file: Path) -> Picture | None:
        """A frame that was painted before; None where its file is damaged. Raises InputError where it is one of another
        film, or was painted otherwise than is asked for now."""
        try:
            picture = Picture(read(file), read_recipe(file))
        except InputError:
            return None
        made = picture.recipe or {}
        film, alike = made.get("film") or {}, is_of(made, self.painter.recipe_of(timed.frame))
        if not alike or (film.get("frame"), film.get("consistency")) != (shots.count, self.consistency):
            raise InputError(
                f"'{file}' is of another film, or was painted with other settings: remove '{self.folder}', or choose "
                "another name for the film"
            )
        return picture

    def write(self, *, keep: bool = False) -> None:
        """Put the film together, whole or not at all, and remove the frames' files, unless they are to ``keep`` or are
        what was asked for. Raises OSError where it cannot be written."""
        if self.folder == self.out:
            return
        write(self.frames, self.clip, self.out)
        if not keep:
            for frame in self.frames:
                frame.file.unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()


def rate_of(given: Fraction | float | int | str) -> Fraction:
    """Frames a second: a number, or such as 30000/1001. Raises UsageError for what is none."""
    try:
        rate = Fraction(given).limit_denominator(100_000)
    except (ValueError, ZeroDivisionError, OverflowError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise UsageError("`fps` is a number of frames a second, above 0 and up to 1000: 25, or 30000/1001")
    return rate
