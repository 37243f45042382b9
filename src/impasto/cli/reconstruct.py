"""``impasto reconstruct`` and ``impasto texture``: what layers hold of a picture, found again from white noise."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from impasto.cli import options as o
from impasto.cli.options import PICTURE, option
from impasto.cli.run import run
from impasto.errors import UsageError

if TYPE_CHECKING:
    from impasto.images.files import Source
    from impasto.settings import Settings

app = typer.Typer(
    name="reconstruct",
    help="Find a picture again from what some layers hold of it (Figure 1 of the paper).",
    no_args_is_help=True,
)


@app.command("content", cls=o.Command)
def content(
    photograph: Annotated[str, typer.Argument(help="A file, sample:NAME, or - for stdin.")],
    content_layers: Annotated[str | None, o.content_layers_option("--layer", "conv4_2=1")] = None,
    out: Annotated[Path | None, o.out_option("PHOTOGRAPH-LAYER")] = None,
    size: o.Size = None,
    tv_weight: o.TvWeight = None,
    init: Annotated[str | None, o.init_option("starts_of_content", "noise")] = None,
    seed: o.Seed = None,
    steps: o.PaperSteps = None,
    quality: o.Quality = None,
    solver: o.PaperSolver = None,
    network: o.Network = None,
    weights: o.Weights = None,
    pooling: o.Pooling = None,
    device: o.Device = None,
    precision: o.Precision = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    tile: o.Tile = None,
    dry_run: o.DryRun = False,
    limits: o.Limits = None,
    save_every: o.SaveEvery = 0,
    resume: o.Resume = False,
    checkpoint_every: o.CheckpointEvery = 30.0,
    dpi: o.Dpi = None,
    bits: o.Bits = 8,
    keep_location: o.KeepLocation = False,
    no_recipe: o.NoRecipe = False,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
    help_all: o.HelpAll = False,
) -> None:
    """Find PHOTOGRAPH again from the features of a layer alone: the paper's content reconstructions."""
    options = dict(locals())
    settings = o.settings_of(
        options,
        preset="paper",
        init=init or "noise",
        scales=1,
        content_layers=o.layers("--layer", content_layers, share=False),
    )

    def begin(settings: "Settings", how: o.How, content: "Source") -> o.Course:
        from impasto import facade

        return facade.reconstruct_content(content, settings, **how)

    name = "-".join(settings.content_layers)
    run(settings, {"content": photograph}, begin, options, name=name)


@app.command("style", cls=o.Command)
def style(
    painting: Annotated[str, typer.Argument(help="A file, sample:NAME, or - for stdin.")],
    style_layers: Annotated[str | None, o.style_layers_option("--layers")] = None,
    out: Annotated[Path | None, o.out_option("PAINTING-style-LAST_LAYER")] = None,
    size: o.Size = None,
    style_loss: o.PaperStyleLoss = None,
    tv_weight: o.TvWeight = None,
    init: Annotated[str | None, o.init_option("starts_of_style", "noise")] = None,
    seed: o.Seed = None,
    steps: o.PaperSteps = None,
    quality: o.Quality = None,
    solver: o.PaperSolver = None,
    network: o.Network = None,
    weights: o.Weights = None,
    pooling: o.Pooling = None,
    device: o.Device = None,
    precision: o.Precision = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    tile: o.Tile = None,
    dry_run: o.DryRun = False,
    limits: o.Limits = None,
    save_every: o.SaveEvery = 0,
    resume: o.Resume = False,
    checkpoint_every: o.CheckpointEvery = 30.0,
    dpi: o.Dpi = None,
    bits: o.Bits = 8,
    keep_location: o.KeepLocation = False,
    no_recipe: o.NoRecipe = False,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
    help_all: o.HelpAll = False,
) -> None:
    """Find a picture whose Gram matrices are those of PAINTING: the paper's style reconstructions."""
    options = dict(locals())
    settings = o.settings_of(
        options,
        preset="paper",
        init=init or "noise",
        scales=1,
        style_layers=o.layers("--layers", style_layers, share=True),
        style_loss=o.style_losses(style_loss),
    )

    def begin(settings: "Settings", how: o.How, style: "Source") -> o.Course:
        from impasto import facade

        return facade.reconstruct_style(style, settings, **how)

    name = "-".join(["style", list(settings.style_layers)[-1]])
    run(settings, {"style": painting}, begin, options, name=name)


def texture(
    painting: Annotated[str, typer.Argument(help="A file, sample:NAME, or - for stdin.")],
    canvas: Annotated[str, option("--size", panel=PICTURE, text="WIDTHxHEIGHT of the texture in px.")],
    size: Annotated[
        int | None,
        option(
            "--painting-size",
            panel=PICTURE,
            text="Long side in px at which the painting is read: the smaller, the finer the texture.",
            default="512",
        ),
    ] = None,
    tileable: o.Tileable = None,
    style_layers: Annotated[str | None, o.style_layers_option("--layers", o.FALLING)] = None,
    out: Annotated[Path | None, o.out_option("PAINTING-WIDTHxHEIGHT")] = None,
    style_loss: o.StyleLoss = None,
    spectrum_weight: o.SpectrumWeight = None,
    preset: o.Preset = None,
    tv_weight: o.TvWeight = None,
    excess_weight: o.ExcessWeight = None,
    smooth_chroma: o.SmoothChroma = None,
    keep_grey: o.KeepGrey = None,
    init: Annotated[str | None, o.init_option("starts_of_style", "faint")] = None,
    seed: o.Seed = None,
    tries: o.Tries = 1,
    steps: o.Steps = None,
    quality: o.Quality = None,
    coarse_steps: o.CoarseSteps = None,
    full_steps_to: o.FullStepsTo = None,
    scales: o.Scales = None,
    solver: o.Solver = None,
    network: o.Network = None,
    weights: o.Weights = None,
    pooling: o.Pooling = None,
    edges: o.Edges = None,
    device: o.Device = None,
    precision: o.Precision = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    tile: o.Tile = None,
    dry_run: o.DryRun = False,
    limits: o.Limits = None,
    save_every: o.SaveEvery = 0,
    resume: o.Resume = False,
    checkpoint_every: o.CheckpointEvery = 30.0,
    dpi: o.Dpi = None,
    bits: o.Bits = 8,
    keep_location: o.KeepLocation = False,
    no_recipe: o.NoRecipe = False,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
    help_all: o.HelpAll = False,
) -> None:
    """Make new texture in the manner of PAINTING, at any size."""
    options = dict(locals())
    width, height = sides(canvas)
    settings = o.settings_of(
        options,
        init=init or "faint",
        style_layers=o.layers("--layers", style_layers, share=True),
        style_loss=o.style_losses(style_loss),
    )

    def begin(settings: "Settings", how: o.How, style: "Source", canvas: tuple[int, int]) -> o.Course:
        from impasto import facade

        return facade.texture(style, *canvas[::-1], settings, **how)

    name = f"{width}x{height}"
    run(settings, {"style": painting}, begin, options, name=name, canvas=(height, width))


def sides(text: str) -> tuple[int, int]:
    """Width and height of ``800x600``."""
    if not (found := re.fullmatch(r"([0-9]{1,15})[xX×]([0-9]{1,15})", text.strip())):
        raise UsageError(f"--size: '{text[:40]}' should be WIDTHxHEIGHT, such as 800x600")
    return int(found[1]), int(found[2])
