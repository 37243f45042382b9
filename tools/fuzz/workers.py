"""Files given to whatever reads them, in processes of their own: what hangs, eats memory or ends the process is found
out, and the rest goes on."""

import itertools
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.process import memory_of_process
from impasto.errors import InputError, LimitError
from impasto.images import decoding
from impasto.images.limits import Limits
from impasto.images.sizes import MIN_SIDE

from .corpus import corpus
from .mutation import mutants

MAX_PIXELS = 4_000_000
READ = Limits(MAX_PIXELS)
LONGEST = 600
"""Characters of a refusal: people are to read it."""

BATCH = 500
"""Files that one process reads."""

ROOM = 6000
"""Megabytes of addresses beyond what the process has: Pillow asks for as many bytes as a PNG's chunk says it has, up to
4 GB, and touches those that are there. What is touched is what ``Bounds`` are of."""

Reader = Callable[[Path], object]


@dataclass(frozen=True)
class Bounds:
    """What reading a file may take: seconds, and megabytes beyond what the process has."""

    seconds: float = 5
    megabytes: int = 1500


@dataclass(frozen=True)
class Outcome:
    """What came of a file: the exit code, what is wrong with that, if anything, and what it took."""

    code: int
    fault: str = ""
    seconds: float = 0
    megabytes: float = 0


@dataclass
class Report:
    """What came of many files."""

    codes: Counter[int] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    slowest: tuple[float, str] = (0, "")
    largest: tuple[float, str] = (0, "")
    seconds: float = 0

    def add(self, name: str, outcome: Outcome) -> None:
        """Take down what came of a file."""
        self.codes[outcome.code] += 1
        if outcome.fault:
            self.faults[name] = outcome.fault
        self.slowest = max(self.slowest, (outcome.seconds, name))
        self.largest = max(self.largest, (outcome.megabytes, name))

    def merge(self, other: "Report") -> None:
        """Take over another one."""
        self.codes += other.codes
        self.faults |= other.faults
        self.slowest, self.largest = max(self.slowest, other.slowest), max(self.largest, other.largest)
        self.seconds = max(self.seconds, other.seconds)

    def __str__(self) -> str:
        codes = self.codes
        return (
            f"{codes.total():,} files in {self.seconds:.0f} s: {codes[0]:,} read, {codes[3]:,} refused with exit code "
            f"3, {codes[4]:,} with 4; something wrong with {len(self.faults):,}\n"
            f"slowest: {self.slowest[0]:.2f} s, {self.slowest[1]}\n"
            f"most memory: {self.largest[0]:.0f} MB, {self.largest[1]}"
        )


def whole(path: Path) -> np.ndarray:
    """The picture as it is, from its path."""
    return decoding.decode(path, limits=READ)


def small(path: Path) -> np.ndarray:
    """The picture at a size, or with its alpha, from an open file."""
    with path.open("rb") as file:
        return decoding.decode(file, size=48, limits=READ, with_alpha=True)


def told(path: Path) -> object:
    """What the file says besides its pixels."""
    return decoding.read_recipe(path, limits=READ), decoding.read_origin(path, limits=READ)


READERS: tuple[Reader, ...] = (whole, small, told)


