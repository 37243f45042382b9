"""Whether there is room for libraries that end the program, without an exception, where they find none."""

import os
import re
import sys
from contextlib import suppress
from importlib.abc import MetaPathFinder
from pathlib import Path

from impasto.errors import LimitError
from impasto.tensors import space_left

MB = 2**20

SPACE = {"numpy": (80 * MB, 40 * MB), "torch": (480 * MB, 8 * MB)}
"""Bytes of addresses that importing it takes, and for each thread after the first: NumPy's OpenBLAS has a buffer and a
stack for it, OpenMP a stack. Measured with torch 2.13 for CPUs; that for GPUs takes more: an ImportError tells."""

MEMORY = {"numpy": 0, "torch": 125 * MB}
"""Bytes of memory that importing it fills, where that is much."""


class Room(MetaPathFinder):
    """Asks before such a library is imported, whoever imports it; it finds none itself."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname in SPACE and sys.platform == "linux":
            with suppress(OSError):  # where Linux does not tell, it is tried
                check_room(fullname)


ROOM = Room()


def watch_room() -> None:
    """From now on."""
    if ROOM not in sys.meta_path:
        sys.meta_path.insert(0, ROOM)


def check_room(library: str) -> None:
    """Raise LimitError where it, or NumPy if that comes along, would not find what it needs."""
    libraries = {library} | ({"numpy"} - sys.modules.keys())
    space = sum(SPACE[name][0] + SPACE[name][1] * (threads_of(name) - 1) for name in libraries)
    if (left := space_left()) < space:
        raise LimitError(
            f"not enough memory to begin: {library} takes {space // MB} MB, and {left // MB} MB are left of what this "
            "program is allowed (ulimit -v): allow more"
        )
    if (left := memory_left()) < MEMORY[library]:
        raise LimitError(
            f"not enough memory to begin: {library} takes {MEMORY[library] // MB} MB, and {left // MB} MB are free: "
            "end other programs"
        )


def threads_of(library: str) -> int:
    """Those that it will have."""
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    said = [os.environ.get(name, "").partition(",")[0] for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")]
    of_blas, of_all = (int(number) if number.isdecimal() and int(number) else None for number in said)
    return min(of_blas or of_all or cpus, cpus) if library == "numpy" else of_all or cpus


def memory_left() -> int:
    """Bytes that are free, in memory or where it is swapped to."""
    told = dict(re.findall(r"(\w+): +(\d+) kB", Path("/proc/meminfo").read_text()))
    return 1024 * (int(told["MemAvailable"]) + int(told.get("SwapFree", 0))) if "MemAvailable" in told else sys.maxsize
