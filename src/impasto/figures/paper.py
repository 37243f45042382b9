"""What the paper's figures show: every function here is one of them, as panels in rows and columns.

A Neural Algorithm of Artistic Style (arXiv 1508.06576), Figures 1 to 3; Image Style Transfer Using Convolutional Neural
Networks (CVPR 2016), Figures 1, 5 and 6, here called figure 1-cvpr, 4 and 5. Needs no torch until a panel is begun.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from impasto.names import entry
from impasto.recipe import files_read, recipe
from impasto.settings import STYLE_LAYERS, Settings, validated
from impasto.solver import Step

PAINTINGS = tuple(f"sample:{name}" for name in ("swirl", "wave", "mosaic", "sunflowers", "pointillist", "composition"))
PHOTOGRAPH = "sample:chelsea"

FIRST = tuple(STYLE_LAYERS)
SECOND = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")
RATIOS = (1e-5, 1e-4, 1e-3, 1e-2)
"""α/β of Figure 3."""

SCALE = 2e-4
"""α/β of equations 1 to 7 as printed, for an α/β of 1 in the paper.

The paper's ratios do not fit its equations, in which L_content is a sum over all features and E_l is not: at any of
them the photograph would stay as it is. This factor makes the pictures look like the paper's: ``docs/paper.md``.
"""


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
        from impasto import facade

        if self.kind == "content":
            return facade.reconstruct_content(self.photograph, self.settings)
        if self.kind == "style":
            return facade.reconstruct_style(self.painting, self.settings)
        return facade.stylize(self.photograph, self.painting, self.settings)

    def recipe(self) -> dict[str, Any]:
        """What it is made from; another one is another picture."""
        return recipe(self.kind, self.settings, files_read(self.settings, **self.pictures))


@dataclass(frozen=True)
class Figure:
    """Panels in rows and columns, with what is said of them. An inset shows the painting in a corner of its picture."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[str]
    grid: Sequence[Sequence[Panel]]
    inset: bool = False


@dataclass(frozen=True)
class Subject:
    """What the figures are made of."""

    photograph: str
    paintings: Sequence[str]
    settings: Settings

    def content(self, name: str, layer: str, **changes: object) -> Panel:
        """Content reconstruction from one layer."""
        settings = self.changed(init="noise", content_layers={layer: 1.0}, **changes)
        return Panel(f"{name}-content-{layer}", "content", settings, photograph=self.photograph)

    def style(self, name: str, layers: Sequence[str]) -> Panel:
        """Style reconstruction from some layers."""
        settings = self.changed(init="noise", style_layers=equal(layers))
        return Panel(f"{name}-style-{layers[-1]}", "style", settings, painting=self.paintings[0])

    def stylized(self, name: str, painting: str, ratio: float, **changes: object) -> Panel:
        """The photograph painted, α/β as the paper has it."""
        settings = self.changed(**{"init": "noise", "style_weight": 1 / (SCALE * ratio), **changes})
        return Panel(name, "stylize", settings, self.photograph, painting)

    def changed(self, **changes: object) -> Settings:
        return validated(self.settings, **changes)


def equal(layers: Sequence[str]) -> dict[str, float]:
    """w_l = 1/n for n layers."""
    return {layer: 1 / len(layers) for layer in layers}


def growing(layers: Sequence[str]) -> list[Sequence[str]]:
    """{conv1_1}, {conv1_1, conv2_1}, …"""
    return [layers[: count + 1] for count in range(len(layers))]


def up_to(layer: str) -> str:
    return layer if layer.startswith("conv1_") else f"… {layer}"


def figure_1(subject: Subject) -> Figure:
    """Content reconstructions from single layers, style reconstructions from growing sets of layers."""
    return Figure(
        "figure1",
        "Figure 1: what the layers hold",
        [f"{letter}  {layer}" for letter, layer in zip("abcde", FIRST, strict=True)],
        ["style, all layers up to", "content, this layer"],
        [
            [subject.style("figure1", layers) for layers in growing(FIRST)],
            [subject.content("figure1", layer) for layer in FIRST],
        ],
    )


