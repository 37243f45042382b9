"""The plot of ``benchmarks.memory``: seconds and memory of an evaluation against the size of the picture."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

COLOURS = {"lite": "#d55e00", "vgg19": "#0072b2", None: "#555555"}
"""By impasto's network; the peer has the last."""

NAMES = {"lite": "lite", "vgg19": "VGG-19"}

Curve = list[dict[str, Any]]
"""The records of one line of the plot, from small to large; of the last it may be told how it died."""


def draw(records: list[dict[str, Any]], limit: float, folder: Path) -> None:
    """``growth.png`` and ``growth.svg``: a line for each program, network and way of looking. A line that ends in a
    cross died there, of more than ``limit`` GiB: the cross stands where one in proportion to the pixels would be.
    Nothing, where all of them died at their smallest size."""
    if not (curves := curves_of(records)):
        return
    page = Figure(figsize=(9, 4), layout="constrained")
    left, right = page.subplots(1, 2)
    right.axhline(limit, color="#bbbbbb", linewidth=0.8, zorder=0)
    plot(left, curves, "seconds", 1)
    plot(right, curves, "peak", 1 / 1024)
    left.set_title("seconds of an evaluation", loc="left", fontsize=10)
    right.set_title("peak memory, GiB", loc="left", fontsize=10)
    right.annotate(f"limit, {limit:g} GiB", (0, limit), (2, 3), ("axes fraction", "data"), "offset points", fontsize=8)
    for suffix in ("png", "svg"):
        page.savefig(folder / f"growth.{suffix}", dpi=200)


def curves_of(records: list[dict[str, Any]]) -> dict[str, Curve]:
    """By label, those with a measurement."""
    curves: dict[str, Curve] = {}
    for record in records:
        curves.setdefault(label_of(record), []).append(record)
    return {label: curve for label, curve in curves.items() if "died" not in curve[0]}


def label_of(record: dict[str, Any]) -> str:
    if record["program"] != "impasto":
        return str(record["program"])
    return NAMES[record["network"]] + (", in places" if record["side"] else "")


def plot(axes: Axes, curves: dict[str, Curve], what: str, unit: float) -> None:
    """One panel, with the names of its lines at their ends."""
    ends = {}
    for label, curve in curves.items():
        colour = COLOURS[curve[0]["network"] if curve[0]["program"] == "impasto" else None]
        points = [(record["size"] ** 2 / 1e6, record[what] * unit) for record in curve if what in record]
        style = {"color": colour, "linestyle": "--" if curve[0].get("side") else "-", "linewidth": 1.6}
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, **style)
        if "died" in curve[-1]:
            pixels = curve[-1]["size"] ** 2 / 1e6
            points.append((pixels, points[-1][1] * pixels / points[-1][0]))
            axes.plot(*zip(*points[-2:], strict=True), color=colour, linestyle=":", linewidth=1.2)
            axes.plot(*points[-1], marker="x", markersize=7, markeredgewidth=2, color=colour)
        ends[label] = (*points[-1], colour)
    axes.set(xscale="log", yscale="log", xlabel="megapixels")
    plain(axes)
    name(axes, ends)


def plain(axes: Axes) -> None:
    """Ticks at 1, 2 and 5, as numbers; no frame."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8, color="#999999")
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def name(axes: Axes, ends: dict[str, tuple[float, float, str]], gap: float = 0.055) -> None:
    """The lines' names: to the right of those that go to the end, no two nearer than ``gap`` of the panel's height;
    to the left of the ends of the others."""
    most, last = max(x for x, _, _ in ends.values()), float("-inf")
    to_panel = axes.transData + axes.transAxes.inverted()
    for label, (x, y, colour) in sorted(ends.items(), key=lambda item: item[1][1]):
        if x < most:
            axes.annotate(label, (x, y), (-8, 4), textcoords="offset points", color=colour, fontsize=8, ha="right")
            continue
        last = max(to_panel.transform((x, y))[1], last + gap)
        place = {"transform": axes.get_xaxis_transform(), "va": "center"}
        axes.text(x * 1.15, last, label, color=colour, fontsize=8, **place)
