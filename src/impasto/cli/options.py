"""The options of the commands that paint. Their defaults live in ``Settings``; the help says what they are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from impasto.errors import ImpastoError, InputError, UsageError

if TYPE_CHECKING:
    from impasto.settings import Settings
    from impasto.solver import Step

How = dict[str, Any]
"""What a run is told besides settings and pictures: ``on_part`` and ``resume``."""

Course = Iterator["Step"]
"""What a command starts and follows to its end."""

PICTURE, LOSS, NETWORK, RUN, OUTPUT = "Picture", "Loss", "Network", "Run", "Output"


USUAL = {
    *(
        "--out",
        "--like",
        "--size",
        "--painting-size",
        "--strength",
        "--keep-lines",
        "--preset",
        "--layer",
        "--layers",
        "--content",
    ),
    *(
        "--style",
        "--keep-colours",
        "--seed",
        "--tries",
        "--quality",
        "--network",
        "--save-every",
        "--resume",
        "--quiet",
        "--help-all",
    ),
}
"""What ``--help`` shows; ``--help-all`` shows the rest as well."""


class Command(TyperCommand):
    """A command that paints.

    Its help lists what may be named: ``{solvers}`` in a text stands for what that registry has. What the library says
    of a parameter is told with the flag of that name.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        parameters: list[Any] = [parameter for parameter in self.params if getattr(parameter, "help", None)]
        texts, listed = [parameter.help for parameter in parameters], names()
        for parameter in parameters:
            parameter.help = parameter.help.format_map(listed)
            rare = parameter.opts[0].startswith("-") and parameter.opts[0] not in USUAL
            parameter.hidden = rare and self.has_rare and not ctx.meta.get(ALL)
        super().format_help(ctx, formatter)
        for parameter, text in zip(parameters, texts, strict=True):
            parameter.help, parameter.hidden = text, False

    @property
    def has_rare(self) -> bool:
        """Whether there is a --help-all."""
        return any(parameter.name == "help_all" for parameter in self.params)

    def invoke(self, ctx: Any) -> Any:
        refuse_lost_folder()
        try:
            return super().invoke(ctx)
        except ImpastoError as error:
            flags = {str(parameter.name): parameter.opts[0] for parameter in self.params}
            raise type(error)(re.sub(r"`(\w+)`", lambda found: flags.get(found[1], found[1]), str(error))) from error


def refuse_lost_folder() -> None:
    """Raise InputError where the current folder was deleted: no name leads anywhere there, and where torch is imported
    Intel's MKL ends the program."""
    try:
        Path.cwd()
    except OSError as error:
        raise InputError("the current folder is gone: change into one that is there (cd)") from error


ALL = "impasto.every_option"
"""In a context's ``meta``, where the help shows every option."""


def show_all(ctx: Any, wanted: bool) -> bool:
    """Print the help with every option."""
    if wanted:
        ctx.meta[ALL] = True
        print(ctx.get_help())
        raise typer.Exit
    return wanted


def names() -> dict[str, str]:
    """What the registries have, to be read."""
    from impasto.colours import COLOURS
    from impasto.content import CONTENT_LOSSES
    from impasto.figures.paper import FIGURES
    from impasto.network.edges import EDGES
    from impasto.network.pooling import POOLINGS
    from impasto.settings import PRESETS
    from impasto.solver import SOLVERS
    from impasto.starts import STARTS
    from impasto.style import STYLE_LOSSES

    return {
        "figures": ", ".join(FIGURES),
        "presets": ", ".join(PRESETS),
        "edges": ", ".join(EDGES),
        "colours": ", ".join(COLOURS),
        "poolings": ", ".join(POOLINGS),
        "solvers": ", ".join(SOLVERS),
        "style_losses": ", ".join(STYLE_LOSSES),
        "content_losses": ", ".join(CONTENT_LOSSES),
        "starts": ", ".join(STARTS),
        "starts_of_content": ", ".join(name for name, start in STARTS.items() if "style" not in start.needs),
        "starts_of_style": ", ".join(name for name, start in STARTS.items() if "content" not in start.needs),
    }


def option(*names: str, panel: str, text: str, default: str | None = None, **more: Any) -> Any:
    """An option whose default lives in ``Settings``; ``default`` is what the help says of it."""
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=default or False, **more)


