"""What the commands that paint have in common: check everything, paint visibly, keep the picture."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.cli.console import Interrupted, Reporter, reporter
from impasto.cli.heap import give_back_what_is_free, suit
from impasto.cli.keeping import Keeper, Resumable, beside
from impasto.cli.names import PIPE, numbered, numbered_there, out_of, outputs, saved_between
from impasto.cli.weights import fetch_visibly
from impasto.errors import InputError, UsageError
from impasto.signals import Listening

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from impasto.images.picture import Picture
    from impasto.settings import Settings
    from impasto.solver import Step


def run(
    settings: "Settings",
    pictures: dict[str, str],
    begin: "Callable[..., Iterator[Step]]",
    options: dict[str, Any],
    *,
    name: str = "",
    also: Sequence[str] = (),
    canvas: tuple[int, int] | None = None,
) -> None:
    """Paint what ``begin`` starts with these settings and pictures, files by what they are for, as the options say;
    ``also`` are other files that it reads. The picture is as large as ``canvas``, height and width, or the first.

    Whatever can be refused is refused before torch is imported, which takes seconds. A picture whose file is not named
    is named after ``pictures`` and ``name``.
    """
    with ExitStack() as taken:
        names = [
            "stdin" if file == str(PIPE) else Path(file.removeprefix("sample:")).stem for file in pictures.values()
        ]
        out = out_of(options, "-".join([*names, *filter(None, [name])]), taken)
        paint_to(out, settings, pictures, begin, options, also=also, canvas=canvas)


def paint_to(
    out: Path,
    settings: "Settings",
    pictures: dict[str, str],
    begin: "Callable[..., Iterator[Step]]",
    options: dict[str, Any],
    *,
    also: Sequence[str],
    canvas: tuple[int, int] | None,
) -> None:
    """The same, to this file."""
    from impasto.images.decoding import decode
    from impasto.images.output import check_dpi, check_output, check_size
    from impasto.recipe import files_read, reading
    from impasto.tensors import memory_of_machine

    tries = options.get("tries", 1)
    resume = options.get("resume", False)
    check_pipes(list(pictures.values()), out, options | {"tileable": settings.tileable})
    check_dpi(options["dpi"])
    outs, sheet = outputs(out, tries)
    fours = [path.with_stem(f"{path.stem}-2x2") for path in outs] if settings.tileable else []
    between = saved_between(settings.steps_in_all, options["save_every"])
    files = [*(file for file in files_read(settings, **pictures).values() if file != str(PIPE)), *also]
    files += [options["like"]] if options.get("like") else []
    if out != PIPE:
        on_the_way = chain.from_iterable(numbered_there(path, between) for path in outs)
        for path in (*outs, *fours, *on_the_way, *filter(None, [sheet])):
            check_output(path, files, bits=options["bits"])
    sources = {
        role: piped(settings.limits.most_bytes) if file == str(PIPE) else file for role, file in pictures.items()
    }
    read = files_read(settings, **sources).items()
    shapes = {role: decode(file, **reading(settings, role)).shape for role, file in read}
    for file in also:
        decode(file, limits=settings.limits)
    height, width = canvas or shapes[next(iter(pictures))][:2]
    if out != PIPE:
        check_size(outs[0], width, height)
        for path in fours:
            check_size(path, 2 * width, 2 * height)
    fetch_if_missing(settings, silent=options["quiet"] or options["as_json"])
    if options["threads"] is not None:
        import torch

        torch.set_num_threads(options["threads"])
    if options.get("dry_run"):
        trial = begin(small(settings), {}, **sources, **of_canvas(small_canvas(canvas)))
        foresee(settings, (width, height), trial, as_json=options["as_json"])
        return
    with reporter(as_json=options["as_json"], quiet=options["quiet"]) as report:
        painted: list[Picture | None] = []
        for n, path in enumerate(outs):
            of_try = settings if tries == 1 else settings.model_copy(update={"seed": settings.seed + n})
            save = Saver(path, report, options, fours[n] if fours else None)
            keeper = Keeper(None if path == PIPE else beside(path), options.get("checkpoint_every", 0.0), report)
            how = {"on_part": report.part, "resume": beside(path) if resume else None}
            if not resume and beside(path).is_file():
                report.note(f"'{beside(path)}' is of a run that did not end: --resume would go on with it")
            steps = begin(of_try, how, **sources, **of_canvas(canvas))
            if isinstance(steps, Resumable):
                suit(steps.plan, settings.memory or memory_of_machine())
            give_back_what_is_free()
            painted.append(follow(steps, of_try, save, between, keeper))
        if sheet is not None:
            contact_sheet([picture.pil() for picture in painted if picture], sheet)
            report.sheet(str(sheet), "all of them")
        report.done()


TRIAL: dict[str, Any] = {"size": 256, "scales": 1, "steps": 4, "memory": None, "tile": "auto"}
"""Of a run of which only its speed is wanted."""


def small(settings: "Settings") -> "Settings":
    """Those of a trial."""
    return settings.model_copy(update=TRIAL | {"size": min(settings.size, TRIAL["size"])})


def small_canvas(canvas: tuple[int, int] | None) -> tuple[int, int] | None:
    """Height and width of a trial's picture, where these are given."""
    from impasto.images.sizes import MIN_SIDE

    if canvas is None:
        return None
    height, width = (max(MIN_SIDE, round(side * min(1.0, TRIAL["size"] / max(canvas)))) for side in canvas)
    return height, width


