"""What a film is read from: a video, by FFmpeg, a folder of frames, or an animated picture.

Needs PyAV for videos, which comes with the extra ``impasto[film]``.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image, ImageSequence

from impasto.errors import InputError
from impasto.flow import Frame
from impasto.images.decoding import SUFFIXES, decode
from impasto.images.limits import Limits
from impasto.images.sizes import MIN_SIDE, admit, admitted

if TYPE_CHECKING:
    from av.container import InputContainer

ANIMATIONS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}
"""Formats of animated pictures, by their suffixes."""


@dataclass(frozen=True, eq=False)
class Timed:
    """A frame, when it is shown, and for how long, in seconds."""

    frame: Frame
    at: Fraction
    lasts: Fraction


@runtime_checkable
class Clip(Protocol):
    """A film that can be read, more than once."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its frames as they are read, upright and in square pixels: both even."""
        ...

    @property
    def count(self) -> int | None:
        """How many frames it has, as far as it says; None where it does not."""
        ...

    @property
    def unit(self) -> Fraction:
        """Seconds of which all times are multiples."""
        ...

    def frames(self) -> Iterator[Timed]:
        """One after another. Raises InputError where one cannot be read."""
        ...


def opened(path: Path, size: int, limits: Limits, rate: Fraction) -> Clip:
    """The film there, its frames with a long side of ``size`` px; a folder has so many a second. Raises InputError for
    what is none, LimitError for frames that are too large."""
    if path.is_dir():
        return Folder.at(path, size, limits, rate)
    if not path.exists():
        raise InputError(f"'{path}' does not exist: check the name")
    if path.suffix.lower() in ANIMATIONS:
        return Animation.at(path, size, limits)
    return Video.at(path, size, limits)


def even(own: tuple[int, int], path: Path, size: int, limits: Limits) -> tuple[int, int]:
    """The size at which frames of their ``own`` are painted, both sides even, as videos want them."""
    width, height = admitted(own, f"'{path}'", size - size % 2, enlarge=True, short_side=0, limits=limits)
    return 2 * round(width / 2), 2 * round(height / 2)


def resized(pixels: np.ndarray, size: tuple[int, int]) -> Frame:
    """In 8 bits, by the filter that photographs are read with."""
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.shape[1::-1] == size:
        return np.ascontiguousarray(pixels)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


@dataclass(frozen=True)
class Folder:
    """Frames as files in a folder, by their names, numbers in them in the order of numbers."""

    path: Path
    size: tuple[int, int]
    files: list[Path]
    rate: Fraction
    limits: Limits

    @classmethod
    def at(cls, path: Path, size: int, limits: Limits, rate: Fraction) -> "Folder":
        """Raises InputError where there are none."""
        found = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
        if not found:
            raise InputError(f"there is no frame in '{path}': name a folder of pictures")
        files = sorted(found, key=natural)
        height, width = decode(files[0], limits=limits).shape[:2]
        return cls(path, even((width, height), path, size, limits), files, rate, limits)

    @property
    def count(self) -> int:
        return len(self.files)

    @property
    def unit(self) -> Fraction:
        return 1 / self.rate

    def frames(self) -> Iterator[Timed]:
        shape = decode(self.files[0], limits=self.limits).shape
        for number, file in enumerate(self.files):
            pixels = decode(file, limits=self.limits)
            if pixels.shape != shape:
                found, wanted = (f"{of[1]} x {of[0]} px" for of in (pixels.shape, shape))
                raise InputError(f"'{file}' has {found}, and the first frame {wanted}: frames of a film are alike")
            yield Timed(resized(pixels, self.size), number / self.rate, 1 / self.rate)


