"""Where pictures go: the files of a run, and their names where none is given."""

import glob
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import chain, count, takewhile
from pathlib import Path
from typing import Any

from impasto.cli.keeping import beside
from impasto.errors import InputError, UsageError
from impasto.signals import HELD

PIPE = Path("-")
"""stdin or stdout instead of a file."""


def out_of(options: dict[str, Any], stem: str, taken: ExitStack) -> Path:
    """Where the options say, or a name after ``stem``: a free one, or that of the run to resume. Nobody else's until
    ``taken`` is closed. Raises UsageError where there is none of these, or several, or another run paints there."""
    tries, resume, out = options.get("tries", 1), options.get("resume"), options["out"]
    if resume and tries > 1:
        raise UsageError("`resume` goes on with one picture, and `tries` are several: -o OUT-2.png --seed 1 is one")
    for name in outputs(out, tries)[0] if out and out != PIPE else ():
        hold(name, taken)
    return out or (name_to_resume(stem, taken) if resume else free_name(stem, taken, tries))


def hold(name: Path, taken: ExitStack) -> None:
    """Take a name that was given, until ``taken`` is closed: two runs would paint over each other's picture, and over
    each other's checkpoint. Raises UsageError where another run has it."""
    with suppress(InputError):  # where nothing can be written, there are better words for it
        if not claimed(name, taken):
            raise UsageError(
                f"another run paints '{name}': choose another name, or wait for it (if there is none, remove "
                f"'{claim_of(name)}')"
            )


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


def name_to_resume(stem: str, taken: ExitStack) -> Path:
    """The latest name that was given of which there is a checkpoint, and no run that goes on. Raises UsageError where
    there is none. Nobody else gets it until ``taken`` is closed."""
    known = takewhile(lambda name: name.exists() or beside(name).exists(), names_of(stem))
    for name in reversed([name for name in known if beside(name).exists()]):
        if claimed(name, taken):
            return name
    raise UsageError(f"`resume`: there is no '{beside(Path(f'{stem}.png'))}' to go on from: name the picture with -o")


def names_of(stem: str) -> Iterator[Path]:
    """STEM.png in the current folder, STEM-2.png and so on."""
    return (Path(f"{stem}{number}.png") for number in chain([""], (f"-{n}" for n in count(2))))


def free_name(stem: str, taken: ExitStack, tries: int = 1) -> Path:
    """STEM.png in the current folder, numbered where that, or one of what so many tries make of it, is there, or is the
    name of a run that did not end, or goes on. Nobody else gets it until ``taken`` is closed."""
    return next(name for name in names_of(stem) if take(outputs(name, tries)[0], taken))


def take(names: list[Path], taken: ExitStack) -> bool:
    """Take all of these names, or none."""
    with ExitStack() as stack:
        for name in names:
            if not claimed(name, stack) or name.exists() or beside(name).exists():
                return False
        taken.push(stack.pop_all())
    return True


def claimed(name: Path, taken: ExitStack) -> bool:
    """Whether this process has the name now, until ``taken`` is closed or the program ends: a hidden file says so.
    Another one may have it, which still runs. Raises InputError where no file can be made."""
    claim = claim_of(name)
    for _ in range(2):
        HELD.add(str(claim))  # before it is there: a signal may come at once
        try:
            with claim.open("x") as file:
                taken.callback(release, claim)
                file.write(str(os.getpid()))
        except FileExistsError:
            HELD.discard(str(claim))
            if is_taken(claim):
                return False
        except OSError as error:
            HELD.discard(str(claim))
            raise InputError(
                f"nothing can be written here ({error.strerror}): say with -o where the picture goes"
            ) from error
        else:
            return True
    return False


def release(claim: Path) -> None:
    """Let others have the name."""
    claim.unlink(missing_ok=True)
    HELD.discard(str(claim))


def claim_of(name: Path) -> Path:
    """The hidden file that says that it is taken."""
    return name.parent / f".{name.name}.taken"


def is_taken(claim: Path) -> bool:
    """Whether the process that made it is there; where it cannot be told, it is. One that was killed leaves it behind:
    it is removed. One that began a minute after it, since clocks may differ, has the number of one that is gone."""
    try:
        process, made = int(claim.read_text()), claim.stat().st_mtime
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    import psutil

    try:
        there = psutil.Process(process).create_time() < made + 60
    except psutil.NoSuchProcess:
        there = False
    except (psutil.Error, ValueError, OverflowError):
        there = True
    if not there:
        with suppress(OSError):
            claim.unlink()
    return there
