"""The single pictures of the figures: painted one after another, each kept with its numbers as soon as it is there."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from impasto import facade
from impasto.atomic import atomic
from impasto.figures.measures import measures
from impasto.images.files import write
from impasto.recipe import files_read, recipe
from impasto.settings import Settings
from impasto.solver import Step

Kind = Literal["content", "style", "stylize"]


@dataclass(frozen=True)
class Panel:
    """One picture of a figure, and how it is made: a reconstruction of content or style, or a photograph painted."""

    name: str
    """Of its files."""
    kind: Kind
    settings: Settings
    photograph: str = ""
    painting: str = ""

    @property
    def pictures(self) -> dict[str, str]:
        """The files that it is made from, by what they are for."""
        roles = {"content": self.photograph, "style": self.painting}
        return {role: file for role, file in roles.items() if file}

    def begin(self) -> Iterator[Step]:
        """The steps to the picture."""
        if self.kind == "content":
            return facade.reconstruct_content(self.photograph, self.settings)
        if self.kind == "style":
            return facade.reconstruct_style(self.painting, self.settings)
        return facade.stylize(self.photograph, self.painting, self.settings)

    def recipe(self) -> dict[str, Any]:
        """What it is made from; another one is another picture."""
        return recipe(self.kind, self.settings, files_read(self.settings, **self.pictures))


@dataclass(frozen=True)
class Painted:
    """A panel that is there: its picture, and what is known of it, as JSON."""

    panel: Panel
    picture: Path
    record: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """Where the painting of many panels is."""

    panel: Panel
    done: int
    """Panels before this one."""
    step: Step


def painted(panel: Panel, folder: Path) -> Painted | None:
    """The panel as an earlier run left it in ``folder``; None if there is none, or one that was made otherwise."""
    picture, numbers = folder / f"{panel.name}.png", folder / f"{panel.name}.json"
    try:
        record = json.loads(numbers.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    there = picture.exists() and isinstance(record, dict) and record.get("recipe") == panel.recipe()
    return Painted(panel, picture, record) if there else None


def paint(panels: Sequence[Panel], folder: Path) -> Iterator[Progress]:
    """Paint those of ``panels`` that are not in ``folder`` yet, step by step.

    A panel's PNG and JSON are written when its last step is done, the JSON last: a run that was stopped has lost the
    panel it was at, no more. Raises what ``stylize`` raises.
    """
    for done, panel in enumerate(panels):
        if painted(panel, folder):
            continue
        best: Step | None = None
        for step in panel.begin():
            best = step if best is None or step.merit >= best.merit else best
            yield Progress(panel, done, step)
        assert best is not None
        made_of = panel.recipe()
        write(best.image, folder / f"{panel.name}.png", recipe=made_of)
        record = {
            "name": panel.name,
            "kind": panel.kind,
            "terms": unweighted(best, panel.settings),
            "seconds": round(step.seconds, 2),
            "steps": step.index,
            "evaluations": step.evaluations,
            **measures(panel.settings, best.image, panel.photograph, panel.painting),
            "recipe": made_of,
        }
        with atomic(folder / f"{panel.name}.json") as file:
            file.write(json.dumps(record, indent=1).encode())


def unweighted(step: Step, settings: Settings) -> dict[str, float]:
    """The paper's L_content and L_style, without α and β."""
    weights = {"content": settings.content_weight, "style": settings.style_weight, "tv": settings.tv_weight}
    return {term: value / weights[term] for term, value in step.terms.items() if not math.isclose(weights[term], 0)}
