"""The figures as sheets: panels with labels, as PNG and PDF, and a plot of what the layers hold."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from impasto.atomic import atomic
from impasto.errors import UsageError
from impasto.figures.measures import LAYERS
from impasto.figures.panels import Painted
from impasto.figures.paper import FIRST, SECOND, Figure, Panel
from impasto.images.colour import to_srgb
from impasto.kept import picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Page

PANEL = 2.2  # inches, the long side
DPI = 200


def check_matplotlib() -> None:
    """Raise UsageError, saying how to get it, where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("figures are drawn with matplotlib: pip install 'impasto[figures]'") from None


def sheet(figure: Figure, panels: Mapping[str, Painted], folder: Path) -> list[Path]:
    """Draw the figure from its panels, by name, into ``folder``: NAME.png and NAME.pdf."""
    return save(draw(figure, panels), folder / figure.name)


def draw(figure: Figure, panels: Mapping[str, Painted]) -> "Page":
    from matplotlib.figure import Figure as Page

    pictures = [[read(panels[panel.name]) for panel in row] for row in figure.grid]
    columns = max(len(row) for row in pictures)
    height = PANEL * max(p.height / max(p.size) for row in pictures for p in row)
    width = PANEL * max(p.width / max(p.size) for row in pictures for p in row)
    page = Page(figsize=(columns * (width + 0.08) + 0.5, len(pictures) * (height + 0.08) + 0.7), layout="constrained")
    page.suptitle(figure.title, fontsize=10)
    axes = page.subplots(len(pictures), columns, squeeze=False)
    for y, row in enumerate(pictures):
        for x, ax in enumerate(axes[y]):
            ax.set(xticks=[], yticks=[])
            if x >= len(row):
                ax.set_axis_off()
                continue
            ax.imshow(row[x], interpolation="lanczos")
            if y == 0:
                ax.set_title(figure.columns[x], fontsize=8)
            if x == 0:
                ax.set_ylabel(figure.rows[y], fontsize=8)
            if figure.inset and (panel := figure.grid[y][x]).painting:
                corner(ax, panel)
    return page


def corner(ax: "object", panel: Panel) -> None:
    """The painting in the lower left corner, as in Figure 2."""
    painting = picture(panel.painting, panel.settings)[0].permute(1, 2, 0).numpy()
    inset = ax.inset_axes((0, 0, 0.28, 0.28), anchor="SW")  # type: ignore[attr-defined]
    inset.imshow(painting)
    inset.set(xticks=[], yticks=[])
    for side in inset.spines.values():
        side.set(edgecolor="white", linewidth=1.5)


def held(panels: Mapping[str, Painted], folder: Path) -> list[Path]:
    """A plot of Figure 1 in numbers: how far each reconstruction is from the picture it was made from."""
    from matplotlib.figure import Figure as Page

    page = Page(figsize=(8, 3), layout="constrained")
    left, right = page.subplots(1, 2)
    content = [panel.record for panel in panels.values() if panel.panel.kind == "content" and panel.record["steps"]]
    style = [panel.record for panel in panels.values() if panel.panel.kind == "style"]
    errors_of = {layers_of(record, "content_layers")[0]: record["pixel_error"] for record in content}
    for version, layers in (("first version", FIRST), ("CVPR 2016", SECOND)):
        there = [layer for layer in layers if layer in errors_of]
        left.plot([layers.index(layer) for layer in there], [errors_of[layer] for layer in there], "o-", label=version)
    left.set_xticks(range(len(FIRST)), [f"{first}\n{second}" for first, second in zip(FIRST, SECOND, strict=True)])
    left.set(title="content: error of the pixels", ylabel="root mean square")
    left.legend(fontsize=6)
    for record in style:
        errors = record["style_error"]
        last = list(layers_of(record, "style_layers"))[-1]
        right.plot(LAYERS, [errors[layer] for layer in LAYERS], "o-", label=f"up to {last}")
    right.set(title="style: error of the Gram matrices", yscale="log")
    right.legend(fontsize=6)
    for ax in (left, right):
        ax.tick_params(labelsize=6)
        ax.title.set_fontsize(8)
    return save(page, folder / "layers")


def layers_of(record: dict[str, object], kind: str) -> list[str]:
    settings = record["recipe"]["settings"]  # type: ignore[index]
    return list(settings[kind])


def read(painted: Painted) -> Image.Image:
    with Image.open(painted.picture) as picture:
        return to_srgb(picture).copy()  # which may be the file itself


def save(page: "Page", stem: Path) -> list[Path]:
    """As PNG and PDF."""
    paths = [stem.with_suffix(suffix) for suffix in (".png", ".pdf")]
    for path in paths:
        buffer = io.BytesIO()
        page.savefig(buffer, format=path.suffix[1:], dpi=DPI)
        with atomic(path) as file:
            file.write(buffer.getvalue())
    return paths