def number(text: str | float) -> float:
    """What people write for a number, or an answer that says how it is written."""
    try:
        return float(text)
    except ValueError:
        pass
    meant = str(text).strip().replace(",", ".")
    try:
        guess = float(meant[:-1]) / 100 if meant.endswith("%") else float(meant)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a number") from None
    raise typer.BadParameter(f"'{text}' is not a number: write {guess:g}")


NUMBER = {"parser": number, "metavar": "NUMBER"}


def out_option(default: str) -> Any:
    return option(
        "--out",
        "-o",
        panel=OUTPUT,
        text="Where the picture goes: .png, .jpg, .webp or .tif; - is stdout. Replaced if it is there, unless it is an "
        "input.",
        default=f"{default}.png here, never replacing a file",
    )


HOLDING = "conv4_2=0.6,conv3_2=0.4"
FALLING = "conv1_1=0.45,conv2_1=0.3,conv3_1=0.18,conv4_1=0.05,conv5_1=0.003"


def style_layers_option(name: str, default: str = "conv1_1, conv2_1, conv3_1, conv4_1, conv5_1") -> Any:
    return option(
        name,
        panel=LOSS,
        text="LAYER[=WEIGHT],… Equal shares if not said.",
        default=default,
    )


def content_layers_option(name: str, default: str) -> Any:
    return option(name, panel=LOSS, text="LAYER[=WEIGHT],… Weight 1 if not said.", default=default)


def init_option(starts: str, default: str) -> Any:
    return option("--init", panel=RUN, text=f"The first picture: {{{starts}}}, or a file.", default=default)


Tileable = Annotated[
    bool | None,
    option(
        "--tileable/--no-tileable",
        panel=PICTURE,
        text="Edges join, so that it can be laid side by side without end; OUT-2x2.png shows it.",
        default="no-tileable",
    ),
]
Strength = Annotated[
    float | None,
    option(
        "--strength", panel=LOSS, text="0: a hint of the painting. 1: nearly all painting.", **NUMBER, default="0.5"
    ),
]
SettingsLike = Annotated[
    Path | None,
    option("--like", panel=PICTURE, text="A picture that impasto painted, or a .toml: its settings."),
]
OwnColours = Annotated[
    bool, option("--keep-colours", panel=PICTURE, text="Colours stay as they are, brightness matched.")
]
Size = Annotated[int | None, option("--size", panel=PICTURE, text="Long side in px.", default="512")]
Preset = Annotated[
    str | None,
    option("--preset", panel=LOSS, text="Settings that go together: {presets}. impasto presets tells more."),
]
Edges = Annotated[
    str | None,
    option(
        "--edges",
        panel=NETWORK,
        text="What the network sees beyond the edges: {edges}; the paper's: black.",
        default="mirrored",
    ),
]
SmoothChroma = Annotated[
    bool | None,
    option(
        "--smooth-chroma/--no-smooth-chroma",
        panel=LOSS,
        text="Colours without what alternates from pixel to pixel.",
        default="smooth-chroma",
    ),
]
KeepGrey = Annotated[
    bool | None,
    option("--keep-grey/--no-keep-grey", panel=LOSS, text="Grey paintings make a grey picture.", default="keep-grey"),
]
KeepLines = Annotated[
    float | None,
    option(
        "--keep-lines",
        panel=LOSS,
        text="Keeps the photograph's fine lines, of faces and letters: 0.3 a touch, 1 holds them.",
        **NUMBER,
        default="0",
    ),
]
StrokeSize = Annotated[
    float | None,
    option(
        "--stroke-size",
        panel=PICTURE,
        text="Of strokes, against those of a painting as large as the picture: 0.5 finer, 2 coarser.",
        **NUMBER,
        default="1",
    ),
]
CoarseSteps = Annotated[
    float | None,
    option(
        "--coarse-steps", panel=RUN, text="Steps at each smaller size, in terms of --steps.", **NUMBER, default="2.75"
    ),
]
FullStepsTo = Annotated[
    int | None,
    option(
        "--full-steps-to",
        panel=RUN,
        text="Sizes larger than that take fewer steps, in inverse proportion, and 8 at least.",
        metavar="PX",
        default="1024",
    ),
]


def style_loss_option(default: str) -> Any:
    return option(
        "--style-loss",
        panel=LOSS,
        text="NAME[=WEIGHT],… of {style_losses}: how manners are compared. Weight 1 if not said.",
        default=default,
    )


def steps_option(default: str) -> Any:
    text = "Steps at the full size, or auto: as --quality says."
    return option("--steps", panel=RUN, text=text, default=default)


