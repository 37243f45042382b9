"""How long one waits for a first sign: for ``impasto --help``, and for the first picture of a run.

    python -m benchmarks.startup

The least of some runs each, every one a process of its own, from its start.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

IMPASTO = [sys.executable, "-m", "impasto"]


def help_seconds() -> float:
    began = time.perf_counter()
    subprocess.run([*IMPASTO, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def picture_seconds(size: int) -> tuple[float, float]:
    """Until the first picture that ``--save-every`` leaves, and until the first one of the full size."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.png"
        options = ["--size", str(size), "--save-every", "2", "--quiet", "-o", str(out)]
        began, first = time.time(), math.inf
        with subprocess.Popen([*IMPASTO, "stylize", "sample:chelsea", "sample:swirl", *options]) as run:
            while run.poll() is None:
                time.sleep(0.01)
                for path in out.parent.glob("out-*.png"):  # whole, once they are there
                    when = path.stat().st_mtime - began
                    first = min(first, when)
                    with Image.open(path) as picture:
                        if max(picture.size) == size:
                            run.kill()
                            return first, when
        raise SystemExit("the run left no picture of its size")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="long side in px")
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    print(f"impasto --help: {min(help_seconds() for _ in range(args.rounds)):.2f} s")
    pictures = [picture_seconds(args.size) for _ in range(args.rounds)]
    print(f"first picture, {args.size} px: {min(first for first, _ in pictures):.2f} s")
    print(f"first picture of the full size: {min(full for _, full in pictures):.2f} s")


if __name__ == "__main__":
    main()
