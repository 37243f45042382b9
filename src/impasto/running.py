"""A run: its steps one after another, and where it is, which a file can keep."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from impasto.checkpoints import Checkpoint
from impasto.devices import memory, undisturbed
from impasto.images.metadata import Origin
from impasto.images.resizing import resized
from impasto.preparation import Prepared
from impasto.pyramid import CoarseToFine, Course
from impasto.solver import Step
from impasto.tiling import Plan


class Run(Iterator[Step]):
    """The steps of a run, from the start or from a checkpoint on: then the best so far and the latest come first."""

    def __init__(
        self, of: Prepared, recipe: Mapping[str, Any], origin: Origin | None, checkpoint: Checkpoint | None = None
    ) -> None:
        self.of, self.recipe, self.origin = of, recipe, origin
        self.total = None if of.settings.until_settled else of.settings.steps_in_all
        self.most: tuple[int, bool, float] | None = None
        painting = CoarseToFine(of.objectives_at, of.start, of.settings, of.dial)
        self.course = Course(painting, *(() if checkpoint is None else (checkpoint.state, checkpoint.seconds)))

    @property
    def plan(self) -> Plan:
        """How it fits into memory."""
        return self.of.plan

    @property
    def multiple(self) -> float:
        """What β is multiplied by, as it was found so far."""
        return 1.0 if self.course.state is None else self.course.state.balance.multiple

    def __next__(self) -> Step:
        with memory(), undisturbed():
            step = next(self.course, None)
            told = None if step is None else self.told(step)
        if told is None:
            raise StopIteration
        return told

    def told(self, step: Step) -> Step:
        """A step as people get it: of what is seen, and the caller's own."""
        seen, alpha = self.of.view(step.image), self.of.alpha
        image = seen.clone() if seen is step.image else seen  # whoever gets it may write into it
        if alpha is not None:
            image = image * (resized(alpha, *image.shape[2:]) > 0)
            step = replace(step, alpha=alpha.clone())
        best = self.most is None or step.merit >= self.most
        self.most = step.merit if best else self.most
        return replace(step, image=image, total=self.total, best=best, recipe=self.recipe, origin=self.origin)

    def save(self, path: str | PathLike[str]) -> None:
        """Keep where the run is in a file, whole or not at all, for ``resume``; nothing before its first step. Raises
        OSError where it cannot be written."""
        state = self.course.state
        if state is not None:
            Checkpoint(state, self.course.seconds, self.recipe, self.plan).save(Path(path))
        if self.of.disk is not None:
            self.of.disk.rest()
