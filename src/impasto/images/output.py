"""Picture files that are written: their formats, and what can be found out about one before a long run."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from impasto.errors import InputError, UsageError
from impasto.images.decoding import locate

WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {"compression": "zlib", "predictor": True}),
    ".tiff": ("TIFF", {"compression": "zlib", "predictor": True}),
}
"""What is written: the format for each suffix, and options of what writes it: tifffile for TIFF, Pillow otherwise."""

LEAST_DPI, MOST_DPI = 1, 30_000

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""px. JPEG's own limit is 65,535, and libjpeg's this."""


def check_output(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = (), *, bits: int = 8) -> None:
    """Find out before a long run whether ``write`` can save to ``path`` without touching any of ``inputs``.

    Raises UsageError for a suffix that is not written, or not with so many ``bits``, a folder, a pipe, a device, or one
    of the inputs (under any name: links count); InputError for a folder that does not exist or may not be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder: name a file in it")
    if path.exists() and not path.is_file():
        raise UsageError(f"'{path}' is a pipe or a device: name a file, or - for stdout")
    writer_of(path, bits=bits)
    for source in map(locate, inputs):
        if path.exists() and source.exists() and path.samefile(source):
            raise UsageError(f"'{path}' is the same file as the input '{source}': name another, inputs stay unchanged")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise InputError(f"the folder of '{path}' does not exist: create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the folder of '{path}' may not be written to: save elsewhere")


def check_size(path: str | os.PathLike[str], width: int, height: int) -> None:
    """Find out before a long run whether a picture so large can be saved to ``path``. Raises UsageError where its
    format has no such pictures."""
    writer_of(Path(path), size=(width, height))


def check_dpi(dpi: int | float | None) -> None:
    """Raise UsageError for a resolution, in pixels per inch, that no printer has."""
    if dpi is not None and not LEAST_DPI <= dpi <= MOST_DPI:
        raise UsageError(f"`dpi`: from {LEAST_DPI} to {MOST_DPI:,} is expected, not {dpi:g}")


def writer_of(
    path: Path, format: str | None = None, bits: int = 8, size: tuple[int, int] = (0, 0)
) -> tuple[str, dict[str, Any]]:
    """Format and options, an entry of ``WRITERS``, for a path, or for a ``format`` by its name. Raises UsageError for
    what is not written, or not with so many ``bits``, or in this ``size``."""
    writer = WRITERS.get(path.suffix.lower() if format is None else f".{format.lower()}")
    if writer is None and format is not None:
        raise UsageError(f"`format`: one of {', '.join(suffix[1:] for suffix in WRITERS)} is expected, not '{format}'")
    if writer is None:
        raise UsageError(f"'{path}' does not say what kind of picture to save: end it with {', '.join(WRITERS)}")
    if bits not in (8, 16) or (bits == 16 and writer[0] != "TIFF"):
        raise UsageError(f"`bits`: a picture has 8 for each colour, or 16 as TIFF, not {bits} in '{path}'")
    longest = LONGEST_SIDE.get(writer[0], max(size))
    if max(size) > longest:
        raise UsageError(
            f"'{path}' cannot be {size[0]} x {size[1]} px: {writer[0]} has at most {longest:,} on a side; "
            "save it as .png or .tif, or choose a smaller `size`"
        )
    return writer
