"""Mutations by libFuzzer, led by what they reach of the decoder's Python code: impasto's, Pillow's and tifffile's."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "tifffile", "impasto.images"]):
    from .corpus import corpus
    from .workers import READERS, Bounds, look


def explore(folder: Path | None, out: Path, minutes: float, seed: int) -> None:
    """Have files made and read until something is wrong with one, which is kept in ``out``; ends the process."""
    limits, temporary = Bounds(), Path(tempfile.mkdtemp())
    folder = folder or temporary / "corpus"
    for place in (folder, out):
        place.mkdir(parents=True, exist_ok=True)
    for name, data in corpus().items():
        (folder / name.replace(" ", "-")).write_bytes(data)
    path = temporary / "picture"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for reader in READERS:
            fault = look(reader, path)[1]
            if fault:
                raise AssertionError(fault)

    told = {"max_total_time": round(60 * minutes), "timeout": round(limits.seconds), "rss_limit_mb": limits.megabytes,
            "max_len": 30_000, "seed": seed, "artifact_prefix": f"{out}/", "close_fd_mask": 2}  # fmt: skip
    atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in told.items()), str(folder)], read)
    atheris.Fuzz()
