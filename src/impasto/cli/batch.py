"""``impasto batch``: many photographs by many paintings."""

import csv
import io
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli import options as o
from impasto.cli.console import Interrupted, duration, escaped
from impasto.cli.options import OUTPUT, PICTURE, RUN, option
from impasto.errors import InputError, UsageError
from impasto.signals import Listening

if TYPE_CHECKING:
    from impasto.batch import Outcome, Task
    from impasto.settings import Settings

REPORT, SHEET = "report.csv", "contact-sheet.jpg"
THUMBNAIL = 160
"""Long side in px, in the sheet."""

MOST_SHOWN = 1000
"""Pictures in the sheet."""

LOOK = 2.0
"""Seconds from one look at a folder that is watched to the next."""


def batch(
    photographs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, globs, folders with all in them, sample:NAME.", metavar="PHOTOS...", show_default=False
        ),
    ] = None,
    style: Annotated[
        list[str] | None,
        option("--style", panel=PICTURE, text="The painting, or several: each photograph is painted by each of them."),
    ] = None,
    pairs: Annotated[
        Path | None,
        option("--pairs", panel=PICTURE, text="A CSV file instead: a photograph and a painting on each line."),
    ] = None,
    like: o.SettingsLike = None,
    out: Annotated[
        Path | None, option("--out", "-o", panel=OUTPUT, text="The folder for the pictures.", metavar="FOLDER")
    ] = None,
    format: Annotated[
        str, option("--format", panel=OUTPUT, text="Of the pictures: png, jpg, webp or tif.", default="png")
    ] = "png",
    size: o.Size = None,
    strength: o.Strength = None,
    preset: o.Preset = None,
    keep_colours: o.OwnColours = False,
    seed: o.Seed = None,
    quality: o.Quality = None,
    network: o.Network = None,
    weights: o.Weights = None,
    device: o.Device = None,
    precision: o.Precision = None,
    memory: o.Memory = None,
    limits: o.Limits = None,
    workers: Annotated[
        int, option("--workers", panel=RUN, text="How many are painted at a time.", default="1", min=1, max=256)
    ] = 1,
    threads: o.Threads = None,
    ray: Annotated[
        str | None,
        option("--ray", panel=RUN, text="On a cluster of Ray's: its address, or auto, which begins one here."),
    ] = None,
    watch: Annotated[
        bool, option("--watch", panel=RUN, text="Go on, and paint what is put into the folders, until Ctrl-C.")
    ] = False,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Paint every photograph by every painting: impasto batch PHOTOS... --style a.jpg b.jpg -o OUT

    What is finished is not painted again. A bad file is reported, and the rest goes on: OUT/report.csv has it all.
    Exit code 0 only where all went well.
    """
    options = dict(locals())
    from impasto import batch as b
    from impasto.cli.run import fetch_if_missing

    if out is None:
        raise UsageError("`out` is the folder for the pictures: -o FOLDER")
    if (pairs is None) == (not photographs) or (pairs is None) == (not style):
        raise UsageError("photographs and `style` are wanted, or `pairs`: impasto batch PHOTOS... --style a.jpg -o OUT")
    if watch and (pairs is not None or ray is not None):
        raise UsageError("`watch` looks into folders: it does not go with `pairs`, nor with `ray`")
    settings = o.settings_like(options)
    if settings.blend is not None:
        raise UsageError("`like`: it has a blend of several paintings, and here each photograph is painted by each")
    suffix = suffix_of(format)
    wanted = b.tasks_in(pairs, out, suffix) if pairs else in_folders(photographs, style, out, suffix, watch=watch)
    fetch_if_missing(settings, silent=quiet or as_json)
    tell = Teller(len(wanted), as_json=as_json, quiet=quiet)
    with Listening() as signals:
        try:
            begin_threads(threads, workers)
            for outcome in outcomes(wanted, settings, workers, threads, ray):
                tell(outcome)
            while watch:
                time.sleep(LOOK)
                new = unseen(in_folders(photographs, style, out, suffix, watch=True), tell.outcomes)
                tell.total += len(new)
                for outcome in b.here(new, settings, workers, threads):
                    tell(outcome)
        except KeyboardInterrupt:
            pass
        signals.over = True
        asked = signals.asked
        code = finish(tell, out)
    if asked and not watch:
        raise Interrupted(f"interrupted: {tell.summary()}; the same command goes on")
    raise typer.Exit(code)


def in_folders(
    photographs: list[str] | None, style: list[str] | None, out: Path, suffix: str, *, watch: bool
) -> "list[Task]":
    """What is there to be painted; while folders are watched, that may be nothing."""
    from impasto.batch import tasks

    try:
        return tasks(photographs or [], style or [], out, suffix)
    except InputError:
        if not watch:
            raise
        return []


def suffix_of(format: str) -> str:
    """With its dot. Raises UsageError where it is not written."""
    from impasto.images.output import writer_of

    writer_of(Path(), format)
    return f".{format.lower()}"


def begin_threads(threads: int | None, workers: int) -> None:
    """Of this process, where it paints itself."""
    if threads is not None and workers == 1:
        import torch

        torch.set_num_threads(threads)


def outcomes(
    wanted: "Sequence[Task]", settings: "Settings", workers: int, threads: int | None, ray: str | None
) -> "Iterator[Outcome]":
    """Painted here, or on a cluster."""
    if ray is None:
        from impasto.batch import here

        return here(wanted, settings, workers, threads)
    from impasto.cluster import there

    return there(wanted, settings, ray, threads or 1)


def unseen(wanted: "Iterable[Task]", outcomes: "Sequence[Outcome]") -> "list[Task]":
    """Those that were not tried yet, and whose photograph is there whole: nobody has written to it for a while."""
    before = {outcome.task for outcome in outcomes}
    new = []
    for task in wanted:
        path = Path(task.photograph)
        if task not in before and path.is_file() and time.time() - path.stat().st_mtime > LOOK:
            new.append(task)
    return new


@dataclass
class Teller:
    """Says how it goes, one line for each picture, and keeps the outcomes."""

    total: int
    as_json: bool
    quiet: bool
    outcomes: "list[Outcome]" = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def __call__(self, outcome: "Outcome") -> None:
        self.outcomes.append(outcome)
        done, task = len(self.outcomes), outcome.task
        painted = sum(one.state == "painted" for one in self.outcomes)
        left = (time.monotonic() - self.began) / painted * (self.total - done) if painted else None
        if self.as_json:
            told: dict[str, Any] = {"event": outcome.state, "photograph": task.photograph, "painting": task.painting}
            told |= {"file": str(task.out), "seconds": round(outcome.seconds, 2), "done": done, "total": self.total}
            told |= {"loss": outcome.loss, "left": None if left is None else round(left)}
            print(json.dumps(told | ({"error": outcome.said} if outcome.said else {})), flush=True)
        elif outcome.state == "failed":
            print(f"{done}/{self.total} {escaped(task.photograph)}: {outcome.said}", file=sys.stderr, flush=True)
        elif not self.quiet:
            rest = "" if left is None or done == self.total else f", about {duration(left)} left"
            print(f"{done}/{self.total} {escaped(str(task.out))} {outcome.state}{rest}", flush=True)

    def summary(self) -> str:
        """How many there are of each."""
        states = Counter(outcome.state for outcome in self.outcomes)
        of = f"{len(self.outcomes)} of {self.total} pictures: {states['painted']} painted"
        return f"{of}, {states['there']} there before, {states['failed']} failed"


def finish(tell: Teller, out: Path) -> int:
    """Write the report and the sheet, and say how it went; the exit code."""
    from impasto.atomic import atomic

    if not tell.outcomes:
        return 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        with atomic(out / REPORT) as file:
            file.write(report(tell.outcomes).encode())
        sheet(tell.outcomes, out / SHEET)
    except OSError as error:
        raise InputError(f"'{out}' cannot be written to ({error.strerror}): choose another folder") from error
    if not tell.quiet and not tell.as_json:
        print(f"{tell.summary()}; '{out / REPORT}' has them all")
    if tell.as_json:
        states = Counter(outcome.state for outcome in tell.outcomes)
        print(json.dumps({"event": "done", **states, "report": str(out / REPORT)}), flush=True)
    return max(outcome.code for outcome in tell.outcomes)


def report(outcomes: "Sequence[Outcome]") -> str:
    """A table: one line for each picture."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["photograph", "painting", "picture", "state", "seconds", "loss", "error"])
    for of in sorted(outcomes, key=lambda of: str(of.task.out)):
        loss = "" if of.loss is None else f"{of.loss:.6g}"
        task = of.task
        table.writerow([task.photograph, task.painting, task.out, of.state, f"{of.seconds:.2f}", loss, of.said])
    return text.getvalue()


def sheet(outcomes: "Sequence[Outcome]", out: Path) -> None:
    """All that there is, small, side by side."""
    from PIL import Image

    from impasto.cli.run import contact_sheet
    from impasto.errors import ImpastoError
    from impasto.images.decoding import decode

    pictures = []
    for outcome in sorted(outcomes, key=lambda of: str(of.task.out))[:MOST_SHOWN]:
        try:
            if outcome.state != "failed":
                pictures.append(Image.fromarray(decode(outcome.task.out, size=THUMBNAIL, short_side=16)))
        except ImpastoError:  # somebody has taken it away meanwhile
            continue
    if pictures:
        contact_sheet(pictures, out, THUMBNAIL)
