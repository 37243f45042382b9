"""A file appears whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A binary file to write to that becomes ``path`` at the end of the block, and vanishes if the block fails.

    Written beside ``path`` under a hidden name, flushed to disk, then moved into place in one step, so that a reader
    sees the file before or the file after, never a part. A link is followed: the file it points to is replaced, the
    link stays. Raises OSError as writing does, and where a pipe, a device or a folder is there, which are never
    replaced. Only SIGKILL or a power cut can leave the hidden ``.part`` file behind.
    """
    destination = Path(os.path.realpath(path))
    if destination.exists() and not destination.is_file():
        raise FileExistsError(errno.EEXIST, "no ordinary file", str(path))
    temporary = destination.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(destination)
        _sync_folder(destination.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    # Not every platform and file system can do this; the file is whole either way, so failing here would be a lie.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
