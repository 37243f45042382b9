"""What busy neighbours cost: a run alone, and beside programs that keep every core busy; with OpenMP's waiting threads
soon asleep (impasto's choice), at once (passive), and spinning for a while (torch's own).

    python -m benchmarks.company

A default run each, a process of its own, in turn; what is told is the least of some, and ratios. On n cores with n busy
neighbours a fair share is half of the machine, so a ratio of 2.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RUN = "from impasto.__main__ import main; main()"
PROGRAMS = {
    "impasto's": ["-m", "impasto"],
    "passive": ["-c", f"import os; os.environ['OMP_WAIT_POLICY'] = 'passive'; {RUN}"],
    "torch's own": ["-c", f"import torch; {RUN}"],  # OpenMP is there before impasto is
}

SPINNING = "import os; os.environ['GOMP_SPINCOUNT'] = '{}'; " + RUN


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many programs that do nothing but use a core each."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in busy:
            program.kill()
            program.wait()


def seconds(program: list[str], size: int) -> float:
    """Of the whole program."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = ["sample:chelsea", "sample:swirl", "-o", str(Path(folder) / "out.png")]
        command = [sys.executable, *program, "stylize", *pictures, "--size", str(size), "--quiet"]
        env = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
        began = time.perf_counter()
        subprocess.run(command, env=env, check=True)
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--spins", type=int, nargs="*", default=[], help="other spin counts to try")
    parser.add_argument("--neighbours", type=int, default=os.cpu_count())
    args = parser.parse_args()
    found: dict[tuple[str, int], list[float]] = {}
    others = {f"spin {n}": ["-c", SPINNING.format(n)] for n in args.spins}
    for _ in range(args.runs):
        for policy, program in (PROGRAMS | others).items():
            for count in (0, args.neighbours):
                with neighbours(count):
                    found.setdefault((policy, count), []).append(seconds(program, args.size))
    least = {at: min(times) for at, times in found.items()}
    print(f"{args.size} px{'alone, s':>12}{f'beside {args.neighbours}, s':>14}{'ratio':>8}")
    for policy in PROGRAMS | others:
        alone, beside = least[policy, 0], least[policy, args.neighbours]
        print(f"{policy:12}{alone:6.1f}{beside:14.1f}{beside / alone:8.2f}")


if __name__ == "__main__":
    main()
