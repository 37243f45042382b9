"""Tensors that lie in files while nothing looks at them, for runs that have more of them than memory."""

import ctypes
import math
import os
import sys
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from impasto.errors import LimitError

DONTNEED = 4
"""Of Linux and macOS: pages that are mapped are given back, and read again when they are looked at."""


class Disk:
    """A folder for tensors, each in a file that has no name any more: it goes when its tensor does, or the program.

    Linux keeps of these files what fits in memory that nobody wants. ``rest`` takes all else of them out of this
    process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tensors: list[weakref.ref[Tensor]] = []

    def empty(self, shape: Sequence[int], dtype: torch.dtype, *, first_is_last: bool = False) -> Tensor:
        """A tensor of zeros; in memory its first dimension may come last, so that a part of a map lies together. Raises
        LimitError where there is no room."""
        size = math.prod(shape)
        try:
            found = self.mapped(size, dtype)
            found = found.view(*shape[1:], shape[0]).movedim(-1, 0) if first_is_last else found.view(tuple(shape))
        except OSError as error:
            raise LimitError(
                f"no room in '{self.folder}' for {size * dtype.itemsize / 1e9:.1f} GB ({error.strerror}): free some, "
                "name another folder in IMPASTO_CACHE, or allow more `memory`"
            ) from error
        self.tensors = [ref for ref in self.tensors if ref() is not None] + [weakref.ref(found)]
        return found

    def mapped(self, size: int, dtype: torch.dtype) -> Tensor:
        """Zeros in a new file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="impasto-", dir=self.folder)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, size * dtype.itemsize)  # or else a full disk is a bus error later
            return torch.from_file(name, shared=True, size=size, dtype=dtype)
        finally:
            os.close(handle)
            with suppress(PermissionError):  # Windows deletes no file that is in use
                Path(name).unlink()

    def put(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """``x`` in that precision, on the disk."""
        found = self.empty(x.shape, dtype)
        found.copy_(x)
        return found

    def rest(self) -> None:
        """Nothing is looked at for a while: what is in memory of these tensors may go."""
        if sys.platform == "win32":
            return
        libc = ctypes.CDLL(None)
        for ref in self.tensors:
            if (x := ref()) is not None:
                libc.madvise(ctypes.c_void_p(x.data_ptr()), ctypes.c_size_t(x.nbytes), DONTNEED)