def solver_option(default: str) -> Any:
    return option("--solver", panel=RUN, text="One of {solvers}.", default=default)


StyleLoss = Annotated[str | None, style_loss_option("gaussian=1")]
PaperStyleLoss = Annotated[str | None, style_loss_option("gram=1")]
TvWeight = Annotated[
    float | None,
    option(
        "--tv-weight", panel=LOSS, text="Of the total variation. 300 smooths grain, more blurs.", **NUMBER, default="0"
    ),
]
ExcessWeight = Annotated[
    float | None,
    option(
        "--excess-weight",
        panel=LOSS,
        text="Of varying more from pixel to pixel than the painting does: what is flat there is flat here.",
        **NUMBER,
        default="40",
    ),
]
ContentLoss = Annotated[
    str | None,
    option(
        "--content-loss",
        panel=LOSS,
        text="One of {content_losses}: how what is in the pictures is compared.",
        default="features",
    ),
]
SpectrumWeight = Annotated[
    float | None,
    option(
        "--spectrum-weight",
        panel=LOSS,
        text="Of a painting's frequencies, for what repeats itself: 1 is a touch.",
        **NUMBER,
        default="0",
    ),
]
Seed = Annotated[
    int | None,
    option("--seed", panel=RUN, text="Another number, another picture of the same kind.", default="0"),
]
Tries = Annotated[
    int,
    option(
        "--tries",
        panel=RUN,
        text="So many pictures with as many seeds, OUT-1.png and so on, and OUT-sheet.png with all of them.",
        default="1",
        min=1,
        max=100,
    ),
]
Steps = Annotated[str | None, steps_option("64")]
PaperSteps = Annotated[str | None, steps_option("150")]
Quality = Annotated[
    str | None,
    option("--quality", panel=RUN, text="Instead of --steps: draft, normal or fine."),
]
Scales = Annotated[
    int | None,
    option(
        "--scales", panel=RUN, text="Most sizes it is painted at, all but the last twice the one before.", default="16"
    ),
]
Solver = Annotated[str | None, solver_option("adam")]
PaperSolver = Annotated[str | None, solver_option("lbfgs")]
Network = Annotated[
    str | None, option("--network", panel=NETWORK, text="A name from impasto weights list.", default="lite")
]
Weights = Annotated[
    Path | None,
    option("--weights", panel=NETWORK, text="A .safetensors or .pth to use instead of the network's own weights."),
]
Pooling = Annotated[str | None, option("--pooling", panel=NETWORK, text="One of {poolings}.", default="average")]
Device = Annotated[str | None, option("--device", panel=RUN, text="auto, cpu, cuda or mps.", default="auto")]
Precision = Annotated[
    str | None,
    option("--precision", panel=RUN, text="auto, float32 or bfloat16; auto is what is fast and good.", default="auto"),
]
Threads = Annotated[
    int | None,
    option("--threads", panel=RUN, text="Of the CPU, at most, for each worker.", default="all cores", min=1, max=1024),
]
Memory = Annotated[
    str | None,
    option(
        "--memory",
        panel=RUN,
        text="What a run may take, as 4GB: a larger picture is looked at in places, with the same result.",
        default="what is free",
    ),
]
Tile = Annotated[
    str | None, option("--tile", panel=RUN, text="The sides of these places in px, auto, or off.", default="auto")
]
DryRun = Annotated[
    bool,
    option("--dry-run", panel=RUN, text="Paint nothing: tell sizes, time, memory and disk, from a small trial."),
]
Limits = Annotated[
    str | None,
    option(
        "--limits",
        panel=PICTURE,
        text="What a picture may have, as it is and at --size, and take to be read: pixels=4e8,bytes=8GB,seconds=120.",
        default="pixels=1e8,seconds=60",
        envvar="IMPASTO_LIMITS",
    ),
]
SaveEvery = Annotated[
    int,
    option(
        "--save-every",
        panel=OUTPUT,
        text="Also save OUT-0050.png and so on, every N steps, as large as it is by then.",
        min=0,
    ),
]
Resume = Annotated[
    bool,
    option("--resume", panel=OUTPUT, text="Go on where this run was when it was interrupted, to the same picture."),
]
CheckpointEvery = Annotated[
    float,
    option(
        "--checkpoint-every",
        panel=OUTPUT,
        text="Seconds after which OUT.checkpoint says anew how far it is, while it runs; 0: never.",
        metavar="SECONDS",
        default="30",
        min=0,
    ),
]
Dpi = Annotated[
    float | None,
    option("--dpi", panel=OUTPUT, text="Resolution that is told to printers.", **NUMBER, default="the photograph's"),
]
Bits = Annotated[
    int, option("--bits", panel=OUTPUT, text="For each colour: 8, or 16 in a .tif.", default="8", min=8, max=16)
]
KeepLocation = Annotated[
    bool,
    option(
        "--keep-location",
        panel=OUTPUT,
        text="Tell where a photograph was taken, too: its date, camera and copyright are always told.",
    ),
]
NoRecipe = Annotated[
    bool, option("--no-recipe", panel=OUTPUT, text="Leave settings, versions and inputs out of the file.")
]
AsJson = Annotated[
    bool,
    option(
        "--json",
        panel=OUTPUT,
        text="JSON lines on stdout, one for each event: start, what is done, and done or error.",
    ),
]
HelpAll = Annotated[
    bool, typer.Option("--help-all", is_eager=True, callback=show_all, help="Show every option and exit.")
]
Quiet = Annotated[bool, option("--quiet", "-q", panel=OUTPUT, text="Say nothing unless something fails.")]


