"""``impasto figures``: the figures of the paper, with numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from impasto.cli import options as o
from impasto.cli.console import bar
from impasto.cli.options import OUTPUT, PICTURE, option
from impasto.cli.run import fetch_if_missing
from impasto.errors import InputError
from impasto.signals import Listening

if TYPE_CHECKING:
    from impasto.figures.paper import Panel


def figures(
    which: Annotated[
        str, typer.Argument(help="One of {figures} (cvpr: those of the paper's second version), or all of them.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for sheets, pictures and report. Made if need be.")],
    content: Annotated[
        str | None, option("--content", panel=PICTURE, text="The photograph.", default="sample:chelsea")
    ] = None,
    style: Annotated[
        list[str] | None,
        option(
            "--style",
            panel=PICTURE,
            text="A painting; once for each. Figure 1 takes the first, figure 3 the last.",
            default="all samples",
        ),
    ] = None,
    size: Annotated[int, typer.Option("--size", rich_help_panel=PICTURE, help="Long side of a picture in px.")] = 256,
    steps: Annotated[int, typer.Option("--steps", rich_help_panel="Run", help="Steps for each picture.")] = 250,
    solver: o.PaperSolver = None,
    network: o.Network = None,
    weights: o.Weights = None,
    pooling: o.Pooling = None,
    device: o.Device = None,
    precision: o.Precision = None,
    limits: o.Limits = None,
    quiet: Annotated[bool, option("--quiet", "-q", panel=OUTPUT, text="Say nothing unless something fails.")] = False,
) -> None:
    """Make the figures of A Neural Algorithm of Artistic Style: sheets, single pictures, numbers and a report.

    A run that was stopped goes on with the pictures that are missing.
    """
    options = dict(locals())
    settings = o.settings_of(options, preset="paper", scales=1)
    from impasto.figures import sheets
    from impasto.figures.paper import figures_named
    from impasto.images.decoding import decode

    wanted = figures_named(which)
    sheets.check_matplotlib()
    from impasto.figures import panels as engine
    from impasto.figures import paper, report

    subject = paper.Subject(content or paper.PHOTOGRAPH, style or paper.PAINTINGS, settings)
    for file in (subject.photograph, *subject.paintings):
        decode(file, size=settings.size, limits=settings.limits)
    out.mkdir(parents=True, exist_ok=True)
    fetch_if_missing(settings, silent=quiet)
    figures = [make(subject) for make in wanted]
    panels = list({panel.name: panel for figure in figures for row in figure.grid for panel in row}.values())
    paint(panels, out, quiet=quiet)
    done = {panel.name: painted for panel in panels if (painted := engine.painted(panel, out))}
    if lost := [out / f"{panel.name}.png" for panel in panels if panel.name not in done]:
        raise InputError(f"'{lost[0]}', or what it is made from, was changed meanwhile: run this again")
    for figure in figures:
        sheets.sheet(figure, done, out)
    plot = sheets.held(done, out)[0] if which in ("1", "all") else None
    report.write_csv(list(done.values()), out / "figures.csv")
    page = report.write_report(figures, done, out, plot)
    if not quiet:
        print(page)


def paint(panels: "list[Panel]", out: Path, *, quiet: bool) -> None:
    """Paint what is missing, with a progress bar over the pictures and one over the steps of each."""
    from impasto.figures import panels as engine

    with Listening(), bar(of_pictures=True, quiet=quiet) as progress:
        all_of_them = progress.add_task("pictures", total=len(panels))
        this_one = progress.add_task("", total=None)
        for at in engine.paint(panels, out):
            progress.update(all_of_them, completed=at.done)
            total, name = at.panel.settings.steps, at.panel.name
            progress.update(this_one, completed=at.step.index, total=total, description=name)
        progress.update(all_of_them, completed=len(panels))
