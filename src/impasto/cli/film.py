"""``impasto film``: a film in the manner of a painting."""

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli import options as o
from impasto.cli.console import Interrupted, duration, escaped
from impasto.cli.names import hold
from impasto.cli.options import LOSS, OUTPUT, PICTURE, option
from impasto.errors import InputError, UsageError
from impasto.signals import Listening

if TYPE_CHECKING:
    from impasto.film.painting import Film
    from impasto.film.writing import Painted


def film(
    source: Annotated[
        Path, typer.Argument(help="A video, a folder of frames, or a GIF.", metavar="FILM", show_default=False)
    ],
    style: Annotated[
        list[str],
        typer.Argument(help="The painting, or several: files, sample:NAME.", metavar="STYLE...", show_default=False),
    ],
    out: Annotated[
        Path | None,
        option("--out", "-o", panel=OUTPUT, text="A video, a GIF or WebP, or a folder for frames.", metavar="FILM"),
    ] = None,
    consistency: Annotated[
        float,
        option(
            "--consistency",
            panel=LOSS,
            text="How much a frame is held to the one before it: 0, not at all, to 1.",
            default="0.5",
            min=0,
            max=1,
        ),
    ] = 0.5,
    fps: Annotated[
        str, option("--fps", panel=PICTURE, text="Of a folder of frames: 25, or 30000/1001.", default="25")
    ] = "25",
    keep_frames: Annotated[
        bool, option("--keep-frames", panel=OUTPUT, text="Leave the painted frames, beside the film.")
    ] = False,
    like: o.SettingsLike = None,
    size: o.Size = None,
    strength: o.Strength = None,
    preset: o.Preset = None,
    keep_colours: o.OwnColours = False,
    seed: o.Seed = None,
    network: o.Network = None,
    weights: o.Weights = None,
    device: o.Device = None,
    precision: o.Precision = None,
    memory: o.Memory = None,
    limits: o.Limits = None,
    threads: o.Threads = None,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Paint a film: impasto film IN.mp4 painting.jpg -o OUT.mp4

    Each frame goes on from the one before, so that strokes move with what they are on. Sound and times are kept. The
    same command again goes on after the last frame that was painted.
    """
    options = dict(locals())
    from impasto.cli.run import fetch_if_missing

    if out is None:
        raise UsageError("`out` is where the film goes: -o FILM.mp4")
    settings = o.settings_like(options)
    fetch_if_missing(settings, silent=quiet or as_json)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    try:
        from impasto.film import Film

        painting = Film(source, [*style], out, settings, consistency=consistency, fps=fps)
    except ModuleNotFoundError as error:
        if error.name not in ("av", "cv2"):
            raise
        raise UsageError("films need PyAV and OpenCV: pip install 'impasto[film]'") from error
    tell = Teller(painting, as_json=as_json, quiet=quiet)
    with ExitStack() as taken, Listening() as signals:
        hold(out, taken)
        try:
            tell.begin()
            for frame in painting.paint():
                tell(frame)
                if signals.asked:
                    raise KeyboardInterrupt
            painting.write(keep=keep_frames)
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted after {tell.done} frames; the same command goes on") from None
        except OSError as error:
            raise InputError(f"'{out}' cannot be written ({error.strerror or error}): choose another place") from error
    tell.end()


@dataclass
class Teller:
    """Says how it goes, one line for each frame."""

    film: "Film"
    as_json: bool
    quiet: bool
    done: int = 0
    each: float = 0.0
    """Seconds that a frame takes which goes on from another."""
    painted: list[float] = field(default_factory=list)
    """Seconds that such frames took."""

    def begin(self) -> None:
        """What is going to be done, and how long it takes."""
        width, height = self.film.clip.size
        first, each = (0.0, 0.0) if self.quiet else self.film.forecast()
        self.each = each
        total = self.film.clip.count
        seconds = None if total is None else first + (total - 1) * each
        if self.as_json:
            told: dict[str, Any] = {"frames": total, "size": [width, height], "first": round(first, 1)}
            told |= {"each": round(each, 2), "seconds": None if seconds is None else round(seconds)}
            print(json.dumps({"event": "start", **told}), flush=True)
        elif not self.quiet:
            frames = "frames" if total is None else f"{total} frames"
            whole = "" if seconds is None else f", about {duration(seconds)} in all"
            print(
                f"{frames} of {width} x {height} px: about {each:.1f} s each, {first:.0f} s where a shot begins{whole}"
            )

    def __call__(self, frame: "Painted") -> None:
        self.done, total = frame.index + 1, self.film.clip.count
        if not (frame.there or frame.begins_shot):
            self.painted.append(frame.seconds)
        each = sum(self.painted) / len(self.painted) if self.painted else self.each
        left = None if total is None else each * max(total - self.done, 0)
        state = "there" if frame.there else "painted"
        if self.as_json:
            told: dict[str, Any] = {"frame": self.done, "total": total, "file": str(frame.file)}
            told |= {"shot": frame.begins_shot, "seconds": round(frame.seconds, 2)}
            told |= {"left": None if left is None else round(left)}
            print(json.dumps({"event": state, **told}), flush=True)
        elif not self.quiet:
            of = "" if total is None else f"/{total}"
            shot = ", a shot begins" if frame.begins_shot and frame.index else ""
            rest = "" if not left else f", about {duration(left)} left"
            print(f"{self.done}{of} {state}{shot}{rest}", flush=True)

    def end(self) -> None:
        """The film is there."""
        out, damaged = self.film.out, getattr(self.film.clip, "damaged", 0)
        if self.as_json:
            print(json.dumps({"event": "done", "file": str(out), "frames": self.done, "damaged": damaged}), flush=True)
        elif not self.quiet:
            lost = f"; {damaged} damaged parts of it could not be read" if damaged else ""
            print(f"'{escaped(str(out))}' has {self.done} frames{lost}", flush=True)
