"""The figures and their numbers: ``figures.csv``, and ``report.html``, one file that opens without a network."""

import base64
import csv
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from impasto.atomic import atomic
from impasto.figures.measures import LAYERS
from impasto.figures.panels import Painted
from impasto.figures.paper import Figure

COLUMNS = (
    "name", "kind", "content_layers", "style_layers", "alpha/beta", "content", "style", "pixel_error",
    *(f"content_error {layer}" for layer in LAYERS), *(f"style_error {layer}" for layer in LAYERS),
    "steps", "evaluations", "seconds", "init", "seed", "size", "network",
)  # fmt: skip

STYLE = """
body { font: 15px/1.5 Georgia, serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222 }
img { max-width: 100%; height: auto } figure { margin: 2em 0 }
table { border-collapse: collapse; font: 11px/1.4 monospace; display: block; overflow-x: auto }
td, th { padding: 2px 8px; text-align: right; border-bottom: 1px solid #ddd } td:first-child { text-align: left }
"""


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """A panel's record as a row of the table."""
    settings = record["recipe"]["settings"]
    errors: dict[str, float] = {}
    for kind in ("content_error", "style_error"):
        errors |= {f"{kind} {layer}": value for layer, value in record.get(kind, {}).items()}
    both = record["kind"] == "stylize"
    return {
        **{name: record.get(name, "") for name in ("name", "kind", "pixel_error", "steps", "evaluations", "seconds")},
        **record["terms"],
        **errors,
        **{name: settings[name] for name in ("init", "seed", "size", "network")},
        "content_layers": " ".join(settings["content_layers"]) if record["kind"] != "style" else "",
        "style_layers": " ".join(settings["style_layers"]) if record["kind"] != "content" else "",
        "alpha/beta": settings["content_weight"] / settings["style_weight"] if both else "",
    }


def write_csv(panels: Sequence[Painted], path: Path) -> None:
    """One row a panel."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row_of(panel.record) for panel in panels)
    with atomic(path) as file:
        file.write(text.getvalue().encode())


def write_report(figures: Sequence[Figure], panels: Mapping[str, Painted], folder: Path, plot: Path | None) -> Path:
    """``report.html`` in ``folder``, with the sheets that are there as ``NAME.png``, and ``plot``."""
    parts = []
    for figure in figures:
        names = [panel.name for row in figure.grid for panel in row]
        parts += [f"<h2>{html.escape(figure.title)}</h2>", image(folder / f"{figure.name}.png")]
        if plot and figure.name == "figure1":
            parts += ["<h3>The same as numbers</h3>", image(plot)]
        parts.append(f"<details><summary>Numbers</summary>{table([panels[name].record for name in names])}</details>")
    recipe = next(iter(panels.values())).record["recipe"]
    made = f"impasto {recipe['impasto']}, torch {recipe['torch']}, network {recipe['settings']['network']}"
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>The paper, reproduced</title>'
        f"<style>{STYLE}</style>"
        f"<h1>A Neural Algorithm of Artistic Style, reproduced</h1><p>{html.escape(made)}</p>{''.join(parts)}</html>"
    )
    with atomic(folder / "report.html") as file:
        file.write(page.encode())
    return folder / "report.html"


def table(records: Sequence[Mapping[str, Any]]) -> str:
    rows = [row_of(record) for record in records]
    columns = [name for name in COLUMNS if any(row.get(name, "") != "" for row in rows)]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(shown(row.get(name, '')))}</td>" for name in columns) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def image(path: Path) -> str:
    """The picture within the page, as JPEG."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<figure><img alt="{html.escape(path.stem)}" src="data:image/jpeg;base64,{data}"></figure>'
