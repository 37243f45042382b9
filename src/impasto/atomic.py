"""A file appears whole or not at all."""

import errno
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A binary file to write to that becomes ``path`` at the end of the block, and vanishes if the block fails.

    Written beside ``path`` under a hidden name, flushed to disk, then moved into place in one step, so that a reader
    sees the file before or the file after, never a part. A link is followed: the file it points to is replaced, the
    link stays. Raises OSError as writing does, and where a pipe, a device or a folder is there, which are never
    replaced. Only SIGKILL or a power cut can leave the hidden ``.part`` file behind, until the same file is written
    again.
    """
    destination = Path(os.path.realpath(path))
    if destination.exists() and not destination.is_file():
        raise FileExistsError(errno.EEXIST, "no ordinary file", str(path))
    with _part_of(destination) as part:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(destination)
    _sync_folder(destination.parent)


@contextmanager
def _part_of(destination: Path) -> Iterator[Path]:
    """A new file beside it, which nobody else takes for one that was left; it is gone at the end of the block."""
    remove_left(destination)
    while True:
        part = destination.with_name(_hidden(destination, secrets.token_hex(8)))
        try:
            with part.open("xb") as file:
                if sys.platform == "win32":
                    file.close()  # or it could not be moved
                else:
                    with suppress(OSError):  # not every file system has locks
                        fcntl.flock(file, fcntl.LOCK_EX)
                if part.exists():  # or it was taken for one before it was locked
                    yield part
                    return
        finally:
            part.unlink(missing_ok=True)


def remove_left(path: Path) -> None:
    """Remove the parts of a file that a process which was killed has left, where that can be told: whoever writes one
    has locked it."""
    destination = Path(os.path.realpath(path))
    for part in destination.parent.glob(_hidden(destination, "*")):
        if sys.platform != "win32":
            with suppress(OSError), part.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()


def _hidden(destination: Path, which: str) -> str:
    """The name of a part, which is short where the file's own is long."""
    return f".{hashlib.sha256(os.fsencode(destination.name)).hexdigest()[:16]}-{which}.part"


def _sync_folder(folder: Path) -> None:
    # Not every platform and file system can do this; the file is whole either way, so failing here would be a lie.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
