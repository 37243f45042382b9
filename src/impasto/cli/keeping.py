"""Where a run is, kept in a file beside its picture while it goes on."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from impasto.atomic import remove_left
from impasto.cli.console import Reporter

if TYPE_CHECKING:
    from impasto.solver import Step
    from impasto.tiling import Plan

SHARE = 20
"""Times as long as writing a checkpoint took, at least, until the next: those of large pictures take seconds."""


@runtime_checkable
class Resumable(Protocol):
    """The steps of a run that a file can keep, and how it fits into memory."""

    @property
    def plan(self) -> "Plan": ...
    def __next__(self) -> "Step": ...
    def save(self, path: Path, /) -> None: ...


def beside(out: Path) -> Path:
    """The checkpoint of the run that paints ``out``."""
    return out.with_name(f"{out.name}.checkpoint")


@dataclass
class Keeper:
    """Keeps where a run is in the file ``path``, every so many seconds; without a path, or any seconds, nothing."""

    path: Path | None
    every: float
    report: Reporter
    due: float = field(default_factory=time.monotonic)
    failed: bool = False

    def __post_init__(self) -> None:
        self.due += self.every
        self.path = self.path if self.every > 0 else None

    def after_step(self, steps: "Iterator[Step]") -> None:
        """Keep it, if it is time."""
        if self.path is not None and time.monotonic() >= self.due:
            self.keep(steps)

    def keep(self, steps: "Iterator[Step]") -> bool:
        """Keep it now; whether that was done. Where it cannot be done the run goes on, and it is said once."""
        if self.path is None or not isinstance(steps, Resumable):
            return False
        began = time.monotonic()
        try:
            steps.save(self.path)
        except (MemoryError, OSError, RuntimeError) as error:  # of a GPU's solver the state may be gone, in a step
            if not self.failed:
                reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
                self.report.note(f"'{self.path}' cannot be written ({reason}): --resume would go on from before")
            self.failed = True
            return False
        else:
            self.failed = False
            return True
        finally:
            now = time.monotonic()
            self.due = now + max(self.every, SHARE * (now - began))

    def done(self) -> None:
        """The picture is there: the file is not needed any more."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
                remove_left(self.path)
