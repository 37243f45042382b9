"""The single pictures of the figures: painted one after another, each kept with its numbers as soon as it is there."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.atomic import atomic
from impasto.errors import InputError
from impasto.figures.measures import measures
from impasto.figures.paper import Panel
from impasto.images.decoding import digest
from impasto.images.files import write
from impasto.settings import Settings
from impasto.solver import Step


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
    """The panel as an earlier run left it in ``folder``; None if there is none, one that is damaged, or one that was
    made otherwise."""
    picture = folder / f"{panel.name}.png"
    record = sound(folder / f"{panel.name}.json", picture)
    return Painted(panel, picture, record) if record and record.get("recipe") == panel.recipe() else None


def sound(numbers: Path, picture: Path) -> dict[str, Any] | None:
    """The record in the file ``numbers`` where that and the ``picture`` are what was written together; None where one
    of them is missing, damaged or another's."""
    try:
        record = json.loads(numbers.read_bytes()) if numbers.is_file() else None
        whole = isinstance(record, dict) and record.pop("digest", None) == digest_of(record, picture)
    except (OSError, ValueError, RecursionError, InputError):
        return None
    return record if whole else None


def digest_of(record: dict[str, Any], picture: Path) -> str:
    """SHA-256 of all that is kept of a panel. Raises InputError where the picture cannot be read."""
    return hashlib.sha256(f"{digest(picture)} {json.dumps(record)}".encode()).hexdigest()


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
        made_of, picture = panel.recipe(), folder / f"{panel.name}.png"
        write(best.picture, picture, recipe=made_of)
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
            file.write(json.dumps(record | {"digest": digest_of(record, picture)}, indent=1).encode())


def unweighted(step: Step, settings: Settings) -> dict[str, float]:
    """The paper's L_content and L_style, without α and β."""
    weights = {"content": settings.content_weight, "style": settings.beta, "tv": settings.tv_weight}
    return {term: value / weights[term] for term, value in step.terms.items() if not math.isclose(weights[term], 0)}