def settings_of(options: dict[str, Any], **changed: Any) -> "Settings":
    """Those that the options of a command ask for; what was not given keeps its default."""
    from impasto.settings import validated

    return validated(**given(options, **changed))


def settings_like(options: dict[str, Any]) -> "Settings":
    """Those of a command for many pictures of one manner: what is said, over what the file after ``--like`` says."""
    from impasto.jobs import read_settings
    from impasto.settings import Settings, validated

    chosen = {name: value for name, value in options.items() if name in Settings.model_fields or name == "preset"}
    told = {name: value for name, value in chosen.items() if value is not None}
    if options["keep_colours"]:
        told["colour"] = "matched"
    return validated(None if options["like"] is None else read_settings(options["like"]), **told)


def given(options: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """What the options of a command say of the settings."""
    from impasto.settings import Settings

    said = {name: value for name, value in options.items() if name in {*Settings.model_fields, "preset"}} | changed
    return {name: value for name, value in said.items() if value is not None}


def layers(option: str, text: str | None, *, share: bool) -> dict[str, float] | None:
    """``conv1_1=0.2,conv2_1`` as layers with weights; those without one weigh 1, or with ``share`` 1/n of n layers."""
    return weighted(option, text, "layers, each once: conv1_1=0.2,conv2_1=0.2", share=share)


def parts(text: str | None) -> tuple[Any, ...] | None:
    """``0.7,0.3`` or ``fine,coarse`` as parts of a blend."""
    if text is None:
        return None
    found = [part.strip() for part in text.split(",")]
    return tuple(part if part in ("fine", "coarse") else number(part) for part in found)


REGION = re.compile(r"(?P<mask>.+?)(?P<colour>#[0-9a-fA-F]{6})?=(?P<style>[^@]+)(?:@(?P<style_mask>.+))?")


def region(text: str) -> dict[str, Any]:
    """``MASK[#COLOUR]=PAINTING[@MASK]`` as the fields of a ``regions.Region``."""
    found = REGION.fullmatch(text)
    if found is None:
        raise UsageError(f"--region: '{text}' should be MASK=PAINTING, MASK#ff8000=PAINTING or MASK=keep")
    of = found.groupdict()
    return of | {"style": None if of["style"] == "keep" else of["style"]}


def style_losses(text: str | None) -> dict[str, float] | None:
    """``gram=1,moments=0.1`` as style losses with weights."""
    return weighted("--style-loss", text, "style losses, each once: gram=1,moments=0.1")


def weighted(option: str, text: str | None, expected: str, *, share: bool = False) -> dict[str, float] | None:
    """``NAME=WEIGHT,NAME`` as names with weights; those without one weigh 1, or with ``share`` 1/n of n names."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    names = [part.partition("=")[0].strip() for part in parts]
    if not parts or len(set(names)) < len(names):
        raise UsageError(f"{option}: '{text}' should name {expected}")
    weights = {}
    for name, part in zip(names, parts, strict=True):
        _, equals, weight = part.partition("=")
        try:
            weights[name] = float(weight) if equals else 1 / len(parts) if share else 1.0
        except ValueError:
            raise UsageError(f"{option}: '{weight}' is not a number, in '{text}'") from None
    return weights
