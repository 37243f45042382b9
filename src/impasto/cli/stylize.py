"""``impasto stylize``: a photograph and a painting in, a picture out."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.console import Reporter, reporter
from impasto.cli.weights import fetch_visibly
from impasto.errors import UsageError

if TYPE_CHECKING:
    from impasto.solver import Step

PICTURE, LOSS, NETWORK, RUN, OUTPUT = "Picture", "Loss", "Network", "Run", "Output"


def option(*names: str, panel: str, text: str, default: str | None = None, least: int | None = None) -> Any:
    """An option whose default lives in ``Settings``; ``default`` is what the help says of it."""
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=default or False, min=least)


def stylize(
    content: Annotated[str, typer.Argument(help="The photograph: a file, or sample:NAME.")],
    style: Annotated[str, typer.Argument(help="The painting: a file, or sample:NAME.")],
    out: Annotated[
        Path | None,
        option(
            "--out",
            "-o",
            panel=OUTPUT,
            text="Where the picture goes: .png, .jpg, .webp or .tif. Replaced if it is there, unless it is an input.",
            default="CONTENT-STYLE.png here, never replacing a file",
        ),
    ] = None,
    size: Annotated[int | None, option("--size", panel=PICTURE, text="Long side in px.", default="512")] = None,
    strength: Annotated[
        float | None,
        option("--strength", panel=LOSS, text="0: a hint of the painting. 1: nearly all painting.", default="0.5"),
    ] = None,
    content_weight: Annotated[
        float | None, option("--content-weight", panel=LOSS, text="The paper's alpha.", default="1")
    ] = None,
    style_weight: Annotated[
        float | None, option("--style-weight", panel=LOSS, text="The paper's beta.", default="1e8")
    ] = None,
    content_layers: Annotated[
        str | None,
        option("--content-layers", panel=LOSS, text="LAYER[=WEIGHT],… Weight 1 if not said.", default="conv4_2=1"),
    ] = None,
    style_layers: Annotated[
        str | None,
        option(
            "--style-layers",
            panel=LOSS,
            text="LAYER[=WEIGHT],… Equal shares if not said.",
            default="conv1_1, conv2_1, conv3_1, conv4_1, conv5_1",
        ),
    ] = None,
    tv_weight: Annotated[
        float | None,
        option(
            "--tv-weight",
            panel=LOSS,
            text="Of the total variation. 300 smooths grain, more blurs.",
            default="0",
        ),
    ] = None,
    init: Annotated[
        str | None,
        option("--init", panel=RUN, text="The first picture: content, style, noise, or a file.", default="content"),
    ] = None,
    seed: Annotated[int | None, option("--seed", panel=RUN, text="Of the noise.", default="0")] = None,
    steps: Annotated[int | None, option("--steps", panel=RUN, text="Steps of the solver.", default="150")] = None,
    solver: Annotated[str | None, option("--solver", panel=RUN, text="lbfgs or adam.", default="lbfgs")] = None,
    network: Annotated[
        str | None, option("--network", panel=NETWORK, text="A name from impasto weights list.", default="lite")
    ] = None,
    weights: Annotated[
        Path | None,
        option("--weights", panel=NETWORK, text="A .safetensors or .pth to use instead of the network's own weights."),
    ] = None,
    pooling: Annotated[
        str | None, option("--pooling", panel=NETWORK, text="average or max.", default="average")
    ] = None,
    device: Annotated[str | None, option("--device", panel=RUN, text="auto, cpu, cuda or mps.", default="auto")] = None,
    max_pixels: Annotated[
        int | None, option("--max-pixels", panel=PICTURE, text="Largest input that is read.", default="100000000")
    ] = None,
    save_every: Annotated[
        int, option("--save-every", panel=OUTPUT, text="Also save OUT-0050.png and so on, every N steps.", least=0)
    ] = 0,
    no_recipe: Annotated[
        bool, option("--no-recipe", panel=OUTPUT, text="Leave settings, versions and inputs out of the file.")
    ] = False,
    as_json: Annotated[bool, option("--json", panel=OUTPUT, text="JSON lines on stdout.")] = False,
    quiet: Annotated[bool, option("--quiet", "-q", panel=OUTPUT, text="Say nothing unless something fails.")] = False,
) -> None:
    """Paint the photograph CONTENT in the manner of the painting STYLE.

    Ctrl-C keeps the best picture so far.
    """
    options = dict(locals())  # before there is any other local
    from impasto.images.decoding import check_output, decode
    from impasto.recipe import files_read, recipe
    from impasto.settings import Settings, validated

    given = {name: value for name, value in options.items() if name in {*Settings.model_fields, "strength"}}
    given["content_layers"] = layers("--content-layers", content_layers, share=False)
    given["style_layers"] = layers("--style-layers", style_layers, share=True)
    settings = validated(**{name: value for name, value in given.items() if value is not None})
    out = out or free_name(content, style)
    pictures = files_read(settings, content, style).values()
    for path in (out, *(numbered(out, index) for index in saved_between(settings.steps, save_every))):
        check_output(path, pictures)
    for picture in pictures:  # before torch, which takes seconds to import
        decode(picture, size=settings.size, max_pixels=settings.max_pixels)
    about = None if no_recipe else recipe(settings, content, style)

    from impasto import facade
    from impasto.network.registry import where

    if settings.weights is None and where(settings.network) is None and not (quiet or as_json):
        fetch_visibly(settings.network)
    course = facade.stylize(content, style, settings)
    with reporter(settings.steps, as_json=as_json, quiet=quiet) as report:
        run(course, Saver(out, about, report), saved_between(settings.steps, save_every))


@dataclass(frozen=True)
class Saver:
    """Writes pictures where and as the user wants them."""

    out: Path
    recipe: "dict[str, Any] | None"
    report: Reporter

    def __call__(self, step: "Step", path: Path | None = None) -> None:
        from impasto.images.files import write

        recipe = self.recipe and {**self.recipe, "step": step.index, "evaluations": step.evaluations}
        write(step.image, path or self.out, recipe=recipe)
        self.report.saved(str(path or self.out), step)


def numbered(out: Path, index: int) -> Path:
    """OUT-0050.png and the like."""
    return out.with_stem(f"{out.stem}-{index:04d}")


def saved_between(steps: int, save_every: int) -> range:
    """The steps whose pictures are saved on the way."""
    return range(save_every, steps + 1, save_every) if save_every else range(0)


def run(steps: "Iterator[Step]", save: Saver, between: range) -> None:
    """Go through the steps; whatever ends them, the best picture so far is written."""
    best: Step | None = None
    try:
        for step in steps:
            best = step if best is None or step.loss <= best.loss else best
            save.report.step(step)
            if step.index in between:
                save(step, numbered(save.out, step.index))
    finally:
        if best is not None:
            save(best)


def layers(option: str, text: str | None, *, share: bool) -> dict[str, float] | None:
    """``conv1_1=0.2,conv2_1`` as layers with weights; those without one weigh 1, or with ``share`` 1/n of n layers."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    names = [part.partition("=")[0].strip() for part in parts]
    if not parts or len(set(names)) < len(names):
        raise UsageError(f"{option}: '{text}' should name layers, each once: conv1_1=0.2,conv2_1=0.2")
    weights = {}
    for name, part in zip(names, parts, strict=True):
        _, equals, weight = part.partition("=")
        try:
            weights[name] = float(weight) if equals else 1 / len(parts) if share else 1.0
        except ValueError:
            raise UsageError(f"{option}: '{weight}' is not a number, in '{text}'") from None
    return weights


def free_name(content: str, style: str) -> Path:
    """CONTENT-STYLE.png in the current folder, numbered where that is taken."""
    stem = "-".join(Path(name.removeprefix("sample:")).stem for name in (content, style))
    names = (Path(f"{stem}{number}.png") for number in chain([""], (f"-{n}" for n in count(2))))
    return next(name for name in names if not name.exists())