def of_canvas(canvas: tuple[int, int] | None) -> dict[str, Any]:
    """What a command whose picture has a size of its own is told of it."""
    return {} if canvas is None else {"canvas": canvas}


def foresee(settings: "Settings", size: tuple[int, int], trial: "Iterator[Step]", *, as_json: bool) -> None:
    """Print what a run of this size takes: how fast this machine is, and what it is made of, a ``trial`` tells."""
    import json

    from impasto.cli.console import duration, plan
    from impasto.preparation import foreseen
    from impasto.progress import OVERHEAD, Work
    from impasto.recipe import FILES_OF_SETTINGS
    from impasto.tiling import gigabytes

    first, *_, last = list(trial)
    recipe = first.recipe or {}
    machine = recipe.get("machine", {})
    roles = [role for role in recipe.get("inputs", ()) if role not in FILES_OF_SETTINGS]
    pixels = last.size[0] * last.size[1] + OVERHEAD
    of_pixel = (last.seconds - first.seconds) / max(last.evaluations - first.evaluations, 1) / pixels
    fits = foreseen(settings, *size, roles, len(recipe.get("regions", ())))
    work = Work(settings, size, fits.told)
    seconds = EVALUATIONS * of_pixel * work.total
    if as_json:
        told = {"size": size, "seconds": round(seconds), "memory": fits.bytes, "disk": fits.disk}
        print(json.dumps({"event": "plan", **told, "machine": machine | fits.told}))
        return
    print(plan(settings, size, machine | fits.told))
    print(f"time: about {duration(seconds)}" + ("" if work.known else " at most"))
    print(f"memory: about {gigabytes(fits.bytes)}" + (f", and {gigabytes(fits.disk)} on disk" if fits.on_disk else ""))


EVALUATIONS = 1.1
"""For each step: nearly all take one."""


def check_pipes(pictures: list[str], out: Path, options: dict[str, Any]) -> None:
    """Raise UsageError where stdin or stdout should do two things at once."""
    if pictures.count(str(PIPE)) > 1:
        raise UsageError("'-' is stdin, which can be one of the pictures only: name a file for the other")
    if out != PIPE:
        return
    for parameter in ("as_json", "save_every"):
        if options[parameter]:
            raise UsageError(f"`{parameter}` does not go with '-o -', which writes the picture to stdout: name a file")
    if options.get("resume"):
        raise UsageError("`resume` goes on from a file beside the picture, and '-o -' writes to stdout: name a file")
    if options["tileable"]:
        raise UsageError("`tileable` puts a sheet of four beside the picture, and '-o -' writes to stdout: name a file")
    if options.get("tries", 1) > 1:
        raise UsageError("`tries` are several pictures, and '-o -' writes one to stdout: name a file")
    if sys.stdout.isatty():
        raise UsageError("'-o -' writes a PNG to stdout, and that is a terminal: redirect it, or name a file")


def piped(most: int) -> bytes:
    """The picture that comes in by stdin; of one of more than so many bytes one more, so that it is refused."""
    from impasto.images.decoding import NamedBytes

    if sys.stdin is None:
        raise InputError("stdin is closed: there is no picture to read from '-'")
    found = NamedBytes(sys.stdin.buffer.read(most + 1))
    found.name = "stdin"
    return found


