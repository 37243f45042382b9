"""How much of a run is done, and how long the rest takes."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from impasto.settings import Settings
    from impasto.solver import Step

OVERHEAD = 16_000
"""Pixels that an evaluation could look at in the time that it takes however small the picture is: 11,000 to 21,000, by
network and machine."""

ENOUGH = 5
"""Steps at one size that tell how long others take there."""


NO_PLACES: "Mapping[str, Any]" = {}
"""Of a picture that is looked at as a whole."""


class Work:
    """The work of a run, pixels times steps, where the number of steps is known; ``machine`` says in what places."""

    def __init__(self, settings: "Settings", size: tuple[int, int], machine: "Mapping[str, Any]" = NO_PLACES) -> None:
        from impasto.tiling import effort

        width, height = size
        self.known = not settings.until_settled
        self.widths = [width * factor for factor in settings.factors]
        self.steps = [settings.steps_at(factor) for factor in settings.factors]
        sizes = [(round(height * factor), round(width * factor)) for factor in settings.factors]
        sides = machine.get("tiles") or [None] * len(sizes)
        self.of_step = [effort(*at, side) + OVERHEAD for at, side in zip(sizes, sides, strict=True)]
        self.total = self.until(len(self.steps))
        self.began, self.latest = 0.0, (0, 0, 0.0)

    def until(self, size: int) -> float:
        """All of it at the sizes before this one."""
        return float(sum(work * steps for work, steps in zip(self.of_step[:size], self.steps[:size], strict=True)))

    def done(self, step: "Step") -> tuple[float, float]:
        """The part that is done at this step, from 0 to 1, and about how many seconds are left. Steps come in turn."""
        size = min(range(len(self.widths)), key=lambda n: abs(self.widths[n] - step.size[0]))
        if step.index == 0:
            self.began = step.seconds
        if step.index == 0 or size != self.latest[0]:
            self.latest = size, step.index, step.seconds
        _, begun, seconds = self.latest
        here = self.of_step[size] * (step.index - begun)
        done = min(self.until(size) + here, self.total)
        if step.index - begun < ENOUGH:  # as fast as so far
            here, seconds = done, self.began
        return done / max(self.total, 1.0), (self.total - done) * (step.seconds - seconds) / max(here, 1.0)
