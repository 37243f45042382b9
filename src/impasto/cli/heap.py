"""What glibc does with memory that is freed."""

import ctypes
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impasto.tiling import Plan

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # malloc.h

KEEPING = 1.5
"""What a run takes that keeps all freed memory, of what is planned: 1.4 to 1.5 were measured, in two thirds to four
fifths of the time."""

LARGE, ALL = 2**22, 2**20
"""Bytes, of the least block that goes back: where memory is wanted, and where it is scarce."""


def keep_freed_memory() -> None:
    """Ask glibc to hand freed memory out again, and not back to Linux: a tenth of the time of a run goes into that, and
    more of that of a large picture."""
    if (libc := with_mallopt()) is not None:
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_MMAP_MAX, 0)


def suit(plan: "Plan", memory: int) -> None:
    """Hold less of what is freed where a run with this ``plan`` needs it, in so many bytes of memory."""
    if plan.scarce:
        give_back_blocks(ALL)
    elif plan.side is not None or KEEPING * plan.bytes > memory:
        give_back_blocks(LARGE)


def give_back_blocks(size: int) -> None:
    """Those of so many bytes and more: in between smaller ones, what is freed of them would lie in pieces that fit
    nothing. Of what is free at the end of the heap 256 MiB are kept, or less."""
    if (libc := with_mallopt()) is not None:
        libc.mallopt(M_TRIM_THRESHOLD, min(2**28, 8 * size))
        libc.mallopt(M_MMAP_THRESHOLD, size)
        libc.mallopt(M_MMAP_MAX, 2**16)


def give_back_what_is_free() -> None:
    """All of it, once: what was read and is no longer wanted lies in pieces, between which nothing large fits."""
    if (libc := with_mallopt()) is not None:
        libc.malloc_trim(0)


def with_mallopt() -> ctypes.CDLL | None:
    """The C library, if it is glibc."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "mallopt") else None