def feed(folder: Path | None, out: Path, minutes: float, count: int | None, seed: int, jobs: int) -> Report:
    """Give mutations of the corpus, and of the pictures in a folder, to so many workers at a time: for some minutes, or
    so many files."""
    pictures = corpus()
    if folder is not None:
        pictures |= {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    end = time.perf_counter() + 60 * minutes

    def numbers(first: int) -> Iterator[int]:
        if count is not None:
            return iter(range(first, count, jobs))
        return itertools.takewhile(lambda _: time.perf_counter() < end, itertools.count(first, jobs))

    report = Report()
    with ThreadPoolExecutor(jobs) as pool:
        shares = pool.map(lambda first: examine(mutants(pictures, seed, numbers(first)), out), range(jobs))
        for share in shares:
            report.merge(share)
    return report


def examine(
    files: Iterable[tuple[str, bytes]],
    out: Path | None = None,
    readers: tuple[Reader, ...] = READERS,
    limits: Bounds = Bounds(),
) -> Report:
    """Have ``files`` read, one after the other; keep those with which something is wrong in the folder ``out``."""
    report, left, start = Report(), 0, time.perf_counter()
    worker: Worker | None = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        for name, data in files:
            path.write_bytes(data)
            if worker is None:
                worker, left = Worker(readers, limits), BATCH
            outcome, left = worker.read(path), left - 1
            report.add(name, outcome)
            if outcome.fault:
                print(f"{name}: {outcome.fault}", flush=True)
                if out is not None:
                    out.mkdir(parents=True, exist_ok=True)
                    (out / name).write_bytes(data)
            if outcome.fault or not left:
                worker.end()
                worker = None
        if worker is not None:
            worker.end()
    report.seconds = time.perf_counter() - start
    return report


class Worker:
    """A process that reads files."""

    def __init__(self, readers: tuple[Reader, ...], limits: Bounds) -> None:
        self.limits = limits
        spawning = multiprocessing.get_context("spawn")
        self.connection, theirs = spawning.Pipe()
        self.process = spawning.Process(target=serve, args=(theirs, readers, limits), daemon=True)
        self.process.start()
        theirs.close()
        self.connection.recv()  # once it has imported what it needs

    def read(self, path: Path) -> Outcome:
        """What comes of this file; the process is to be ended where that is a fault."""
        self.connection.send(path)
        if not self.connection.poll(self.limits.seconds):
            return Outcome(1, f"not read within {self.limits.seconds:g} s", self.limits.seconds)
        try:
            return self.connection.recv()
        except EOFError:
            self.process.join()
            code = self.process.exitcode
            return Outcome(1, f"ends the process: {signal.Signals(-code).name if code < 0 else code}")

    def end(self) -> None:
        """Stop the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def serve(connection: Connection, readers: tuple[Reader, ...], limits: Bounds) -> None:
    """Read files, whose paths come through the connection, until it is closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff puts lines there
    room = 2**20 * int(memory_of_process("VmSize") + ROOM)
    resource.setrlimit(resource.RLIMIT_AS, (room, room))  # so that the machine stays usable
    before = memory_of_process("VmHWM")
    connection.send("ready")
    while True:
        path, highest, start = connection.recv(), memory_of_process("VmHWM"), time.perf_counter()
        looked = [look(reader, path) for reader in readers]
        seconds, now = time.perf_counter() - start, memory_of_process("VmHWM")
        megabytes = now - before if now > highest else 0  # else it is another file's
        faults = [fault for _, fault in looked if fault]
        if megabytes > limits.megabytes:
            faults.append(f"takes {megabytes:.0f} MB")
        connection.send(Outcome(looked[0][0], "; ".join(dict.fromkeys(faults)), seconds, megabytes))


def look(reader: Reader, path: Path) -> tuple[int, str]:
    """The exit code that reading this file ends with, and what is wrong with how it ends, or nothing."""
    try:
        found = reader(path)
    except (InputError, LimitError) as error:
        return error.exit_code, wrong_refusal(error, path)
    except Exception as error:
        return 1, f"{type(error).__name__}: {error}"
    return 0, wrong_pixels(found) if isinstance(found, np.ndarray) else ""


def wrong_refusal(error: Exception, path: Path) -> str:
    """What is wrong with a refusal: it names the file, in one line that people can read; lack of memory is none."""
    text = str(error)
    if isinstance(error.__cause__, MemoryError):
        return "takes more memory than there is"
    if f"'{path}'" not in text:
        return f"does not name the file: {text}"
    if not text.isprintable():
        return f"is not one line of text: {text!r}"
    return f"is too long, {len(text)} characters: {text[:200]}" if len(text) > LONGEST else ""


def wrong_pixels(found: np.ndarray) -> str:
    """What is wrong with pixels: they are ``(H, W, 3)``, or ``(H, W, 4)`` with alpha, of 8 or 16 bits, not too many."""
    shape = found.shape
    fits = len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) >= MIN_SIDE and shape[0] * shape[1] <= MAX_PIXELS
    return "" if fits and found.dtype in (np.uint8, np.uint16) else f"gives {shape} of {found.dtype}"
