"""Paint every sample picture: ``python -m tools.paint_samples --out FOLDER --size 1024``."""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageFile

from . import composition, mosaic, pointillist, sunflowers, swirl, wave

PAINTINGS: dict[str, Callable[[int], Image.Image]] = {
    "swirl": swirl.paint,
    "mosaic": mosaic.paint,
    "wave": wave.paint,
    "pointillist": pointillist.paint,
    "composition": composition.paint,
    "sunflowers": sunflowers.paint,
}
QUALITIES = range(90, 50, -1)


def encode(picture: Image.Image, limit: int) -> tuple[bytes, int]:
    """Give JPEG data of the best quality that stays within ``limit`` bytes, and that quality."""
    # Pillow's first guess at the buffer is too small for such busy pictures
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 4 * picture.width * picture.height)
    data, quality = b"", 0
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
        data = buffer.getvalue()
        if len(data) <= limit:
            break
    return data, quality


def main() -> None:
    """Read the command line and write the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tools.paint_samples", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the JPEG files")
    parser.add_argument("--size", type=int, default=1024, help="long side in pixels (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=425, help="largest file size in kilobytes (default: %(default)s)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(PAINTINGS)}")
    options = parser.parse_args()
    unknown = set(options.names) - set(PAINTINGS)
    if unknown:
        parser.error(f"unknown painting: {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or PAINTINGS:
        start = time.perf_counter()
        data, quality = encode(PAINTINGS[name](options.size), options.limit * 1000)
        (options.out / f"{name}.jpg").write_bytes(data)
        print(f"{name}.jpg  {len(data) / 1000:.0f} kB  quality {quality}  {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
