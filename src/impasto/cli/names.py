"""Where pictures go: the files of a run, and their names where none is given."""

import glob
from collections.abc import Iterator
from itertools import chain, count, takewhile
from pathlib import Path
from typing import Any

from impasto.cli.keeping import beside
from impasto.errors import UsageError

PIPE = Path("-")
"""stdin or stdout instead of a file."""


def out_of(options: dict[str, Any], stem: str) -> Path:
    """Where the options say, or a name after ``stem``: a free one, or that of the run to resume. Raises UsageError
    where there is none of these, or several."""
    tries = options.get("tries", 1)
    if not options.get("resume"):
        return options["out"] or free_name(stem, tries)
    if tries > 1:
        raise UsageError("`resume` goes on with one picture, and `tries` are several: -o OUT-2.png --seed 1 is one")
    return options["out"] or name_to_resume(stem)


def outputs(out: Path, tries: int) -> tuple[list[Path], Path | None]:
    """Where the picture goes; or the pictures, and a sheet of them."""
    if tries == 1:
        return [out], None
    return [out.with_stem(f"{out.stem}-{n}") for n in range(1, tries + 1)], out.with_stem(f"{out.stem}-sheet")


def numbered(out: Path, index: int) -> Path:
    """OUT-0050.png and the like."""
    return out.with_stem(f"{out.stem}-{index:04d}")


def numbered_there(out: Path, between: range) -> Iterator[Path]:
    """Of the names of pictures on the way those of which there is a file: there may be many thousand."""
    there = out.parent.glob(f"{glob.escape(out.stem)}-*{glob.escape(out.suffix)}") if between else ()
    for path in there:
        number = path.stem.removeprefix(f"{out.stem}-")
        if number.isdecimal() and int(number) in between and path == numbered(out, int(number)):
            yield path


def saved_between(steps: int, save_every: int) -> range:
    """The steps whose pictures are saved on the way."""
    return range(save_every, steps + 1, save_every) if save_every else range(0)


def name_to_resume(stem: str) -> Path:
    """The latest name that was given of which there is a checkpoint. Raises UsageError where there is none."""
    known = takewhile(lambda name: name.exists() or beside(name).exists(), names_of(stem))
    unfinished = [name for name in known if beside(name).exists()]
    if not unfinished:
        raise UsageError(
            f"`resume`: there is no '{beside(Path(f'{stem}.png'))}' to go on from: name the picture with -o"
        )
    return unfinished[-1]


def names_of(stem: str) -> Iterator[Path]:
    """STEM.png in the current folder, STEM-2.png and so on."""
    return (Path(f"{stem}{number}.png") for number in chain([""], (f"-{n}" for n in count(2))))


def free_name(stem: str, tries: int = 1) -> Path:
    """STEM.png in the current folder, numbered where that, or one of what so many tries make of it, is there, or is the
    name of a run that did not end."""

    def is_free(path: Path) -> bool:
        return not path.exists() and not beside(path).exists()

    return next(name for name in names_of(stem) if all(map(is_free, outputs(name, tries)[0])))
