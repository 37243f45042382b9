"""What a film is written to: a video with the sound it had, or an animated picture."""

from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from impasto.atomic import atomic
from impasto.errors import UsageError
from impasto.film.clips import ANIMATIONS, Animation, Clip, Colours, Video, container_of

QUALITY = {"libx264": {"crf": "16", "preset": "medium"}, "libvpx-vp9": {"crf": "24", "b:v": "0", "row-mt": "1"}}
"""Options of the encoders: such that strokes stay what they are."""


@dataclass(frozen=True)
class Format:
    """A kind of video: FFmpeg's name of it, the encoder of its pictures, and of sounds that it cannot hold as they are;
    ``holds`` are those that it can, or None for all."""

    name: str
    encoder: str
    sound: str
    holds: frozenset[str] | None


OF_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
VIDEOS = {
    ".mp4": Format("mp4", "libx264", "aac", OF_MP4),
    ".m4v": Format("mp4", "libx264", "aac", OF_MP4),
    ".mov": Format("mov", "libx264", "aac", OF_MP4 - {"opus", "flac"} | {"pcm_s16le", "pcm_s24le", "pcm_s16be"}),
    ".mkv": Format("matroska", "libx264", "aac", None),
    ".webm": Format("webm", "libvpx-vp9", "libopus", frozenset({"opus", "vorbis"})),
}
"""Videos that are written, by their suffixes."""


def check(out: Path) -> None:
    """Raise UsageError for a file that is no film by its suffix; one without is a folder of frames."""
    if out.suffix.lower() not in {"", *VIDEOS, *ANIMATIONS}:
        known = ", ".join(sorted({*VIDEOS, *ANIMATIONS}))
        raise UsageError(f"`out`: '{out}' is no kind of film that is written: {known}, or a folder for frames")


@dataclass(frozen=True)
class Painted:
    """A painted frame, as a ``file``, when it is shown and for how long, in seconds. It is the ``index``-th, from 0 on,
    ``begins_shot`` or not, and took so many ``seconds``, 0 where it was ``there`` before."""

    file: Path
    at: Fraction
    lasts: Fraction
    index: int = 0
    begins_shot: bool = False
    seconds: float = 0.0
    there: bool = False


def write(frames: Sequence[Painted], clip: Clip, out: Path) -> None:
    """Put painted frames together, with the sound, times and colours of ``clip``, whole or not at all. Raises OSError
    where it cannot be written, InputError where the sound cannot be read any more."""
    if out.suffix.lower() in ANIMATIONS:
        write_animation(frames, clip, out)
    else:
        write_video(frames, clip, out, VIDEOS[out.suffix.lower()])


def write_animation(frames: Sequence[Painted], clip: Clip, out: Path) -> None:
    """As a GIF, WebP or PNG, which shows itself as often as it did, and else without end."""
    form = ANIMATIONS[out.suffix.lower()]
    step = 10 if form == "GIF" else 1  # ms
    ends = [round((frame.at + frame.lasts - frames[0].at) * 1000 / step) * step for frame in frames]
    lasts = [max(step, end - start) for start, end in zip([0, *ends], ends, strict=False)]
    loop = clip.loop if isinstance(clip, Animation) else 0
    options: dict[str, Any] = {"quality": 90, "method": 4} if form == "WEBP" else {}
    with atomic(out) as file:
        first = picture_of(frames[0].file, form)
        rest: Any = Pictures([frame.file for frame in frames[1:]], form)
        first.save(file, form, save_all=True, append_images=rest, duration=lasts, loop=loop, **options)


@dataclass(frozen=True)
class Pictures:
    """Frames, read one after another as often as they are looked at."""

    files: Sequence[Path]
    form: str

    def __iter__(self) -> Iterator[Image.Image]:
        return (picture_of(file, self.form) for file in self.files)


def picture_of(file: Path, form: str) -> Image.Image:
    """A frame as it is written: in a GIF of 256 colours, without dots that would flicker."""
    with Image.open(file) as picture:
        found = picture.convert("RGB")
    return found.quantize(256, dither=Image.Dither.NONE) if form == "GIF" else found


def write_video(frames: Sequence[Painted], clip: Clip, out: Path, of: Format) -> None:
    """As a video."""
    import av

    colours = clip.colours if isinstance(clip, Video) else Colours(*(1, 1, 1, 1))
    sound = container_of(clip.path) if isinstance(clip, Video) else nullcontext()
    with sound as source, atomic(out) as file, closing(av.open(file, "w", format=of.name)) as container:
        stream: Any = container.add_stream(of.encoder, options=QUALITY[of.encoder])
        stream.width, stream.height = clip.size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = clip.unit
        context.framerate = Fraction(len(frames)) / (frames[-1].at + frames[-1].lasts - frames[0].at)
        context.colorspace, context.color_range = colours.space, colours.range
        context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        sounds = Sounds(source, container, of)
        lasts = {int(frame.at / clip.unit): int(frame.lasts / clip.unit) for frame in frames}

        def put(packets: Sequence[Any]) -> None:
            for packet in packets:
                packet.duration = lasts[packet.pts]  # which encoders guess
                container.mux(packet)

        for frame in frames:
            with Image.open(frame.file) as picture:
                shown = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), "rgb24")
            shown = shown.reformat(format="yuv420p", dst_colorspace=colours.space, dst_color_range=colours.range)
            shown.colorspace, shown.color_range = colours.space, colours.range
            shown.time_base = clip.unit
            shown.pts = int(frame.at / clip.unit)
            sounds.until(frame.at)
            put(stream.encode(shown))
        sounds.until(None)
        put(stream.encode(None))


class Sounds:
    """What is heard in one video, put into another at its own times: packets as they are, or encoded anew where that
    kind of video cannot hold them."""

    def __init__(self, source: Any, into: Any, of: Format) -> None:
        self.into = into
        streams = [] if source is None else list(source.streams.audio)
        self.streams = {one.index: self.stream(one, of) for one in streams}
        self.packets: Iterator[Any] = source.demux(streams) if streams else iter(())
        self.next: Any = None

    def stream(self, one: Any, of: Format) -> Any:
        """Where one goes, and whether it is encoded anew."""
        if of.holds is None or one.codec_context.name in of.holds:
            return self.into.add_stream_from_template(one), False
        return self.into.add_stream(of.sound, rate=one.codec_context.sample_rate), True

    def until(self, at: Fraction | None) -> None:
        """All that is heard up to this time, in seconds; without one, all that is left."""
        while (packet := self.next or next(self.packets, None)) is not None:
            if at is not None and packet.pts is not None and packet.pts * packet.time_base > at:
                self.next = packet
                return
            self.next = None
            self.put(packet)

    def put(self, packet: Any) -> None:
        """A packet; the last of a stream is empty."""
        stream, anew = self.streams[packet.stream.index]
        if anew:
            for frame in packet.decode():
                self.into.mux(stream.encode(frame))
            if packet.dts is None:
                self.into.mux(stream.encode(None))
        elif packet.dts is not None:
            packet.stream = stream
            self.into.mux(packet)
