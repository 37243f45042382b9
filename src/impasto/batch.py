"""Many pictures: what is to be painted, what is there already, and painting it, in this process or in others."""

import glob
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from impasto.errors import ImpastoError, InputError, LimitError
from impasto.images.decoding import SUFFIXES, read_recipe
from impasto.images.samples import PREFIX
from impasto.recipe import is_of, recipe
from impasto.settings import Settings
from impasto.tensors import is_lack_of_memory

if TYPE_CHECKING:
    from impasto.facade import Painter
    from impasto.images.picture import Picture

TRIES = 2
"""How often a picture is begun whose process dies."""


@dataclass(frozen=True)
class Task:
    """A photograph and a painting, as files or ``sample:NAME``, and where the picture goes."""

    photograph: str
    painting: str
    out: Path


@dataclass(frozen=True)
class Outcome:
    """What has become of a task: ``said`` is what was wrong, with its exit ``code``."""

    task: Task
    state: Literal["painted", "there", "failed"]
    seconds: float = 0.0
    loss: float | None = None
    said: str = ""
    code: int = 0


def found(names: Iterable[str], out: Path | None = None) -> list[tuple[str, Path]]:
    """The pictures that are named: files, globs and folders, with what is in them but in ``out``; and what each is
    called without its suffix, with the folders below the one that was named. Raises InputError where a folder or a glob
    has none."""
    pictures: list[tuple[str, Path]] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if is_picture(file.relative_to(path)) and file.is_file())
            inside = [file for file in files if out is None or out.resolve() not in file.resolve().parents]
            pictures += [(str(file), file.relative_to(path).with_suffix("")) for file in inside]
            if not inside:
                raise InputError(f"there is no picture in '{name}': name a folder that has some")
        elif glob.has_magic(name) and not path.exists():
            matching = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - of a whole path
            if not matching:
                raise InputError(f"'{name}' matches no file: check the folder and the pattern")
            pictures += [(file, Path(Path(file).stem)) for file in matching if Path(file).is_file()]
        else:
            pictures.append((name, Path(Path(name.removeprefix(PREFIX)).stem)))
    return pictures


def is_picture(file: Path) -> bool:
    """By its name, which is not hidden, nor in a hidden folder."""
    return file.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in file.parts)


def tasks(photographs: Sequence[str], paintings: Sequence[str], out: Path, suffix: str) -> list[Task]:
    """Every photograph by every painting, painting after painting. Raises what ``found`` raises."""
    there = found(photographs, out)
    pairs = [(photograph, painting) for painting in found(paintings) for photograph in there]
    return named(pairs, out, suffix, alone=len({painting for _, (painting, _) in pairs}) == 1)


def tasks_in(file: Path, out: Path, suffix: str) -> list[Task]:
    """Those of a CSV file: a photograph and a painting on each line, from where the file lies. Raises InputError for
    what is none."""
    import csv

    try:
        lines = [line for line in csv.reader(file.read_text(encoding="utf-8-sig").splitlines()) if any(line)]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"'{file}' cannot be read as CSV ({error})") from error
    if lines and [cell.strip().lower() for cell in lines[0]] == ["photograph", "painting"]:
        lines = lines[1:]
    for number, line in enumerate(lines, 1):
        if len(line) != 2:
            raise InputError(f"'{file}': line {number} of pairs has {len(line)} cells: a photograph and a painting")
    at = file.parent
    names = [[cell if cell.startswith(PREFIX) else str(at / cell.strip()) for cell in line] for line in lines]
    if not names:
        raise InputError(f"'{file}' names no pictures: a line each, a photograph and a painting")
    pairs = [(found([photograph])[0], found([painting])[0]) for photograph, painting in names]
    return named(pairs, out, suffix, alone=False)


def named(pairs: Sequence[tuple[Any, Any]], out: Path, suffix: str, *, alone: bool) -> list[Task]:
    """Names in the folder ``out``: the photograph's, and the painting's where that is not ``alone``; those that would
    be the same keep their suffixes, too."""
    short = [of if alone else of.with_name(f"{of.name}-{by.name}") for (_, of), (_, by) in pairs]
    often, names, given = Counter(short), set[Path](), []
    for name, ((photograph, of), (painting, _)) in zip(short, pairs, strict=True):
        if often[name] > 1:
            name = of.with_name(f"{Path(photograph).name}-{Path(painting).name}")  # noqa: PLW2901
        path = out / name.with_name(f"{name.name}{suffix}")
        number = 2
        while path in names:
            path, number = out / name.with_name(f"{name.name}-{number}{suffix}"), number + 1
        names.add(path)
        given.append(Task(photograph, painting, path))
    return given


