"""``impasto presets``: settings that go together, as a list, or as a sheet of one picture painted with each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from impasto.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image


def presets(
    content: Annotated[str | None, typer.Argument(help="A photograph to show them on.")] = None,
    style: Annotated[str | None, typer.Argument(help="A painting to show them with.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the sheet goes.")] = Path("presets.png"),
    size: Annotated[int, typer.Option("--size", help="Long side of each picture in px.", min=16)] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="The list as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing unless something fails.")] = False,
) -> None:
    """List the presets; with a photograph and a painting, paint them with each, all on one sheet."""
    from impasto.settings import PRESETS

    if content is not None:
        paint_all(content, style, out, size, (lambda _: None) if quiet else print)
    elif as_json:
        print(json.dumps(PRESETS))
    else:
        for name, preset in PRESETS.items():
            settings = ", ".join(f"{key} {told(value)}" for key, value in preset.items() if key != "about")
            print(f"{name:<12} {preset['about']}\n{'':<12} {settings}")


def told(value: object) -> str:
    """A value of a preset, on a line."""
    return ",".join(f"{key}={part:g}" for key, part in value.items()) if isinstance(value, dict) else str(value)


def paint_all(content: str, style: str | None, out: Path, size: int, tell: Callable[[object], None]) -> None:
    """The default and every preset, side by side in ``out``."""
    from impasto.images.decoding import decode
    from impasto.images.output import check_output
    from impasto.settings import PRESETS, Settings

    if style is None:
        raise UsageError("a photograph alone shows nothing: name a painting, too")
    check_output(out, [content, style])
    for file in (content, style):
        decode(file)
    from impasto.cli.run import contact_sheet
    from impasto.facade import paint

    found = []
    for name in (None, *PRESETS):
        picture = paint(content, style, Settings(preset=name, size=size))
        found.append(labelled(picture.pil(), name or "default"))
        tell(name or "default")
    contact_sheet(found, out)
    tell(out)


def labelled(picture: "Image", name: str) -> "Image":
    """A picture with its name below it."""
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (picture.width, picture.height + 24), "white")
    sheet.paste(picture)
    ImageDraw.Draw(sheet).text((4, picture.height + 2), name, "black", font_size=16)
    return sheet
