"""What the user sees: a progress bar on a terminal, JSON lines for programs, or nothing."""

import codecs
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO, runtime_checkable

from impasto.errors import ImpastoError
from impasto.progress import Work
from impasto.signals import INTERRUPTED

if TYPE_CHECKING:
    from impasto.settings import Settings
    from impasto.solver import Step


def speakable(error: UnicodeError) -> tuple[str | bytes, int]:
    """What to write for characters that an encoding lacks, as ASCII does: the bytes of a file's name as they are, and
    else their numbers."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


SPEAKABLE = "impasto.speakable"
"""Its name, as streams take it for ``errors``."""

codecs.register_error(SPEAKABLE, speakable)


class Interrupted(ImpastoError):  # noqa: N818
    """Ctrl-C, or a signal that asks for the same."""

    exit_code = INTERRUPTED


CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal would obey instead of showing it: control characters, and those that turn the direction of text."""


def escaped(text: str) -> str:
    """``text`` on one line, as it may stand in a terminal, whatever names of files are in it."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Patient:
    """A text stream that may fill up, or that nobody reads any more: what cannot be written is ``lost``, and why, and
    the program goes on."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        self._tried(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._tried(self.stream.flush)

    def _tried(self, what: Callable[..., object], *of: str) -> None:
        try:
            what(*of)
        except OSError as error:
            self.lost = self.lost or error
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())  # for what is still in its buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@runtime_checkable
class Reporter(Protocol):
    """Somebody to tell how a run goes."""

    def begun(self, settings: "Settings", step: "Step") -> None:
        """This is the first step of a run."""

    def step(self, step: "Step") -> None:
        """A step was taken."""

    def part(self, part: float) -> None:
        """This part of an evaluation is done, in a picture that is looked at in places."""

    def saved(self, path: str, step: "Step", size: tuple[int, int]) -> None:
        """The picture of this step was written, at this width and height."""

    def sheet(self, path: str, of: str) -> None:
        """A sheet of several pictures, or several times the same, was written."""

    def note(self, text: str) -> None:
        """Something that whoever waits should know."""

    def done(self) -> None:
        """All went well."""


def complain(message: str, code: int, *, as_json: bool = False) -> int:
    """Say on stderr what went wrong, in one paragraph, and as JSON on stdout; the exit ``code`` is returned."""
    with suppress(OSError):
        print(f"impasto: {escaped(message)}", file=sys.stderr)
    if as_json:
        with suppress(OSError):
            print(json.dumps({"event": "error", "message": message, "code": code}), flush=True)
    return code


@contextmanager
def reporter(*, as_json: bool, quiet: bool) -> Iterator[Reporter]:
    """The one that fits: JSON lines on stdout, silence, or words and a progress bar on stderr."""
    if as_json:
        yield JsonLines()
    elif quiet:
        yield Silence()
    else:
        words = Bar(bar())
        try:
            yield words
        finally:
            words.stop()


class JsonLines:
    """One JSON object a line on stdout."""

    def begun(self, settings: "Settings", step: "Step") -> None:
        recipe = step.recipe or {}
        of_recipe = {name: recipe.get(name) for name in ("size", "machine")}
        self._print(event="start", total=step.total, seed=settings.seed, **of_recipe)

    def step(self, step: "Step") -> None:
        self._print(event="step", **_numbers(step))

    def part(self, part: float) -> None:
        pass

    def saved(self, path: str, step: "Step", size: tuple[int, int]) -> None:
        self._print(event="saved", path=path, size=size, **_numbers(step))

    def sheet(self, path: str, of: str) -> None:  # noqa: ARG002
        self._print(event="sheet", path=path)

    def note(self, text: str) -> None:
        self._print(event="note", message=text)

    def done(self) -> None:
        self._print(event="done")

    @staticmethod
    def _print(**fields: Any) -> None:
        sys.stdout.write(json.dumps(fields) + "\n")  # in one piece: print can be interrupted before its newline
        sys.stdout.flush()