def figure_1_cvpr(subject: Subject) -> Figure:
    """As the CVPR version has it: content from the second convolution of each block."""
    return Figure(
        "figure1-cvpr",
        "Figure 1 of the CVPR version: content from the second convolution of each block",
        [f"{letter}  {layer}" for letter, layer in zip("abcde", SECOND, strict=True)],
        ["content, this layer"],
        [[subject.content("figure1-cvpr", layer) for layer in SECOND]],
    )


def figure_2(subject: Subject) -> Figure:
    """One photograph in the manner of many paintings: α/β = 1e-3, from the fourth painting on 1e-4."""
    panels = [
        subject.stylized(f"figure2-{letter}", painting, 1e-3 if number < 3 else 1e-4)
        for number, (letter, painting) in enumerate(zip("bcdefghijklmnopqrstuvwxyz", subject.paintings, strict=False))
    ]
    photograph = Panel("figure2-a", "content", subject.changed(init="content", steps=0), subject.photograph)
    cells = [photograph, *panels]
    rows = [cells[start : start + 2] for start in range(0, len(cells), 2)]
    return Figure("figure2", "Figure 2: one photograph, many paintings", ["", ""], [""] * len(rows), rows, inset=True)


def figure_3(subject: Subject) -> Figure:
    """Rows: style from more and more layers. Columns: α/β."""
    painting = subject.paintings[-1]
    return Figure(
        "figure3",
        "Figure 3: layers of style (rows) and α/β (columns)",
        [f"{ratio:.0e}".replace("e-0", "e-") for ratio in RATIOS],
        [up_to(layers[-1]) for layers in growing(FIRST)],
        [
            [
                subject.stylized(f"figure3-{layers[-1]}-{ratio:.0e}", painting, ratio, style_layers=equal(layers))
                for ratio in RATIOS
            ]
            for layers in growing(FIRST)
        ],
    )


def figure_4(subject: Subject) -> Figure:
    """CVPR 2016, Figure 5: content matched low in the network keeps the photograph's detail, high its arrangement."""
    painting = subject.paintings[0]
    layers = ("conv2_2", "conv4_2")
    return Figure(
        "figure4",
        "Content from a low layer and from a high one (CVPR 2016, Figure 5)",
        layers,
        [""],
        [[subject.stylized(f"figure4-{layer}", painting, 1e-3, content_layers={layer: 1.0}) for layer in layers]],
    )


def figure_5(subject: Subject) -> Figure:
    """CVPR 2016, Figure 6: started from the photograph, from the painting, and from four noises."""
    painting = subject.paintings[0]
    starts = [("content", 0), ("style", 0), *(("noise", seed) for seed in range(4))]
    panels = [
        subject.stylized(f"figure5-{init}{seed or ''}", painting, 1e-3, init=init, seed=seed) for init, seed in starts
    ]
    return Figure(
        "figure5",
        "Starts from the photograph, the painting and noise (CVPR 2016, Figure 6)",
        ["photograph", "painting", *(f"noise {seed}" for seed in range(4))],
        [""],
        [panels],
    )


FIGURES: dict[str, Sequence[Callable[[Subject], Figure]]] = {
    "1": (figure_1, figure_1_cvpr),
    "2": (figure_2,),
    "3": (figure_3,),
    "cvpr": (figure_4, figure_5),
}
"""By the name that the command line takes."""


def figures_named(name: str) -> list[Callable[[Subject], Figure]]:
    """Those of an entry of ``FIGURES``, or all. Raises UsageError for a name that is not there."""
    entries = FIGURES.values() if name == "all" else [entry({**FIGURES, "all": ()}, name, "figure")]
    return [figure for figures in entries for figure in figures]