def natural(file: Path) -> list[Any]:
    """A key by which 2 comes before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split("([0-9]+)", file.name)]


@dataclass(frozen=True)
class Animation:
    """A GIF, WebP or PNG of several frames; what is transparent is over white."""

    path: Path
    size: tuple[int, int]
    count: int
    loop: int = 0
    unit: Fraction = Fraction(1, 1000)

    @classmethod
    def at(cls, path: Path, size: int, limits: Limits) -> "Animation":
        """Raises InputError for a picture that does not move."""
        decode(path, size=64, short_side=MIN_SIDE, limits=limits)  # the first frame is right
        with Image.open(path) as picture:
            count = getattr(picture, "n_frames", 1)
            if count < 2:
                raise InputError(f"'{path}' does not move: impasto stylize paints pictures")
            return cls(path, even(picture.size, path, size, limits), count, picture.info.get("loop", 1))

    def frames(self) -> Iterator[Timed]:
        at = Fraction(0)
        try:
            with Image.open(self.path) as picture:
                for page in ImageSequence.Iterator(picture):
                    pixels = page.convert("RGBA")
                    over = Image.alpha_composite(Image.new("RGBA", pixels.size, "white"), pixels).convert("RGB")
                    lasts = Fraction(round(page.info.get("duration") or 100), 1000)
                    yield Timed(resized(np.asarray(over), self.size), at, lasts)
                    at += lasts
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise InputError(f"'{self.path}' is damaged ({error}): get it anew") from error


@dataclass
class Video:
    """What FFmpeg reads: frames at their own times, turned upright."""

    path: Path
    size: tuple[int, int]
    count: int | None
    unit: Fraction
    colours: "Colours"
    damaged: int = field(default=0)
    """Packets of it that could not be read."""

    @classmethod
    def at(cls, path: Path, size: int, limits: Limits) -> "Video":
        """Raises InputError for what has no pictures that can be read."""
        with container_of(path) as container:
            stream = container.streams.video[0]
            own = stream.codec_context.width, stream.codec_context.height
            admit(own, f"'{path}'", limits)
            frame = next(container.decode(stream), None)
            if frame is None or stream.time_base is None:
                raise InputError(f"'{path}' has no picture that can be read: get it anew")
            aspect = stream.sample_aspect_ratio or Fraction(1)
            width, height = round(frame.width * aspect), frame.height
            upright = (height, width) if frame.rotation % 180 else (width, height)
            seconds = float((stream.duration or 0) * stream.time_base)
            guessed = round(seconds * float(stream.average_rate or 0))
            return cls(
                *(path, even(upright, path, size, limits), stream.frames or guessed or None, stream.time_base),
                colours=Colours.of(frame),
            )

    def frames(self) -> Iterator[Timed]:
        self.damaged = 0
        with container_of(self.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            waiting: Timed | None = None
            for decoded in self.decoded(container.demux(stream)):
                for frame in decoded:
                    if frame.pts is None:
                        continue
                    at, lasts = frame.pts * self.unit, (frame.duration or 1) * self.unit
                    if waiting is not None:
                        if at <= waiting.at:
                            continue
                        yield replace(waiting, lasts=at - waiting.at)
                    waiting = Timed(self.colours.pixels(frame, self.size), at, lasts)
            if waiting is not None:
                yield waiting

    def decoded(self, packets: Iterator[Any]) -> Iterator[list[Any]]:
        """The frames of one packet after another, without those that are damaged."""
        import av

        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield packet.decode()
            except av.error.InvalidDataError:
                self.damaged += 1
            except av.error.FFmpegError:  # no more can be read
                self.damaged += 1
                return


@dataclass(frozen=True)
class Colours:
    """How a video says colours, by the numbers of ITU-T H.273, which FFmpeg has."""

    space: int
    range: int
    primaries: int
    transfer: int

    @classmethod
    def of(cls, frame: Any) -> "Colours":
        """Those of a frame; where it does not say, as players take it: BT.709 from 720 lines on, and BT.601 below."""
        usual = 1 if frame.height >= 720 else 6
        said = (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
        unsaid = (usual, 1, usual, usual)
        unknown = (0, 2), (0,), (0, 2), (0, 2)  # 0 is RGB, of which there is no matrix
        told = zip(map(int, said), unsaid, unknown, strict=True)
        return cls(*(usually if number in nothing else number for number, usually, nothing in told))

    def pixels(self, frame: Any, size: tuple[int, int]) -> Frame:
        """A frame's, upright, in square pixels."""
        found = frame.reformat(format="rgb24", src_colorspace=self.space, src_color_range=self.range).to_ndarray()
        return resized(np.rot90(found, frame.rotation // 90), size)


@contextmanager
def container_of(path: Path) -> "Iterator[InputContainer]":
    """A video that is read. Raises InputError for what is none, and where it is damaged."""
    import av

    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise InputError(f"'{path}' has no pictures in it: name a film")
            yield container
    except av.error.FFmpegError as error:
        raise InputError(f"'{path}' cannot be read as a film ({error.strerror}): get it anew, or convert it") from error
