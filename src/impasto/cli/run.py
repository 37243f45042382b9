"""What the commands that paint have in common: check everything, paint visibly, keep the picture."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.cli.console import Reporter, reporter
from impasto.cli.weights import fetch_visibly

if TYPE_CHECKING:
    from impasto.settings import Settings
    from impasto.solver import Step


def run(
    settings: "Settings",
    pictures: dict[str, str],
    begin: "Callable[[], Iterator[Step]]",
    options: dict[str, Any],
    *,
    name: str = "",
) -> None:
    """Paint what ``begin`` starts, from ``pictures`` (files by what they are for), as the options say.

    Whatever can be refused is refused before torch is imported, which takes seconds. A picture whose file is not named
    is named after ``pictures`` and ``name``.
    """
    from impasto.images.decoding import check_output, decode
    from impasto.recipe import files_read

    files = files_read(settings, **pictures)
    names = [Path(file.removeprefix("sample:")).stem for file in pictures.values()]
    out = options["out"] or free_name("-".join([*names, *filter(None, [name])]))
    between = saved_between(settings.steps_in_all, options["save_every"])
    for path in (out, *(numbered(out, index) for index in between)):
        check_output(path, files.values())
    for file in files.values():
        decode(file, size=settings.size, max_pixels=settings.max_pixels)
    fetch_if_missing(settings, silent=options["quiet"] or options["as_json"])
    if options["threads"] is not None:
        import torch

        torch.set_num_threads(options["threads"])
    steps = begin()
    total = None if settings.steps == "auto" else settings.steps_in_all
    with reporter(total, as_json=options["as_json"], quiet=options["quiet"]) as report:
        follow(steps, Saver(out, report, with_recipe=not options["no_recipe"]), between)


def fetch_if_missing(settings: "Settings", *, silent: bool) -> None:
    """Fetch the network's weights where they are not there yet, with a progress bar; silent, the run itself does it."""
    from impasto.network.registry import where

    if settings.weights is None and where(settings.network) is None and not silent:
        fetch_visibly(settings.network)


@dataclass(frozen=True)
class Saver:
    """Writes pictures where and as the user wants them."""

    out: Path
    report: Reporter
    with_recipe: bool = True

    def __call__(self, step: "Step", path: Path | None = None) -> None:
        from impasto.images.files import write

        picture = step.picture
        write(picture, path or self.out, recipe=picture.recipe if self.with_recipe else None)
        self.report.saved(str(path or self.out), step)


def follow(steps: "Iterator[Step]", save: Saver, between: range) -> None:
    """Go through the steps; whatever ends them, the best picture so far is written."""
    best: Step | None = None
    try:
        for step in steps:
            best = step if best is None or step.merit >= best.merit else best
            save.report.step(step)
            if step.index in between:
                save(step, numbered(save.out, step.index))
    finally:
        if best is not None:
            save(best)


def numbered(out: Path, index: int) -> Path:
    """OUT-0050.png and the like."""
    return out.with_stem(f"{out.stem}-{index:04d}")


def saved_between(steps: int, save_every: int) -> range:
    """The steps whose pictures are saved on the way."""
    return range(save_every, steps + 1, save_every) if save_every else range(0)


def free_name(stem: str) -> Path:
    """STEM.png in the current folder, numbered where that is taken."""
    names = (Path(f"{stem}{number}.png") for number in chain([""], (f"-{n}" for n in count(2))))
    return next(name for name in names if not name.exists())