class Silence:
    """Says nothing."""

    def begun(self, settings: "Settings", step: "Step") -> None:
        pass

    def step(self, step: "Step") -> None:
        pass

    def part(self, part: float) -> None:
        pass

    def saved(self, path: str, step: "Step", size: tuple[int, int]) -> None:
        pass

    def sheet(self, path: str, of: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def done(self) -> None:
        pass


class Bar:
    """What will be done, and a bar in percent of the work, with the time left."""

    def __init__(self, progress: Any) -> None:
        self.progress = progress
        self.task: Any = None
        self.work: Work | None = None
        self.latest = ""

    def begun(self, settings: "Settings", step: "Step") -> None:
        recipe = step.recipe or {}
        width, height = recipe.get("size", step.size)
        self.work = Work(settings, (width, height), recipe.get("machine") or {})
        self.progress.console.print(plan(settings, (width, height), recipe.get("machine")))
        self.progress.start()
        if self.task is not None:  # of the try before
            self.progress.remove_task(self.task)
        self.task = self.progress.add_task("", total=100 if self.work.known else None)

    def step(self, step: "Step") -> None:
        told = f"{step.size[0]} px, step {step.index}"
        if self.work is None or not self.work.known:
            self.progress.update(self.task, description=f"{told}, loss {step.loss:.3g}")
            return
        part, left = self.work.done(step)
        told += f" of {step.total}" + (f", {duration(left)} left" if step.index >= 3 else "")
        self.latest = told
        self.progress.update(self.task, completed=100 * part, description=told)

    def part(self, part: float) -> None:
        if self.task is not None:
            self.progress.update(self.task, description=f"{self.latest}, {part:.0%} of the next")

    def saved(self, path: str, step: "Step", size: tuple[int, int]) -> None:
        told = f"{size[0]} x {size[1]} px, step {step.index}, loss {step.loss:.4g}, {step.seconds:.0f} s"
        self.progress.console.print(escaped(f"{path}  ({told})"))

    def sheet(self, path: str, of: str) -> None:
        self.progress.console.print(escaped(f"{path}  ({of})"))

    def note(self, text: str) -> None:
        self.progress.console.print(escaped(text))

    def done(self) -> None:
        if self.task is not None:
            self.progress.update(self.task, total=100, completed=100, description="done")

    def stop(self) -> None:
        """Leave the bar as it is, if it was seen."""
        if self.task is not None:
            self.progress.stop()


def plan(settings: "Settings", size: tuple[int, int], machine: Any) -> str:
    """What will be done, in words."""
    at = [(round(size[0] * factor), settings.steps_at(factor)) for factor in settings.factors]
    if settings.until_settled:
        steps = f"steps at {', '.join(str(width) for width, _ in at)} px across, each until more would not show"
    else:
        steps = ", then ".join(f"{steps} steps at {width} px" for width, steps in at)
    where = "" if not machine else f" ({', '.join([machine['device'], machine['precision'][0], *in_places(machine)])})"
    return f"{size[0]} x {size[1]} px: {steps}{where}"


def in_places(machine: Mapping[str, Any]) -> list[str]:
    """How a picture is done that is too large for memory."""
    places = [f"in places of {machine['tile']} px"] if "tile" in machine else []
    return places + (["with files for what does not fit into memory"] if machine.get("on_disk") else [])


def duration(seconds: float) -> str:
    """As people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def bar(*, of_bytes: bool = False, of_pictures: bool = False, quiet: bool = False) -> Any:
    """rich's progress bar as all commands show it, on stderr: in percent, or of a download, or of pictures and steps;
    quiet, it is not seen."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns: list[Any] = [BarColumn(), TaskProgressColumn(), TextColumn("{task.description}")]
    if of_bytes or of_pictures:
        count = DownloadColumn() if of_bytes else MofNCompleteColumn()
        columns = [TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn()]
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
    return Progress(*columns, console=console, disable=quiet)


def _numbers(step: "Step") -> dict[str, Any]:
    return {
        "step": step.index,
        "evaluations": step.evaluations,
        "seconds": round(step.seconds, 3),
        "loss": step.loss,
        "terms": step.terms,
    }