def is_done(task: Task, settings: Settings) -> bool:
    """Whether the picture is there, by its recipe. Raises InputError where there is a file that is not impasto's, and
    what reading the photograph and the painting raises."""
    if not task.out.exists():
        return False
    made = read_recipe(task.out)
    if made is None:
        raise InputError(f"'{task.out}' is there, and not by impasto: choose another folder")
    return is_of(made, recipe("stylize", settings, {"content": task.photograph, "style": task.painting}))


PAINTERS: dict[tuple[Settings, Any], "Painter"] = {}
"""Of this process: the network is loaded, and each painting measured, once."""


def painter(settings: Settings, painting: Any) -> "Painter":
    """The manner of a painting."""
    from impasto.facade import Painter

    if (settings, painting) not in PAINTERS:
        loaded = next((one for (of, _), one in PAINTERS.items() if of == settings), None)
        PAINTERS[settings, painting] = Painter(painting, settings) if loaded is None else loaded.with_style(painting)
    return PAINTERS[settings, painting]


def picture_of(photograph: Any, painting: Any, settings: Settings) -> "tuple[Picture, float]":
    """The picture, and its loss."""
    from impasto.facade import best_step

    best = best_step(painter(settings, painting).stylize(photograph))
    return best.picture, best.loss


def paint(task: Task, settings: Settings) -> Outcome:
    """Paint it and save it, whole or not at all, unless it is there."""
    began = time.monotonic()
    try:
        if is_done(task, settings):
            return Outcome(task, "there")
        picture, loss = picture_of(task.photograph, task.painting, settings)
        make_folder(task)
        picture.save(task.out)
    except Exception as error:
        return failed(task, error, time.monotonic() - began)
    return Outcome(task, "painted", time.monotonic() - began, loss)


def make_folder(task: Task) -> None:
    """For the picture. Raises InputError where that cannot be done."""
    try:
        task.out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder '{task.out.parent}' cannot be made ({error.strerror})") from error


def failed(task: Task, error: BaseException, seconds: float = 0.0) -> Outcome:
    """What was wrong with it. Raises the error where it is no ImpastoError nor lack of memory: a fault of our own."""
    if isinstance(error, ImpastoError):
        return Outcome(task, "failed", seconds, None, str(error), error.exit_code)
    if is_lack_of_memory(error):
        return Outcome(task, "failed", seconds, None, "not enough memory", LimitError.exit_code)
    raise error


def here(wanted: Iterable[Task], settings: Settings, workers: int, threads: int | None = None) -> Iterator[Outcome]:
    """Paint them, in this process or in so many others, each with its share of memory and cores; outcomes come as they
    are there. A process that dies costs no picture but the one that it dies of twice."""
    if workers == 1:
        yield from (paint(task, settings) for task in wanted)
        return
    from impasto.tensors import memory_of_machine

    share = (settings.memory or memory_of_machine()) // workers
    theirs = settings.model_copy(update={"memory": share})
    each = threads or max(1, (os.cpu_count() or 1) // workers)
    todo, suspects = iter(wanted), list[Task]()
    running: dict[Any, Task] = {}
    while True:
        with ProcessPoolExecutor(workers, get_context("spawn"), prepare, (each,)) as pool:
            try:
                for task in todo:
                    running[pool.submit(paint, task, theirs)] = task
                    if len(running) > workers:
                        yield from ended(running)
                while running:
                    yield from ended(running)
                break
            except BrokenProcessPool:
                suspects = [*running.values()]
                running.clear()
            except BaseException:
                for process in (pool._processes or {}).values():
                    process.terminate()
                raise
        for task in suspects:
            yield alone(task, theirs, each)


def ended(running: dict[Any, Task]) -> Iterator[Outcome]:
    """The outcomes that are there. Raises BrokenProcessPool where a process has died."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        outcome = future.result()
        del running[future]
        yield outcome


def alone(task: Task, settings: Settings, threads: int) -> Outcome:
    """Paint it in a process of its own, since one has died that may have been at it."""
    for _ in range(TRIES - 1):
        with ProcessPoolExecutor(1, get_context("spawn"), prepare, (threads,)) as pool:
            try:
                outcome: Outcome = pool.submit(paint, task, settings).result()
            except BrokenProcessPool:
                continue
            return outcome
    return Outcome(task, "failed", 0.0, None, "the process that painted it was ended, twice", LimitError.exit_code)


def prepare(threads: int) -> None:
    """A process that paints for another one, which alone hears Ctrl-C."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
