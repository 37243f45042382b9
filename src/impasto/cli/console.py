"""What the user sees: a progress bar on a terminal, JSON lines for programs, or nothing."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from impasto.solver import Step


@runtime_checkable
class Reporter(Protocol):
    """Somebody to tell how a run goes."""

    def step(self, step: "Step") -> None:
        """A step was taken."""

    def saved(self, path: str, step: "Step") -> None:
        """The picture of this step was written."""


def complain(message: str) -> None:
    """Say on stderr what went wrong, in one paragraph."""
    print(f"impasto: {message}", file=sys.stderr)


@contextmanager
def reporter(steps: int | None, *, as_json: bool, quiet: bool) -> Iterator[Reporter]:
    """The one that fits: JSON lines on stdout, silence, or words and a progress bar on stderr. ``steps``, if known."""
    if as_json:
        yield JsonLines()
    elif quiet:
        yield Silence()
    else:
        with bar() as progress:
            yield Bar(progress, steps)


class JsonLines:
    """One JSON object a line on stdout."""

    def step(self, step: "Step") -> None:
        self._print(event="step", **_numbers(step))

    def saved(self, path: str, step: "Step") -> None:
        self._print(event="saved", path=path, **_numbers(step))

    @staticmethod
    def _print(**fields: Any) -> None:
        sys.stdout.write(json.dumps(fields) + "\n")  # in one piece: print can be interrupted before its newline
        sys.stdout.flush()


class Silence:
    """Says nothing."""

    def step(self, step: "Step") -> None:
        pass

    def saved(self, path: str, step: "Step") -> None:
        pass


class Bar:
    """A progress bar with the losses and the time left."""

    def __init__(self, progress: Any, steps: int | None) -> None:
        self.progress = progress
        self.task = progress.add_task("painting", total=steps)

    def step(self, step: "Step") -> None:
        losses = "  ".join(f"{name} {value:.3g}" for name, value in step.terms.items())
        self.progress.update(self.task, completed=step.index, description=losses)

    def saved(self, path: str, step: "Step") -> None:
        height, width = step.image.shape[2:]
        told = f"{width} x {height} px, step {step.index}, loss {step.loss:.4g}, {step.seconds:.0f} s"
        self.progress.console.print(f"{path}  ({told})")


def bar(*, of_bytes: bool = False, quiet: bool = False) -> Any:
    """rich's progress bar as all commands show it, on stderr: of steps, or of a download; quiet, it is not seen."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    count = DownloadColumn() if of_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
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
