"""Feed damaged pictures to the decoder: ``python -m tools.fuzz --minutes 10``.

Each is read, or refused with exit code 3 or 4 in one line that names it, within 5 seconds and 1,500 MB. Those that are
not are kept in the folder ``--out``; ``python -m tools.fuzz FILE…`` tries them again. The exit code is 1 where there
are any.

With ``--coverage`` (``pip install atheris``) mutations go on from those that have reached new code, which are kept in
``--corpus``; the first file that is wrong ends it.
"""

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Read the command line, feed the decoder, and tell what came of it: the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("again", nargs="*", type=Path, metavar="FILE", help="read these, as they are")
    parser.add_argument("--minutes", type=float, default=1, help="how long (default: %(default)s)")
    parser.add_argument("--files", type=int, metavar="N", help="so many, however long it takes")
    parser.add_argument("--seed", type=int, default=0, help="other numbers are other mutations (default: %(default)s)")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="more pictures to mutate")
    parser.add_argument("--out", type=Path, default=Path("fuzz-found"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes (default: %(default)s)")
    parser.add_argument("--coverage", action="store_true", help="mutations led by what code they reach, with atheris")
    parser.add_argument("--hostile", action="store_true", help="tell instead what it takes to read costly files")
    options = parser.parse_args()
    if options.coverage:
        from .coverage import explore  # before all that it instruments

        explore(options.corpus, options.out, options.minutes, options.seed)
    from .hostile import hostile, measure
    from .workers import examine, feed

    if options.hostile:
        measure(hostile())
        return 0
    if options.again:
        report = examine((str(file), file.read_bytes()) for file in options.again)
    else:
        report = feed(options.corpus, options.out, options.minutes, options.files, options.seed, options.jobs)
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
