"""What a process can tell of its memory, without torch."""

import ctypes
import re
from pathlib import Path


def memory_of_process(what: str) -> float:
    """MiB: ``VmRSS`` at the moment, ``VmHWM`` at its highest. (getrusage would tell the parent's peak too.)"""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{what}:\s*(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def memory_in_use() -> float:
    """MiB at the moment, once glibc has given back what is free."""
    ctypes.CDLL(None).malloc_trim(0)
    return memory_of_process("VmRSS")