def fetch_if_missing(settings: "Settings", *, silent: bool) -> None:
    """Fetch the network's weights where they are not there yet, with a progress bar; silent, the run itself does it."""
    from impasto.network.registry import where

    if settings.weights is None and where(settings.network) is None and not silent:
        fetch_visibly(settings.network)


@dataclass(frozen=True)
class Saver:
    """Writes pictures where and as the user wants them; beside the last one, where it is for that, ``four`` of it,
    2 x 2 without a gap: so people see that its edges join."""

    out: Path
    report: Reporter
    options: dict[str, Any]
    four: Path | None = None

    def __call__(self, step: "Step", path: Path | None = None, *, whole: bool = True) -> "Picture":
        """Write the picture of ``step``; where it is the ``whole``, as large as was asked for."""
        path, picture = path or self.out, step.whole if whole else step.picture
        self.write(picture.channels, path, picture)
        self.report.saved(str(path), step, (picture.shape[3], picture.shape[2]))
        return picture

    def last(self, step: "Step") -> "Picture":
        """The picture that a run ends with."""
        picture = self(step)
        if self.four is not None:
            self.write(picture.channels.repeat(1, 1, 2, 2), self.four, picture)
            self.report.sheet(str(self.four), "four of it")
        return picture

    def write(self, channels: "Tensor", path: Path, of: "Picture") -> None:
        """These pixels, with what is known ``of`` the picture."""
        from impasto.images.files import write

        to: Any = sys.stdout.buffer if path == PIPE else path
        recipe = None if self.options["no_recipe"] else of.recipe
        kind = {"format": "PNG" if path == PIPE else None, "bits": self.options["bits"], "dpi": self.options["dpi"]}
        write(channels, to, recipe=recipe, origin=of.origin, location=self.options["keep_location"], **kind)


def follow(
    steps: "Iterator[Step]", settings: "Settings", save: Saver, between: range, keeper: Keeper
) -> "Picture | None":
    """Go through the steps; whatever ends them, the best picture so far is written, and where the run is. Raises
    Interrupted, saying what was kept, after Ctrl-C and the like."""
    best: Step | None = None
    size: tuple[int, int] | None = None
    ended: BaseException | None = None
    with Listening() as signals:
        try:
            for step in steps:
                first, best = best is None, step if best is None or step.merit >= best.merit else best
                if first:
                    save.report.begun(settings, step)
                save.report.step(step)
                if step.index in between:
                    save(step, numbered(save.out, step.index), whole=False)
                keeper.after_step(steps)
                if step.size != size:
                    size = step.size
                    give_back_what_is_free()  # the size before left pieces that fit nothing of this one
                if signals.asked:
                    raise KeyboardInterrupt
            signals.over = True
        except BaseException as error:
            ended = error
        signals.over = True  # a second Ctrl-C does not cost the picture
        picture = None if best is None else save.last(best)
        if ended is None:
            keeper.done()
        resumable = ended is not None and best is not None and keeper.keep(steps)
    if ended is not None and (signals.asked or isinstance(ended, KeyboardInterrupt)):
        raise Interrupted(f"interrupted: {kept(best, save.out)}{'; --resume goes on' if resumable else ''}")
    if ended is not None:
        raise ended
    return picture


def kept(best: "Step | None", out: Path) -> str:
    """What is left of a run that was interrupted."""
    if best is None:
        return "there was no picture yet, and nothing is kept"
    of_all = "" if best.total is None else f" of {best.total}"
    size = (best.recipe or {}).get("size", best.size)
    enlarged = "" if tuple(size) == best.size else f", painted at {best.size[0]} x {best.size[1]} px and enlarged"
    return f"the picture of step {best.index}{of_all} is kept in '{out}'{enlarged}"


def contact_sheet(pictures: "list[Image.Image]", out: Path, side: int = 512, gap: int = 8) -> None:
    """All of them side by side, each within ``side`` px."""
    import numpy as np
    from PIL import Image

    from impasto.images.arrays import channels_of
    from impasto.images.files import write

    small = [picture.copy() for picture in pictures]
    for image in small:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    width, height = (max(sizes) + gap for sizes in zip(*(image.size for image in small), strict=True))
    columns = math.ceil(len(small) ** 0.5)
    rows = math.ceil(len(small) / columns)
    sheet = Image.new(small[0].mode, (columns * width + gap, rows * height + gap), "#ffffff00")
    for n, image in enumerate(small):
        sheet.paste(image, (gap + n % columns * width, gap + n // columns * height))
    write(channels_of(np.asarray(sheet)), out)
