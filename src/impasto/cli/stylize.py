"""``impasto stylize``: a photograph and a painting in, a picture out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli import options as o
from impasto.cli.options import LOSS, NUMBER, PICTURE, option
from impasto.cli.run import run
from impasto.errors import UsageError
from impasto.paintings import roles

if TYPE_CHECKING:
    from impasto.images.files import Source
    from impasto.jobs import Job
    from impasto.settings import Settings


def stylize(
    content: Annotated[
        str | None,
        typer.Argument(
            help="The photograph: a file, sample:NAME, or - for stdin.", metavar="CONTENT", show_default=False
        ),
    ] = None,
    style: Annotated[
        list[str] | None,
        typer.Argument(
            help="The painting, or several: files, sample:NAME, or - for stdin.",
            metavar="STYLE...",
            show_default=False,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        option(
            "--like",
            panel=PICTURE,
            text="A picture that impasto painted, or a .toml: its settings, and its pictures where none are named.",
        ),
    ] = None,
    out: Annotated[Path | None, o.out_option("CONTENT-STYLE")] = None,
    size: o.Size = None,
    strength: o.Strength = None,
    content_weight: Annotated[
        float | None, option("--content-weight", panel=LOSS, text="The paper's alpha.", **NUMBER, default="1")
    ] = None,
    style_weight: Annotated[
        float | None, option("--style-weight", panel=LOSS, text="The paper's beta.", **NUMBER, default="auto")
    ] = None,
    content_layers: Annotated[str | None, o.content_layers_option("--content-layers", o.HOLDING)] = None,
    style_layers: Annotated[str | None, o.style_layers_option("--style-layers", o.FALLING)] = None,
    style_loss: o.StyleLoss = None,
    content_loss: o.ContentLoss = None,
    spectrum_weight: o.SpectrumWeight = None,
    preset: o.Preset = None,
    tv_weight: o.TvWeight = None,
    excess_weight: o.ExcessWeight = None,
    smooth_chroma: o.SmoothChroma = None,
    keep_grey: o.KeepGrey = None,
    keep_lines: o.KeepLines = None,
    blend: Annotated[
        str | None,
        option(
            "--blend",
            panel=LOSS,
            text="How much each of several paintings counts: 0.7,0.3. Or fine,coarse: the strokes of one, the forms of "
            "another.",
            default="all alike",
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        option(
            "--region",
            panel=PICTURE,
            text=r"MASK\[#COLOUR]=PAINTING\[@MASK], once for each: where the mask is white, or has the colour, "
            "PAINTING counts, or what its own mask leaves of it. MASK=keep leaves the photograph there.",
        ),
    ] = None,
    carried: Annotated[
        str | None,
        option(
            "--carried",
            panel=LOSS,
            text="How masks reach the layers: inside (no manner bleeds), simple, or all (edges count too).",
            default="inside",
        ),
    ] = None,
    stroke_size: o.StrokeSize = None,
    tileable: o.Tileable = None,
    colour: Annotated[str | None, option("--colour", panel=LOSS, text="Whose: {colours}.", default="painting")] = None,
    keep_colours: Annotated[
        bool, option("--keep-colours", panel=LOSS, text="The photograph's colours: --colour matched.")
    ] = False,
    photoreal: Annotated[
        bool | None,
        option(
            "--photoreal/--no-photoreal",
            panel=LOSS,
            text="Only colours and light are painted: edges and detail stay the photograph's.",
            default="no-photoreal",
        ),
    ] = None,
    init: Annotated[str | None, o.init_option("starts", "content")] = None,
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
    """Paint the photograph CONTENT in the manner of the painting STYLE.

    Ctrl-C keeps the best picture so far.
    """
    options = dict(locals())  # before there is any other local
    given = o.given(
        options,
        content_layers=o.layers("--content-layers", content_layers, share=False),
        style_layers=o.layers("--style-layers", style_layers, share=True),
        style_loss=o.style_losses(style_loss),
        blend=o.parts(blend),
        colour=colour or ("matched" if keep_colours else None),
    )

    regions = [o.region(text) for text in region or []]
    job = job_of(like, {"content": content, "style": style, "regions": regions}, given)
    settings = settings_of(job, given, style)
    content, regions = content or job.content, regions or [{**of} for of in job.regions]
    styles = style or [*job.styles]
    if content is None or not styles:
        raise nothing_to_paint(content, like)

    def begin(settings: "Settings", how: o.How, content: "Source", **sources: "Source") -> o.Course:
        from impasto import facade
        from impasto.regions import Region

        styles = [source for role, source in sources.items() if role.startswith("style")]
        return facade.stylize(content, styles, settings, regions=[Region(**of) for of in regions], **how)

    masks = [of["mask"] for of in regions]
    more = [of[part] for of in regions for part in ("style", "style_mask") if of.get(part) is not None]
    run(settings, {"content": content, **roles(styles)}, begin, options, also=[*masks, *more])


def job_of(like: Path | None, pictures: dict[str, Any], given: dict[str, Any]) -> "Job":
    """What ``--like`` says, but for what the command line does."""
    from impasto.jobs import Job, read_job
    from impasto.settings import Settings

    if like is None:
        return Job(None, (), Settings())
    instead = {"weights"} if "network" in given else set()  # those of the file are another network's
    return read_job(like, but={*(name for name, value in pictures.items() if value), *given, *instead})


def settings_of(job: "Job", given: dict[str, Any], style: list[str] | None) -> "Settings":
    """Those of the job, with what is given. A blend of another number of paintings than are named is forgotten."""
    from impasto.settings import validated

    if style and job.settings.blend and len(job.settings.blend) != len(style):
        given = {"blend": None, **given}
    return validated(job.settings, **given)


def nothing_to_paint(content: str | None, like: Path | None) -> UsageError:
    """What to say where the photograph or the paintings are named nowhere."""
    missing = "a photograph" if content is None else "a painting"
    if like is not None:
        return UsageError(
            f"neither the command line nor '{like}' names {missing}: impasto --like {like} PHOTO PAINTING"
        )
    return UsageError(
        f"{missing} is wanted: PHOTO PAINTING, or --like FILE, which may say both (impasto stylize --help tells more)"
    )
